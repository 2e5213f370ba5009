"""`Progbar`: a progress bar for loops written by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from weft.training.progress import BAR_WIDTH, Progress, start_progress


class Progbar:
    """A progress bar for a loop.

    Args:
        target: Steps in all, None if unknown.
        width: Characters of the bar.
        verbose: 0 silent, 1 a bar (plain lines where there is no terminal), 2 one line at the end.
        interval: Least seconds between two drawings.
        stateful_metrics: Names shown as given; the others are averaged over the steps.
        unit_name: What a step is called in "steps/s".

    Example:
        >>> import weft
        >>> bar = weft.utils.Progbar(2, verbose=0)
        >>> for step in range(2):
        ...     bar.add(1, values=[("loss", 0.5)])

    Follows keras.utils.Progbar.
    """

    def __init__(
        self,
        target: int | None,
        width: int = BAR_WIDTH,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        self.target = target
        self.verbose = verbose
        self.stateful_metrics = set(stateful_metrics or ())
        self._display: Progress | None = start_progress(target, verbose=verbose, width=width)
        if self._display is not None:
            self._display.unit = unit_name
            self._display.interval = max(self._display.interval, interval)
        self._seen = 0
        self._sums: dict[str, tuple[float, float]] = {}

    def update(self, current: int, values: Any = None, finalize: bool | None = None) -> None:
        """Show that `current` steps are done.

        Args:
            current: Steps done.
            values: ``(name, value)`` pairs.
            finalize: Whether this is the last call; by default when `current` reaches the target.
        """
        steps = max(current - self._seen, 0)
        for name, value in values or ():
            if name in self.stateful_metrics:
                self._sums[name] = (float(value), 1.0)
            else:
                total, count = self._sums.get(name, (0.0, 0.0))
                self._sums[name] = (total + float(value) * steps, count + steps)
        self._seen = current
        if self._display is None:
            return
        logs: dict[str, Any] = {
            name: total / max(count, 1.0) for name, (total, count) in self._sums.items()
        }
        if finalize or (finalize is None and self.target is not None and current >= self.target):
            self._display.finish(current, logs)
            self._display = None
        elif self._display.due():
            self._display.draw(current, logs)

    def add(self, n: int, values: Any = None) -> None:
        """Show that `n` more steps are done."""
        self.update(self._seen + n, values)
