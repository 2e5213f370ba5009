"""Words for error messages: the nearest known name, shapes, lists of names."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable
from typing import Any


def nearest(wrong: Any, known: Iterable[str]) -> str | None:
    """The known name that looks most like `wrong`, or None.

    Example:
        >>> from weft.errors import nearest
        >>> nearest("conv2d", ["Dense", "Conv2D"])
        'Conv2D'
    """
    names = [name for name in known if isinstance(name, str)]
    word = str(wrong)
    lowered: dict[str, str] = {}
    for name in names:
        lowered.setdefault(name.lower(), name)
    if word.lower() in lowered:
        return lowered[word.lower()]
    near = difflib.get_close_matches(word.lower(), lowered, n=1)
    if near:
        return lowered[near[0]]
    begins = [
        name for key, name in lowered.items() if len(word) > 2 and key.startswith(word.lower())
    ]
    return begins[0] if begins else None


def integer(op: str, name: str, value: Any) -> int:
    """`value` as a Python integer: an integer of any library, never a fraction cut off.

    Raises:
        TypeError: If it is no integer; the message names the operation and the argument.

    Example:
        >>> from weft.errors import integer
        >>> integer("topk", "k", 3)
        3
    """
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{op}: {name} must be an integer, got {shown(value)}") from None


def integers(op: str, name: str, values: Any) -> tuple[int, ...]:
    """One integer or several as a tuple: a shape, starts, repeats.

    Raises:
        TypeError: If it is something else; the message names the operation and the argument.

    Example:
        >>> from weft.errors import integers
        >>> integers("zeros", "shape", [2, 3]), integers("zeros", "shape", 4)
        ((2, 3), (4,))
    """
    several: Any = isinstance(values, (tuple, list)) or getattr(values, "ndim", 0)
    try:
        return tuple(map(operator.index, values if several else (values,)))
    except TypeError:
        raise TypeError(f"{op}: {name} must hold integers, got {shown(values)}") from None


def number(op: str, name: str, value: Any) -> float:
    """`value` as a Python float.

    Raises:
        TypeError: If it is no number; the message names the operation and the argument.
    """
    if not isinstance(value, (str, bytes)):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    raise TypeError(f"{op}: {name} must be a number, got {shown(value)}")


_PLAIN = (bool, int, float, str, bytes, tuple, list, dict)


def shown(value: Any) -> str:
    """A value with its type, for messages; a long one by its type alone.

    Example:
        >>> from weft.errors import shown
        >>> shown(1.5)
        '1.5 of type float'
    """
    if value is None:
        return "None"
    text = repr(value) if isinstance(value, _PLAIN) else ""
    kind = type(value).__name__
    return f"{text} of type {kind}" if 0 < len(text) <= 60 else f"a value of type {kind}"


def did_you_mean(wrong: Any, known: Iterable[str]) -> str:
    """The end of a message about a wrong name: a suggestion, or the list of known names."""
    known = list(known)
    near = nearest(wrong, known)
    if near is not None:
        return f"; did you mean {near!r}?"
    return f"; known: {', '.join(known)}" if known else ""


def module_getattr(module: str, namespace: dict[str, Any]) -> Any:
    """A module's ``__getattr__`` that answers a misspelt name with the nearest one."""

    def missing(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        names = namespace.get("__all__") or [n for n in namespace if not n.startswith("_")]
        near = nearest(name, names)
        hint = f"; did you mean {near!r}?" if near else ""
        raise AttributeError(f"module {module!r} has no attribute {name!r}{hint}")

    return missing
