"""Matrix products and what is made of them."""

from __future__ import annotations

import math
from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function, is_grad_enabled
from weft.ops.rectifier import ReluGradient
from weft.tensor import Tensor, as_tensor

__all__ = ["dot", "inner", "linear", "matmul", "outer", "tensordot", "vdot", "vecdot"]


class MatMul(Function):
    """``op(x) @ op(y)``, where op may transpose; saves the factor that the other's gradient needs.

    The gradient of a product is again two products, with other transpositions, so gradients of any
    order stay within this class.
    """

    name = "matmul"
    kernel = _C.matmul

    @staticmethod
    def forward(
        ctx: Any, x: Any, y: Any, transpose_x: bool = False, transpose_y: bool = False
    ) -> Any:
        need_x, need_y = ctx.needs_grad[:2]
        if need_x or need_y:
            ctx.transposed = transpose_x, transpose_y
            ctx.shapes = x.shape, y.shape
            ctx.dtypes = x.dtype, y.dtype
            ctx.save(x if need_y else None, y if need_x else None)
        return _C.matmul(x, y, transpose_x, transpose_y)

    @staticmethod
    def backward(ctx: Any, dz: Tensor) -> Any:
        x, y = ctx.saved
        (x_shape, y_shape), (tx, ty) = ctx.shapes, ctx.transposed
        if len(x_shape) == 1 or len(y_shape) == 1:
            dx, dy = _vector_gradients(ctx, x, y, dz)
        else:
            dx = dy = None
            if y is not None:
                dx = MatMul.apply(y, dz, ty, True) if tx else MatMul.apply(dz, y, False, not ty)
                if len(dz.shape) > 2:
                    dx = ops.sum_to_shape(dx, x_shape)
            if x is not None:
                dy = _gradient_of_second(x, dz, tx, ty, y_shape)
        if dx is not None and dx.dtype != ctx.dtypes[0]:
            dx = ops.cast(dx, ctx.dtypes[0])
        if dy is not None and dy.dtype != ctx.dtypes[1]:
            dy = ops.cast(dy, ctx.dtypes[1])
        return dx, dy


def _gradient_of_second(
    x: Tensor, dz: Tensor, transpose_x: bool, transpose_y: bool, shape: tuple[int, ...]
) -> Tensor:
    if len(shape) == 2 and x.ndim > 2 and not transpose_x:
        # One matrix for the whole batch: the sum over the batch is part of one larger product.
        x, dz = _as_rows(x), _as_rows(dz)
    if transpose_y:
        dy = MatMul.apply(dz, x, True, transpose_x)
    else:
        dy = MatMul.apply(x, dz, not transpose_x, False)
    return dy if dy.ndim == 2 else ops.sum_to_shape(dy, shape)


def _as_rows(x: Tensor) -> Tensor:
    """All but the last axis as one."""
    *lead, last = x.shape
    return ops.reshape(x, (math.prod(lead), last))


def _vector_gradients(ctx: Any, x: Tensor | None, y: Tensor | None, dz: Tensor) -> tuple[Any, Any]:
    """As for matrices with the axis of length 1 that the product left out put back."""
    x_shape, y_shape = ctx.shapes
    z_shape = dz.shape
    row, column = len(x_shape) == 1, len(y_shape) == 1
    x_matrix = (1, *x_shape) if row else x_shape
    y_matrix = (*y_shape, 1) if column else y_shape
    if row and column:
        z_shape = (1, 1)
    elif column:
        z_shape = (*z_shape, 1)
    else:
        z_shape = (*z_shape[:-1], 1, z_shape[-1])
    dz = ops.reshape(dz, z_shape)
    dx = dy = None
    if y is not None:
        dx = MatMul.apply(dz, ops.reshape(y, y_matrix), False, True)
        dx = ops.reshape(ops.sum_to_shape(dx, x_matrix), x_shape)
    if x is not None:
        dy = _gradient_of_second(ops.reshape(x, x_matrix), dz, False, False, y_matrix)
        dy = ops.reshape(dy, y_shape)
    return dx, dy


