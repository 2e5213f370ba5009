"""Layers around a layer: for every step of a sequence, or in both directions."""

from __future__ import annotations

from typing import Any

from weft import ops
from weft.layers.arguments import check_choice
from weft.layers.calls import flatten
from weft.layers.layer import Layer
from weft.layers.tracking import meant_to_train
from weft.tensor import Tensor

_MERGE_MODES = ("sum", "mul", "concat", "ave")
# What a layer needs to go both ways.
_OPTIONS = ("go_backwards", "return_sequences", "return_state", "stateful")


class Wrapper(Layer):
    """The base of layers that hold another one.

    Args:
        layer: The layer inside.

    Raises:
        ValueError: If it is no layer.

    Example:
        >>> import weft
        >>> class Twice(weft.layers.Wrapper):
        ...     def call(self, x):
        ...         return self.layer(self.layer(x))
        >>> Twice(weft.layers.Dense(3))(weft.ones((2, 3))).shape
        (2, 3)

    Follows keras.layers.Wrapper.
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise ValueError(f"{type(self).__name__}: layer must be a layer, got {layer!r}")
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape: Any = None) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)


class TimeDistributed(Wrapper):
    """A layer applied to every step of a sequence, with the same weights.

    All steps of all samples are one batch for the layer, so that it runs once. Only a layer that
    keeps statistics, such as batch normalisation, is trained step by step, as in Keras.

    Args:
        layer: The layer.

    Shapes:
        ``(N, T, ...)`` to ``(N, T, ...)``.

    Raises:
        ValueError: If the input has fewer than three axes, or a mask does not fit.

    Example:
        >>> import weft
        >>> layer = weft.layers.TimeDistributed(weft.layers.Conv2D(4, 3))
        >>> layer(weft.ones((2, 5, 8, 8, 3))).shape
        (2, 5, 6, 6, 4)

    Follows keras.layers.TimeDistributed.
    """

    supports_masking = True

    def _step_shape(self, shape: Any) -> tuple[Any, ...]:
        if len(shape) < 3:
            raise ValueError(
                f"expects input (batch, steps, ...) with at least 3 axes, got shape {tuple(shape)}"
            )
        return (None, *shape[2:])

    def build(self, input_shape: Any = None) -> None:
        super().build(self._step_shape(input_shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the layer's output for one step, with the axis of steps."""
        inner = self.layer.compute_output_shape(self._step_shape(input_shape))
        return (*input_shape[:2], *inner[1:])

    def call(self, inputs: Tensor, training: bool = False, mask: Any = None) -> Tensor:
        rows, steps, *rest = inputs.shape
        self._step_shape(inputs.shape)
        if mask is not None and tuple(mask.shape[:2]) != (rows, steps):
            raise ValueError(
                f"the mask has shape {tuple(mask.shape)}, but the input {inputs.shape} needs "
                f"(batch, steps) = {(rows, steps)}"
            )
        options: dict[str, Any] = {}
        if self.layer._training_parameter is not None:
            options["training"] = training
        if mask is not None and self.layer._takes_mask:
            options["mask"] = ops.reshape(mask, (rows * steps, *mask.shape[2:]))
        if training and any(not meant_to_train(v) for v in self.layer.variables):
            options.pop("mask", None)
            if mask is not None and self.layer._takes_mask:
                parts = [self.layer(inputs[:, t], mask=mask[:, t], **options) for t in range(steps)]
            else:
                parts = [self.layer(inputs[:, t], **options) for t in range(steps)]
            return ops.stack(parts, axis=1)
        y = self.layer(ops.reshape(inputs, (rows * steps, *rest)), **options)
        return ops.reshape(y, (rows, steps, *y.shape[1:]))


