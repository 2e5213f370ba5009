"""Recurrent networks over whole sequences: LSTM, GRU and the simple recurrent unit.

A mask says which steps count; a step that does not leaves the state as it is, and its output is
that state. Going backwards, steps are taken from the last to the first, and outputs come in the
order in which they were computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function, is_grad_enabled
from weft.tensor import Tensor, as_tensor

__all__ = ["lstm"]


def _raw(x: Tensor | None) -> Any:
    return None if x is None else x._data


def _differentiable_once_more(
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


def _over_steps(
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


def _zeros(x: Tensor, units: int) -> Tensor:
    return ops.zeros((x.shape[0], units), dtype=x.dtype, device=x.device)


def _in_dtypes(
    gradients: Sequence[Tensor | None], operands: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """Gradients in the dtypes of their operands; none where there is no operand."""
    pairs = zip(gradients, operands, strict=True)
    return [None if g is None or x is None else ops.cast(g, x.dtype) for g, x in pairs]


def _operands(x: Any, *others: Any) -> list[Tensor | None]:
    x = as_tensor(x)
    return [x, *(None if o is None else as_tensor(o, near=x) for o in others)]


def _pair_of_states(op: str, initial_state: Any) -> tuple[Any, Any]:
    if initial_state is None:
        return None, None
    if not isinstance(initial_state, (list, tuple)) or len(initial_state) != 2:
        raise ValueError(
            f"{op}: initial_state must be a list of two tensors, h and c, got {initial_state!r}"
        )
    return tuple(initial_state)  # type: ignore[return-value]  # of length two


# --- LSTM ----------------------------------------------------------------------------------------


class LSTM(Function):
    """Saves its operands, and for each step what it read, its four gates and c.

    The operands are for gradients of gradients alone.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Any,
        kernel: Any,
        recurrent_kernel: Any,
        bias: Any,
        h0: Any,
        c0: Any,
        mask: Any,
        go_backwards: bool,
        sequences: bool,
    ) -> Any:
        save = any(ctx.needs_grad)
        y, h, c, inputs, gates, cells = _C.lstm(
            x, kernel, recurrent_kernel, bias, h0, c0, mask, go_backwards, sequences, save
        )
        ctx.save(x, kernel, recurrent_kernel, bias, h0, c0, mask, inputs, gates, cells)
        ctx.go_backwards, ctx.sequences = go_backwards, sequences
        return (y, h, c) if sequences else (h, c)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        *operands, mask, inputs, gates, cells = ctx.saved
        if is_grad_enabled():

            def composed(*twins: Any) -> Any:
                return _composed_lstm(*twins, mask, ctx.go_backwards, ctx.sequences)

            found = _differentiable_once_more(composed, operands, ctx.needs_grad, grads)
            return (*found, None, None, None)
        dy, dh, dc = grads if ctx.sequences else (None, *grads)
        _, kernel, recurrent_kernel, _, _, c0 = operands
        raw = _C.lstm_backward(
            _raw(dy),
            _raw(dh),
            _raw(dc),
            kernel._data,
            recurrent_kernel._data,
            _raw(c0),
            _raw(mask),
            inputs._data,
            gates._data,
            cells._data,
            ctx.go_backwards,
            ctx.needs_grad[0],
        )
        found = [None if g is None else Tensor(g) for g in raw]
        return (*_in_dtypes(found, operands), None, None, None)


def _composed_lstm(
    x: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor | None,
    h: Tensor | None,
    c: Tensor | None,
    mask: Tensor | None,
    go_backwards: bool,
    sequences: bool,
) -> tuple[Tensor, ...]:
    units = recurrent_kernel.shape[0]

    def step(x_t: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        h, c = states
        z = ops.linear(x_t, kernel, bias) + ops.matmul(h, recurrent_kernel)
        i, f, g, o = (z[:, k * units : (k + 1) * units] for k in range(4))
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        return ops.sigmoid(o) * ops.tanh(c), c

    start = (_zeros(x, units) if h is None else h, _zeros(x, units) if c is None else c)
    return _over_steps(step, x, start, mask, go_backwards, sequences)


def lstm(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """A long short-term memory over sequences.

    The gates stand side by side in the kernels, in the order input, forget, cell, output. All
    inputs of a step and its state are multiplied with all gates' weights at once.

    Args:
        x: Sequences (N, T, F).
        kernel: Weights of the inputs (F, 4 U).
        recurrent_kernel: Weights of the state (U, 4 U).
        bias: (4 U,), or None.
        initial_state: A list of h (N, U) and c (N, U); zeros if None.
        mask: Which steps count (N, T), bool; all if None.
        go_backwards: Begin with the last step.
        return_sequences: Give the outputs of all steps, not only the last.

    Returns:
        The outputs (N, T, U), or the last one (N, U); h and c after the last step, both (N, U).

    Raises:
        TypeError: If the operands are no floats, or the mask is not bool.
        ValueError: If shapes do not fit.

    Example:
        >>> import weft
        >>> y, h, c = weft.ops.lstm(weft.ones((2, 5, 3)), weft.ones((3, 16)), weft.ones((4, 16)))
        >>> y.shape, h.shape, c.shape
        ((2, 5, 4), (2, 4), (2, 4))

    Source: Hochreiter, Schmidhuber: Long Short-Term Memory, Neural Computation 9(8), 1997, with the
    forget gate of Gers, Schmidhuber, Cummins 2000.
    """
    h0, c0 = _pair_of_states("lstm", initial_state)
    operands = _operands(x, kernel, recurrent_kernel, bias, h0, c0, mask)
    results = LSTM.apply(*operands, bool(go_backwards), bool(return_sequences))
    if return_sequences:
        y, h, c = results
        return y, h, c
    h, c = results
    return h, h, c