def matmul(x: Any, y: Any) -> Tensor:
    """The matrix product ``x @ y``.

    Args:
        x: Tensor (..., M, K), or a vector (K,).
        y: Tensor (..., K, N), or a vector (K,). Leading axes are broadcast.

    Returns:
        Tensor (..., M, N); without M if `x` is a vector, without N if `y` is one. The dtype is the
        common one; half precision is computed in float32, integers wrap around.

    Raises:
        ValueError: If the inner sizes differ, or leading axes do not broadcast, or an operand has
            no axis.
        TypeError: If an operand does not hold numbers.

    Example:
        >>> import weft
        >>> weft.matmul([[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0]).tolist()
        [21.0, 43.0]

    Follows numpy.matmul.
    """
    if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
        x, y = as_tensor(x, near=y), as_tensor(y, near=x)
    return MatMul.apply(x, y)


# --- a layer's product, in one kernel ------------------------------------------------------------


class Linear(Function):
    """Saves x, the kernel, and y when a ReLU is fused (its gradient is dy where y > 0)."""

    @staticmethod
    def forward(ctx: Any, x: Any, kernel: Any, bias: Any, activation: str | None) -> Any:
        y = _C.linear(x, kernel, bias, activation)
        need_x, need_kernel, need_bias = ctx.needs_grad[:3]
        if need_x or need_kernel or need_bias:
            ctx.save(
                x if need_kernel else None,
                kernel if need_x else None,
                y if activation == "relu" else None,
            )
            dtype, of_kernel, of_bias = x.dtype, kernel.dtype, bias is not None and bias.dtype
            same = dtype is of_kernel and of_bias in (dtype, False)
            # One dtype for all is the rule: nothing to convert.
            ctx.dtypes = None if same else (dtype, of_kernel, of_bias)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, kernel, y = ctx.saved
        if not is_grad_enabled():
            # Nobody will differentiate the gradients again: all of them in one call.
            raw = _C.linear_backward(
                dy._data,
                None if x is None else x._data,
                None if kernel is None else kernel._data,
                None if y is None else y._data,
                ctx.needs_grad[2],
            )
            grads = tuple([None if g is None else Tensor(g) for g in raw])
            return grads if ctx.dtypes is None else _converted(grads, ctx.dtypes)
        if y is not None:
            dy = ReluGradient.apply(dy, y)
        dx = dkernel = dbias = None
        rows = dy if dy.ndim == 2 else _as_rows(dy)
        if kernel is not None:
            dx = MatMul.apply(dy if dy.ndim > 1 else rows, kernel, False, True)
            if dy.ndim == 1:
                dx = ops.reshape(dx, kernel.shape[:1])
        if x is not None:
            dkernel = MatMul.apply(x if x.ndim == 2 else _as_rows(x), rows, True, False)
        if ctx.needs_grad[2]:
            dbias = rows.sum(axis=0)
        grads = (dx, dkernel, dbias)
        return grads if ctx.dtypes is None else _converted(grads, ctx.dtypes)


def _converted(grads: Any, dtypes: Any) -> tuple[Tensor | None, ...]:
    return tuple(
        g if g is None or g.dtype == t else ops.cast(g, t)
        for g, t in zip(grads, dtypes, strict=True)
    )


def linear(x: Any, kernel: Any, bias: Any = None, activation: str | None = None) -> Tensor:
    """``activation(x @ kernel + bias)`` in one pass over the result.

    Args:
        x: Tensor (..., inputs), floating-point.
        kernel: Tensor (inputs, outputs).
        bias: Tensor (outputs,), or None.
        activation: None, ``"linear"`` or ``"relu"``.

    Returns:
        Tensor (..., outputs). Half precision is computed in float32.

    Raises:
        ValueError: If the shapes do not fit together or the activation cannot be fused.
        TypeError: If the operands are not floating-point.

    Example:
        >>> import weft
        >>> weft.ops.linear([[1.0, -2.0]], [[1.0, 2.0], [3.0, 0.5]], [0.5, 0.0], "relu").tolist()
        [[0.0, 1.0]]

    Follows torch.nn.functional.linear, but for the order of the kernel's axes.
    """
    x, kernel = as_tensor(x, near=kernel), as_tensor(kernel, near=x)
    bias = None if bias is None else as_tensor(bias, near=x)
    return Linear.apply(x, kernel, bias, activation)