class Bidirectional(Layer):
    """A recurrent layer, and a second one that goes backwards, side by side.

    The layers inside are new, made of the configuration of `layer`. With sequences, the outputs of
    masked steps are zeros.

    Args:
        layer: A recurrent layer, or a layer with `go_backwards`, `return_sequences`, `return_state`
            and `stateful` that mean the same.
        merge_mode: How the outputs become one: ``"concat"``, ``"sum"``, ``"mul"``, ``"ave"``, or
            None for both in a list.
        weights: First weights: those of the layer forwards, then those backwards.
        backward_layer: The layer that goes backwards, if it differs.

    Raises:
        ValueError: If the layers do not fit together.

    Example:
        >>> import weft
        >>> layer = weft.layers.Bidirectional(weft.layers.GRU(4, return_sequences=True))
        >>> layer(weft.ones((2, 5, 3))).shape
        (2, 5, 8)

    Follows keras.layers.Bidirectional.
    """

    supports_masking = True

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        kind = type(self).__name__
        for name, value in (("layer", layer), ("backward_layer", backward_layer)):
            if name == "layer" or value is not None:
                _check_recurrent(kind, name, value)
        if merge_mode is not None:
            merge_mode = check_choice(kind, "merge_mode", merge_mode, _MERGE_MODES)
        super().__init__(**kwargs)
        self.merge_mode = merge_mode
        self.forward_layer = _copy(layer, "forward_", {})
        self.backward_layer = backward_layer or _copy(layer, "backward_", {"go_backwards": True})
        self._check_pair(kind)
        for part in (self.forward_layer, self.backward_layer):
            if hasattr(part, "zero_output_for_mask"):
                part.zero_output_for_mask = part.return_sequences
        self._first_weights = weights
        self.return_sequences = self.forward_layer.return_sequences
        self.return_state = self.forward_layer.return_state
        self.stateful = self.forward_layer.stateful
        self.input_spec = layer.input_spec

    def _check_pair(self, kind: str) -> None:
        forward, backward = self.forward_layer, self.backward_layer
        for name in _OPTIONS:
            mine, other = getattr(forward, name), getattr(backward, name)
            if (mine == other) == (name == "go_backwards"):
                wanted = "different" if name == "go_backwards" else "the same"
                raise ValueError(
                    f"{kind}: both layers need {wanted} values of {name!r}, got {mine} forwards "
                    f"and {other} backwards"
                )

    @property
    def layer(self) -> Any:
        """The layer that goes forwards."""
        return self.forward_layer

    @property
    def states(self) -> Any:
        """The states that stateful layers keep, None for others."""
        if not self.forward_layer.states or not self.backward_layer.states:
            return None
        return [*self.forward_layer.states, *self.backward_layer.states]

    def reset_state(self) -> None:
        """Let the next batch begin with zeros.

        Raises:
            AttributeError: If the layers are not stateful.
        """
        if not self.stateful:
            raise AttributeError(f"layer {self.name!r} is not stateful")
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        for part in (self.forward_layer, self.backward_layer):
            if not part.built:
                part.build(sequences_shape)
        if self._first_weights is not None:
            half = len(self._first_weights) // 2
            self.forward_layer.set_weights(self._first_weights[:half])
            self.backward_layer.set_weights(self._first_weights[half:])

    def call(
        self, sequences: Tensor, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        options: dict[str, Any] = {"mask": mask} if mask is not None else {}
        forward, backward = dict(options), dict(options)
        if initial_state is not None:
            half = len(initial_state) // 2
            forward["initial_state"] = list(initial_state[:half])
            backward["initial_state"] = list(initial_state[half:])
        y = self.forward_layer(sequences, training=training, **forward)
        reverse = self.backward_layer(sequences, training=training, **backward)
        states: tuple[Any, ...] = ()
        if self.return_state:
            states = (*y[1:], *reverse[1:])
            y, reverse = y[0], reverse[0]
        if self.return_sequences:
            reverse = ops.flip(reverse, axis=1)
        y, reverse = ops.cast(y, self.compute_dtype), ops.cast(reverse, self.compute_dtype)
        if self.merge_mode is None:
            return (y, reverse, *states)
        output = self._merge(y, reverse)
        return (output, *states) if states else output

    def _merge(self, y: Tensor, reverse: Tensor) -> Tensor:
        if self.merge_mode == "concat":
            return ops.concatenate([y, reverse], axis=-1)
        if self.merge_mode == "mul":
            return y * reverse
        total = y + reverse
        return total * 0.5 if self.merge_mode == "ave" else total

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the input for sequences, none for single outputs and states."""
        masks = [m for m in flatten(previous_mask) if m is not None]
        output = masks[0] if masks and self.return_sequences else None
        return output if self.merge_mode is not None else [output, output]

    def get_config(self) -> dict[str, Any]:
        """The arguments; the layers as they are."""
        from weft.saving.serialization import serialize

        config = super().get_config()
        config["backward_layer"] = serialize(self.backward_layer)
        return config


def _check_recurrent(kind: str, argument: str, layer: Any) -> None:
    if not isinstance(layer, Layer):
        raise ValueError(f"{kind}: {argument} must be a layer, got {layer!r}")
    for name in _OPTIONS:
        if not hasattr(layer, name):
            raise ValueError(
                f"{kind}: {layer!r} has no attribute {name!r}; give a recurrent layer such as "
                "LSTM, GRU or RNN(cell)"
            )


def _copy(layer: Any, prefix: str, changes: dict[str, Any]) -> Any:
    """A new layer of the same configuration, with new weights."""
    name = layer.name if layer.name.startswith(prefix) else prefix + layer.name
    return type(layer).from_config({**layer.get_config(), **changes, "name": name})
