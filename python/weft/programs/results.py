"""Arguments and results of recorded steps: structures of tensors."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from weft import _C
from weft.programs.recording import Later, Made, ReadLater
from weft.tensor import Tensor, as_tensor
from weft.variable import Variable


class Leaves(list[Tensor]):
    """The tensors of a structure of arguments.

    Attributes:
        has_arrays: Whether some are made of NumPy arrays, and not the arguments themselves.
    """

    has_arrays = False


def flatten(value: Any, leaves: Leaves) -> Any:
    """Append the tensors of a structure to `leaves`; gives what else is in it, as a key.

    A variable is no such tensor: a recording uses it where it is.
    """
    if isinstance(value, Variable):
        return (Variable, id(value))
    if isinstance(value, Tensor):
        leaves.append(value)
        return "with gradient" if value._requires_grad else Tensor
    if isinstance(value, np.ndarray):
        leaves.append(as_tensor(value))
        leaves.has_arrays = True
        return np.ndarray
    if isinstance(value, dict):
        return (dict, *((k, flatten(v, leaves)) for k, v in value.items()))
    if isinstance(value, (list, tuple)):
        return (type(value), *(flatten(v, leaves) for v in value))
    if isinstance(value, (float, np.floating)) and (value == 0 or value != value):
        return (type(value), str(value))  # 0.0 equals -0.0, and nan not even itself
    return (type(value), value)


def flatten_arguments(arguments: Any, leaves: Leaves) -> Any:
    """`flatten`, sooner for what most steps get: a tuple of tensors without gradients."""
    if type(arguments) is tuple:
        for value in arguments:
            if type(value) is not Tensor or value._requires_grad:
                break
            leaves.append(value)
        else:
            return len(leaves)
        leaves.clear()
    return flatten(arguments, leaves)


def _with_each(function: Callable[[Any], Any], value: Any) -> Any:
    """A structure of the same type with `function` applied to its parts; anything else as it is."""
    if type(value) is dict:
        return {k: function(v) for k, v in value.items()}
    if isinstance(value, dict):
        made = copy.copy(value)
        for k, v in value.items():
            made[k] = function(v)
        return made
    if isinstance(value, (list, tuple)):
        items = [function(v) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def replace(value: Any, leaves: Iterator[Any]) -> Any:
    """The same structure with other tensors."""
    if isinstance(value, Variable):
        return value
    if isinstance(value, (Tensor, np.ndarray)):
        return next(leaves)
    return _with_each(lambda part: replace(part, leaves), value)


def mark(value: Any, recorder: Any) -> Any:
    """Results as a program keeps them."""
    if isinstance(value, Tensor) and not isinstance(value, Later):
        return Made(value._data) if recorder.is_new(value._data) else value
    return _with_each(lambda part: mark(part, recorder), value)


def fresh(value: Any) -> Any:
    """Results as the caller gets them: with memory of their own."""
    if type(value) is Made:
        return Tensor(_C.copy(value.data))
    return _with_each(fresh, value)


def are_plain(results: Any) -> bool:
    """Whether results, such as logs that are read later, need only a dict of their own."""
    return type(results) is dict and not any(
        isinstance(value, (Made, dict, list, tuple)) for value in results.values()
    )


def difference(a: Any, b: Any) -> str:
    """In what two marked results differ that Python computed; empty if in nothing."""
    if isinstance(a, (Made, ReadLater)) and type(a) is type(b):
        return ""
    pairs: Any = ()
    if type(a) is type(b) and isinstance(a, dict) and a.keys() == b.keys():
        pairs = ((a[k], b[k]) for k in a)
    elif type(a) is type(b) and isinstance(a, (list, tuple)) and len(a) == len(b):
        pairs = zip(a, b, strict=True)
    elif a is not b and (type(a) is not type(b) or isinstance(a, Tensor) or a != b):
        compares: Any = type(a).__eq__
        if type(a) is type(b) and compares is object.__eq__:
            return (
                f"returns an object of {type(a).__name__}, which a replay cannot make; return "
                "tensors and numbers, or dicts, lists and tuples of them"
            )
        return "returns other Python values"
    return next(filter(None, itertools.starmap(difference, pairs)), "")


def cut(value: Any) -> Any:
    """Results without history, which a replay could not give."""
    if isinstance(value, Tensor) and value._node is not None:
        value = Tensor(value._data)
        value._severed = ("capture", "gradients end there; call backward inside the function")
        return value
    return _with_each(cut, value)
