"""`PyDataset`: batches computed on demand, by worker threads if wanted."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class PyDataset:
    """Base class for data whose batches are computed when they are needed.

    A subclass defines ``__len__`` (batches per epoch) and ``__getitem__(index)``, which returns
    ``(x, y)`` or ``(x, y, sample_weight)``; and, if wanted, `on_epoch_begin` and `on_epoch_end`.

    Args:
        workers: Threads that compute batches ahead; 1 computes them in the training thread.
        use_multiprocessing: Must be False: weft computes batches in threads.
        max_queue_size: Batches that workers may be ahead.

    Raises:
        ValueError: If an argument is impossible.

    Example:
        >>> import numpy as np, weft
        >>> class Squares(weft.utils.PyDataset):
        ...     def __len__(self):
        ...         return 3
        ...     def __getitem__(self, index):
        ...         x = np.full((2, 1), index, "float32")
        ...         return x, x**2
        >>> Squares()[2][1].tolist()
        [[4.0], [4.0]]

    Follows keras.utils.PyDataset.
    """

    _workers = 1
    _max_queue_size = 10

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        for name, value in (("workers", workers), ("max_queue_size", max_queue_size)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be a positive integer, got {value!r}")
        if use_multiprocessing:
            raise ValueError(
                "use_multiprocessing=True is not supported: weft computes batches in threads; "
                "use workers=N (NumPy and weft release the interpreter lock while they compute)"
            )
        self._workers = workers
        self._max_queue_size = max_queue_size

    @property
    def workers(self) -> int:
        """Threads that compute batches."""
        return self._workers

    @property
    def max_queue_size(self) -> int:
        """Batches that workers may be ahead."""
        return self._max_queue_size

    @property
    def num_batches(self) -> int | None:
        """Batches per epoch: ``len(self)``, or None (endless) without ``__len__``."""
        return len(self) if hasattr(self, "__len__") else None

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(self, index)")

    def on_epoch_begin(self) -> None:
        """Called before each epoch of `fit`."""

    def on_epoch_end(self) -> None:
        """Called after each epoch of `fit`."""

    def ordered(self, order: Iterable[int], have_first: bool = False) -> Iterator[tuple[int, Any]]:
        """``(index, self[index])`` in the given order, computed ahead by the workers.

        Args:
            order: Indices.
            have_first: Give None for index 0, which the caller has already.
        """

        def compute(index: int) -> Any:
            return None if have_first and index == 0 else self[index]

        if self._workers == 1:
            for index in order:
                yield index, compute(index)
            return
        waiting: collections.deque[tuple[int, Future[Any]]] = collections.deque()
        with ThreadPoolExecutor(self._workers, thread_name_prefix="weft-data") as pool:
            try:
                for index in order:
                    waiting.append((index, pool.submit(compute, index)))
                    if len(waiting) > self._max_queue_size:
                        done, future = waiting.popleft()
                        yield done, future.result()
                while waiting:
                    done, future = waiting.popleft()
                    yield done, future.result()
            finally:
                for _, future in waiting:
                    future.cancel()


Sequence = PyDataset
