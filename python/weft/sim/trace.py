"""``weft.sim.trace()``: follow one thread of a kernel, line by line."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weft import _C

if TYPE_CHECKING:
    from rich.table import Table

Index = tuple[int, int, int]

_MEANING = {
    "barrier": "waits for the block",
    "warp": "meets its warp",
    "issue": "starts an asynchronous copy",
}


def _number(part: bytes) -> str:
    """The bytes as the number they most likely are: types are gone when a program runs."""
    if len(part) == 4:
        integer, number = struct.unpack("<i", part)[0], struct.unpack("<f", part)[0]
        if abs(integer) < 1 << 20:
            return str(integer)
        return f"{number:.7g}"
    if len(part) == 8:
        integer, number = struct.unpack("<q", part)[0], struct.unpack("<d", part)[0]
        if abs(integer) < 1 << 40:
            return str(integer)
        return f"{number:.15g}"
    return str(int.from_bytes(part, "little"))


def _value(data: bytes) -> str:
    if len(data) > 8:
        return " ".join(_number(data[i : i + 4]) for i in range(0, len(data), 4))
    return _number(data) if data else ""


@dataclass(frozen=True)
class Launch:
    """One kernel launch: name, grid and block, bytes of dynamic shared memory."""

    kernel: str
    grid: Index
    block: Index
    shared_bytes: int
    has_thread: bool

    def __str__(self) -> str:
        grid, block = ("x".join(map(str, size)) for size in (self.grid, self.block))
        shared = f", {self.shared_bytes} bytes of shared memory" if self.shared_bytes else ""
        return f"{self.kernel}, grid {grid}, block {block}{shared}"


@dataclass(frozen=True)
class Step:
    """What the chosen thread did at one line.

    Attributes:
        launch: Which launch, an index into ``Trace.launches``.
        line: ``"softmax.cu:41"``.
        operation: ``"load"``, ``"store"``, ``"atomic"``, ``"barrier"``, ``"warp"`` (a shuffle or
            another operation of the warp) or ``"issue"`` (of an asynchronous copy).
        memory: ``"global"``, ``"shared"`` or empty.
        address: Of shared memory, the distance from its dynamic part.
        data: The bytes loaded, or there after the store.
    """

    launch: int
    line: str
    operation: str
    memory: str
    address: int
    data: bytes

    @property
    def value(self) -> str:
        """The data as a number: a small integer or else a float, whichever looks likelier."""
        return _value(self.data)

    def cells(self) -> tuple[str, str, str, str]:
        """Line, action, address and value, as the tables show them."""
        action = _MEANING.get(self.operation, f"{self.operation} {self.memory}")
        signed = self.address - (1 << 32) if self.address >= 1 << 31 else self.address
        address = hex(signed if self.memory == "shared" else self.address) if self.memory else ""
        return self.line, action, address, self.value


class Trace:
    """What ``trace`` recorded; prints as tables, ``save_html`` writes a page.

    Attributes:
        result: What the traced function returned.
        launches: All launches, in order.
        steps: What the chosen thread did in them.
        complete: Whether all steps were kept (the first 100 000 are).
    """

    def __init__(self, result: Any, block: Index, thread: Index):
        launches, events, self.complete = _C.sim_take_trace()
        self.result = result
        self.block, self.thread = block, thread
        self.launches = [
            Launch(e.kernel, e.grid, e.block, e.shared_bytes, e.has_thread) for e in launches
        ]
        self.steps = [
            Step(e.launch, e.line, e.operation, e.memory, e.address, e.value) for e in events
        ]

    def _title(self, number: int) -> str:
        launch = self.launches[number]
        if not launch.has_thread:
            return f"{number}: {launch} (no such block or thread)"
        return f"{number}: {launch}; block {self.block}, thread {self.thread}"

    def tables(self) -> list[Table]:
        """One table for ``rich`` per launch."""
        from rich.table import Table

        tables = []
        for number in range(len(self.launches)):
            table = Table(title=self._title(number), title_justify="left")
            for name in ("line", "does", "address", "value"):
                table.add_column(name)
            for step in self.steps:
                if step.launch == number:
                    table.add_row(*step.cells())
            tables.append(table)
        return tables

    def __str__(self) -> str:
        if not self.launches:
            return "no kernel was launched on sim"
        from rich.console import Console

        console = Console(width=120)
        with console.capture() as captured:
            for table in self.tables():
                console.print(table)
        return captured.get()

    def save_html(self, path: str | os.PathLike[str]) -> None:
        """Writes one page that needs nothing else."""
        import html

        parts = [_PAGE if self.launches else _PAGE + "<p>No kernel was launched on sim.</p>"]
        for number in range(len(self.launches)):
            parts.append(f"<h2>{html.escape(self._title(number))}</h2>")
            parts.append("<table><tr><th>line<th>does<th>address<th>value</tr>")
            for step in self.steps:
                if step.launch == number:
                    cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in step.cells())
                    parts.append(f'<tr class="{step.operation} {step.memory}">{cells}</tr>')
            parts.append("</table>")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(parts))


_PAGE = """<!doctype html>
<meta charset="utf-8">
<title>A thread on the simulated device</title>
<style>
body { font-family: sans-serif; margin: 2em; }
h2 { font-size: 1em; }
table { border-collapse: collapse; font-family: monospace; }
th, td { text-align: left; padding: 0.1em 1em; border-bottom: 1px solid #ddd; }
.shared td { background: #eef6ff; }
.store td { font-weight: bold; }
.barrier td, .warp td { color: #a33; }
</style>
<h1>A thread on the simulated device</h1>"""


def _index(name: str, value: int | Sequence[int]) -> Index:
    """(x, y, z) from x alone, (x, y) or (x, y, z)."""
    given = tuple(value) if isinstance(value, Sequence) else (value,)
    whole = all(isinstance(n, int) and 0 <= n < 1 << 32 for n in given)
    if not whole or not 1 <= len(given) <= 3:
        raise ValueError(f"trace: {name} must be an index x, (x, y) or (x, y, z), got {value!r}")
    x, y, z = given + (0,) * (3 - len(given))
    return x, y, z


def trace(
    function: Callable[[], Any],
    *,
    block: int | Sequence[int] = (0, 0, 0),
    thread: int | Sequence[int] = (0, 0, 0),
) -> Trace:
    """Calls `function` and records the kernels it launches on ``sim``.

    Args:
        function: Takes no arguments; what it returns becomes ``Trace.result``.
        block: Index of the block to follow in every launch: x, (x, y) or (x, y, z).
        thread: Index of the thread in that block.

    Returns:
        The launches, and for the chosen thread the lines it ran that touch memory or wait, with
        the values.

    Raises:
        RuntimeError: If another tool of ``weft.sim`` is running, or this build has none of them.
        ValueError: If `block` or `thread` is no index.

    Example:
        >>> import weft
        >>> with weft.device("sim"):
        ...     x = weft.ones((8,))
        ...     recorded = weft.sim.trace(lambda: x + 1)
        >>> recorded.steps[-1].operation
        'store'
    """
    followed, within = _index("block", block), _index("thread", thread)
    _C.sim_start_trace(followed, within)
    try:
        return Trace(function(), followed, within)
    finally:
        _C.sim_stop_watching()
