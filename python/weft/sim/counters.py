"""``weft.sim.counters()``: what kernels access, per source line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weft import _C

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Line:
    """One kind of access at one line of a kernel.

    Attributes:
        kernel: Its name.
        line: ``"softmax.cu:41"``.
        operation: ``"load"``, ``"store"``, ``"atomic"`` or ``"barrier"``.
        memory: ``"global"`` or ``"shared"``; empty for barriers.
        bytes: What one lane accesses.
        requests: Instructions of a warp; at barriers, of a block.
        active_lanes: How many lanes took part on average, of 32; at barriers, threads of a block.
        divergent: Requests in which some lanes of the warp took no part.
        sectors: Global memory: pieces of 32 bytes moved per request.
        ideal_sectors: What as many bytes would need if they were side by side.
        ways: Shared memory: accesses to the busiest bank in one pass; 1.0 is free of conflicts.
    """

    kernel: str
    line: str
    operation: str
    memory: str
    bytes: int
    requests: int
    active_lanes: float
    divergent: int
    sectors: float
    ideal_sectors: float
    ways: float

    @property
    def coalescing(self) -> float:
        """Sectors moved as a multiple of the ideal; 1.0 is perfect."""
        return self.sectors / self.ideal_sectors if self.ideal_sectors else 1.0


class Counts(list[Line]):
    """The lines of all kernels that ran: a list, printed as a table."""

    def of(self, kernel: str = "", memory: str = "", operation: str = "") -> Counts:
        """The lines whose kernel's name contains `kernel`, of one memory and operation."""
        return Counts(
            line
            for line in self
            if kernel in line.kernel
            and memory in ("", line.memory)
            and operation in ("", line.operation)
        )

    def table(self) -> Table:
        """A table for ``rich``."""
        from rich.table import Table

        table = Table(title="accesses per source line")
        for name in ("kernel", "line", "access"):
            table.add_column(name, overflow="fold")
        for name in ("bytes", "requests", "lanes", "divergent", "sectors", "ideal", "ways"):
            table.add_column(name, justify="right")
        for c in self:
            on_global, on_shared = c.memory == "global", c.memory == "shared"
            table.add_row(
                c.kernel,
                c.line,
                f"{c.memory} {c.operation}".strip(),
                str(c.bytes or ""),
                str(c.requests),
                f"{c.active_lanes:.1f}",
                str(c.divergent or ""),
                f"{c.sectors:.2f}" if on_global else "",
                f"{c.ideal_sectors:.2f}" if on_global else "",
                f"{c.ways:.2f}" if on_shared else "",
            )
        return table

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=140)
        with console.capture() as captured:
            console.print(self.table())
        return captured.get()


def _line(row: _C.SimCounterRow) -> Line:
    requests = max(row.requests, 1)
    return Line(
        kernel=row.kernel,
        line=row.line,
        operation=row.operation,
        memory=row.memory,
        bytes=row.bytes,
        requests=row.requests,
        active_lanes=row.lanes / requests,
        divergent=row.partial,
        sectors=row.sectors / requests,
        ideal_sectors=row.ideal_sectors / requests,
        ways=row.ways / max(row.phases, 1),
    )


@contextmanager
def counters() -> Iterator[Counts]:
    """Counts what kernels access on ``sim`` inside the block.

    The lanes of a warp run one after another on ``sim``: their n-th executions of an instruction
    are taken for one request, which is what a GPU does unless lanes skip rounds of a loop.

    Yields:
        The counts, filled when the block ends; printing them gives a table.

    Raises:
        RuntimeError: If another tool of ``weft.sim`` is running, or this build has none of them.

    Example:
        >>> import weft
        >>> with weft.sim.counters() as counts, weft.device("sim"):
        ...     y = weft.ones((1024,)) * 2
        >>> all(line.coalescing == 1.0 for line in counts.of(memory="global"))
        True
    """
    counts = Counts()
    _C.sim_start_counters()
    try:
        yield counts
    finally:
        counts.extend(_line(row) for row in _C.sim_take_counters())
        _C.sim_stop_watching()
