"""``python -m weft.bench --roofline``: the kernels below the roofs of the machine they run on.

A roof is what no kernel can exceed: the FLOP/s of multiply-adds, and for each place where data may
lie the bytes a second of a copy there times the operations that are done with a byte.

Source: Williams, Waterman and Patterson, Roofline: An Insightful Visual Performance Model for
Multicore Architectures, 2009.
"""

from __future__ import annotations

import pathlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import weft
from weft import _C
from weft.bench.operations import cost_of
from weft.bench.representative import Work, works
from weft.bench.timing import interleaved
from weft.limits import Limits

_CACHES = pathlib.Path("/sys/devices/system/cpu/cpu0/cache")


@dataclass(frozen=True)
class Point:
    """One kernel: its work, and the best time of many calls in seconds (None without PyTorch)."""

    name: str
    family: str
    flops: int
    moved: int
    weft: float
    torch: float | None

    @property
    def intensity(self) -> float:
        """Operations for each byte that must be read or written."""
        return self.flops / self.moved


@dataclass(frozen=True)
class Roofs:
    """FLOP/s, and bytes a second by the place where the data lies, fastest first."""

    flops: float
    bandwidths: dict[str, float]

    @classmethod
    def measure(cls) -> Roofs:
        """Those of `weft.num_threads()` threads: copies of half of each cache, and in memory."""
        limits = Limits.measure()
        found = {
            # A cache that cores share is used to a quarter, and each thread has its part of that.
            name: _C.peak_bandwidth(size // 2 if private else size // (4 * _C.num_threads()))
            for name, size, private in caches()
        }
        return cls(limits.flops, {**found, "memory": limits.bandwidth})

    def share(self, point: Point) -> float:
        """Of what is possible where all data comes from memory: above 1 it came from a cache."""
        reachable = min(self.flops, point.intensity * self.bandwidths["memory"])
        return point.flops / point.weft / reachable


def caches(folder: pathlib.Path = _CACHES) -> Iterator[tuple[str, int, bool]]:
    """Name, bytes, and whether it belongs to one core: as Linux tells; nothing elsewhere."""
    for index in sorted(folder.glob("index*")):
        facts = ("level", "type", "size")
        level, kind, size = ((index / name).read_text().strip() for name in facts)
        digits = re.fullmatch(r"(\d+)K", size)
        if kind != "Instruction" and digits is not None:
            yield f"L{level}", int(digits[1]) << 10, int(level) < 3


def measure(pattern: str, seconds: float, with_torch: bool) -> Iterator[Point]:
    """The points whose names contain `pattern`; results are compared before they are timed.

    With one thread its own time counts, so that other programs disturb little.
    """
    clock = time.thread_time if weft.num_threads() == 1 else time.perf_counter
    for work in works():
        if pattern not in work.name:
            continue
        with weft.no_grad():
            calls = contenders(work, with_torch)
            times = interleaved(calls, seconds, clock=clock)
            flops, moved = cost_of(calls["weft"])
        peer = times["torch"].best if with_torch else None
        yield Point(work.name, work.family, flops, moved, times["weft"].best, peer)


def contenders(work: Work, with_torch: bool) -> dict[str, Callable[[], Any]]:
    """The calls of both libraries for the same random arrays.

    Raises:
        AssertionError: If their results differ by more than the work's tolerance.
    """
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype("float32") for shape in work.shapes]
    calls: dict[str, Callable[[], Any]] = {"weft": work.own(*map(weft.tensor, arrays))}
    if not with_torch:
        return calls
    import torch

    call = work.peer(torch, *(torch.from_numpy(array.copy()) for array in arrays))
    calls["torch"] = torch.no_grad()(call)
    own, peer = calls["weft"]().numpy(), calls["torch"]().detach().numpy()
    worst = np.abs(own - peer).max() / np.abs(peer).max()
    if own.shape != peer.shape or not worst <= work.tolerance:
        raise AssertionError(
            f"{work.name}: weft and PyTorch differ by {worst:.1e} of the largest value, allowed "
            f"are {work.tolerance:.1e}"
        )
    return calls


def table(points: list[Point], roofs: Roofs) -> str:
    """The numbers of the picture as Markdown."""
    lines = [
        "| | kernel | FLOPs/byte | weft | GFLOP/s | GB/s | of the limit | PyTorch | PyTorch/weft |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for number, p in enumerate(points, 1):
        peer = ("-", "-") if p.torch is None else (_time(p.torch), f"{p.torch / p.weft:.2f}")
        cells = [
            str(number), p.name.replace("*", r"\*"), _number(p.intensity), _time(p.weft),
            f"{p.flops / p.weft / 1e9:.1f}", f"{p.moved / p.weft / 1e9:.1f}",
            f"{roofs.share(p):.0%}", *peer,
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", _limits(roofs)])


def title(machine: dict[str, Any], threads: int) -> str:
    """What was measured, where and when."""
    versions = machine["versions"]
    peer = f", PyTorch {versions['torch']}" if "torch" in versions else ""
    return (
        f"{machine['processor']} with {machine['isa']}, {threads} thread{'s' * (threads > 1)}, "
        f"weft {versions['weft']}{peer}, {machine['date']}"
    )


def _limits(roofs: Roofs) -> str:
    """The roofs in words."""
    places = ", ".join(f"{name} {rate / 1e9:.1f}" for name, rate in roofs.bandwidths.items())
    threads = weft.num_threads()
    return (
        f"Limits of {threads} thread{'s' * (threads > 1)}: {roofs.flops / 1e9:.0f} "
        f"GFLOP/s of multiply-adds in float32; copies, GB/s read plus written: {places}. "
        r"(\*) counts the operations of the plain sum, of which Winograd's algorithm needs fewer. "
        "Above 100 % the data lay in a cache."
    )


def _number(x: float) -> str:
    return f"{x:.0f}" if x >= 10 else f"{x:.2g}"


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"
