"""What training has to know about a model's outputs: their names, layers, activations, shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Output:
    """One output of a model.

    Attributes:
        name: Its key in dicts of losses, metrics and targets.
        layer: Name of the layer that makes it, where that is known.
        activation: ``"softmax"``, ``"sigmoid"``, ``"linear"``..., None if unknown.
        shape: Its shape with the batch as None, or None if unknown.
    """

    name: str
    layer: str
    activation: str | None = None
    shape: tuple[int | None, ...] | None = None

    @property
    def units(self) -> int | None:
        """Size of the last axis."""
        return self.shape[-1] if self.shape else None


def outputs_of(model: Any, y_pred: Any = None) -> list[Output]:
    """The outputs of a model, as far as they are known.

    Args:
        model: The model.
        y_pred: What a call of the model gave, for models whose outputs are known no other way.
    """
    layers = _last_layers(model)
    shapes = _known_shapes(model) if y_pred is None else _shapes(y_pred)
    if shapes is None:
        return [Output(item.name, item.name, activation_of(item)) for item in layers]
    names = output_names(model, y_pred, len(shapes))
    found = []
    for i, (name, shape) in enumerate(zip(names, shapes, strict=True)):
        layer = layers[i] if len(layers) == len(shapes) else None
        shown = layer.name if layer is not None else (model.name if len(shapes) == 1 else name)
        found.append(Output(name, shown, activation_of(layer), shape))
    return found


def _shapes(structure: Any) -> list[tuple[int | None, ...]]:
    return [(None, *leaf.shape[1:]) for leaf in _flat(structure)]


def _known_shapes(model: Any) -> list[tuple[int | None, ...]] | None:
    """Shapes of the outputs of a model that knows them without data."""
    if _is_sequential(model):
        shape = model.output_shape if model.built and model.input_specs is not None else None
        return [tuple(shape)] if isinstance(shape, tuple) else None
    symbolic = _symbolic_outputs(model)
    return _shapes(symbolic) if symbolic else None


def _symbolic_outputs(layer: Any) -> Any:
    # A layer without the attribute would first look for one of a similar name, for a quarter of
    # a millisecond.
    known = "outputs" in layer.__dict__ or hasattr(type(layer), "outputs")
    return layer.outputs if known else None


def _is_sequential(model: Any) -> bool:
    """Whether it is a Sequential model, which would make a graph if asked for its outputs."""
    from weft.models.sequential import Sequential

    return isinstance(model, Sequential)


def output_names(model: Any, y_pred: Any, count: int) -> list[str]:
    """Names of the outputs: keys of a dict, else their layers, else ``output_0``..."""
    structure = y_pred
    if not isinstance(structure, dict) and not _is_sequential(model):
        structure = getattr(model, "output", None)
    if isinstance(structure, dict):
        return list(structure)
    names = [layer.name for layer in _last_layers(model)]
    if len(names) == count and len(set(names)) == count:
        return names
    return [f"output_{i}" for i in range(count)] if count > 1 else [model.name]


def activation_of(layer: Any) -> str | None:
    """Name of the activation at the end of a layer, None if it cannot be told."""
    if layer is None:
        return None
    if type(layer).__name__ == "Softmax":
        return "softmax"
    activation = getattr(layer, "activation", None)
    if activation is None:
        return None
    name = getattr(activation, "__name__", None) or getattr(activation, "name", None)
    return name if isinstance(name, str) else None


def _last_layers(model: Any) -> list[Any]:
    """The layers that make the outputs; empty if unknown."""
    if _is_sequential(model):
        return [_innermost(model.layers[-1])] if model.layers else []
    symbolic = _symbolic_outputs(model)
    return [_innermost(tensor.node.layer) for tensor in symbolic] if symbolic else []


def _innermost(layer: Any) -> Any:
    """The layer at the end of a model that is used as a layer."""
    inside = _last_layers(layer)
    return inside[0] if len(inside) == 1 else layer


def _flat(structure: Any) -> list[Any]:
    if isinstance(structure, dict):
        return [leaf for value in structure.values() for leaf in _flat(value)]
    if isinstance(structure, (list, tuple)):
        return [leaf for value in structure for leaf in _flat(value)]
    return [structure]
