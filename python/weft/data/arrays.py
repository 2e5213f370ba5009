"""Turning what users have (arrays, lists, tables, tensors) into NumPy arrays ready to be batched.

Structures are nested lists, tuples and dicts whose leaves are arrays. Nothing is copied unless the
numbers have to change their type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from weft.tensor import Tensor

Array = np.ndarray[Any, Any]

TO_NUMBERS = (
    "turn words into numbers first: numpy.unique(words, return_inverse=True)[1] or "
    "weft.layers.StringLookup"
)


def map_structure(function: Callable[..., Any], structure: Any, *others: Any) -> Any:
    """`function` applied to every leaf of `structure` (and of `others`, built alike)."""
    if isinstance(structure, dict):
        return {
            k: map_structure(function, v, *(o[k] for o in others)) for k, v in structure.items()
        }
    if isinstance(structure, (list, tuple)):
        parts = [
            map_structure(function, v, *(o[i] for o in others)) for i, v in enumerate(structure)
        ]
        return parts if isinstance(structure, list) else tuple(parts)
    return None if structure is None else function(structure, *others)


def flatten(structure: Any) -> list[Any]:
    """The leaves of `structure`, in order, without None."""
    return [leaf for _, leaf in named_leaves(structure, "")]


def named_leaves(structure: Any, name: str) -> Iterator[tuple[str, Any]]:
    """``(name, leaf)`` pairs, named as one would write them: ``x``, ``x['left']``, ``y[0]``."""
    if isinstance(structure, dict):
        for key, value in structure.items():
            yield from named_leaves(value, f"{name}[{key!r}]")
    elif isinstance(structure, (list, tuple)):
        for i, value in enumerate(structure):
            yield from named_leaves(value, f"{name}[{i}]")
    elif structure is not None:
        yield name, structure


class Table(np.ndarray[Any, Any]):
    """An array that remembers the column names of the table it came from, for messages."""

    columns: tuple[str, ...] | None = None

    def __array_finalize__(self, source: Any) -> None:
        self.columns = getattr(source, "columns", None)


def is_leaf(value: Any) -> bool:
    """Whether `value` is one array (rather than a structure of several)."""
    if isinstance(value, dict):
        return False
    if isinstance(value, (list, tuple)):
        return not value or not all(hasattr(v, "shape") and len(v.shape) for v in value)
    return True


def as_arrays(structure: Any, name: str, float_dtype: str = "float32") -> Any:
    """`structure` with every leaf as a NumPy array; floating-point leaves become `float_dtype`.

    Raises:
        TypeError: If a leaf holds text or other things that are not numbers.
    """
    if structure is None:
        return None
    if isinstance(structure, dict):
        return {k: as_arrays(v, f"{name}[{k!r}]", float_dtype) for k, v in structure.items()}
    if isinstance(structure, (list, tuple)) and not is_leaf(structure):
        parts = [as_arrays(v, f"{name}[{i}]", float_dtype) for i, v in enumerate(structure)]
        return parts if isinstance(structure, list) else tuple(parts)
    return as_array(structure, name, float_dtype)


def as_array(value: Any, name: str, float_dtype: str = "float32") -> Array:
    """One leaf as a NumPy array; see `as_arrays`."""
    if isinstance(value, np.ndarray):
        array = value
    elif isinstance(value, Tensor):
        array = value.numpy()
    elif type(value).__module__.partition(".")[0] == "pandas":
        array = _from_pandas(value, name, float_dtype)
    elif hasattr(value, "detach"):
        array = value.detach().cpu().numpy()
    elif hasattr(value, "to_numpy"):
        array = value.to_numpy()
    else:
        array = _from_sequence(value, name)
    if array.dtype.kind in "USO":
        _refuse_words(array, name)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} has dtype {array.dtype}; training needs numbers or booleans")
    # float16 stays: a table stored in half precision is widened batch by batch, not as a whole.
    if array.dtype.kind == "f" and array.dtype.itemsize > 2 and array.dtype != float_dtype:
        array = array.astype(float_dtype)
    return array


def _from_sequence(value: Any, name: str) -> Array:
    if isinstance(value, (list, tuple)):
        value = [v.numpy() if isinstance(v, Tensor) else v for v in value]
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(
            f"{name} is a nested list with rows of unequal lengths; pad them to one length"
        ) from error


def _refuse_words(array: Array, name: str) -> None:
    example = array.flat[0] if array.size else ""
    if array.dtype == object and not isinstance(example, str):
        raise TypeError(
            f"{name} is an array of Python objects (first one: {example!r} of type "
            f"{type(example).__name__}); convert it with numpy.asarray(..., dtype='float32')"
        )
    raise TypeError(
        f"{name} holds text (str), for example {str(example)!r}; training needs numbers: "
        f"{TO_NUMBERS}"
    )


def _from_pandas(value: Any, name: str, float_dtype: str) -> Array:
    """Values of a DataFrame, or of a Series as one column."""
    frame = value.to_frame() if value.ndim == 1 else value
    kinds = []
    for column, dtype in zip(frame.columns, frame.dtypes, strict=True):
        kind = getattr(dtype, "kind", "O")
        if kind not in "biuf":
            _refuse_column(frame[column], column, name)
        kinds.append(kind if isinstance(dtype, np.dtype) else "f")
    keep = set(kinds) <= set("iu") or set(kinds) == {"b"}
    array = frame.to_numpy() if keep else frame.to_numpy(dtype=float_dtype, na_value=np.nan)
    table = array.view(Table)
    table.columns = tuple(map(str, frame.columns))
    return table


def _refuse_column(column: Any, label: Any, name: str) -> None:
    example = column.iloc[0] if len(column) else ""
    where = f"column {str(label)!r} of {name}"
    if isinstance(example, str):
        raise TypeError(
            f"{where} holds text (str), for example {example!r}; training needs numbers: use "
            "pandas.get_dummies(table) for a one-hot column per word, or weft.layers.StringLookup"
        )
    raise TypeError(
        f"{where} has dtype {column.dtype} (first value {example!r}); training needs numbers"
    )


def row_counts(named: list[tuple[str, Array]]) -> int:
    """The common number of rows of several leaves.

    Raises:
        ValueError: If a leaf has no rows axis, if the leaves disagree, or if there is no row.
    """
    for name, array in named:
        if array.ndim == 0:
            raise ValueError(f"{name} is a single number; it needs a first axis of samples")
    counts = {name: array.shape[0] for name, array in named}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} has {n} rows" for name, n in counts.items())
        raise ValueError(f"the data do not belong together: {listed}; every row needs its target")
    rows = next(iter(counts.values()), 0)
    if rows == 0:
        raise ValueError(
            f"the data are empty: {', '.join(counts) or 'x'} has 0 rows, so there is nothing to "
            "compute"
        )
    return rows
