"""Arguments and results of recorded steps: structures of tensors."""

from __future__ import annotations

from collections.abc import Iterator
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


def replace(value: Any, leaves: Iterator[Any]) -> Any:
    """The same structure with other tensors."""
    if isinstance(value, Variable):
        return value
    if isinstance(value, (Tensor, np.ndarray)):
        return next(leaves)
    if isinstance(value, dict):
        return {k: replace(v, leaves) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        items = [replace(v, leaves) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def mark(value: Any, recorder: Any) -> Any:
    """Results as a program keeps them."""
    if isinstance(value, Tensor) and not isinstance(value, Later):
        return Made(value._data) if recorder.is_new(value._data) else value
    if isinstance(value, dict):
        return {k: mark(v, recorder) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(mark(v, recorder) for v in value)
    return value


def fresh(value: Any) -> Any:
    """Results as the caller gets them: with memory of their own."""
    kind = type(value)
    if kind is Made:
        return Tensor(_C.copy(value.data))
    if kind is dict:
        return {k: fresh(v) for k, v in value.items()}
    if kind is list or kind is tuple:
        return kind(fresh(v) for v in value)
    return value


def are_plain(results: Any) -> bool:
    """Whether results, such as logs that are read later, need only a dict of their own."""
    return type(results) is dict and not any(
        type(value) in (Made, dict, list, tuple) for value in results.values()
    )


def same(a: Any, b: Any) -> bool:
    """Whether two marked results agree in what Python computed."""
    if isinstance(a, (Made, ReadLater)) or isinstance(b, (Made, ReadLater)):
        return type(a) is type(b)
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a is b or (not isinstance(a, Tensor) and bool(a == b))


def cut(value: Any) -> Any:
    """Results without history, which a replay could not give."""
    if isinstance(value, Tensor) and value._node is not None:
        value = Tensor(value._data)
        value._severed = ("capture", "gradients end there; call backward inside the function")
        return value
    if isinstance(value, dict):
        return {k: cut(v) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(cut(v) for v in value)
    return value
