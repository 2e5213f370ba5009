"""Objects as JSON and back: a configuration never contains code, and reading it runs none."""

from __future__ import annotations

import base64
import importlib
import marshal
import sys
import types
from typing import Any

import numpy as np

from weft.saving.registry import CustomObjectScope, get_registered_name, get_registered_object

# Where classes named in a file are looked up. No other module is ever imported for a file.
_MODULES = (
    "layers", "models", "initializers", "regularizers", "constraints", "activations", "losses",
    "metrics", "optimizers", "optimizers.schedules", "callbacks", "dtype_policies", "random",
)  # fmt: skip


class _LoadingMode:
    safe = True


_mode = _LoadingMode()


def serialize(value: Any) -> Any:
    """`value` as something JSON can hold.

    Args:
        value: An object with ``get_config``, a registered function, or what JSON can hold already.

    Returns:
        Numbers, strings, lists and dictionaries.

    Raises:
        TypeError: If it has no configuration.

    Example:
        >>> import weft
        >>> weft.saving.serialize(weft.layers.Flatten(name="flat"))["class_name"]
        'Flatten'

    Follows keras.saving.serialize_keras_object.
    """
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [serialize(item) for item in value]
    if isinstance(value, dict):
        return {str(key): serialize(item) for key, item in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) or hasattr(value, "_data"):
        array = np.asarray(value)
        return {
            "class_name": "__array__",
            "config": {"value": array.tolist(), "dtype": str(array.dtype)},
        }
    if hasattr(value, "to_json") and not hasattr(value, "get_config"):
        return value.to_json()
    if hasattr(value, "get_config") and not isinstance(value, type):
        return _serialize_object(value)
    if callable(value):
        return _serialize_function(value)
    raise TypeError(
        f"{value!r} of type {type(value).__name__} cannot be written to a file; give its class a "
        "get_config method, or let get_config of the layer that holds it return numbers, strings "
        "and lists"
    )


def _serialize_object(value: Any) -> dict[str, Any]:
    kind = type(value)
    own = kind.__module__.startswith("weft.")
    config = {
        "module": ".".join(kind.__module__.split(".")[:2]) if own else None,
        "class_name": kind.__name__,
        "config": serialize(value.get_config()),
        "registered_name": get_registered_name(kind) or (None if own else kind.__name__),
    }
    if getattr(value, "get_build_config", None) is not None and (build := value.get_build_config()):
        config["build_config"] = serialize(build)
    return config


def _serialize_function(value: Any) -> Any:
    name = getattr(value, "__name__", None)
    registered = get_registered_name(value)
    if registered is None and name == "<lambda>":
        return {
            "class_name": "__lambda__",
            "config": {
                "code": base64.b64encode(marshal.dumps(value.__code__)).decode("ascii"),
                "defaults": serialize(value.__defaults__),
                "python": list(sys.version_info[:2]),
            },
        }
    if isinstance(value, type) or name is None:
        raise TypeError(f"{value!r} cannot be written to a file: it is no named function")
    if registered is None and str(getattr(value, "__module__", "")).startswith("weft."):
        return name
    return {"class_name": "function", "config": name, "registered_name": registered or name}


def deserialize(
    config: Any, custom_objects: dict[str, Any] | None = None, safe_mode: bool | None = None
) -> Any:
    """The object that `serialize` described.

    Args:
        config: What `serialize` gave; values that describe no object pass as they are.
        custom_objects: Classes and functions by the names used in `config`.
        safe_mode: False lets a Lambda layer's code be rebuilt; only for files you trust.

    Returns:
        The object.

    Raises:
        ValueError: If a class or function is unknown, or code is met in safe mode.

    Example:
        >>> import weft
        >>> config = weft.saving.serialize(weft.layers.Dense(3))
        >>> weft.saving.deserialize(config).units
        3

    Follows keras.saving.deserialize_keras_object.
    """
    if custom_objects:
        with CustomObjectScope(custom_objects):
            return deserialize(config, None, safe_mode)
    if safe_mode is not None and safe_mode != _mode.safe:
        outer, _mode.safe = _mode.safe, safe_mode
        try:
            return deserialize(config)
        finally:
            _mode.safe = outer
    if isinstance(config, list):
        return [deserialize(item) for item in config]
    if not isinstance(config, dict):
        return config
    if "class_name" not in config or "config" not in config:
        return {key: deserialize(item) for key, item in config.items()}
    return _deserialize_object(config)


def _deserialize_object(config: dict[str, Any]) -> Any:
    name, inner = config["class_name"], config["config"]
    if name == "__array__":
        return np.asarray(inner["value"], inner["dtype"])
    if name == "__lambda__":
        return _rebuild_lambda(inner)
    if name == "function":
        found = get_registered_object(config.get("registered_name") or inner)
        if found is None:
            raise ValueError(_unknown(inner, "function"))
        return found
    kind = find_class(config)
    result = kind.from_config(inner) if hasattr(kind, "from_config") else kind(**inner)
    if config.get("build_config") and hasattr(result, "build_from_config"):
        result.build_from_config(config["build_config"])
    return result


def find_class(config: dict[str, Any]) -> Any:
    """The class that a configuration names: custom or registered first, then weft's own."""
    name = config["class_name"]
    for candidate in (config.get("registered_name"), name):
        if candidate and (found := get_registered_object(candidate)) is not None:
            return found
    if config.get("module") is None and config.get("registered_name"):
        raise ValueError(_unknown(name, "class"))
    module = str(config.get("module") or "").replace("keras.src.", "").partition(".")[2]
    for place in ([module] if module in _MODULES else []) + list(_MODULES):
        try:
            namespace = importlib.import_module(f"weft.{place}")
        except ModuleNotFoundError:
            continue
        found = vars(namespace).get(name)
        if isinstance(found, type):
            return found
    raise ValueError(_unknown(name, "class"))


def _unknown(name: str, what: str) -> str:
    return (
        f"unknown {what} {name!r}: it is not part of weft and was not registered. Pass "
        f"custom_objects={{{name!r}: {name}}} or decorate it with "
        "@weft.saving.register_serializable()"
    )


def _rebuild_lambda(config: dict[str, Any]) -> Any:
    if _mode.safe:
        raise ValueError(
            "the file holds the code of a lambda (Lambda layer), and code from a file is not run: "
            "load with safe_mode=False if you trust where the file comes from, or write the layer "
            "with a named function and pass it in custom_objects"
        )
    if config["python"] != list(sys.version_info[:2]):
        raise ValueError(
            f"the lambda in the file was written by Python {config['python']}, which this Python "
            f"{list(sys.version_info[:2])} cannot read"
        )
    code = marshal.loads(base64.b64decode(config["code"]))
    defaults = config["defaults"]
    return types.FunctionType(code, {"weft": sys.modules["weft"], "np": np}, "<lambda>",
                              None if defaults is None else tuple(defaults))  # fmt: skip
