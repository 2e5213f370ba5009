"""A dense layer over any axes."""

from __future__ import annotations

import copy
import re
from typing import Any

from weft import activations, constraints, initializers, ops, regularizers
from weft.initializers import VarianceScaling
from weft.layers.arguments import no_quantization
from weft.layers.core import as_float
from weft.layers.input_spec import InputSpec
from weft.layers.layer import Layer
from weft.tensor import Tensor


class EinsumDense(Layer):
    """``activation(einsum(equation, x, kernel) + bias)``.

    Args:
        equation: Such as ``"abc,cd->abd"``: the labels of the input's axes, of the kernel's and of
            the output's. ``...`` stands for any axes at the left, or at the right.
        output_shape: Sizes of the output's axes behind the batch (and without those that ``...``
            stands for); None where they are those of the input. An integer for a single axis.
        activation: Name or function applied to the result.
        bias_axes: Labels of those axes of the output that the bias has; None for no bias.
        kernel_initializer: First values of the kernel.
        bias_initializer: First values of the bias.
        kernel_regularizer: Loss on the kernel.
        bias_regularizer: Loss on the bias.
        kernel_constraint: Applied to the kernel after each update.
        bias_constraint: Applied to the bias after each update.
        quantization_config: None; there are no quantized layers.

    Raises:
        ValueError: If the equation, the output shape and the input do not fit together.

    Example:
        >>> import weft
        >>> layer = weft.layers.EinsumDense("abc,cde->abde", (None, 4, 8), bias_axes="de")
        >>> layer(weft.ones((2, 5, 3))).shape, layer.kernel.shape, layer.bias.shape
        ((2, 5, 4, 8), (3, 4, 8), (4, 8))

    Follows keras.layers.EinsumDense.
    """

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.equation = equation
        self.output_shape = (
            (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        )
        self.activation = activations.get(activation)
        self.bias_axes = bias_axes
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.quantization_config = no_quantization("EinsumDense", quantization_config)
        self._terms = _parse(equation)

    def build(self, input_shape: Any) -> None:
        x, kernel, out, left = self._terms
        sizes, lengths = self._sizes(tuple(input_shape))
        initializer = self.kernel_initializer
        if isinstance(initializer, VarianceScaling) and initializer.input_axes is None:
            initializer = copy.copy(initializer)
            initializer.input_axes = [i for i, label in enumerate(kernel) if label in x]
            initializer.output_axes = [i for i, label in enumerate(kernel) if label in out]
        self.kernel = self.add_weight(
            tuple(sizes[label] for label in kernel),
            initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = None
        if self.bias_axes is not None:
            self.bias = self.add_weight(
                self._bias_shape(lengths, len(input_shape)),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )
        self.input_spec = InputSpec(ndim=len(input_shape))
        # Whether it is one matrix product: the last axes of x with the first of the kernel.
        shared = [label for label in kernel if label in x]
        own = [label for label in kernel if label not in x]
        leading = x[: len(x) - len(shared)]
        self._is_product = (
            (left or "..." not in self.equation)
            and [*shared, *own] == list(kernel)
            and leading + "".join(shared) == x
            and leading + "".join(own) == out
        )
        self._inner = len(shared)

    def _sizes(self, shape: tuple[int | None, ...]) -> tuple[dict[str, int], list[int | None]]:
        """The sizes of the kernel's labels, and those of the output's axes."""
        x, kernel, out, left = self._terms
        elided = len(shape) - len(x)
        if elided < 0 or (elided > 0 and "..." not in self.equation):
            raise ValueError(
                f"the equation {self.equation!r} is for inputs of {len(x)} axes, got shape {shape}"
            )
        lengths: list[int | None] = [shape[0], *self.output_shape]
        if elided and left:
            lengths[1:1] = shape[1:elided]
        elif elided:
            lengths += shape[len(shape) - elided :]
        skipped = elided if left else 0
        if len(lengths) != len(out) + elided:
            raise ValueError(
                f"output_shape {self.output_shape} does not fit the equation {self.equation!r} and "
                f"input shape {shape}: it must have all axes of the output behind the batch, "
                "except those that ... stands for"
            )
        given = dict(zip(x, shape[skipped:], strict=False))
        made = dict(zip(out, lengths[skipped:], strict=False))
        for label in x:
            if label in made and made[label] not in (None, given[label]):
                raise ValueError(
                    f"axis {label!r} of the equation {self.equation!r} has size {given[label]} in "
                    f"the input of shape {shape} but {made[label]} in the output shape"
                )
        sizes = {}
        for label in kernel:
            size = given.get(label, made.get(label))
            if size is None:
                raise ValueError(
                    f"the size of axis {label!r} of the equation {self.equation!r} must be known "
                    f"to create the kernel, got input shape {shape} and output shape "
                    f"{self.output_shape}"
                )
            sizes[label] = size
        return sizes, lengths

    def _bias_shape(self, lengths: list[int | None], ndim: int) -> tuple[int, ...]:
        """Sizes of the bias's axes, and 1 for those behind its first that it lacks."""
        x, _, out, left = self._terms
        assert self.bias_axes is not None
        skipped = ndim - len(x) if left else 0
        at = {label: skipped + i for i, label in enumerate(out)}
        for label in self.bias_axes:
            if label not in at:
                raise ValueError(
                    f"bias axis {label!r} is no axis of the output {out!r} of {self.equation!r}"
                )
        wanted = {at[label] for label in self.bias_axes}
        first = min(wanted, default=len(lengths))
        shape = [lengths[i] if i in wanted else 1 for i in range(first, len(lengths))]
        if None in shape:
            raise ValueError(
                f"the sizes of the bias's axes {self.bias_axes!r} must be known, got output shape "
                f"{tuple(lengths)}"
            )
        return tuple(size for size in shape if size is not None)

    def call(self, inputs: Tensor) -> Tensor:
        x = as_float(self, inputs)
        if self._is_product:
            y = self._product(x)
        else:
            y = ops.einsum(self.equation, x, self.kernel)
            if self.bias is not None:
                y = y + self.bias
        return y if self.activation is activations.linear else self.activation(y)

    def _product(self, x: Tensor) -> Tensor:
        kernel, bias, inner = self.kernel, self.bias, self._inner
        outer = kernel.shape[inner:]
        rows = 1
        for size in kernel.shape[:inner]:
            rows *= size
        leading = x.shape[: x.ndim - inner]
        if x.shape[x.ndim - inner :] != kernel.shape[:inner]:
            raise ValueError(
                f"the last axes of the input must be {kernel.shape[:inner]}, for which the kernel "
                f"was made, got shape {x.shape}"
            )
        if inner != 1:
            x = ops.reshape(x, (*leading, rows))
        if len(outer) == 1 and inner == 1:
            return ops.linear(x, kernel, bias)
        matrix = ops.reshape(kernel, (rows, -1))
        fused = bias is not None and bias.shape == outer
        y = ops.linear(x, matrix, ops.reshape(bias, (-1,)) if fused else None)
        y = ops.reshape(y, (*leading, *outer))
        return y if fused or bias is None else y + bias


def _parse(equation: str) -> tuple[str, str, str, bool]:
    """The labels of input, kernel and output; whether ``...`` stands at the left."""
    letters = "([a-zA-Z]+)"
    for pattern, left in (
        (rf"{letters},{letters}->{letters}", False),
        (rf"\.\.\.{letters},{letters}->\.\.\.{letters}", True),
        (rf"([a-zA-Z]{{2,}})\.\.\.,{letters}->{letters}\.\.\.", False),
    ):
        match = re.fullmatch(pattern, equation)
        if match:
            x, kernel, out = match.groups()
            for label in out:
                if label not in x and label not in kernel:
                    raise ValueError(
                        f"EinsumDense: axis {label!r} of the output is neither in the input nor in "
                        f"the kernel of {equation!r}"
                    )
            for label in kernel:
                if label not in x and label not in out:
                    raise ValueError(
                        f"EinsumDense: axis {label!r} of the kernel is neither in the input nor in "
                        f"the output of {equation!r}"
                    )
            return x, kernel, out, left
    raise ValueError(
        f"EinsumDense: the equation must be 'X,Y->Z', '...X,Y->...Z' or 'X...,Y->Z...', got "
        f"{equation!r}"
    )
