"""A recorded step as Python sees it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from weft import _C
from weft.programs import profile as profiles
from weft.programs.recording import Recording, copies
from weft.programs.results import are_plain, difference, fresh
from weft.saving.files import atomic_write

NOT_REPLAYED = object()
_CANNOT_RUN = -2  # of the compiled program's `run`

# For so many seconds steps follow each other without Python: interrupts and progress wait.
_TURN = 0.02


class PassReport(NamedTuple):
    """What one pass did to a recorded step.

    Attributes:
        name: The pass.
        launches_before: Launches of the step before it.
        launches_after: Launches after it.
        gone: Names of launches that went.
        come: Names of launches that took their place.
    """

    name: str
    launches_before: int
    launches_after: int
    gone: list[str]
    come: list[str]

    def __str__(self) -> str:
        head = f"pass {self.name}: {self.launches_before} -> {self.launches_after} launches"
        made = Counter(self.come)
        return "\n".join([head, *(f"  {count} x {name}" for name, count in made.items())])


class Program:
    """A recorded step: its launches, in order, and the memory they work on.

    ``print(program)`` lists them; `profile` adds times.

    Attributes:
        bytes_before_planning: Memory of all intermediate results, each in its own place.
        bytes_planned: The same with memory used again as soon as a result is not needed any more.
        bytes_kept: Results and constants that stay for the caller or for later replays.
        passes: What each pass did to the launches (`weft.programs.passes` lists the passes).

    Example:
        >>> import weft
        >>> double = weft.capture(lambda x: x * 2.0)
        >>> for _ in range(3):
        ...     y = double(weft.ones((4, 2)))
        >>> double.programs[0].launches[0][0], double.programs[0].launches[0][3]
        ('multiply', [((4, 2), weft.float32)])
    """

    def __init__(self, raw: Any, recording: Recording, results: Any) -> None:
        self._raw = raw
        self._hosts = recording.hosts
        self._beginnings = list(recording.beginnings.values())
        self._endings = recording.endings
        self._gradients = recording.gradients_after
        self._without_gradient: list[bool] = []  # leaves, before the step
        self._results = results
        self._results_are_plain = are_plain(results)
        self.bytes_before_planning: int = raw.bytes_before_planning
        self.bytes_planned = self.bytes_kept = 0
        self.passes: list[PassReport] = []

    def _prepare(self, passes: Sequence[str]) -> None:
        """Let passes rewrite the launches and plan the memory: before the first replay."""
        self._raw.prepare(list(passes))
        self.bytes_planned = self._raw.bytes_planned
        self.bytes_kept = self._raw.bytes_kept
        self.passes = [PassReport(*report) for report in self._raw.reports]

    def _replay(self, inputs: list[Any]) -> Any:
        """The results; `NOT_REPLAYED` if the step has to run eagerly this time."""
        if self._gradients and self._leaves_without_gradient() != self._without_gradient:
            return NOT_REPLAYED  # backward adds to a gradient, or finds none
        for begin in self._beginnings:
            begin()
        at = self._raw.run(inputs)
        if at == _CANNOT_RUN:
            return NOT_REPLAYED
        while at >= 0:
            self._hosts[at]()
            at = self._raw.go_on()
        for leaf, gradient in self._gradients:
            leaf.grad = fresh(gradient)
        for function, made in self._endings:
            function(*copies(made))
        return self._results.copy() if self._results_are_plain else fresh(self._results)

    def _replay_batches(self, reader: Any, rows: int, position: Any) -> None:
        """Replays it on further batches of `reader`, for `_TURN` seconds without Python.

        Args:
            reader: A `_C.BatchReader` of its arguments.
            rows: Of a batch; one with fewer is left to the caller.
            position: Its ``batch`` counts batches that are done.
        """
        # What has to be done before a replay was done for the one before this, and still holds.
        if not self._results_are_plain or self._endings or self._gradients:
            return  # Python has a turn in every replay
        done = position.batch - reader.given
        try:
            at = _C.replay_batches(self._raw, reader, rows, _TURN)
            while at >= 0:
                position.batch = done + reader.given - 1
                self._hosts[at]()
                at = self._raw.go_on()
        except BaseException:
            position.batch = done + reader.given - 1
            raise
        position.batch = done + reader.given

    def _leaves_without_gradient(self) -> list[bool]:
        return [leaf.grad is None for leaf, _ in self._gradients]

    def _difference(self, other: Program) -> str:
        found: str = self._raw.difference(other._raw)
        if found:
            return found
        if [id(leaf) for leaf, _ in self._gradients] != [id(leaf) for leaf, _ in other._gradients]:
            return "gradients arrive at other leaves"
        return difference(self._results, other._results)

    @property
    def launches(self) -> list[tuple[str, str, list[Any], list[Any], int, int]]:
        """For each launch: operation, layer, ``(shape, dtype)`` of its inputs and of its outputs,
        FLOPs, bytes.
        """
        launches: list[tuple[str, str, list[Any], list[Any], int, int]] = self._raw.launches()
        return launches

    @property
    def launches_in_graphs(self) -> int:
        """On a GPU, after the first replay: how many of the launches are parts of CUDA graphs."""
        count: int = self._raw.launches_in_graphs
        return count

    @property
    def why_no_graphs(self) -> str:
        """On a GPU, after the first replay: why there are none; empty if there are."""
        reason: str = self._raw.graph_failure
        return reason

    def profile(self, repeat: int = 20) -> str:
        """The launches with their times, rates, and the share of what the processor can do.

        That share is of the nearer of two limits, which are measured once (`weft.limits`): FLOP/s
        of multiply-adds ("compute") and bytes a second of a copy ("memory"). GPUs, real or
        simulated, have none. Afterwards all values are as before.

        Args:
            repeat: Replays; of each launch the least time counts.

        Returns:
            A table as text; the row "all" is the whole program.

        Example:
            >>> import weft
            >>> product = weft.capture(lambda x: x @ x)
            >>> for _ in range(3):
            ...     y = product(weft.ones((64, 64)))
            >>> head, matmul, everything, *_ = product.programs[0].profile().splitlines()
            >>> head.split("  ")[-2:], matmul.split()[0]
            (['of limit', 'bound by'], 'matmul')
        """
        return self._table(self._seconds("profile", repeat))

    def timeline(self, path: Any, repeat: int = 20) -> None:
        """Write the launches with their times to a file that ui.perfetto.dev and chrome://tracing
        open: one after the other, as on one stream, without what lies between them.

        Args:
            path: The file, in the JSON form of Chrome's trace events.
            repeat: Replays; of each launch the least time counts.
        """
        begin, events = 0.0, []
        for seconds, (name, layer, inputs, outputs, flops, moved) in zip(
            self._seconds("timeline", repeat), self.launches, strict=True
        ):
            facts: dict[str, Any] = {
                "layer": layer,
                "inputs": _shapes(inputs),
                "outputs": _shapes(outputs),
            }
            facts |= {"FLOPs": flops, "bytes": moved, "GFLOP/s": flops / seconds / 1e9}
            where = {"pid": 0, "tid": 0, "ts": begin * 1e6, "dur": seconds * 1e6}
            events.append({"name": name, "cat": "launch", "ph": "X", "args": facts, **where})
            begin += seconds
        text = json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}).encode()
        atomic_write(Path(path), lambda file: file.write(text))

    def _seconds(self, method: str, repeat: int) -> list[float]:
        if repeat < 1:
            raise ValueError(f"{method}: repeat must be at least 1, got {repeat}")
        seconds: list[float] = self._raw.profile(repeat)
        return seconds

    def _table(self, seconds: list[float] | None) -> str:
        head = ["launch", "layer", "inputs", "outputs", "FLOPs", "bytes"]
        rows = [
            [name, layer, _shapes(inputs), _shapes(outputs), f"{flops:,}", f"{moved:,}"]
            for name, layer, inputs, outputs, flops, moved in self.launches
        ]
        launches, footnotes = len(rows), []
        if seconds:
            timed = [
                profiles.Timed(device, dtype, time, flops, moved)
                for time, (device, dtype), (*_, flops, moved) in zip(
                    seconds, self._raw.places(), self.launches, strict=True
                )
            ]
            limits = profiles.limits_for(timed)
            total = [f"{sum(x.flops for x in timed):,}", f"{sum(x.moved for x in timed):,}"]
            rows = [*rows, ["all", "", "", "", *total]]
            rows = [a + b for a, b in zip(rows, profiles.columns(timed, limits), strict=True)]
            head += profiles.HEAD
            footnotes.append(profiles.explanation(timed, limits))
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = [
            "  ".join(
                text.ljust(width) if k < 4 else text.rjust(width)
                for k, (text, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in [head, *rows]
        ]
        facts = (
            f"{launches} launches; intermediate results {self.bytes_planned:,} bytes (planned; "
            f"{self.bytes_before_planning:,} one by one), kept {self.bytes_kept:,} bytes"
        )
        if in_graphs := self.launches_in_graphs:
            facts += f"; {in_graphs} of the launches are in CUDA graphs"
        changes = [str(report) for report in self.passes if report.gone]
        return "\n".join([*lines, *footnotes, facts, *changes])

    def __str__(self) -> str:
        return self._table(None)

    def __repr__(self) -> str:
        return f"<Program of {len(self.launches)} launches>"


def _shapes(operands: list[Any]) -> str:
    shown = [str(tuple(shape)).replace(" ", "") for shape, _ in operands[:4]]
    return " ".join(shown) + (f" +{len(operands) - 4}" if len(operands) > 4 else "")
