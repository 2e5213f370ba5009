"""Data are looked at once before training: what cannot be meant is an error, never a bad model."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from weft import ops
from weft.autograd import no_grad
from weft.data.arrays import Array, Table, map_structure, named_leaves
from weft.data.sources import ArraySource, Source, lend
from weft.device import working_on
from weft.tensor import Tensor

_ROLE = {"x": "", "y": " (targets)", "sample_weight": ""}


def host_arrays(data: Any) -> Any:
    """A packed batch, or the data of a source, with NumPy leaves."""
    return map_structure(lambda leaf: leaf if isinstance(leaf, np.ndarray) else leaf.numpy(), data)


def checkable(source: Source) -> tuple[Any, Any, Any]:
    """``(x, y, sample_weight)`` to check: all rows of arrays, else the first batch."""
    data = source.data if isinstance(source, ArraySource) else host_arrays(source.peek())
    return (*data, None, None)[:3]


# What comes of values that are not finite.
_CONSEQUENCE = {
    "fit": "training on it would make every weight nan",
    "train_on_batch": "training on it would make every weight nan",
    "evaluate": "the loss and the metrics would be nan",
    "test_on_batch": "the loss and the metrics would be nan",
}


def check_finite(x: Any, y: Any, sample_weight: Any, method: str = "fit") -> None:
    """Raise for NaN and infinity, naming the array, the row and the column.

    Args:
        x: Inputs: NumPy arrays or tensors.
        y: Targets.
        sample_weight: Weights of the rows.
        method: What they are meant for.

    Raises:
        ValueError: If there is one.
    """
    for name, part in (("x", x), ("y", y), ("sample_weight", sample_weight)):
        for leaf_name, leaf in named_leaves(part, name):
            if not _all_finite(leaf):
                array = leaf.numpy() if isinstance(leaf, Tensor) else leaf
                _refuse(array, leaf_name, _ROLE[name], _CONSEQUENCE[method])


def _all_finite(array: Array | Tensor) -> bool:
    """One pass without temporaries: a sum is finite only if every term is, or nearly so."""
    if isinstance(array, Tensor):
        if not array.dtype.is_floating:
            return True
        if array.device == "cpu":
            with no_grad():
                if math.isfinite(ops.sum(array).item()):
                    return True
        array = array.numpy()
    if array.dtype.kind != "f":
        return True
    if array.dtype in (np.float32, np.float64) and array.dtype.isnative:
        with no_grad(), working_on("cpu"):
            if math.isfinite(float(ops.sum(lend(array)))):
                return True
    return bool(np.isfinite(array).all())


def _refuse(array: Array, name: str, role: str, consequence: str) -> None:
    where = np.argwhere(~np.isfinite(array))[0]
    value = array[tuple(where)]
    count = int((~np.isfinite(array)).sum())
    row, rest = int(where[0]), [int(i) for i in where[1:]]
    columns = getattr(array, "columns", None) if isinstance(array, Table) else None
    if columns and len(rest) == 1:
        place = f"row {row}, column {columns[rest[0]]!r}"
    elif len(rest) == 1:
        place = f"row {row}, column {rest[0]}"
    else:
        place = f"row {row}" + (f", position {tuple(rest)}" if rest else "")
    kind = "nan (a missing value)" if np.isnan(value) else str(value)
    raise ValueError(
        f"{name}{role} holds {kind} in {place} ({count} such value{'s' if count > 1 else ''} in "
        f"all); {consequence}. Drop these rows or fill them, for "
        "example with the mean of the column"
    )


def warn_negative_weights(sample_weight: Any) -> None:
    """Warn of rows that push the model away from their targets.

    No error: gradients of policies are trained with advantages as weights.
    """
    for name, leaf in named_leaves(sample_weight, "sample_weight"):
        array = leaf.numpy() if isinstance(leaf, Tensor) else leaf
        if array.size and array.dtype.kind in "if" and array.min() < 0:
            row = int(np.argwhere(array < 0)[0][0])
            warnings.warn(
                f"{name} is negative, first in row {row}: such rows are trained away from their "
                "targets",
                stacklevel=5,
            )


def warn_sorted_split(y: Any, rows_kept: int) -> None:
    """Warn when the tail that `validation_split` takes has other classes than the rest.

    Args:
        y: All targets.
        rows_kept: Rows before the tail.
    """
    if not isinstance(y, np.ndarray) or len(y) < 4:
        return
    labels = _class_numbers(y)
    if labels is None:
        return
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2 or len(classes) > len(labels) // 2:
        return
    head, tail = codes[:rows_kept], codes[rows_kept:]
    grouped = int((codes[1:] != codes[:-1]).sum()) == len(classes) - 1
    in_head = np.bincount(head, minlength=len(classes))
    in_tail = np.bincount(tail, minlength=len(classes))
    share = (in_head + in_tail) / len(codes)
    # How likely it is that a random tail lacks a class, or a random head does.
    lack = np.where(in_tail == 0, (1 - share) ** len(tail), 1.0)
    lack = np.minimum(lack, np.where(in_head == 0, (1 - share) ** len(head), 1.0))
    if not grouped and lack.min() > 1e-5 / len(classes):
        return
    seen = [str(c) for c, n in zip(classes, in_tail, strict=True) if n][:5]
    warnings.warn(
        "validation_split takes the last rows as they stand, and the data are sorted by class: "
        f"the {len(tail)} rows for validation hold only class {', '.join(seen)} of "
        f"{len(classes)} classes. Shuffle the rows first, or use "
        "weft.data.train_val_test_split(x, y, stratify=True) and validation_data",
        stacklevel=4,
    )


def _class_numbers(y: Array) -> Array | None:
    """Class numbers of targets that look like classes; None for others."""
    if y.dtype.kind in "iub":
        return np.asarray(
            y.argmax(-1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(len(y), -1)[:, 0]
        )
    if y.dtype.kind == "f" and y.ndim == 2 and y.shape[1] > 1:
        one_hot = bool(((y == 0) | (y == 1)).all()) and bool((y.sum(-1) == 1).all())
        return np.asarray(y.argmax(-1)) if one_hot else None
    if y.dtype.kind == "f" and y.size == len(y):
        flat = np.asarray(y).reshape(-1)
        whole = len(flat) < 1_000_000 and bool((flat == np.round(flat)).all())
        return flat if whole and len(np.unique(flat)) <= 2 else None
    return None
