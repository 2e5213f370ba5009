"""What a compiled function was given and cannot take, in words.

The compiled module asks after a failed call (csrc/bindings/mismatch.h); nothing here runs in one
that works.
"""

from __future__ import annotations

import operator
import re
from typing import Any

from weft import _C
from weft.errors import shown

# What an annotation of the compiled module asks for, as it begins.
_WORDS = {
    "weft._C.Tensor | float": "a tensor or a number",
    "weft._C.Tensor": "a tensor",
    "tuple[int": "integers",
    "typing.SupportsInt": "an integer",
    "typing.SupportsFloat": "a number",
    "bool": "True or False",
    "str": "a string",
    "collections.abc.Sequence": "a list",
    "list": "a list",
}


def _describe(message: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The message about a call that fits no signature.

    Args:
        message: pybind11's own, with the signature in it.
        args: What the function was called with.
        kwargs: The same, by name.
    """
    op = _public_name(message.partition("(")[0])
    signature = re.search(r"1\. \((.*)\) -> ", message)
    parameters = _parameters(signature.group(1)) if signature else []
    given = dict(zip((name for name, _ in parameters), args, strict=False)) | kwargs
    for name, kind in parameters:
        if name in given and not _fits(kind, given[name]):
            return f"{op}: {_complaint(name, kind, given[name])}"
    for name, kind in parameters:
        number = kind.startswith("typing.SupportsInt") and given.get(name)
        if number and abs(number.__index__()) >= 2**31:
            return f"{op}: {name} is out of range: {number}"
    listed = ", ".join(name for name, _ in parameters)
    return f"{op}: the arguments are ({listed}), got {len(args) + len(kwargs)}"


def _public_name(name: str) -> str:
    """The operation that calls a compiled function: ``topk`` for ``topk_indices``."""
    from weft import ops

    stem = name
    while stem and not hasattr(ops, stem):
        stem = stem.rpartition("_")[0]
    return stem or name


def _parameters(signature: str) -> list[tuple[str, str]]:
    """``(name, annotation)`` of each parameter."""
    parts = re.split(r", (?![^\[]*\])", signature)
    found = []
    for part in parts:
        name, _, kind = part.partition(": ")
        found.append((name, kind.partition(" = ")[0]))
    return found


def _is_whole(value: Any) -> bool:
    try:
        return -(2**63) <= operator.index(value) < 2**63
    except TypeError:
        return False


def _fits(kind: str, value: Any) -> bool:
    if value is None:
        return "None" in kind or kind == "object"
    if kind.startswith("weft._C.Tensor"):
        number = "float" in kind and isinstance(value, (int, float))
        return number or isinstance(value, _C.Tensor)
    if kind.startswith("tuple[int"):
        whole = isinstance(value, (tuple, list)) and all(map(_is_whole, value))
        return whole or _is_whole(value)
    if kind.startswith("typing.SupportsInt"):
        return _is_whole(value)
    if kind.startswith("typing.SupportsFloat"):
        return hasattr(value, "__float__") or hasattr(value, "__index__")
    if kind.startswith("str"):
        return isinstance(value, str)
    if kind.startswith(("collections.abc.Sequence", "list")):
        return isinstance(value, (tuple, list))
    return True


def _complaint(name: str, kind: str, value: Any) -> str:
    words = next((w for start, w in _WORDS.items() if kind.startswith(start)), kind)
    if words == "integers" and name == "axes":
        name, words = "axis", "an integer or several"
        if isinstance(value, tuple) and len(value) == 1:
            value = value[0]  # the user gave no tuple
    if "None" in kind:
        words += " or None"
    verb = "hold" if words == "integers" else "be"
    if words.startswith("an integer") and hasattr(value, "__index__"):
        return f"{name} is out of range: {value}"
    return f"{name} must {verb} {words}, got {shown(value)}"


_C.set_mismatch_report(_describe)
