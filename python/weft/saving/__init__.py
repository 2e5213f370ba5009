"""Saving and loading models, and registering classes for it."""

from typing import Any

from weft.errors import module_getattr
from weft.saving.registry import (
    CustomObjectScope,
    custom_object_scope,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    register_serializable,
)
from weft.saving.serialization import deserialize, serialize

deserialize_keras_object = deserialize
serialize_keras_object = serialize


def load_model(*args: Any, **kwargs: Any) -> Any:
    """See `weft.models.load_model`.

    Example:
        >>> import os, tempfile, weft
        >>> model = weft.Sequential([weft.Input((3,)), weft.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "model.weft")
        ...     weft.saving.save_model(model, path)
        ...     weft.saving.load_model(path).count_params()
        8
    """
    from weft.saving.model_file import load_model

    return load_model(*args, **kwargs)


def save_model(*args: Any, **kwargs: Any) -> None:
    """See `weft.Model.save`.

    Example:
        >>> import os, tempfile, weft
        >>> model = weft.Sequential([weft.Input((3,)), weft.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "model.weft")
        ...     weft.saving.save_model(model, path)
        ...     weft.saving.load_model(path).count_params()
        8
    """
    from weft.saving.model_file import save_model

    save_model(*args, **kwargs)


__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize",
    "deserialize_keras_object",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "register_keras_serializable",
    "register_serializable",
    "save_model",
    "serialize",
    "serialize_keras_object",
]
__getattr__ = module_getattr(__name__, globals())
