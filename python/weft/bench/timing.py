"""Honest timing: contenders take turns, one call each, so that noise hits all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Timing:
    """Seconds per call: the smallest and the median of many."""

    best: float
    median: float
    calls: int


def interleaved(
    contenders: Mapping[str, Callable[[], Any]],
    seconds: float = 0.4,
    min_rounds: int = 7,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Time the contenders in turns.

    Short calls are repeated within a turn until a turn takes about 200 us, so that the clock's own
    cost does not matter. The order is reversed every other round.

    Args:
        contenders: Functions without arguments, by name.
        seconds: Time to spend on all of them together.
        min_rounds: Turns that each takes at least, even beyond `seconds`.
        clock: Seconds since some moment; `time.thread_time` does not count what other programs do
            on a busy machine, but neither what other threads do for the contenders.

    Example:
        >>> from weft.bench.timing import interleaved
        >>> t = interleaved({"a": lambda: sum(range(10)), "b": lambda: sum(range(1000))}, 0.02)
        >>> t["a"].best < t["b"].best
        True
    """
    repeats = {name: _repeats(function, clock) for name, function in contenders.items()}
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < min_rounds or time.perf_counter() < end:
        for name in order:
            samples[name].append(_turn(contenders[name], repeats[name], clock))
        order.reverse()
        rounds += 1
    return {
        name: Timing(min(values), statistics.median(values), rounds * repeats[name])
        for name, values in samples.items()
    }


def _turn(function: Callable[[], Any], repeats: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(repeats):
        function()
    return (clock() - start) / repeats


def _repeats(function: Callable[[], Any], clock: Callable[[], float]) -> int:
    function()  # warm-up: caches, pools, first-use initialisation
    return max(1, int(200e-6 / max(_turn(function, 3, clock), 1e-9)))
