"""Runs rungs: agreement with NumPy, counters on ``sim``, times on ``cuda``; and writes READMEs."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import numpy as np
from benchmarks.ladder.ladders import FOLDER, Ladder, Rung, Sizes

import weft
from weft.sim import Counts, Line

BEGIN = "<!-- written by: python -m benchmarks.ladder {} --write -->"
END = "<!-- end of what was written -->"


@dataclass(frozen=True)
class Outcome:
    """What one run of a rung gave; `counts` on the simulated device, `seconds` on a GPU."""

    rung: Rung
    error: float  # the largest, relative to the largest result
    counts: Counts | None = None
    seconds: float | None = None


def run(ladder: Ladder, rung: Rung, sizes: Sizes, device: str) -> Outcome:
    """Run a rung and compare it with NumPy.

    Raises:
        AssertionError: If it differs by more than its tolerance.
    """
    arrays = ladder.inputs(sizes)
    inputs = rung.inputs(arrays, device)
    counts = None
    if device.startswith("sim"):
        with weft.sim.counters() as counts:
            result = rung.launch(*inputs).numpy()
    else:
        result = rung.launch(*inputs).numpy()
    expected = ladder.reference(*(a.astype("float64") for a in arrays))
    # A sum near zero of large terms is not wrong because it is small.
    scale = np.sqrt(sizes[0]) if ladder.name == "reduce" else np.abs(expected).max()
    error = float(np.abs(result - expected).max() / scale)
    assert error <= rung.tolerance, f"{ladder.name} rung {rung.number}: error {error:.1e}"
    seconds = None if device.startswith("sim") else _time(rung, inputs, device)
    return Outcome(rung, error, counts, seconds)


def _time(rung: Rung, inputs: list[weft.Tensor], device: str, rounds: int = 20) -> float:
    begin, end = weft.cuda.Event(device), weft.cuda.Event(device)
    times = []
    for _ in range(rounds + 3):
        begin.record()
        rung.launch(*inputs)
        end.record()
        end.synchronize()
        times.append(float(begin.elapsed(end)) / 1e3)
    return statistics.median(times[3:])


def table_of_rungs(ladder: Ladder, sizes: Sizes, outcomes: list[Outcome]) -> str:
    """One row per rung, from what the simulated device counted."""
    head = [
        "rung", "global loads", "stores", "moved", "shared accesses", "ways", "barriers",
        "atomics", "error",
    ]  # fmt: skip
    rows = []
    for o in outcomes:
        assert o.counts is not None
        loads, stores = (o.counts.of(memory="global", operation=k) for k in ("load", "store"))
        shared = o.counts.of(memory="shared")
        atomics = sum(c.requests * c.active_lanes for c in o.counts.of(operation="atomic"))
        rows.append(
            [
                f"{o.rung.number} {o.rung.title}",
                _requests(loads),
                _requests(stores),
                f"{sum(_sectors(c) for c in loads + stores) * 32 / 1024:.0f} KB",
                f"{sum(c.requests for c in shared)}" if shared else "-",
                f"{_mean_ways(shared):.2f}" if shared else "-",
                f"{sum(c.requests for c in o.counts.of(operation='barrier'))}",
                f"{atomics:.0f}",
                f"{o.error:.0e}",
            ]
        )
    least = ladder.moved(sizes) / 1024
    note = (
        f"At {ladder.sizes} = {' '.join(map(str, sizes))}, where at least {least:.0f} KB have to "
        "move. Loads and stores: requests of warps x sectors of 32 bytes each took (and how few "
        "would do). Ways: how often a bank was accessed for one pass of a shared access; 1.00 is "
        "free of conflicts. Barriers: of all blocks. Error: the largest difference from float64, "
        "relative to the largest result."
    )
    return f"{_markdown(head, rows)}\n\n{note}"


def _sectors(c: Line) -> float:
    return c.sectors * c.requests


def _requests(lines: list[Line]) -> str:
    requests = sum(c.requests for c in lines)
    if requests == 0:
        return "-"
    sectors = sum(_sectors(c) for c in lines) / requests
    ideal = sum(c.ideal_sectors * c.requests for c in lines) / requests
    return f"{requests} x {sectors:.1f} ({ideal:.1f})"


def _mean_ways(lines: list[Line]) -> float:
    return sum(c.ways * c.requests for c in lines) / max(sum(c.requests for c in lines), 1)


def table_of_lines(counts: Counts) -> str:
    """The counters of one rung, line by line."""
    head = ["line", "access", "bytes", "requests", "lanes", "divergent", "sectors", "ideal", "ways"]
    rows = [
        [
            c.line,
            f"{c.memory} {c.operation}".strip(),
            str(c.bytes or "-"),
            str(c.requests),
            f"{c.active_lanes:.1f}",
            str(c.divergent),
            f"{c.sectors:.2f}" if c.memory == "global" else "-",
            f"{c.ideal_sectors:.2f}" if c.memory == "global" else "-",
            f"{c.ways:.2f}" if c.memory == "shared" else "-",
        ]
        for c in counts
    ]
    return _markdown(head, rows)


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def generated(ladder: Ladder) -> str:
    """The part of a ladder's README that a command writes."""
    outcomes = [run(ladder, rung, ladder.small, "sim") for rung in ladder.rungs()]
    parts = [BEGIN.format(ladder.name), table_of_rungs(ladder, ladder.small, outcomes)]
    for o in outcomes:
        assert o.counts is not None
        parts.append(f"## {o.rung.number} {o.rung.title}")
        if o.rung.file is not None:
            parts.append(f"[{o.rung.file.name}]({o.rung.file.name}). {o.rung.idea}")
        parts.append(table_of_lines(o.counts))
    return "\n\n".join([*parts, END]) + "\n"


def write_readme(ladder: Ladder) -> None:
    """Replace the written part of the ladder's README, whatever stands before it stays."""
    path = FOLDER / ladder.name / "README.md"
    text = path.read_text()
    begin = text.index(BEGIN.format(ladder.name))
    path.write_text(text[:begin] + generated(ladder))
