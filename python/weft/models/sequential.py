"""`Sequential`: layers one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft.layers.calls import calls, infer, is_shape, is_spec, shapes_of
from weft.layers.input_layer import InputLayer
from weft.layers.layer import Layer, Symbolic
from weft.models.model import Model


class Sequential(Model):
    """A stack of layers, each fed with the output of the one before.

    The weights exist as soon as the input shape is known: from an `Input`, from ``input_shape=`` of
    the first layer, from `build`, or from the first data.

    Args:
        layers: The layers, the first of which may be an `Input`.
        trainable: Whether the weights are trained.
        name: Name.

    Raises:
        ValueError: If something is no layer, a name occurs twice, or the shapes do not fit.

    Example:
        >>> import weft
        >>> model = weft.Sequential([weft.Input((8,)), weft.layers.Dense(4), weft.layers.Dense(2)])
        >>> model.count_params(), model.output_shape
        (46, (None, 2))

    Follows keras.Sequential.
    """

    def __init__(
        self, layers: Sequence[Any] | None = None, trainable: bool = True, name: str | None = None
    ) -> None:
        super().__init__(trainable=trainable, name=name)
        self.autocast = False
        self._input_layer: InputLayer | None = None
        self._layers: list[Layer] = []
        self._specs: list[Any] = []  # (shape, dtype) of the input and after each layer
        self._symbols: list[Any] = []  # symbolic input and outputs of each layer, when asked for
        for layer in layers or []:
            self.add(layer)

    # --- structure -------------------------------------------------------------------------------

    def add(self, layer: Any) -> None:
        """Put a layer at the end.

        Raises:
            ValueError: If it is no layer, its name is taken, or it does not fit the layer before.
        """
        if isinstance(layer, Symbolic):
            layer = layer.node.layer
        if isinstance(layer, InputLayer):
            self._set_input(layer)
            return
        if not isinstance(layer, Layer):
            raise ValueError(_not_a_layer(layer))
        if any(layer.name == other.name for other in self._layers):
            raise ValueError(
                f"model {self.name!r}: the layer name {layer.name!r} occurs twice; names must be "
                "unique within a model, so give one of the layers another name="
            )
        if not self._layers and self._input_layer is None:
            shape, dtype = _entry(layer)
            if shape is not None:
                self._set_input(InputLayer(batch_shape=shape, dtype=dtype))
        self._layers.append(layer)
        self._symbols = []
        layer._sequence = self
        if self._input_layer is None:
            self.built = False
            return
        try:
            self._extend()
        except Exception:
            self._layers.pop()
            raise

    def _set_input(self, layer: InputLayer) -> None:
        if self._layers or self._input_layer is not None:
            raise ValueError(
                f"model {self.name!r}: an Input must come first, and only once; it has "
                f"{len(self._layers)} layers already"
            )
        self._input_layer = layer
        self._build_shapes = layer.batch_shape
        self._specs = [(layer.batch_shape, layer.input_dtype)]
        self.built = True

    def _extend(self) -> None:
        """Build the layers after the last known shape, one by one."""
        outer, calls.stack = calls.stack, [self]
        try:
            for layer in self._layers[len(self._specs) - 1 :]:
                spec = self._specs[-1]
                if not layer.built:
                    layer.build(shapes_of(spec))
                if not self._trainable:
                    layer.trainable = False
                self._specs.append(infer(layer, spec))
        finally:
            calls.stack = outer

    def pop(self) -> Layer:
        """Take the last layer away and return it.

        Raises:
            ValueError: If there is no layer.
        """
        if not self._layers:
            raise ValueError(f"model {self.name!r} has no layer to pop")
        layer = self._layers.pop()
        layer._sequence = None
        self._symbols = []
        del self._specs[len(self._layers) + 1 :]
        return layer

    @property
    def layers(self) -> list[Layer]:
        """The layers; the `Input` is not counted."""
        return list(self._layers)

    @property
    def input_specs(self) -> Any:
        """``(shape, dtype)`` of the input, or None while it is unknown."""
        return self._specs[0] if self._specs else None

    def connect(self) -> list[Any]:
        """The symbolic input and the symbolic output of each layer, as in a functional model."""
        from weft.models.functional import symbolic_input

        self._known_specs()
        if not self._symbols:
            assert self._input_layer is not None
            symbols = [symbolic_input(self._input_layer)]
            for layer in self._layers:
                symbols.append(layer(symbols[-1]))
            self._symbols = symbols
        return self._symbols

    @property
    def inputs(self) -> list[Any]:
        """The symbolic input, in a list: a functional model may begin there."""
        return [self.connect()[0]]

    @property
    def outputs(self) -> list[Any]:
        """The symbolic output, in a list."""
        return [self.connect()[-1]]

    @property
    def output_shape(self) -> Any:
        """Shape of the output, with None for the batch."""
        self._known_specs()
        return shapes_of(self._specs[-1])

    # --- building and calling --------------------------------------------------------------------

    def build(self, input_shape: Any = None) -> None:
        """Create the weights for inputs of `input_shape`, whose first axis is the batch."""
        if self._input_layer is not None:
            if not self._layers or len(self._specs) == len(self._layers) + 1:
                return
            self._extend()
            return
        if not is_shape(input_shape):
            raise ValueError(
                f"model {self.name!r}: build needs the shape of the input, with None for the "
                f"batch, got {input_shape!r}"
            )
        shape = (None, *input_shape[1:])
        self._specs = [(shape, str(self.compute_dtype))]
        try:
            self._extend()
        except Exception:
            self._specs = []
            raise
        self._input_layer = InputLayer(batch_shape=shape)
        self._build_shapes = shape

    def call(self, inputs: Any, training: Any = None) -> Any:
        x = inputs
        if self._specs and self._specs[0][0][-1:] == (1,):
            x = self._fit_rank(x)
        for layer in self._layers:
            x = layer(x)
        return x

    def _fit_rank(self, x: Any) -> Any:
        """Rows of single numbers may come without their last axis, as in Keras."""
        shape = self._specs[0][0]
        if hasattr(x, "ndim") and x.ndim == len(shape) - 1 and shape[-1] == 1:
            return x.reshape((*x.shape, 1))
        return x

    def get_config(self) -> dict[str, Any]:
        """The layers, beginning with the input if it is known."""
        from weft.saving.serialization import serialize

        layers: list[Layer] = [self._input_layer] if self._input_layer is not None else []
        return {
            "name": self.name,
            "trainable": self.trainable,
            "layers": [serialize(layer) for layer in [*layers, *self._layers]],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A model of a configuration, with new weights."""
        from weft.saving.serialization import deserialize

        model = cls(name=config.get("name"))
        for layer in config["layers"]:
            model.add(deserialize(layer))
        if not config.get("trainable", True):
            model._trainable = False
        return model


def _entry(layer: Layer) -> tuple[Any, Any]:
    """The input shape and dtype that a first layer knows by itself."""
    if layer._declared_shape is not None:
        dtype = layer.compute_dtype
        return layer._declared_shape, dtype
    if isinstance(layer, Model) and layer.input_specs is not None:
        specs = layer.input_specs
        if is_spec(specs):
            return specs
    return None, None


def _not_a_layer(thing: Any) -> str:
    message = f"Sequential holds layers, got {thing!r} of type {type(thing).__name__}"
    if isinstance(thing, type) and issubclass(thing, Layer):
        return (
            f"Sequential holds layers, got the class {thing.__name__}; make an object of it: "
            f"layers.{thing.__name__}(...)"
        )
    if callable(thing):
        return f"{message}; wrap a function in layers.Lambda"
    return f"{message}; use for instance layers.Dense(10)"
