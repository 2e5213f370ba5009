"""Dense and other layers that stand at the core of most models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weft import activations, constraints, initializers, ops, regularizers
from weft.device import is_gpu
from weft.layers.arguments import check_positive_int, no_quantization
from weft.layers.input_spec import InputSpec
from weft.layers.layer import Layer
from weft.programs.recording import on_host
from weft.tensor import Tensor


def as_float(layer: Layer, x: Tensor) -> Tensor:
    """Integers and booleans as numbers of the layer's dtype."""
    return x if x.dtype.is_floating else x.astype(layer.compute_dtype)


class Dense(Layer):
    """``activation(x @ kernel + bias)`` along the last axis.

    Args:
        units: Number of outputs.
        activation: Name or function applied to the result.
        use_bias: Whether to add a bias.
        kernel_initializer: First values of the kernel.
        bias_initializer: First values of the bias.
        kernel_regularizer: Loss on the kernel.
        bias_regularizer: Loss on the bias.
        activity_regularizer: Loss on the output.
        kernel_constraint: Applied to the kernel after each update.
        bias_constraint: Applied to the bias after each update.
        quantization_config: None; there are no quantized layers.

    Shapes:
        ``(N, ..., C)`` to ``(N, ..., units)``; kernel ``(C, units)``, bias ``(units,)``.

    Raises:
        ValueError: If `units` is no positive integer, or the input has another number of features
            than the layer was built for.

    Example:
        >>> import weft
        >>> layer = weft.layers.Dense(3, activation="relu")
        >>> layer(weft.ones((2, 5))).shape, layer.count_params()
        ((2, 3), 18)

    Follows keras.layers.Dense.
    """

    supports_masking = True

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.units = check_positive_int("Dense", "units", units)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.quantization_config = no_quantization("Dense", quantization_config)
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        features = known_size(self, input_shape, -1)
        self.kernel = self.add_weight(
            (features, self.units),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features}, what="features")

    def call(self, inputs: Tensor) -> Tensor:
        x = as_float(self, inputs)
        if self.activation is activations.relu:
            return ops.linear(x, self.kernel, self.bias, "relu")
        y = ops.linear(x, self.kernel, self.bias)
        return y if self.activation is activations.linear else self.activation(y)


def known_size(layer: Layer, shape: tuple[int | None, ...], axis: int) -> int:
    """The size of `axis`, which the weights need.

    Raises:
        ValueError: If the shape has no such axis, or its size is unknown.
    """
    if not isinstance(shape, (tuple, list)):
        raise ValueError(f"{type(layer).__name__} cannot be built for an input of shape {shape}")
    if not -len(shape) <= axis < len(shape):
        raise ValueError(
            f"axis {axis} is out of range for an input of shape {tuple(shape)}, which has "
            f"{len(shape)} axes, numbered from 0 to {len(shape) - 1} or from -{len(shape)} to -1"
        )
    size = shape[axis]
    if isinstance(size, (tuple, list)):
        raise ValueError(f"takes one tensor, got a list of {len(shape)}")
    if size is None:
        raise ValueError(
            f"the size of axis {axis} of the input must be known to create the weights, got shape "
            f"{tuple(shape)}; give it in Input or input_shape"
        )
    return size


class Embedding(Layer):
    """Rows of a table, looked up by integers.

    Args:
        input_dim: Number of rows: integers 0 to ``input_dim - 1``.
        output_dim: Length of a row.
        embeddings_initializer: First values of the table.
        embeddings_regularizer: Loss on the table.
        embeddings_constraint: Applied to the table after each update.
        mask_zero: Whether 0 stands for a step that is not there: layers behind, and the loss, then
            leave it out. Row 0 of the table is not used for anything else.
        weights: First values of the table, in place of `embeddings_initializer`.
        quantization_config: None; there are no quantized layers.

    Shapes:
        integers ``(N, ...)`` to ``(N, ..., output_dim)``.

    Raises:
        IndexError: If an integer is outside of the table.

    Example:
        >>> import weft
        >>> weft.layers.Embedding(10, 4)([[1, 2, 3]]).shape
        (1, 3, 4)

    Follows keras.layers.Embedding.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.input_dim = check_positive_int("Embedding", "input_dim", input_dim)
        self.output_dim = check_positive_int("Embedding", "output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = bool(mask_zero)
        self.quantization_config = no_quantization("Embedding", quantization_config)
        self.supports_masking = self._makes_masks = self.mask_zero
        self.autocast = False
        if weights is not None:
            self.build()
            self.set_weights(weights if isinstance(weights, (list, tuple)) else [weights])

    def build(self, input_shape: Any = None) -> None:
        self.embeddings = self.add_weight(
            (self.input_dim, self.output_dim),
            self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
            name="embeddings",
        )

    def call(self, inputs: Tensor) -> Tensor:
        if not inputs.dtype.is_integer:
            inputs = inputs.astype("int32")
        if inputs.device != "meta" and inputs.size:
            # A tensor counts negative indices from the end; in a table they are mistakes.
            if is_gpu(inputs.device):
                # Nothing is read back: the lookup itself reports indices that are too large.
                inputs = ops.where(inputs < 0, self.input_dim, inputs)
            else:
                least = ops.min(inputs)
                on_host(lambda: self._check_least(least.item()))
        return ops.take(self.embeddings, inputs, axis=0)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Where the integers are not 0, if that stands for missing steps."""
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def _check_least(self, low: int) -> None:
        if low < 0:
            raise IndexError(
                f"index {low} is outside of the table of {self.input_dim} rows; its indices are 0 "
                f"to {self.input_dim - 1}"
            )