# --- products of vectors and of many axes --------------------------------------------------------


def dot(x: Any, y: Any) -> Tensor:
    """The dot product as NumPy defines it: over the last axis of `x` and the second-last of `y`.

    Args:
        x: Tensor (..., K), or a single number.
        y: Tensor (..., K, N), a vector (K,), or a single number.

    Returns:
        Tensor with the other axes of `x`, then those of `y`. Up to two axes it equals `matmul`;
        with a single number it is the product.

    Raises:
        ValueError: If the sizes of the two axes differ.
        TypeError: If an operand does not hold numbers.

    Example:
        >>> import weft
        >>> float(weft.dot([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]))
        32.0

    Follows numpy.dot.
    """
    x, y = as_tensor(x, near=y), as_tensor(y, near=x)
    if x.ndim == 0 or y.ndim == 0:
        return ops.multiply(x, y)
    if y.ndim <= 2:
        return matmul(x, y)
    return tensordot(x, y, ((-1,), (-2,)))


def inner(x: Any, y: Any) -> Tensor:
    """Sums of products over the last axis of both.

    Args:
        x: Tensor (..., K), or a single number.
        y: Tensor (..., K), or a single number.

    Returns:
        Tensor with the leading axes of `x`, then those of `y`.

    Raises:
        ValueError: If the last axes differ in size.
        TypeError: If an operand does not hold numbers.

    Example:
        >>> import weft
        >>> weft.inner([[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0]).tolist()
        [21.0, 43.0]

    Follows numpy.inner.
    """
    x, y = as_tensor(x, near=y), as_tensor(y, near=x)
    if x.ndim == 0 or y.ndim == 0:
        return ops.multiply(x, y)
    return tensordot(x, y, ((-1,), (-1,)))


def outer(x: Any, y: Any) -> Tensor:
    """All products of an element of `x` and an element of `y`.

    Args:
        x: Tensor with M elements; several axes count as one.
        y: Tensor with N elements.

    Returns:
        Tensor (M, N).

    Raises:
        TypeError: If an operand does not hold numbers.

    Example:
        >>> import weft
        >>> weft.outer([1.0, 2.0], [3.0, 4.0, 5.0]).tolist()
        [[3.0, 4.0, 5.0], [6.0, 8.0, 10.0]]

    Follows numpy.outer.
    """
    x, y = as_tensor(x, near=y), as_tensor(y, near=x)
    return ops.multiply(ops.reshape(x, (x.size, 1)), ops.reshape(y, (1, y.size)))


def vdot(x: Any, y: Any) -> Tensor:
    """The dot product of all elements, whatever the shapes.

    Args:
        x: Tensor with K elements.
        y: Tensor with K elements.

    Returns:
        Tensor without axes.

    Raises:
        ValueError: If the numbers of elements differ.
        TypeError: If an operand does not hold numbers.

    Example:
        >>> import weft
        >>> float(weft.vdot([[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0], [2.0, 2.0]]))
        17.0

    Follows numpy.vdot.
    """
    x, y = as_tensor(x, near=y), as_tensor(y, near=x)
    if x.size != y.size:
        raise ValueError(
            f"vdot: x of shape {x.shape} has {x.size} elements and y of shape {y.shape} has "
            f"{y.size}; the numbers must be equal"
        )
    return matmul(ops.reshape(x, (x.size,)), ops.reshape(y, (y.size,)))


