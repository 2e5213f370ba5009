"""Sources cut into epochs."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterator
from typing import Any

from weft.data.sources import Batch, Source, placed
from weft.device import current_device, gpu_in_use, is_gpu


class Epochs:
    """Cuts a source into epochs: a whole pass each, or `steps` batches that go on where the last
    epoch stopped.

    Args:
        source: Where batches come from.
        steps: Batches per epoch; None means one pass.
    """

    def __init__(self, source: Source, steps: int | None = None) -> None:
        self.source = source
        self.steps = steps
        self.exhausted = False
        self._running: Iterator[Batch] | None = None
        self._open: Generator[Batch, None, None] | None = None

    @property
    def num_batches(self) -> int | None:
        """Batches of an epoch, None if unknown."""
        return self.source.num_batches if self.steps is None else self.steps

    @property
    def reader(self) -> Any:
        """`Source.reader`, where whatever it gives belongs to this epoch and is used as it is."""
        on_the_way = gpu_in_use() and is_gpu(current_device())
        return None if on_the_way or self.steps is not None else self.source.reader

    def rewind(self) -> None:
        """Begin the next epoch with the first batch, where a second pass is possible."""
        if self.source.restartable:
            self._running = None

    def epoch(self) -> Iterator[Batch]:
        """The batches of the next epoch."""
        self._open = self._placed()
        return self._open

    def close(self) -> None:
        """Stop reading ahead, also while a traceback keeps an epoch that was broken off."""
        if self._open is not None:
            self._open.close()
        self._open = self._running = None

    def _placed(self) -> Generator[Batch, None, None]:
        for batch in self._batches():
            yield placed(batch) if gpu_in_use() else batch

    def _batches(self) -> Iterator[Batch]:
        if self.steps is None:
            if not self.exhausted:
                yield from self.source.batches()
            self.exhausted = not self.source.restartable
            return
        for step in range(self.steps):
            batch = self._next()
            if batch is None:
                self.exhausted = True
                warnings.warn(
                    f"the data ran out after {step} of {self.steps} batches of this epoch; the "
                    "generator must give steps_per_epoch * epochs batches, or be endless",
                    stacklevel=3,
                )
                return
            yield batch

    def _next(self) -> Batch | None:
        for _ in range(2):
            if self._running is None:
                self._running = self.source.batches()
            batch = next(self._running, None)
            if batch is not None:
                return batch
            if not self.source.restartable:
                return None
            self._running = None
        return None
