"""Activations made of pieces: relu and its relatives, hard_sigmoid, step."""

from __future__ import annotations

from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.errors import number
from weft.tensor import Tensor, as_tensor

__all__ = [
    "elu",
    "hard_sigmoid",
    "leaky_relu",
    "relu",
    "relu6",
    "selu",
    "step",
]


class Relu(Function):
    kernel = _C.relu
    saves = "result"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return ReluGradient.apply(dy, *ctx.saved)


class ReluGradient(Function):
    """dy times the slope, in one pass."""

    @staticmethod
    def forward(ctx: Any, dy: Any, y: Any) -> Any:
        ctx.save(y)
        return _C.relu_backward(dy, y)

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        (y,) = ctx.saved
        ddy = ReluGradient.apply(ddx, y) if ctx.needs_grad[0] else None
        return ddy, None


def relu(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Tensor:
    """max(x, 0): negative elements become 0. The gradient at 0 is 0.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.
        negative_slope: Slope of the line below `threshold`.
        max_value: The largest result; None for no limit.
        threshold: Elements below it are damped.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers, or an argument is no number.
        ValueError: If `max_value` or `negative_slope` is negative.

    Example:
        >>> import weft
        >>> weft.ops.relu([-1.0, 2.0]).tolist()
        [0.0, 2.0]

    Follows keras.activations.relu.
    """
    x = as_tensor(x)
    if negative_slope == 0.0 and max_value is None and threshold == 0.0:
        return Relu.apply(x)
    if negative_slope < 0.0 or (max_value is not None and max_value < 0.0):
        raise ValueError(
            f"relu: negative_slope and max_value must not be negative, got {negative_slope} and "
            f"{max_value}"
        )
    above = x if max_value is None else ops.minimum(x, max_value)
    below = (x - threshold) * negative_slope if negative_slope else 0.0  # -inf * 0 is NaN
    return ops.where(ops.less_equal(x, threshold), below, above)


class Relu6(Function):
    kernel = _C.relu6
    saves = "result"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return Relu6Gradient.apply(dy, *ctx.saved)


class Relu6Gradient(Function):
    """dy times the slope, in one pass."""

    @staticmethod
    def forward(ctx: Any, dy: Any, y: Any) -> Any:
        ctx.save(y)
        return _C.relu6_backward(dy, y)

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        (y,) = ctx.saved
        ddy = Relu6Gradient.apply(ddx, y) if ctx.needs_grad[0] else None
        return ddy, None


def relu6(x: Any) -> Tensor:
    """min(max(x, 0), 6).

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.relu6([-1.0, 2.0, 9.0]).tolist()
        [0.0, 2.0, 6.0]

    Follows keras.ops.relu6.
    """
    return Relu6.of(x)


class Selu(Function):
    kernel = _C.selu
    saves = "result"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return SeluGradient.apply(dy, *ctx.saved)


class SeluGradient(Function):
    """dy times the slope, in one pass."""

    kernel = _C.selu_backward
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        dy, y = ctx.saved
        ddy = SeluGradient.apply(ddx, y) if ctx.needs_grad[0] else None
        bend = ops.where(ops.greater(y, 0.0), 0.0, ddx * dy) if ctx.needs_grad[1] else None
        return ddy, bend


def selu(x: Any) -> Tensor:
    """1.0507 * (x if x > 0 else 1.6733 * (exp(x) - 1)): keeps mean and variance in deep nets.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.selu([0.0]).tolist()
        [0.0]

    Source: Klambauer et al.: Self-normalizing neural networks, arXiv 1706.02515.
    """
    return Selu.of(x)


class HardSigmoid(Function):
    kernel = _C.hard_sigmoid
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return HardSigmoidGradient.apply(dy, *ctx.saved)


class HardSigmoidGradient(Function):
    """dy times the slope, in one pass."""

    @staticmethod
    def forward(ctx: Any, dy: Any, x: Any) -> Any:
        ctx.save(x)
        return _C.hard_sigmoid_backward(dy, x)

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        (x,) = ctx.saved
        ddy = HardSigmoidGradient.apply(ddx, x) if ctx.needs_grad[0] else None
        return ddy, None


def hard_sigmoid(x: Any) -> Tensor:
    """relu6(x + 3) / 6.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.hard_sigmoid([-3.0, 0.0, 3.0]).tolist()
        [0.0, 0.5, 1.0]

    Follows keras.ops.hard_sigmoid.
    """
    return HardSigmoid.of(x)


class LeakyRelu(Function):
    """Saves its argument."""

    @staticmethod
    def forward(ctx: Any, x: Any, number: float) -> Any:
        ctx.save(x)
        ctx.number = number
        return _C.leaky_relu(x, number)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return LeakyReluGradient.apply(dy, *ctx.saved, ctx.number), None


class LeakyReluGradient(Function):
    """dy times the slope, in one pass."""

    @staticmethod
    def forward(ctx: Any, dy: Any, x: Any, number: float) -> Any:
        ctx.save(x)
        ctx.number = number
        return _C.leaky_relu_backward(dy, x, number)

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        (x,) = ctx.saved
        number = ctx.number
        ddy = LeakyReluGradient.apply(ddx, x, number) if ctx.needs_grad[0] else None
        return ddy, None, None


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Tensor:
    """x if x > 0 else negative_slope * x.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.
        negative_slope: Factor of negative elements.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers, or `negative_slope` is no number.

    Example:
        >>> import weft
        >>> weft.ops.leaky_relu([-1.0, 2.0], 0.5).tolist()
        [-0.5, 2.0]

    Follows keras.ops.leaky_relu.
    """
    return LeakyRelu.apply(as_tensor(x), number("leaky_relu", "negative_slope", negative_slope))


class Elu(Function):
    """Saves its argument."""

    @staticmethod
    def forward(ctx: Any, x: Any, number: float) -> Any:
        ctx.save(x)
        ctx.number = number
        return _C.elu(x, number)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return EluGradient.apply(dy, *ctx.saved, ctx.number), None


class EluGradient(Function):
    """dy times the slope, in one pass."""

    @staticmethod
    def forward(ctx: Any, dy: Any, x: Any, number: float) -> Any:
        ctx.save(dy, x)
        ctx.number = number
        return _C.elu_backward(dy, x, number)

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        dy, x = ctx.saved
        number = ctx.number
        ddy = EluGradient.apply(ddx, x, number) if ctx.needs_grad[0] else None
        dx = None
        if ctx.needs_grad[1]:
            curved = ddx * dy * number * ops.exp(ops.minimum(x, 0.0))
            dx = ops.where(ops.greater(x, 0.0), 0.0, curved)
        return ddy, dx, None


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """x if x > 0 else alpha * (exp(x) - 1).

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.
        alpha: The result goes to ``-alpha`` where x goes to minus infinity.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers, or `alpha` is no number.

    Example:
        >>> import weft
        >>> weft.ops.elu([0.0, 2.0]).tolist()
        [0.0, 2.0]

    Source: Clevert, Unterthiner, Hochreiter: Exponential linear units, arXiv 1511.07289.
    """
    return Elu.apply(as_tensor(x), number("elu", "alpha", alpha))


class Step(Function):
    not_differentiable = (
        "step is constant on both sides of its jump: its gradient is 0 wherever it exists and "
        "nothing in front of it can learn; use sigmoid or hard_sigmoid for training"
    )

    kernel = _C.step


def step(x: Any) -> Tensor:
    """1 where x > 0, else 0: the perceptron's activation. It has no gradient to train through.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.step([-1.0, 0.0, 2.0]).tolist()
        [0.0, 0.0, 1.0]

    Source: Rosenblatt: The perceptron, Psychological Review 65(6), 1958.
    """
    return Step.of(x)
