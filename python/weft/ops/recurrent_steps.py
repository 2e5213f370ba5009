"""Recurrent networks step by step, in public operations: what gradients of gradients go through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from weft import ops
from weft.tensor import Tensor, as_tensor


def raw(x: Tensor | None) -> Any:
    """The array of an operand that may be absent."""
    return None if x is None else x._data


def differentiable_once_more(
    composed: Callable[..., Sequence[Tensor]],
    operands: Sequence[Tensor | None],
    needed: Sequence[bool],
    grads: Sequence[Tensor | None],
) -> list[Tensor | None]:
    """Gradients of ``composed(*operands)``, which is made of public operations."""
    from weft.autograd.engine import grad

    # Copies, so that an operand given twice has two gradients.
    twins = [None if x is None else ops.reshape(x, x.shape) for x in operands]
    results = composed(*twins)
    used = [(r, g) for r, g in zip(results, grads, strict=True) if g is not None]
    wanted = [i for i, need in enumerate(needed) if need and twins[i] is not None]
    found = grad(
        [r for r, _ in used],
        [twins[i] for i in wanted],  # type: ignore[misc]  # those that are there
        [g for _, g in used],
        create_graph=True,
        allow_unused=True,
    )
    gradients: list[Tensor | None] = [None] * len(operands)
    for i, gradient in zip(wanted, found, strict=True):
        gradients[i] = gradient
    return gradients


def over_steps(
    step: Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]],
    x: Tensor,
    states: tuple[Tensor, ...],
    mask: Tensor | None,
    go_backwards: bool,
    sequences: bool,
) -> tuple[Tensor, ...]:
    """``step(x_t, states)`` for all steps: outputs of all, if asked for, and the last states."""
    outputs = []
    count = x.shape[1]
    for t in reversed(range(count)) if go_backwards else range(count):
        new = step(x[:, t], states)
        if mask is not None:
            kept = mask[:, t : t + 1]
            new = tuple(ops.where(kept, n, s) for n, s in zip(new, states, strict=True))
        states = new
        outputs.append(states[0])
    if not sequences:
        return states
    if not outputs:
        return (states[0][:, None][:, :0], *states)
    return (ops.stack(outputs, axis=1), *states)


def state_or_zeros(x: Tensor, units: int, state: Tensor | None) -> Tensor:
    """`state`, or zeros if there is none."""
    if state is not None:
        return state
    return ops.zeros((x.shape[0], units), dtype=x.dtype, device=x.device)


def in_dtypes(
    gradients: Sequence[Tensor | None], operands: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """Gradients in the dtypes of their operands; none where there is no operand."""
    pairs = zip(gradients, operands, strict=True)
    return [None if g is None or x is None else ops.cast(g, x.dtype) for g, x in pairs]


def operands(x: Any, *others: Any) -> list[Tensor | None]:
    """Arguments as tensors, those beside x in its dtype where they are numbers."""
    x = as_tensor(x)
    return [x, *(None if o is None else as_tensor(o, near=x) for o in others)]
