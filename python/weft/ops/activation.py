"""Smooth activations, with gradients in one pass and second derivatives."""

from __future__ import annotations

import math
from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.tensor import Tensor, as_tensor

__all__ = [
    "exponential",
    "gelu",
    "log_sigmoid",
    "mish",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "swish",
    "tanh",
]

_NORMAL_DENSITY = 1.0 / math.sqrt(2.0 * math.pi)  # of the normal distribution at 0
_GELU_SCALE, _GELU_CUBIC = 2.0 * math.sqrt(2.0 / math.pi), 0.044715


def _sigmoid_slope(x: Tensor) -> Tensor:
    s = sigmoid(x)
    return s * (1.0 - s)


class Sigmoid(Function):
    kernel = _C.sigmoid
    saves = "result"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return SigmoidGradient.apply(dy, *ctx.saved)


class SigmoidGradient(Function):
    """dy times the slope, in one pass."""

    kernel = _C.sigmoid_backward
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        dy, y = ctx.saved
        ddy = SigmoidGradient.apply(ddx, y) if ctx.needs_grad[0] else None
        dy = ddx * dy * (1.0 - 2.0 * y) if ctx.needs_grad[1] else None
        return ddy, dy


def sigmoid(x: Any) -> Tensor:
    """1 / (1 + exp(-x)).

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.sigmoid([0.0]).tolist()
        [0.5]

    Follows keras.ops.sigmoid.
    """
    return Sigmoid.of(x)


class Tanh(Function):
    kernel = _C.tanh
    saves = "result"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return TanhGradient.apply(dy, *ctx.saved)


class TanhGradient(Function):
    """dy times the slope, in one pass."""

    kernel = _C.tanh_backward
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        dy, y = ctx.saved
        ddy = TanhGradient.apply(ddx, y) if ctx.needs_grad[0] else None
        dy = ddx * dy * (-2.0 * y) if ctx.needs_grad[1] else None
        return ddy, dy


def tanh(x: Any) -> Tensor:
    """The hyperbolic tangent.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.tanh([0.0]).tolist()
        [0.0]

    Follows numpy.tanh.
    """
    return Tanh.of(x)


class Softplus(Function):
    kernel = _C.softplus
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return SoftplusGradient.apply(dy, *ctx.saved)


class SoftplusGradient(Function):
    """dy times the slope, in one pass."""

    kernel = _C.softplus_backward
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        dy, x = ctx.saved
        ddy = SoftplusGradient.apply(ddx, x) if ctx.needs_grad[0] else None
        dx = ddx * dy * (_sigmoid_slope(x)) if ctx.needs_grad[1] else None
        return ddy, dx


def softplus(x: Any) -> Tensor:
    """log(1 + exp(x)), without overflow.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.softplus([100.0]).tolist()
        [100.0]

    Follows keras.ops.softplus.
    """
    return Softplus.of(x)


class LogSigmoid(Function):
    kernel = _C.log_sigmoid
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return LogSigmoidGradient.apply(dy, *ctx.saved)


class LogSigmoidGradient(Function):
    """dy times the slope, in one pass."""

    kernel = _C.log_sigmoid_backward
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        dy, x = ctx.saved
        ddy = LogSigmoidGradient.apply(ddx, x) if ctx.needs_grad[0] else None
        dx = ddx * dy * (-_sigmoid_slope(x)) if ctx.needs_grad[1] else None
        return ddy, dx


def log_sigmoid(x: Any) -> Tensor:
    """log(sigmoid(x)), without underflow.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.log_sigmoid([-100.0]).tolist()
        [-100.0]

    Follows keras.ops.log_sigmoid.
    """
    return LogSigmoid.of(x)


class Softsign(Function):
    kernel = _C.softsign
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return SoftsignGradient.apply(dy, *ctx.saved)


class SoftsignGradient(Function):
    """dy times the slope, in one pass."""

    kernel = _C.softsign_backward
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        dy, x = ctx.saved
        ddy = SoftsignGradient.apply(ddx, x) if ctx.needs_grad[0] else None
        dx = None
        if ctx.needs_grad[1]:
            bend = -2.0 * ops.sign(x) / (ops.abs(x) + 1.0) ** 3
            dx = ddx * dy * bend
        return ddy, dx


def softsign(x: Any) -> Tensor:
    """x / (1 + |x|).

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.softsign([1.0, -3.0]).tolist()
        [0.5, -0.75]

    Follows keras.ops.softsign.
    """
    return Softsign.of(x)


