"""Times of launches beside what the machine can do: the right half of `Program.profile`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from weft import _C
from weft.limits import Limits

HEAD = ["us", "of time", "GFLOP/s", "GB/s", "of limit", "bound by"]


class Timed(NamedTuple):
    """One launch: where it ran and what it computed in, its time, what it had to do."""

    device: str
    dtype: object
    seconds: float
    flops: int
    moved: int


def limits_for(launches: Sequence[Timed]) -> Limits | None:
    """The limits of the processor, if anything ran on it."""
    return Limits.measure() if any(x.device == "cpu" for x in launches) else None


def columns(launches: Sequence[Timed], limits: Limits | None) -> list[list[str]]:
    """The cells of each launch, and last those of all together.

    All together are as near to the limit as the time that the launches would take there: one that
    was beyond it, because its data lay in a cache, does not make up for another.
    """
    total = sum(x.seconds for x in launches)
    least = {"compute": 0.0, "memory": 0.0}
    rows = []
    for x in launches:
        limit = ["-", "-"]
        if limits is not None and x.device == "cpu" and (x.flops or x.moved):
            share, bound = limits.share(x.flops, x.moved, x.seconds, x.dtype)
            least[bound] += min(share, 1.0) * x.seconds
            limit = [f"{share:.0%}", bound]
        rows.append([*_rates(x.seconds, total, x.flops, x.moved), *limit])
    limit = ["-", "-"]
    if limits is not None:
        limit = [f"{sum(least.values()) / total:.0%}", max(least, key=lambda bound: least[bound])]
    flops, moved = sum(x.flops for x in launches), sum(x.moved for x in launches)
    return [*rows, [*_rates(total, total, flops, moved), *limit]]


def _rates(seconds: float, total: float, flops: int, moved: int) -> list[str]:
    rates = [f"{work / seconds / 1e9:.1f}" if work else "-" for work in (flops, moved)]
    return [f"{seconds * 1e6:.2f}", f"{seconds / total:.1%}", *rates]


def explanation(launches: Sequence[Timed], limits: Limits | None) -> str:
    """What the shares are shares of."""
    unknown = sorted({x.device for x in launches} - {"cpu"})
    lines = []
    if limits is not None:
        threads = _C.num_threads()
        lines.append(
            f"limits of {threads} thread{'s' * (threads > 1)}, measured: "
            f"{limits.flops / 1e9:.0f} GFLOP/s in float32, {limits.flops_float64 / 1e9:.0f} in "
            f"float64, {limits.bandwidth / 1e9:.1f} GB/s of a copy in memory"
        )
        lines.append(
            "above 100% the data lay in a cache, or Winograd did less than the sum that is counted"
        )
    if unknown:
        lines.append(f"no limits are measured for {', '.join(unknown)}, so there are no shares")
    return "\n".join(lines)
