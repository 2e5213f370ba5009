"""Words for error messages: the nearest known name, shapes, lists of names."""

from __future__ import annotations

import difflib
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