class Silu(Function):
    kernel = _C.silu
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return SiluGradient.apply(dy, *ctx.saved)


class SiluGradient(Function):
    """dy times the slope, in one pass."""

    kernel = _C.silu_backward
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        dy, x = ctx.saved
        ddy = SiluGradient.apply(ddx, x) if ctx.needs_grad[0] else None
        dx = None
        if ctx.needs_grad[1]:
            s = sigmoid(x)
            dx = ddx * dy * s * (1.0 - s) * (2.0 + x * (1.0 - 2.0 * s))
        return ddy, dx


def silu(x: Any) -> Tensor:
    """x * sigmoid(x), also called swish.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.silu([0.0]).tolist()
        [0.0]

    Source: Elfwing, Uchibe, Doya: Sigmoid-weighted linear units, arXiv 1702.03118.
    """
    return Silu.of(x)


class Mish(Function):
    kernel = _C.mish
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return MishGradient.apply(dy, *ctx.saved)


class MishGradient(Function):
    """dy times the slope, in one pass."""

    kernel = _C.mish_backward
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        dy, x = ctx.saved
        ddy = MishGradient.apply(ddx, x) if ctx.needs_grad[0] else None
        dx = None
        if ctx.needs_grad[1]:
            # f = x t(p), p = softplus(x): p' = s, t' = 1 - t^2.
            s, t = sigmoid(x), tanh(softplus(x))
            rise = s * (1.0 - t * t)
            bend = rise * (1.0 - s) - 2.0 * t * rise * s
            dx = ddx * dy * (2.0 * rise + x * bend)
        return ddy, dx


def mish(x: Any) -> Tensor:
    """x * tanh(softplus(x)).

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.mish([0.0]).tolist()
        [0.0]

    Source: Misra: Mish, arXiv 1908.08681.
    """
    return Mish.of(x)


class GeluExact(Function):
    kernel = _C.gelu
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return GeluExactGradient.apply(dy, *ctx.saved)


class GeluExactGradient(Function):
    """dy times the slope, in one pass."""

    kernel = _C.gelu_backward
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        dy, x = ctx.saved
        ddy = GeluExactGradient.apply(ddx, x) if ctx.needs_grad[0] else None
        dx = None
        if ctx.needs_grad[1]:
            density = ops.exp(x * x * -0.5) * _NORMAL_DENSITY
            dx = ddx * dy * density * (2.0 - x * x)
        return ddy, dx


class GeluTanh(Function):
    kernel = _C.gelu_tanh
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return GeluTanhGradient.apply(dy, *ctx.saved)


class GeluTanhGradient(Function):
    """dy times the slope, in one pass."""

    kernel = _C.gelu_tanh_backward
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        dy, x = ctx.saved
        ddy = GeluTanhGradient.apply(ddx, x) if ctx.needs_grad[0] else None
        dx = None
        if ctx.needs_grad[1]:
            # f = x s(v), v = a (x + b x^3): f'' = 2 s' v' + x (s'' v'^2 + s' v'').
            s = sigmoid(_GELU_SCALE * (x + _GELU_CUBIC * x * x * x))
            v1 = _GELU_SCALE * (1.0 + 3.0 * _GELU_CUBIC * x * x)
            v2 = 6.0 * _GELU_SCALE * _GELU_CUBIC * x
            s1 = s * (1.0 - s)
            bend = s1 * (1.0 - 2.0 * s) * v1 * v1 + s1 * v2
            dx = ddx * dy * (2.0 * s1 * v1 + x * bend)
        return ddy, dx


def gelu(x: Any, approximate: bool = False) -> Tensor:
    """x * Phi(x), Phi the normal distribution function.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.
        approximate: Use the paper's formula with tanh instead of the error function.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype. Largest error in float32: 6 ULP
        from x = -1 on, 4 (1 + x^2) ULP below, where it goes to 0.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.gelu([0.0]).tolist()
        [0.0]

    Source: Hendrycks, Gimpel: Gaussian error linear units, arXiv 1606.08415.
    """
    return (GeluTanh if approximate else GeluExact).apply(as_tensor(x))


def exponential(x: Any) -> Tensor:
    """exp(x), as an activation.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.exponential([0.0]).tolist()
        [1.0]

    Follows keras.activations.exponential.
    """
    return ops.exp(x)


# Other names of the same functions: NumPy's and the Array API's.
swish = silu
