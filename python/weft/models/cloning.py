"""Models from other models and from JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from weft.layers.layer import Layer
from weft.models.model import Model


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    custom_objects: dict[str, Any] | None = None,
) -> Any:
    """A model of the same architecture with new weights.

    Args:
        model: A Sequential, functional or subclassed model that has a configuration.
        input_tensors: Symbolic input for the copy of a Sequential model.
        clone_function: Makes each layer's copy; by default from its configuration.
        custom_objects: Classes by name, for layers that are not weft's.

    Returns:
        The model.

    Raises:
        ValueError: If an option is used that the kind of model does not have.

    Example:
        >>> import weft
        >>> model = weft.Sequential([weft.Input((3,)), weft.layers.Dense(2)])
        >>> weft.models.clone_model(model).count_params()
        8

    Follows keras.models.clone_model.
    """
    from weft.models.sequential import Sequential
    from weft.saving.registry import CustomObjectScope

    own = {type(layer).__name__: type(layer) for layer in model._flatten_layers()}
    with CustomObjectScope({**own, **(custom_objects or {})}):
        if clone_function is None and input_tensors is None:
            copy = type(model).from_config(model.get_config())
            build = model.get_build_config()
            if build is not None:
                copy.build_from_config(build)
            return copy
        if not isinstance(model, Sequential):
            raise ValueError(
                "clone_model: input_tensors and clone_function are possible for Sequential models "
                f"only, got a {type(model).__name__}"
            )
        make = clone_function or (lambda layer: type(layer).from_config(layer.get_config()))
        entry = input_tensors if input_tensors is not None else model._input_layer
        if isinstance(entry, Layer):
            entry = type(entry).from_config(entry.get_config())
        layers = [entry] if entry is not None else []
        return Sequential([*layers, *map(make, model.layers)], name=model.name)


def model_from_json(text: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """The model of `Model.to_json`, with new weights.

    Args:
        text: What `Model.to_json` gave.
        custom_objects: Own classes and functions by name.

    Returns:
        The model.

    Raises:
        ValueError: If the text is no JSON, or a class is unknown.

    Example:
        >>> import weft
        >>> model = weft.Sequential([weft.Input((3,)), weft.layers.Dense(2)])
        >>> weft.models.model_from_json(model.to_json()).count_params()
        8

    Follows keras.models.model_from_json.
    """
    from weft.saving.serialization import deserialize

    try:
        config = json.loads(text)
    except ValueError as error:
        raise ValueError(f"model_from_json: the text is no JSON: {error}") from error
    return deserialize(config, custom_objects)
