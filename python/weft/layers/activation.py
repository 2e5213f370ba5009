"""Activations as layers."""

from __future__ import annotations

from typing import Any

from weft import activations, constraints, initializers, ops, regularizers
from weft.layers.core import as_float, known_size
from weft.layers.input_spec import InputSpec
from weft.layers.layer import Layer
from weft.tensor import Tensor


class Activation(Layer):
    """An activation function.

    Args:
        activation: Name, function or layer.

    Raises:
        ValueError: If the name of the activation is unknown; the message has the nearest one.

    Example:
        >>> import weft
        >>> weft.layers.Activation("relu")([-1.0, 2.0]).tolist()
        [0.0, 2.0]

    Follows keras.layers.Activation.
    """

    supports_masking = True

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: Tensor) -> Tensor:
        return self.activation(as_float(self, inputs))


class ReLU(Layer):
    """``max(x, 0)``, with a slope for negative values and an upper bound if wanted.

    Args:
        max_value: Upper bound; None for none.
        negative_slope: Slope below the threshold.
        threshold: Values below it are damped.

    Raises:
        ValueError: If one of them is negative.

    Example:
        >>> import weft
        >>> weft.layers.ReLU(max_value=1.0)([-3.0, 0.5, 3.0]).tolist()
        [0.0, 0.5, 1.0]

    Follows keras.layers.ReLU.
    """

    supports_masking = True

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_value = (
            None if max_value is None else _not_negative("ReLU", "max_value", max_value)
        )
        self.negative_slope = _not_negative("ReLU", "negative_slope", negative_slope)
        self.threshold = _not_negative("ReLU", "threshold", threshold)

    def call(self, inputs: Tensor) -> Tensor:
        return activations.relu(
            inputs,
            negative_slope=self.negative_slope,
            max_value=self.max_value,
            threshold=self.threshold,
        )


class LeakyReLU(Layer):
    """``x`` where positive, else ``negative_slope * x``.

    Args:
        negative_slope: Slope of the negative side.

    Raises:
        ValueError: If the slope is negative.

    Example:
        >>> import weft
        >>> weft.layers.LeakyReLU(0.5)([-2.0, 2.0]).tolist()
        [-1.0, 2.0]

    Follows keras.layers.LeakyReLU.
    """

    supports_masking = True

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.negative_slope = _not_negative("LeakyReLU", "negative_slope", negative_slope)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.leaky_relu(as_float(self, inputs), negative_slope=self.negative_slope)


class ELU(Layer):
    """``x`` where positive, else ``alpha * (exp(x) - 1)``.

    Args:
        alpha: Bound of the negative side.

    Raises:
        TypeError: When called, if the input does not hold numbers.

    Example:
        >>> import weft
        >>> weft.layers.ELU()([0.0, 2.0]).tolist()
        [0.0, 2.0]

    Follows keras.layers.ELU.
    """

    supports_masking = True

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs: Tensor) -> Tensor:
        return ops.elu(as_float(self, inputs), alpha=self.alpha)


class PReLU(Layer):
    """``x`` where positive, else ``alpha * x`` with a learned `alpha`.

    Args:
        alpha_initializer: First values of the slopes.
        alpha_regularizer: Loss on the slopes.
        alpha_constraint: Applied to the slopes after each update.
        shared_axes: Axes along which one slope is shared.

    Shapes:
        ``(N, ...)`` to the same; `alpha` has the shape of one sample, 1 on shared axes.

    Raises:
        ValueError: If `shared_axes` does not hold integers; when called, if the input has another
            shape than the first one.

    Example:
        >>> import weft
        >>> weft.layers.PReLU()([[-2.0, 2.0]]).tolist()
        [[0.0, 2.0]]

    Follows keras.layers.PReLU.
    """

    supports_masking = True

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        axes = [shared_axes] if isinstance(shared_axes, int) else shared_axes
        self.shared_axes = None if axes is None else [int(axis) for axis in axes]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        rank, shared = len(input_shape), self.shared_axes or []
        axes = {axis % rank for axis in shared}
        shape = tuple(
            1 if axis in axes else known_size(self, input_shape, axis) for axis in range(1, rank)
        )
        self.alpha = self.add_weight(
            shape,
            self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
            name="alpha",
        )
        sizes = {axis: size for axis, size in enumerate(shape, 1) if axis not in axes}
        self.input_spec = InputSpec(ndim=rank, axes=sizes)

    def call(self, inputs: Tensor) -> Tensor:
        x = as_float(self, inputs)
        return ops.relu(x) - self.alpha * ops.relu(-x)


class Softmax(Layer):
    """``exp(x)`` divided by its sum along an axis.

    Args:
        axis: The axis along which the result sums to 1.

    Raises:
        IndexError: When called, if an axis does not exist.

    Example:
        >>> import weft
        >>> weft.layers.Softmax()([[0.0, 0.0]]).tolist()
        [[0.5, 0.5]]

    Follows keras.layers.Softmax.
    """

    supports_masking = True

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Tensor, mask: Any = None) -> Tensor:
        x = as_float(self, inputs)
        if mask is not None:
            # Large enough to vanish after exp, small enough for float16.
            x = x + (1.0 - mask.astype(x.dtype)) * -3e4
        return ops.softmax(x, axis=self.axis)


def _not_negative(layer: str, name: str, value: Any) -> float:
    if value is None or isinstance(value, str) or value < 0:
        raise ValueError(f"{layer}: {name} must be a number of at least 0, got {value!r}")
    return float(value)
