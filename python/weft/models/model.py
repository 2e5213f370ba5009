"""`Model`: a layer that can be summarised, trained, saved and loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from weft.errors import did_you_mean
from weft.layers.calls import calls, infer, map_shapes, shapes_of
from weft.layers.layer import Layer
from weft.tensor import Tensor
from weft.training.trainer import Trainer
from weft.variable import Variable

if TYPE_CHECKING:
    from collections.abc import Callable


class Model(Trainer, Layer):
    """Layers that belong together, with training, saving and a summary.

    Subclass it, create layers in ``__init__`` and use them in ``call``; or give symbolic inputs and
    outputs for a graph of layers: ``Model(inputs, outputs)``.

    Example:
        >>> import weft
        >>> class Net(weft.Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.hidden = weft.layers.Dense(8, activation="relu")
        ...         self.out = weft.layers.Dense(2)
        ...     def call(self, x):
        ...         return self.out(self.hidden(x))
        >>> Net()(weft.ones((3, 4))).shape
        (3, 2)

    Follows keras.Model.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Model and (len(args) > 1 or "outputs" in kwargs or "inputs" in kwargs):
            from weft.models.functional import Functional

            return Functional.__new__(Functional, *args, **kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, **kwargs: Any) -> None:
        Layer.__init__(self, **kwargs)

    def _pass_masks(self, args: Any, masks: Any, outputs: Any) -> None:
        """Nothing: the layers inside have done it."""

    # --- structure -------------------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """The layers of the model, in the order in which they were attached."""
        return self._child_layers()

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of a name or position.

        Raises:
            ValueError: If there is none; the message has the known names.
        """
        layers = self.layers
        if (name is None) == (index is None):
            raise ValueError("get_layer: give either a name or an index")
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(
                    f"get_layer: index {index} is out of range, the model {self.name!r} has "
                    f"{len(layers)} layers"
                )
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        names = [layer.name for layer in layers]
        hint = did_you_mean(name, names)
        listed = "" if "known" in hint else f" Its layers are: {', '.join(names)}"
        raise ValueError(f"model {self.name!r} has no layer {name!r}{hint}{listed}")

    @property
    def input_specs(self) -> Any:
        """``(shape, dtype)`` of the inputs, or None while they are unknown."""
        if self._build_shapes is None:
            return None
        dtype = str(self.compute_dtype)
        return map_shapes(lambda s: ((None, *s[1:]), dtype), self._build_shapes)

    @property
    def input_shape(self) -> Any:
        """Shape of the input, with None for the batch.

        Raises:
            AttributeError: While it is unknown.
        """
        return shapes_of(self._known_specs())

    @property
    def output_shape(self) -> Any:
        """Shape of the output, with None for the batch."""
        return shapes_of(infer(self, self._known_specs()))

    def _known_specs(self) -> Any:
        specs = self.input_specs
        if specs is None:
            raise AttributeError(
                f"the input of model {self.name!r} is unknown: call the model on data, call "
                "build(input_shape), or give it an Input first"
            )
        return specs

    def build(self, input_shape: Any = None) -> None:
        """Create the weights of all layers by running `call` without memory."""
        if input_shape is None:
            raise ValueError(f"model {self.name!r}: build needs the shape of the input")
        dtype = str(self.compute_dtype)
        stack, calls.stack = calls.stack, []
        try:
            # During a call on data the layers are built by that call.
            if not stack or stack[-1] is not self or not self.__dict__.get("_called", False):
                self.built = True
                infer(self, map_shapes(lambda shape: (shape, dtype), input_shape))
        except Exception:
            self.built = False
            raise
        finally:
            calls.stack = stack

    def _build_for(self, args: Any, kwargs: Any) -> None:
        self.__dict__["_called"] = True
        try:
            super()._build_for(args, kwargs)
        finally:
            del self.__dict__["_called"]

    # --- weights ---------------------------------------------------------------------------------

    def parameters(self) -> list[Variable]:
        """The trainable variables, by PyTorch's name."""
        return self.trainable_variables

    def zero_grad(self) -> None:
        """Forget the gradients that `backward` added."""
        for variable in self.variables:
            variable.grad = None

    def state_dict(self) -> dict[str, Tensor]:
        """All weights by name; the tensors share memory with the model."""
        from weft.saving.weights import named_variables

        return {name: v.detach() for name, v in named_variables(self).items()}

    def load_state_dict(self, state: dict[str, Any], strict: bool = True) -> None:
        """Replace the weights by those of `state_dict` of a model of the same structure.

        Raises:
            ValueError: If a name or shape differs; nothing is changed then.
        """
        from weft.saving.weights import assign_weights

        assign_weights(self, state, "state_dict", skip_mismatch=not strict)

    # --- description -----------------------------------------------------------------------------

    def summary(
        self,
        line_length: int | None = None,
        positions: Iterable[float] | None = None,
        print_fn: Callable[[str], None] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: tuple[str, str] | None = None,
    ) -> None:
        """Print a table of the layers: output shape, weights, operations per sample.

        Args:
            line_length: Width of the table.
            positions: Shares of the width at which the columns end.
            print_fn: Called with each line, instead of printing the table.
            expand_nested: Show the layers inside of layers.
            show_trainable: Mark which layers are trained.
            layer_range: Names (or patterns) of the first and the last layer to show.
        """
        from weft.models.summary import print_summary

        print_summary(
            self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range
        )

    # --- saving ----------------------------------------------------------------------------------

    def save(self, filepath: Any, overwrite: bool = True) -> None:
        """Write architecture, weights and the state of training to one file.

        Args:
            filepath: A path that ends in ``.weft`` or ``.keras``.
            overwrite: Replace an existing file; False refuses.

        Raises:
            ValueError: If the ending is unknown.
            FileExistsError: If the file exists and must not be replaced.
        """
        from weft.saving.model_file import save_model

        save_model(self, filepath, overwrite)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Write the weights to a ``.safetensors``, ``.npz`` or ``.h5`` file."""
        from weft.saving.weights import save_weights

        save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False) -> None:
        """Read the weights that `save_weights` or `save` wrote.

        Args:
            filepath: The file.
            skip_mismatch: Leave weights alone whose name or shape is not in the file.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged, or belongs to another architecture; nothing is changed.
        """
        from weft.saving.weights import load_weights

        load_weights(self, filepath, skip_mismatch)

    def to_json(self, **options: Any) -> str:
        """The architecture as JSON; `weft.models.model_from_json` makes the model again."""
        from weft.saving.serialization import serialize

        return json.dumps(serialize(self), **options)

    def get_build_config(self) -> dict[str, Any] | None:
        """The input shape, from which a model of a subclass is built again when it is loaded."""
        if self._build_shapes is None:
            return None
        return {"input_shape": map_shapes(lambda s: [None, *s[1:]], self._build_shapes)}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Create the weights for the input shape of `get_build_config`."""
        if not self.built:
            self.build(map_shapes(tuple, config["input_shape"]))
