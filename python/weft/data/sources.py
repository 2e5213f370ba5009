"""Sources of batches: one small class per kind of input, all giving ``(x, y, sample_weight)``.

A source yields tuples without trailing Nones: ``(x,)``, ``(x, y)`` or ``(x, y, sample_weight)``,
whose leaves are tensors. Arrays are sliced as views; when shuffling, each batch is one gather.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any

import numpy as np

from weft import _C
from weft.data.arrays import (
    Array,
    as_arrays,
    flatten,
    is_leaf,
    map_structure,
    named_leaves,
    row_counts,
)
from weft.data.dataset import PyDataset
from weft.device import current_device, gpu_in_use, is_gpu, usable_cores, working_on
from weft.errors import shown
from weft.placement import place
from weft.tensor import Tensor

Batch = tuple[Any, ...]


def pack(x: Any, y: Any = None, sample_weight: Any = None) -> Batch:
    """``(x,)``, ``(x, y)`` or ``(x, y, sample_weight)``: what is None at the end is left out."""
    if sample_weight is not None:
        return (x, y, sample_weight)
    return (x,) if y is None else (x, y)


def placed(batch: Batch) -> Batch:
    """A batch on the current device, if that is a GPU: there a step works on it."""
    if not gpu_in_use():
        return batch
    device = current_device()
    whole: Batch = place(batch, device) if is_gpu(device) else batch
    return whole


def unpack(data: Any) -> tuple[Any, Any, Any]:
    """``(x, y, sample_weight)`` of what a source yields.

    Args:
        data: A batch: ``x``, ``(x, y)`` or ``(x, y, sample_weight)``.

    Returns:
        All three, None where it has none.

    Raises:
        ValueError: If it is a tuple of more than three.

    Example:
        >>> from weft.data import unpack
        >>> unpack((1, 2))
        (1, 2, None)

    Follows keras.utils.unpack_x_y_sample_weight.
    """
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(
            f"a batch must be x, (x, y) or (x, y, sample_weight), got a tuple of {len(data)}"
        )
    return (*data, None, None)[:3]


def wrap(array: Array) -> Tensor:
    """A tensor that shares the memory of `array`."""
    return Tensor(_C.from_numpy(array))


def lend(array: Array) -> Tensor:
    """A tensor that shares the memory of the user's `array`, which layers cannot write into."""
    return Tensor(_C.from_numpy(array, False, True))


class Source:
    """Where batches come from.

    Attributes:
        num_batches: Batches of one pass, or None if unknown.
        restartable: Whether a second pass is possible.
        reader: During a pass, what `batches` takes its batches from, if a recorded step can do so
            by itself as well: a `_C.BatchReader` of ``(x,)``, ``(x, y)`` or ``(x, y, weight)``.
    """

    num_batches: int | None = None
    restartable = True
    reader: Any = None

    def peek(self) -> Batch:
        """The first batch, for checks; it is not lost."""
        raise NotImplementedError

    def batches(self) -> Iterator[Batch]:
        """One pass over the data."""
        raise NotImplementedError

    def on_epoch_begin(self) -> None:
        """Called before each epoch of training."""

    def on_epoch_end(self) -> None:
        """Called after each epoch of training."""


