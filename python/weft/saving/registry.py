"""Names under which classes and functions are written to and found in files."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")
_by_name: dict[str, Any] = {}
_by_object: dict[Any, str] = {}


class _Scopes(threading.local):
    def __init__(self) -> None:
        self.stack: list[dict[str, Any]] = []


_scopes = _Scopes()


def register_serializable(package: str = "Custom", name: str | None = None) -> Callable[[T], T]:
    """Register a class or function, so that files which name it can be loaded.

    Args:
        package: First half of the registered name.
        name: Second half; the name of the class or function by default.

    Returns:
        A decorator that gives the class or function back.

    Raises:
        ValueError: If a class without ``get_config`` is registered.

    Example:
        >>> import weft
        >>> @weft.saving.register_serializable("shop")
        ... class Double(weft.layers.Layer):
        ...     def call(self, x):
        ...         return x * 2
        >>> weft.saving.get_registered_name(Double)
        'shop>Double'

    Follows keras.saving.register_keras_serializable.
    """

    def decorate(item: T) -> T:
        if isinstance(item, type) and not hasattr(item, "get_config"):
            raise ValueError(
                f"register_serializable: class {item.__name__} has no get_config method, so it "
                "could not be written to a file"
            )
        full = f"{package}>{name or getattr(item, '__name__', type(item).__name__)}"
        _by_name[full] = item
        _by_object[item] = full
        return item

    return decorate


register_keras_serializable = register_serializable


def get_registered_name(item: Any) -> str | None:
    """The name `item` was registered under, or None.

    Args:
        item: A class or function.

    Returns:
        The name, such as ``"shop>Double"``.

    Example:
        >>> import weft
        >>> @weft.saving.register_keras_serializable("examples")
        ... class Halve(weft.layers.Layer):
        ...     pass
        >>> weft.saving.get_registered_name(Halve)
        'examples>Halve'

    Follows keras.saving.get_registered_name.
    """
    try:
        return _by_object.get(item)
    except TypeError:  # unhashable, so never registered
        return None


def get_registered_object(name: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """The class or function of a registered or custom name, or None.

    Args:
        name: A registered name, or a key of `custom_objects`.
        custom_objects: Own classes and functions by name.

    Returns:
        The class or function.

    Example:
        >>> import weft
        >>> @weft.saving.register_keras_serializable("examples")
        ... class Thirds(weft.layers.Layer):
        ...     pass
        >>> weft.saving.get_registered_object("examples>Thirds") is Thirds
        True

    Follows keras.saving.get_registered_object.
    """
    for scope in (custom_objects or {}, *reversed(_scopes.stack), _by_name):
        if name in scope:
            return scope[name]
    return None


class CustomObjectScope:
    """Names known to loading inside a ``with`` block.

    Args:
        custom_objects: Own classes and functions by name; None for none.

    Example:
        >>> import weft
        >>> class Twice(weft.layers.Layer):
        ...     def call(self, x):
        ...         return x * 2
        >>> with weft.saving.custom_object_scope({"Twice": Twice}):
        ...     found = weft.saving.get_registered_object("Twice")
        >>> found is Twice
        True

    Follows keras.saving.CustomObjectScope.
    """

    def __init__(self, custom_objects: dict[str, Any] | None) -> None:
        self.custom_objects = dict(custom_objects or {})

    def __enter__(self) -> CustomObjectScope:
        _scopes.stack.append(self.custom_objects)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _scopes.stack.pop()


custom_object_scope = CustomObjectScope
