"""How training shows its progress: a bar on a terminal, plain lines everywhere else.

Drawing is rare (ten times a second on a terminal), so a batch costs one look at the clock.
"""

from __future__ import annotations

import sys
import time
from typing import Any

Logs = dict[str, Any]

DRAW_EVERY = 0.1
LINE_EVERY = 15.0
BAR_WIDTH = 24


def number_text(value: Any) -> str:
    """A logged number, short.

    Example:
        >>> from weft.training.progress import number_text
        >>> number_text(0.25), number_text(1e-5)
        ('0.2500', '1.0000e-05')
    """
    if isinstance(value, str):
        return value
    value = float(value)
    if value == 0 or abs(value) >= 1e-3:
        return f"{value:.4f}" if abs(value) < 1e6 else f"{value:.4e}"
    return f"{value:.4e}"


def logs_text(logs: Logs) -> str:
    """``loss: 0.1234 - accuracy: 0.9800``."""
    return " - ".join(f"{name}: {number_text(value)}" for name, value in logs.items())


def time_text(seconds: float) -> str:
    """A duration: ``0.8s``, ``35s``, ``2:05``, ``1:02:05``."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    if seconds < 60:
        return f"{seconds:.0f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def rate_text(
    done: int, total: int | None, rows: int | None, elapsed: float, unit: str = "step"
) -> str:
    """Samples per second where the number of rows is known, else steps per second."""
    if not done or elapsed <= 0:
        return ""
    if rows is None or not total:
        return f"{done / elapsed:,.0f} {unit}s/s"
    return f"{min(done / total, 1.0) * rows / elapsed:,.0f} samples/s"


def line_text(label: str, facts: list[str], logs: Logs, note: str = "") -> str:
    """A whole line: ``45/45 - 0.5s - 2,900 samples/s - loss: 0.1234``."""
    return " - ".join(part for part in (label, *facts, note, logs_text(logs)) if part)


class Progress:
    """The progress of one pass over the data.

    Args:
        total: Steps of the pass, None if unknown.
        rows: Rows of the pass, None if unknown.
        label: Put in front of the line.
    """

    interval = LINE_EVERY
    unit = "step"  # what is counted

    def __init__(self, total: int | None, rows: int | None = None, label: str = "") -> None:
        self.total = total
        self.rows = rows
        self.label = label
        self.started = time.perf_counter()
        self.next_draw = self.started + self.interval
        self._steps_ended: float | None = None

    def steps_end(self) -> None:
        """What follows (a validation) does not count in the rate."""
        self._steps_ended = time.perf_counter()

    def due(self) -> bool:
        """Whether enough time has passed to draw again."""
        return time.perf_counter() >= self.next_draw

    def draw(self, done: int, logs: Logs, note: str = "") -> None:
        """Show `done` steps."""
        raise NotImplementedError

    def finish(self, done: int, logs: Logs) -> None:
        """Show the end of the pass."""
        raise NotImplementedError

    def close(self) -> None:
        """Give the terminal back."""

    def facts(self, done: int, finished: bool = False) -> list[str]:
        """Position, times and rate."""
        elapsed = time.perf_counter() - self.started
        times = time_text(elapsed)
        if not finished and self.total and done:
            times += f" < {time_text(elapsed * (self.total - done) / done)}"
        position = f"{done}/{self.total if self.total is not None else '?'}"
        worked = elapsed if self._steps_ended is None else self._steps_ended - self.started
        rate = rate_text(done, self.total, self.rows, worked, self.unit)
        return [part for part in (position, times, rate) if part]


class Lines(Progress):
    """Plain lines without control characters: one at the end, and a few during a long pass."""

    def __init__(
        self, total: int | None, rows: int | None = None, label: str = "", sparse: bool = True
    ) -> None:
        super().__init__(total, rows, label)
        if not sparse:
            self.next_draw = float("inf")

    def draw(self, done: int, logs: Logs, note: str = "") -> None:
        self._print(self.facts(done), logs, note)
        self.next_draw = time.perf_counter() + self.interval

    def finish(self, done: int, logs: Logs) -> None:
        self._print(self.facts(done, finished=True), logs)

    def _print(self, facts: list[str], logs: Logs, note: str = "") -> None:
        print(line_text(self.label, facts, logs, note), file=sys.stdout, flush=True)


class Bar(Progress):
    """One line on a terminal that is drawn over again, and replaced by a plain line at the end."""

    interval = DRAW_EVERY

    def __init__(
        self,
        total: int | None,
        rows: int | None = None,
        label: str = "",
        width: int = BAR_WIDTH,
    ) -> None:
        # Imported late: rich takes longer to load than all of weft's training code.
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        super().__init__(total, rows, label)
        self._width = width
        self._live = RichProgress(
            TextColumn("{task.fields[position]}"),
            BarColumn(bar_width=width),
            TextColumn("[progress.elapsed]{task.fields[timing]}"),
            TextColumn("{task.fields[logs]}", markup=False),
            console=Console(file=sys.stdout),
            auto_refresh=False,
            transient=True,
        )
        self._task = self._live.add_task("", total=total, position="", timing="", logs="")
        self._live.start()

    def draw(self, done: int, logs: Logs, note: str = "") -> None:
        self._show(self.facts(done), done, " - ".join(p for p in (logs_text(logs), note) if p))
        self.next_draw = time.perf_counter() + self.interval

    def finish(self, done: int, logs: Logs) -> None:
        self.close()
        print(line_text(self.label, self.facts(done, finished=True), logs), flush=True)

    def close(self) -> None:
        self._live.stop()

    def _show(self, facts: list[str], done: int, text: str) -> None:
        position = f"{self.label} {facts[0]}".strip()
        timing = " ".join(facts[1:])
        room = self._live.console.width - len(position) - len(timing) - self._width - 4
        self._live.update(
            self._task,
            completed=done,
            position=position,
            timing=timing,
            logs=text if len(text) <= room else text[: max(room - 1, 0)] + "…",
            refresh=True,
        )


def start_progress(
    total: int | None,
    rows: int | None = None,
    *,
    verbose: Any = 1,
    label: str = "",
    width: int = BAR_WIDTH,
) -> Progress | None:
    """The display for a pass: a `Bar` on a terminal, else `Lines`; None for ``verbose=0``."""
    if not verbose:
        return None
    if verbose == 2:
        return Lines(total, rows, label, sparse=False)
    if sys.stdout.isatty():
        return Bar(total, rows, label, width)
    return Lines(total, rows, label)


def check_verbose(verbose: Any) -> int:
    """0, 1 or 2; ``"auto"`` is 1.

    Raises:
        ValueError: If it is something else.
    """
    if verbose == "auto":
        return 1
    if verbose not in (0, 1, 2):
        raise ValueError(f"verbose must be 0, 1, 2 or 'auto', got {verbose!r}")
    return int(verbose)