class ArraySource(Source):
    """Rows of arrays in memory."""

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        batch_size: int | None = None,
        shuffle: bool | str = False,
        class_weight: dict[int, float] | None = None,
        float_dtype: str = "float32",
    ) -> None:
        given_x, given_y, given_weight = x, y, sample_weight
        x, y = as_arrays(x, "x", float_dtype), as_arrays(y, "y", float_dtype)
        sample_weight = as_arrays(sample_weight, "sample_weight", float_dtype)
        named = [
            pair
            for name, part in (("x", x), ("y", y), ("sample_weight", sample_weight))
            for pair in named_leaves(part, name)
        ]
        self.rows = row_counts(named)
        if class_weight is not None:
            sample_weight = weights_of_classes(y, class_weight, float_dtype)
        self.data = pack(x, y, sample_weight)
        self.batch_size = 32 if batch_size is None else batch_size
        self.num_batches = -(-self.rows // self.batch_size)
        self.shuffle = shuffle
        self._flat = all(isinstance(part, np.ndarray) for part in self.data)
        self._leaves: list[Any] = [_read_only(leaf) for leaf in flatten(self.data)]
        if gpu_in_use():
            self._leaves = _kept_there(self._leaves, (given_x, given_y, given_weight))

    def part(self, start: int, stop: int) -> Batch:
        """Rows ``start:stop`` in their own order, as views."""
        return self._rebuild([_part(leaf, start, stop) for leaf in self._leaves])

    def peek(self) -> Batch:
        return self.part(0, self.batch_size)

    def batches(self) -> Iterator[Batch]:
        starts: Sequence[int] = range(0, self.rows, self.batch_size)
        if self.shuffle == "batch":
            starts = [starts[i] for i in random_order(len(starts))]
        elif self.shuffle:
            yield from self._read(random_order(self.rows))
            return
        for start in starts:
            yield self.part(start, start + self.batch_size)

    def _read(self, order: Array) -> Iterator[Batch]:
        """Batches of rows in this order."""
        if not all(isinstance(leaf, np.ndarray) and _rows_are_dense(leaf) for leaf in self._leaves):
            for start in range(0, self.rows, self.batch_size):
                rows = order[start : start + self.batch_size]
                yield self._rebuild([_rows_of(leaf, rows) for leaf in self._leaves])
            return
        device = current_device() if gpu_in_use() else "cpu"
        arrays = [_C.from_numpy(leaf) for leaf in self._leaves]
        ahead = self._is_worth_a_thread()
        reader = _C.BatchReader(arrays, _C.from_numpy(order), self.batch_size, device, ahead)
        following = reader.next
        if self._flat:
            self.reader = reader
            try:
                while batch := following():
                    yield tuple(map(Tensor, batch))
            finally:
                self.reader = None
        while batch := following():
            yield self._rebuild(list(map(Tensor, batch)))

    def _is_worth_a_thread(self) -> bool:
        """Whether rows are copied by a thread while steps run.

        Copying from memory costs 0.15 us for a KB; a thread costs 60 us, and waking it 5 us.
        """
        row = sum(leaf[:1].nbytes for leaf in self._leaves)
        large = row * self.batch_size >= 32 * 1024
        return large and usable_cores() > 1 and self.rows >= 8 * self.batch_size

    def _rebuild(self, leaves: list[Tensor]) -> Batch:
        if self._flat:
            return tuple(leaves)
        following = iter(leaves)
        return map_structure(lambda _: next(following), self.data)


class DatasetSource(Source):
    """Batches of a `PyDataset`."""

    def __init__(
        self,
        dataset: PyDataset,
        *,
        shuffle: bool | str = False,
        class_weight: dict[int, float] | None = None,
        float_dtype: str = "float32",
    ) -> None:
        self.dataset = dataset
        self.shuffle = shuffle
        self.num_batches = dataset.num_batches
        if self.num_batches == 0:
            raise ValueError(f"the data are empty: len({type(dataset).__name__}) is 0")
        self._convert = Converter(class_weight, float_dtype)
        self._first: Batch | None = None

    def peek(self) -> Batch:
        if self._first is None:
            self._first = self._convert(self.dataset[0])
        return self._first

    def batches(self) -> Iterator[Batch]:
        first, self._first = self._first, None
        order: Iterable[int] = itertools.count()
        if self.num_batches is not None:
            order = range(self.num_batches)
            if self.shuffle:
                order = random_order(self.num_batches).tolist()
        for index, data in self.dataset.ordered(order, have_first=first is not None):
            yield first if index == 0 and first is not None else self._convert(data)

    def on_epoch_begin(self) -> None:
        self.dataset.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self.dataset.on_epoch_end()


class IterableSource(Source):
    """Batches of a generator, a list of batches, a torch ``DataLoader`` or any other iterable."""

    def __init__(
        self,
        iterable: Iterable[Any],
        *,
        class_weight: dict[int, float] | None = None,
        float_dtype: str = "float32",
    ) -> None:
        self.iterable = iterable
        self.restartable = not hasattr(iterable, "__next__")
        self.num_batches = len(iterable) if isinstance(iterable, Sized) else None
        self._convert = Converter(class_weight, float_dtype)
        self._started: Iterator[Batch] | None = None

    def peek(self) -> Batch:
        rest = self._iterate() if self._started is None else self._started
        first = next(rest, None)
        if first is None:
            raise ValueError("the data are empty: the generator gave no batch")
        self._started = itertools.chain([first], rest)
        return first

    def batches(self) -> Iterator[Batch]:
        started, self._started = self._started, None
        return self._iterate() if started is None else started

    def _iterate(self) -> Iterator[Batch]:
        for data in self.iterable:
            yield self._convert(data)


class Converter:
    """Turns one batch as the user gives it into a tuple of tensors."""

    def __init__(self, class_weight: dict[int, float] | None, float_dtype: str) -> None:
        self.class_weight = class_weight
        self.float_dtype = float_dtype

    def __call__(self, data: Any) -> Batch:
        if isinstance(data, list):
            # torch's DataLoader collates a batch as a list [x, y].
            data = tuple(data)
        x, y, sample_weight = unpack(data)
        return tensors(x, y, sample_weight, self.class_weight, self.float_dtype)


_FLOATS = {"float32": np.dtype("float32"), "float64": np.dtype("float64")}


def tensors(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    class_weight: dict[int, float] | None = None,
    float_dtype: str = "float32",
) -> Batch:
    """One batch as tensors, packed by `pack`."""
    if class_weight is not None:
        if sample_weight is not None:
            raise ValueError("class_weight and sample_weight cannot be given together")
        y = as_arrays(y, "y", float_dtype)
        sample_weight = weights_of_classes(y, class_weight, float_dtype)
    batch = pack(
        _tensors(x, "x", float_dtype),
        _tensors(y, "y", float_dtype),
        _tensors(sample_weight, "sample_weight", float_dtype),
    )
    return placed(batch)


def _tensors(structure: Any, name: str, float_dtype: str) -> Any:
    # Arrays of the wanted type and of class numbers go as they are.
    if type(structure) is np.ndarray:
        dtype = structure.dtype
        if dtype is _FLOATS[float_dtype] or dtype.kind in "iub":
            return lend(structure)
    if structure is None or isinstance(structure, Tensor):
        return structure
    if is_leaf(structure):
        return lend(as_array_of(structure, name, float_dtype))
    arrays = as_arrays(structure, name, float_dtype)
    return map_structure(lend, arrays)


def as_array_of(value: Any, name: str, float_dtype: str) -> Array:
    """One leaf as an array; see `weft.data.arrays.as_arrays`."""
    array: Array = as_arrays(value, name, float_dtype)
    return array


def _kept_there(leaves: list[Any], given: Any) -> list[Any]:
    """`leaves` with the user's own tensors instead of copies where they are on the current GPU."""
    device = current_device()
    sources = flatten(given)
    if len(sources) != len(leaves) or not is_gpu(device):
        return leaves
    return [
        source.detach()
        if isinstance(source, Tensor)
        and source.device == device
        and source.dtype == str(leaf.dtype)
        else leaf
        for leaf, source in zip(leaves, sources, strict=True)
    ]


def _part(leaf: Any, start: int, stop: int) -> Tensor:
    rows = leaf[start:stop]
    return rows if isinstance(rows, Tensor) else wrap(rows)


def _rows_of(leaf: Any, rows: Array) -> Tensor:
    if isinstance(leaf, Tensor):
        from weft import ops

        return ops.take(leaf, rows, axis=0)
    return wrap(leaf.take(rows, axis=0))


def _rows_are_dense(array: Array) -> bool:
    return array.ndim > 0 and array[:1].flags.c_contiguous


def _read_only(array: Array) -> Array:
    """A view that layers cannot write into: batches share memory with the user's data."""
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view


def random_order(n: int) -> Array:
    """A permutation of ``range(n)`` from weft's seeded generator."""
    from weft.random import permutation

    with working_on("cpu"):  # where the rows are; the numbers are the same on every device
        order: Array = permutation(n).numpy()
    return order


def weights_of_classes(y: Any, class_weight: dict[int, float], float_dtype: str) -> Array:
    """A weight per row, looked up by its class; classes that are not named weigh 1.

    Raises:
        ValueError: If there is not exactly one array of targets, or a weight is negative.
        TypeError: If `class_weight` is no dict from class numbers.
    """
    if not isinstance(y, np.ndarray):
        raise ValueError(
            "class_weight needs targets in one array; for several outputs pass sample_weight"
        )
    if not isinstance(class_weight, dict):
        raise TypeError(
            f"class_weight must be a dict from class number to weight, got {class_weight!r}"
        )
    for label, weight in class_weight.items():
        if not hasattr(label, "__index__"):
            raise TypeError(f"class_weight: {shown(label)} is no class number")
        real = isinstance(weight, (int, float, np.integer, np.floating))
        if not real or not 0 <= weight < math.inf:
            raise ValueError(
                f"class_weight: the weight of class {label} must be a number of at least 0, got "
                f"{shown(weight)}"
            )
    labels = np.asarray(y)
    if labels.ndim > 1:
        labels = labels.argmax(-1) if labels.shape[-1] != 1 else labels[..., 0]
    present, positions = np.unique(labels, return_inverse=True)
    table = [float(class_weight.get(round(float(c)), 1.0)) for c in present]
    weights: Array = np.asarray(table, float_dtype)[positions].reshape(labels.shape)
    return weights


def make_source(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    shuffle: bool | str = False,
    class_weight: dict[int, float] | None = None,
    float_dtype: str = "float32",
) -> Source:
    """The source for what was passed to `fit`, `evaluate` or `predict`.

    Raises:
        ValueError: If `y`, `sample_weight` or `batch_size` is given although the batches of `x`
            bring their own.
    """
    if isinstance(x, Source):
        return x
    kind = _kind(x)
    if kind == "arrays":
        if class_weight is not None and sample_weight is not None:
            raise ValueError("class_weight and sample_weight cannot be given together")
        return ArraySource(
            x,
            y,
            sample_weight,
            batch_size=batch_size,
            shuffle=shuffle,
            class_weight=class_weight,
            float_dtype=float_dtype,
        )
    for name, value in (("y", y), ("sample_weight", sample_weight), ("batch_size", batch_size)):
        if value is not None:
            raise ValueError(
                f"{name} cannot be given when x is a {type(x).__name__}: its batches are "
                "(x, y) or (x, y, sample_weight) already"
            )
    if kind == "dataset":
        return DatasetSource(x, shuffle=shuffle, class_weight=class_weight, float_dtype=float_dtype)
    return IterableSource(x, class_weight=class_weight, float_dtype=float_dtype)


def _kind(x: Any) -> str:
    if isinstance(x, PyDataset):
        return "dataset"
    array_like = isinstance(x, (np.ndarray, Tensor, dict)) or hasattr(x, "__array__")
    if array_like or hasattr(x, "to_numpy"):
        return "arrays"
    if isinstance(x, (list, tuple)):
        # A list of (x, y) pairs is a list of batches; other lists are data.
        batches = bool(x) and all(isinstance(b, tuple) and not is_leaf(b) for b in x)
        return "iterable" if batches else "arrays"
    if hasattr(x, "__iter__"):
        return "iterable"
    if hasattr(x, "__getitem__") and hasattr(x, "__len__"):
        return "iterable"
    raise TypeError(
        f"cannot train on a {type(x).__name__}; pass arrays, tensors, tables, dicts or lists of "
        "them, a weft.utils.PyDataset, or an iterable of (x, y) batches"
    )
