"""Splitting data into training, validation and test parts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.data.arrays import Array, as_arrays, map_structure, named_leaves, row_counts


def train_val_test_split(
    x: Any,
    y: Any = None,
    sizes: Sequence[float] = (0.8, 0.1, 0.1),
    *,
    stratify: Any = None,
    seed: int | None = None,
) -> tuple[Any, ...]:
    """Shuffled, disjoint parts of the data.

    Args:
        x: Arrays with rows along the first axis, or a structure of them.
        y: Targets with the same rows, or None.
        sizes: Fractions that sum to 1 or less, or numbers of rows; as many parts as sizes.
        stratify: True to give each part the classes of `y` in equal proportion, or an array of
            classes to use instead of `y`.
        seed: Seed of the shuffle; by default weft's generator (see `weft.utils.set_random_seed`).

    Returns:
        One ``(x, y)`` pair per size (only ``x`` when `y` is None).

    Raises:
        ValueError: If the sizes are impossible, or a class has fewer rows than there are parts.

    Example:
        >>> import numpy as np, weft
        >>> x, y = np.arange(10), np.arange(10) % 2
        >>> parts = weft.data.train_val_test_split(x, y, (0.6, 0.2, 0.2), stratify=True, seed=0)
        >>> [len(xs) for xs, ys in parts]
        [6, 2, 2]

    Follows sklearn.model_selection.train_test_split, for any number of parts.
    """
    x, y = as_arrays(x, "x", "float64"), as_arrays(y, "y", "float64")
    named = [*named_leaves(x, "x"), *named_leaves(y, "y")]
    rows = row_counts(named)
    counts = _counts(sizes, rows)
    rng = np.random.default_rng(_seed() if seed is None else seed)
    if stratify is None or stratify is False:
        order = rng.permutation(rows)
        bounds = np.cumsum([0, *counts])
        parts = [order[a:b] for a, b in itertools.pairwise(bounds)]
    else:
        classes = y if stratify is True else np.asarray(stratify)
        parts = _stratified(_classes(classes, rows), counts, rng)
    taken = [
        tuple(
            map_structure(lambda a, part=part: np.asarray(a)[part], data)
            for data in (x, y)
            if data is not None
        )
        for part in parts
    ]
    return tuple(t if y is not None else t[0] for t in taken)


def _seed() -> int:
    from weft.random import randint

    return int(randint((), 0, 2**31 - 1).item())


def _counts(sizes: Sequence[float], rows: int) -> list[int]:
    sizes = list(sizes)
    if not sizes or any(s < 0 for s in sizes):
        raise ValueError(f"sizes must be fractions or numbers of rows, at least 0, got {sizes}")
    if all(isinstance(s, (int, np.integer)) for s in sizes):
        if sum(sizes) > rows:
            raise ValueError(f"sizes {sizes} sum to {sum(sizes)}, but there are {rows} rows")
        return [int(s) for s in sizes]
    if sum(sizes) > 1 + 1e-9:
        raise ValueError(f"sizes {sizes} are fractions, but they sum to {sum(sizes):g} > 1")
    bounds = [round(float(b) * rows) for b in np.cumsum(sizes)]
    return [b - a for a, b in zip([0, *bounds[:-1]], bounds, strict=True)]


def _classes(classes: Any, rows: int) -> Array:
    classes = np.asarray(classes)
    if classes.ndim > 1:
        classes = classes[..., 0] if classes.shape[-1] == 1 else classes.argmax(-1)
    if classes.shape != (rows,):
        raise ValueError(
            f"stratify needs one class per row: got shape {classes.shape} for {rows} rows"
        )
    return classes


def _stratified(classes: Array, counts: list[int], rng: np.random.Generator) -> list[Array]:
    """Rows per part, so that each class is spread as evenly as whole numbers allow.

    Rows are laid out class by class in shuffled order and dealt to the parts at a constant rate
    (the part that is furthest behind its share takes the next row), which gives every class its
    proportion to within one row and every part its exact size.
    """
    values, sizes = np.unique(classes, return_counts=True)
    parts_in_use = sum(c > 0 for c in counts)
    least = int(np.min(sizes))
    if least < parts_in_use:
        rare = values[np.argmin(sizes)]
        raise ValueError(
            f"stratify: class {rare} has {least} rows for {parts_in_use} parts; every class "
            "needs at least one row per part"
        )
    rows = sum(counts)
    shuffled = rng.permutation(len(classes))
    by_class = shuffled[np.argsort(classes[shuffled], kind="stable")]
    owner = _deal(counts, len(classes) - rows)
    return [rng.permutation(by_class[owner == part]) for part in range(len(counts))]


def _deal(counts: list[int], left_over: int) -> Array:
    """The part of each of the rows in turn; `left_over` rows belong to none."""
    all_counts = np.array([*counts, left_over], "float64")
    total = int(all_counts.sum())
    # Member k of part p belongs near position (k + 1/2) / count_p of the whole.
    where = np.concatenate([(np.arange(int(c)) + 0.5) / c for c in all_counts if c])
    which = np.concatenate([np.full(int(c), p) for p, c in enumerate(all_counts) if c])
    dealt: Array = which[np.argsort(where, kind="stable")]
    assert len(dealt) == total
    return dealt