def vecdot(x: Any, y: Any, axis: int = -1) -> Tensor:
    """Dot products of the vectors along one axis of both.

    Args:
        x: Tensor (..., K).
        y: Tensor (..., K). The other axes are broadcast.
        axis: The axis that is summed over.

    Returns:
        Tensor of the broadcast shape without that axis.

    Raises:
        ValueError: If the sizes along the axis differ, or the others do not broadcast.
        IndexError: If `axis` is out of range.
        TypeError: If `axis` is no integer, or an operand does not hold numbers.

    Example:
        >>> import weft
        >>> weft.vecdot([[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0]).tolist()
        [21.0, 43.0]

    Follows numpy.linalg.vecdot.
    """
    x, y = as_tensor(x, near=y), as_tensor(y, near=x)
    if axis != -1:
        x, y = ops.moveaxis(x, axis, -1), ops.moveaxis(y, axis, -1)
    if x.ndim == 0 or y.ndim == 0 or x.shape[-1] != y.shape[-1]:
        raise ValueError(
            f"vecdot: x has shape {x.shape} and y has shape {y.shape} (axis {axis} moved to the "
            "end): the last sizes must be equal"
        )
    rows = ops.reshape(x, (*x.shape[:-1], 1, x.shape[-1]))
    columns = ops.reshape(y, (*y.shape, 1))
    products = matmul(rows, columns)
    return ops.reshape(products, products.shape[:-2])


def _axes_to_sum(axes: Any, x: Tensor, y: Tensor) -> tuple[list[int], list[int]]:
    if isinstance(axes, int):
        if not 0 <= axes <= min(x.ndim, y.ndim):
            raise ValueError(
                f"tensordot: {axes} axes cannot be summed over with shapes {x.shape} and {y.shape}"
            )
        return list(range(x.ndim - axes, x.ndim)), list(range(axes))
    if not isinstance(axes, (tuple, list)) or len(axes) != 2:
        raise TypeError(f"tensordot: axes must be an integer or two lists of axes, got {axes!r}")
    chosen = []
    for name, tensor, given in (("x", x, axes[0]), ("y", y, axes[1])):
        given = [given] if isinstance(given, int) else list(given)
        for axis in given:
            if not -tensor.ndim <= axis < tensor.ndim:
                raise IndexError(
                    f"tensordot: axis {axis} is out of range for {name} of shape {tensor.shape}"
                )
        chosen.append([axis % tensor.ndim for axis in given])
    return chosen[0], chosen[1]


def tensordot(x: Any, y: Any, axes: Any = 2) -> Tensor:
    """Sums of products over several axes of `x` and `y`.

    Args:
        x: Tensor of any shape.
        y: Tensor of any shape.
        axes: How many axes are summed over (the last of `x`, the first of `y`), or two lists that
            name them.

    Returns:
        Tensor with the remaining axes of `x`, then those of `y`.

    Raises:
        ValueError: If the sizes of the axes differ, or they are not equally many.
        IndexError: If an axis is out of range.
        TypeError: If `axes` is neither an integer nor two lists.

    Example:
        >>> import weft
        >>> weft.tensordot(weft.ones((2, 3, 4)), weft.ones((4, 3, 5)), ([1, 2], [1, 0])).shape
        (2, 5)

    Follows numpy.tensordot.
    """
    x, y = as_tensor(x, near=y), as_tensor(y, near=x)
    x_sum, y_sum = _axes_to_sum(axes, x, y)
    x_sizes, y_sizes = [x.shape[a] for a in x_sum], [y.shape[a] for a in y_sum]
    if x_sizes != y_sizes:
        raise ValueError(
            f"tensordot: axes {x_sum} of x (shape {x.shape}) have sizes {x_sizes}, but axes "
            f"{y_sum} of y (shape {y.shape}) have {y_sizes}; they must be equal"
        )
    if len(set(x_sum)) != len(x_sum) or len(set(y_sum)) != len(y_sum):
        raise ValueError(f"tensordot: axes {x_sum} of x and {y_sum} of y name an axis twice")
    x_keep = [a for a in range(x.ndim) if a not in x_sum]
    y_keep = [a for a in range(y.ndim) if a not in y_sum]
    x_shape, y_shape = [x.shape[a] for a in x_keep], [y.shape[a] for a in y_keep]
    summed = math.prod(x_sizes)
    left = ops.reshape(ops.transpose(x, x_keep + x_sum), (math.prod(x_shape), summed))
    right = ops.reshape(ops.transpose(y, y_sum + y_keep), (summed, math.prod(y_shape)))
    return ops.reshape(matmul(left, right), (*x_shape, *y_shape))