class Masking(Layer):
    """Marks steps that are not there, and makes their features 0.

    Layers behind that know masks, and the loss, leave these steps out.

    Args:
        mask_value: A step is missing if all its features have this value.

    Shapes:
        ``(N, T, ...)`` to the same; the mask is ``(N, T)``.

    Raises:
        TypeError: When called, if the input does not hold numbers.

    Example:
        >>> import weft
        >>> x = weft.tensor([[[1.0, 2.0], [0.0, 0.0]]])
        >>> layer = weft.layers.Masking()
        >>> layer.compute_mask(layer(x)).tolist()
        [[True, False]]

    Follows keras.layers.Masking.
    """

    supports_masking = _makes_masks = True

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Where a step has another value than the one that stands for nothing."""
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Tensor) -> Tensor:
        there = ops.any(ops.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        return ops.where(there, inputs, ops.zeros_like(inputs))


class Identity(Layer):
    """The inputs, unchanged.

    Raises:
        TypeError: When called, if the input does not hold numbers.

    Example:
        >>> import weft
        >>> weft.layers.Identity()([1.0]).tolist()
        [1.0]

    Follows keras.layers.Identity.
    """

    supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs


class Lambda(Layer):
    """A function as a layer.

    A named function can be saved when it is registered (`weft.saving.register_serializable`) or
    given in `custom_objects` at loading; the code of a lambda is loaded with ``safe_mode=False``
    only.

    Args:
        function: Called with the inputs, `arguments`, and ``training`` if it has such a parameter.
        output_shape: Shape of one sample of the output, or a function of the input shape; found by
            running the function on the meta device if not given.
        arguments: More keyword arguments for the function.

    Raises:
        ValueError: If `function` cannot be called.

    Example:
        >>> import weft
        >>> weft.layers.Lambda(lambda x: x * 2)([1.0, 2.0]).tolist()
        [2.0, 4.0]

    Follows keras.layers.Lambda.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise ValueError(f"Lambda: function must be callable, got {function!r}")
        self.function = function
        self.output_shape = output_shape
        self.arguments = dict(arguments or {})
        code = getattr(function, "__code__", None)
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if code else ()
        self._takes_training = "training" in names

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`output_shape` with the batch axis, or the shape of the function's result."""
        if callable(self.output_shape):
            return tuple(self.output_shape(input_shape))
        if self.output_shape is not None:
            return (input_shape[0], *self.output_shape)
        return super().compute_output_shape(input_shape)

    def call(self, inputs: Any, training: bool = False) -> Any:
        extra = {"training": training} if self._takes_training else {}
        return self.function(inputs, **self.arguments, **extra)


class Maxout(Layer):
    """The largest of several linear pieces.

    Args:
        units: Number of outputs.
        pieces: Number of linear functions per output.
        use_bias: Whether the pieces have biases.
        kernel_initializer: First values of the kernels.
        bias_initializer: First values of the biases.
        kernel_regularizer: Loss on the kernels.
        bias_regularizer: Loss on the biases.

    Shapes:
        ``(N, ..., C)`` to ``(N, ..., units)``; kernel ``(C, units * pieces)``.

    Raises:
        ValueError: If `units` or `pieces` is not positive; when called, if the input has other
            features than the first one.

    Example:
        >>> import weft
        >>> layer = weft.layers.Maxout(4, pieces=2)
        >>> layer(weft.ones((2, 3))).shape, layer.count_params()
        ((2, 4), 32)

    Source: Goodfellow et al.: Maxout networks, arXiv 1302.4389.
    """

    def __init__(
        self,
        units: int,
        pieces: int = 2,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = check_positive_int("Maxout", "units", units)
        self.pieces = check_positive_int("Maxout", "pieces", pieces)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        features, width = known_size(self, input_shape, -1), self.units * self.pieces
        self.kernel = self.add_weight(
            (features, width),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            name="kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                (width,), self.bias_initializer, regularizer=self.bias_regularizer, name="bias"
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features}, what="features")

    def call(self, inputs: Tensor) -> Tensor:
        y = ops.linear(as_float(self, inputs), self.kernel, self.bias)
        pieces = ops.reshape(y, (*y.shape[:-1], self.units, self.pieces))
        return ops.max(pieces, axis=-1)


def constant(value: Any, dtype: Any) -> Any:
    """A number as it is, an array as a NumPy array of `dtype`."""
    if isinstance(value, (int, float)) or value is None:
        return value
    return np.asarray(value, str(dtype))
