"""Views of one shape for tensors of several, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.errors import integers
from weft.ops.operands import first_tensor
from weft.ops.shape import axes_of
from weft.tensor import Tensor, as_tensor

__all__ = [
    "broadcast_arrays",
    "broadcast_to",
    "sum_to_shape",
]


class BroadcastTo(Function):
    """Saves the shape; the gradient is summed over the axes that were repeated."""

    returns_view = True
    kernel = _C.broadcast_to
    saves = "nothing"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        shape, _ = ctx.like(0)
        return sum_to_shape(dy, shape), None


def broadcast_to(x: Any, shape: Any) -> Tensor:
    """A view of `x` repeated along axes of size 1 and new leading axes.

    Args:
        x: Tensor (...) of any shape.
        shape: Sizes of the axes of the result.

    Returns:
        Tensor of that shape, that shares the memory of `x`.

    Raises:
        ValueError: If `x` does not broadcast to the shape.
        TypeError: If `shape` does not hold integers, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.broadcast_to([[1], [2]], (2, 3)).tolist()
        [[1, 1, 1], [2, 2, 2]]

    Follows numpy.broadcast_to.
    """
    return BroadcastTo.apply(as_tensor(x), axes_of(shape))


def broadcast_arrays(*arrays: Any) -> list[Tensor]:
    """The tensors, each as a view of the shape they broadcast to together.

    Args:
        arrays: Tensors (...) of any shapes.

    Returns:
        Tensors (...) of one shape, that share the memory of the arguments.

    Raises:
        ValueError: If the shapes do not broadcast.
        TypeError: If an operand does not hold numbers.

    Example:
        >>> import weft
        >>> [t.shape for t in weft.broadcast_arrays([[1], [2]], [1, 2, 3])]
        [(2, 3), (2, 3)]

    Follows numpy.broadcast_arrays.
    """
    home = first_tensor(arrays)
    tensors = [as_tensor(a, near=home) for a in arrays]
    shape = _common_shape([t.shape for t in tensors])
    return [broadcast_to(t, shape) for t in tensors]


def _common_shape(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    ndim = max((len(s) for s in shapes), default=0)
    padded = [(1,) * (ndim - len(s)) + s for s in shapes]
    common = []
    for sizes in zip(*padded, strict=True):
        different = sorted({n for n in sizes if n != 1})
        if len(different) > 1:
            raise ValueError(f"broadcast: shapes {', '.join(map(str, shapes))} do not fit together")
        common.append(different[0] if different else 1)
    return tuple(common)


def sum_to_shape(x: Any, shape: tuple[int, ...]) -> Tensor:
    """`x` summed over the axes along which `shape` would be repeated to give that of `x`.

    The reverse of `broadcast_to`.

    Args:
        x: Tensor (...) of any shape.
        shape: Sizes of the axes of the result: a shape that broadcasts to that of `x`.

    Returns:
        Tensor of that shape.

    Raises:
        ValueError: If `shape` does not broadcast to that of `x`.
        TypeError: If `shape` does not hold integers, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.sum_to_shape([[1.0, 2.0], [3.0, 4.0]], (2, 1)).tolist()
        [[3.0], [7.0]]

    Follows torch.Tensor.sum_to_size.
    """
    x = as_tensor(x)
    if x.shape == shape:
        return x
    shape = integers("sum_to_shape", "shape", shape)
    lead = x.ndim - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, x.shape[lead:], strict=True)):
        raise ValueError(f"sum_to_shape: {shape} does not broadcast to the shape of x, {x.shape}")
    axes = tuple(range(lead)) + tuple(
        lead + i for i, n in enumerate(shape) if n == 1 and x.shape[lead + i] != 1
    )
    summed = ops.sum(x, axis=axes) if axes else x
    return summed if summed.shape == shape else ops.reshape(summed, shape)
