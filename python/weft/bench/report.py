"""Tables of benchmark results, for the terminal and for documents."""

from __future__ import annotations

import math
from typing import Any

_HEADER = (
    "operation",
    "call",
    "threads",
    "weft",
    "NumPy/weft",
    "PyTorch/weft",
    "GFLOP/s",
    "GB/s",
    "share",
)


def cells(row: dict[str, Any]) -> list[str]:
    """One row as text; ratios above 1 mean that weft is faster."""
    name = row["operation"] + (" +bwd" if row["direction"] == "forward+backward" else "")
    return [
        name,
        row["call"],
        str(row["threads"]),
        _time(row["weft"]),
        _ratio(row["numpy"], row["weft"]),
        _ratio(row["torch"], row["weft"]),
        "-" if not row["gflops"] else f"{row['gflops']:.1f}",
        "-" if not row["gbytes"] else f"{row['gbytes']:.1f}",
        "-" if not row["share"] else f"{100 * row['share']:.0f} %",
    ]


def line(row: dict[str, Any]) -> str:
    """One row as a plain line, printed while the benchmark runs."""
    return "  ".join(cells(row))


def show(record: dict[str, Any]) -> None:
    """Print the table and the geometric means."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*_HEADER, title=_title(record))
    for row in record["rows"]:
        table.add_row(*cells(row))
    console = Console()
    console.print(table)
    console.print(_summary(record))


def markdown(record: dict[str, Any]) -> str:
    """The table as Markdown, with the machine and the limits it was measured against."""
    lines = [_title(record), "", "| " + " | ".join(_HEADER) + " |", "|" + "---|" * len(_HEADER)]
    lines += ["| " + " | ".join(cells(row)).replace("*", r"\*") + " |" for row in record["rows"]]
    return "\n".join([*lines, "", _summary(record), ""])


def _title(record: dict[str, Any]) -> str:
    machine = record["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    limits = "; ".join(
        f"{n} thread(s): {v['flops'] / 1e9:.0f} GFLOP/s float32, "
        f"copy {v['bandwidth'] / 1e9:.1f} GB/s"
        for n, v in record["limits"].items()
    )
    return (
        f"{machine['processor']}, {machine['isa']}, {machine['date']}. {versions}. "
        f"Measured limits: {limits}."
    )


def _summary(record: dict[str, Any]) -> str:
    parts = []
    for peer in ("numpy", "torch"):
        ratios = [row[peer] / row["weft"] for row in record["rows"] if row[peer]]
        if ratios:
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
            losses = sum(r < 1 for r in ratios)
            parts.append(
                f"{peer}/weft: geometric mean {mean:.2f} of {len(ratios)} rows, {losses} lost"
            )
    return "; ".join(parts)


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def _ratio(peer: float | None, own: float) -> str:
    return "-" if peer is None else f"{peer / own:.2f}"
