"""Walking the recorded graph: `backward` and `grad`.

The walk itself, from the newest node to the oldest, is in csrc/bindings/autograd_walk.cpp. A
`Function.backward` is written in public operations on tensors, so walking with
``create_graph=True`` records the gradients' own operations and gives gradients of gradients.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from weft import _C
from weft.autograd.recording import Node, enable_grad
from weft.errors import shown
from weft.tensor import Tensor, as_tensor

# What a gradient arrives at: an output of a node, named by the edge to it, or a leaf, named by its
# id (tensors compare element by element, so they are no keys themselves). An edge is made when the
# operation is recorded; taking it as the key saves a tuple for each step of the walk.
_Key = tuple[Node, int] | int

_sequence_of = operator.attrgetter("sequence")


def _reachable(roots: Iterable[Node]) -> list[Node]:
    """All nodes behind `roots`, newest first: an operation comes before what it was made from."""
    seen: set[Node] = set(roots)
    stack = list(seen)
    while stack:
        for edge in stack.pop().edges:
            if edge is not None and edge[1] is not None and edge[0] not in seen:
                seen.add(edge[0])
                stack.append(edge[0])
    return sorted(seen, key=_sequence_of, reverse=True)


def _needed(nodes: list[Node], targets: set[_Key]) -> set[Node]:
    """Those of `nodes` (newest first) through which a gradient can reach `targets`."""
    needed: set[Node] = set()
    for node in reversed(nodes):
        for edge in node.edges:
            if edge is None:
                continue
            reaches = (
                id(edge[0]) in targets if edge[1] is None else edge[0] in needed or edge in targets
            )
            if reaches:
                needed.add(node)
                break
    return needed


def _key(tensor: Tensor) -> _Key:
    return id(tensor) if tensor._node is None else (tensor._node, tensor._index)


class MissingGradientError(RuntimeError, ValueError):
    """The result depends on nothing that could receive a gradient.

    A RuntimeError, as in PyTorch, and a ValueError, as in Keras, where `fit` meets a model without
    a gradient.
    """


def _apply_hooks(hooks: Iterable[Callable[[Tensor], Tensor | None]], gradient: Tensor) -> Tensor:
    for hook in hooks:
        replaced = hook(gradient)
        if replaced is not None:
            gradient = replaced
    return gradient


def _no_history(output: Tensor, what: str) -> str:
    message = f"{what}: the result does not depend on any tensor that requires a gradient"
    if output._severed is not None:
        op, reason = output._severed
        message += f"; the path is broken by {op}, which has no gradient: {reason}"
    return message


def _seed(output: Tensor, gradient: Tensor | None, what: str) -> Tensor:
    if not output._requires_grad:
        raise MissingGradientError(_no_history(output, what))
    if gradient is None:
        if output._data.size != 1:
            raise RuntimeError(
                f"{what}: the output has shape {output.shape}, but only a scalar has an implicit "
                "gradient; reduce it with .sum() or .mean(), or pass the gradient"
            )
        return _C.one_like(output)
    gradient = as_tensor(gradient, dtype=output.dtype)
    if gradient.shape != output.shape:
        raise ValueError(
            f"{what}: the given gradient has shape {gradient.shape}, the output {output.shape}"
        )
    return gradient


def backward(
    output: Tensor,
    gradient: Tensor | None = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
) -> None:
    """Add the gradient of `output` to the `.grad` of every leaf it depends on.

    Args:
        output: A tensor made by recorded operations.
        gradient: The gradient of the final result with respect to `output`; may be left out for
            a single number.
        retain_graph: Keep the graph, so that `backward` can run again.
        create_graph: Record the gradients' own operations, for second derivatives.

    Returns:
        None.

    Raises:
        RuntimeError: If `output` has no history, is not a single number and no gradient is given,
            or its graph was freed.

    Example:
        >>> import weft
        >>> x = weft.tensor([1.0, 2.0], requires_grad=True)
        >>> weft.autograd.backward((x * x).sum())
        >>> x.grad.tolist()
        [2.0, 4.0]

    Follows torch.autograd.backward.
    """
    seed = _seed(output, gradient, "backward")
    _C.add_gradients(output, seed, retain_graph or create_graph, create_graph)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    *,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> Any:
    """Gradients of `outputs` with respect to `inputs`, without touching any `.grad`.

    Args:
        outputs: One tensor or several; with several, the gradients of their sum.
        inputs: One tensor or several: leaves or intermediate results.
        grad_outputs: Gradients of the final result with respect to `outputs`; None for scalars.
        retain_graph: Keep the graph for another walk. Default: `create_graph`.
        create_graph: Record the gradients' own operations, for second derivatives.
        allow_unused: Give None for an input that no output depends on, instead of an error.

    Returns:
        One gradient if `inputs` is one tensor, else a tuple.

    Raises:
        RuntimeError: If an input is not used and `allow_unused` is False.
        ValueError: If there are not as many `grad_outputs` as `outputs`.

    Example:
        >>> import weft
        >>> x = weft.tensor(3.0, requires_grad=True)
        >>> (dx,) = weft.grad([x * x * x], [x], create_graph=True)
        >>> float(dx), float(weft.grad(dx, x))
        (27.0, 18.0)

    Follows torch.autograd.grad.
    """
    one_input = isinstance(inputs, Tensor)
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    sources: list[Tensor] = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if grad_outputs is None:
        grad_outputs = [None] * len(outputs)
    elif isinstance(grad_outputs, Tensor):
        grad_outputs = [grad_outputs]
    if len(grad_outputs) != len(outputs):
        raise ValueError(f"grad: {len(grad_outputs)} gradients for {len(outputs)} outputs")
    seeds = [_seed(o, g, "grad") for o, g in zip(outputs, grad_outputs, strict=True)]
    keys = [_key(s) for s in sources]
    nodes = _reachable(o._node for o in outputs if o._node is not None)
    outer = _C.set_grad_enabled(create_graph)
    try:
        leaves, arrived_inside = _C.walk(
            outputs,
            seeds,
            create_graph if retain_graph is None else retain_graph,
            only=_needed(nodes, set(keys)),
            keep={key for key in keys if type(key) is tuple},
        )
        gradients = arrived_inside | {id(leaf): gradient for leaf, gradient in leaves}
        results = [gradients.get(key) for key in keys]
        for i, source in enumerate(sources):
            arrived = results[i]
            if source._hooks and source._node is None and arrived is not None:
                results[i] = _apply_hooks(source._hooks, arrived)
    finally:
        _C.set_grad_enabled(outer)
    if not allow_unused:
        for position, result in enumerate(results):
            if result is None:
                raise RuntimeError(
                    f"grad: input {position} (shape {sources[position].shape}) was not used to "
                    "compute the outputs; pass allow_unused=True to get None for it"
                )
    return results[0] if one_input else tuple(results)


def value_and_grad(function: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, Any]]:
    """A function that returns ``(value, gradient)`` of a scalar `function` of its first argument.

    Args:
        function: A function of a tensor, and of further arguments, that gives one number.

    Returns:
        A function of the same arguments.

    Raises:
        RuntimeError: When called, if the value is not a single number.
        TypeError: When called, if it is no tensor.

    Example:
        >>> import weft
        >>> value, slope = weft.value_and_grad(lambda x: x * x)(3.0)
        >>> float(value), float(slope)
        (9.0, 6.0)

    Follows jax.value_and_grad.
    """

    @functools.wraps(function)
    def wrapped(x: Any, *args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
        leaf = as_tensor(x).detach()
        leaf.requires_grad = True
        with enable_grad():
            value = function(leaf, *args, **kwargs)
        if not isinstance(value, Tensor):
            raise TypeError(f"value_and_grad: the function gave {shown(value)}, no tensor")
        return value.detach(), grad(value, leaf)

    return wrapped
