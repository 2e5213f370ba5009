"""The record of a GPU in words: what ``make gpu-check`` writes to benchmarks/results.

It imports nothing but the standard library and is loaded by its path where weft is not built yet.
"""

from __future__ import annotations

import json
import math
import pathlib
from typing import Any

Record = dict[str, Any]

NOTE = (
    "Results agree before anything is timed. Times are medians between device events, both "
    "libraries in turns, over inputs that rotate through more memory than the caches hold. "
    "torch/weft above 1 means that weft is faster. The share is that of the nearest limit: bytes a "
    "second of a copy, or FLOP/s of the largest product in the same arithmetic, each measured on "
    "this machine with the better of both libraries."
)


def write(record: Record, path: pathlib.Path) -> None:
    """The record as JSON, and as Markdown beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for target, text in (
        (path, json.dumps(record, indent=1) + "\n"),
        (path.with_suffix(".md"), markdown(record)),
    ):
        # Whole or not at all: a part that is stopped at its limit leaves what it had.
        target.with_suffix(".part").write_text(text)
        target.with_suffix(".part").replace(target)


def line(row: Record) -> str:
    """One row as text, for a terminal."""
    return f"{row['name']:60s} " + "  ".join(f"{cell:>10s}" for cell in _cells(row)[1:])


def markdown(record: Record) -> str:
    """Everything: the machine, the parts, the milestones, the rows, the ladders."""
    sections = [_machine(record), _parts(record.get("parts", {})), _missing(record)]
    rows = record.get("rows", [])
    if rows:
        sections += ["## Against PyTorch", NOTE, _limits(record.get("limits", {}))]
        sections += [_milestones(rows, record.get("milestones", {}))]
        for group in dict.fromkeys(row["group"] for row in rows):
            sections += [f"### {group}", _rows([row for row in rows if row["group"] == group])]
    sections.append(_ladders(record.get("ladders", [])))
    return "\n\n".join(section for section in sections if section) + "\n"


def not_run(parts: dict[str, str], rows: list[Record], milestones: Record) -> str:
    """The page while there is no record: what would fill it.

    Args:
        parts: What each part does, by name.
        rows: ``name``, ``group`` and ``milestone`` of every comparison.
        milestones: The goals of each milestone.
    """
    names = {m: [r["name"] for r in rows if r["milestone"] == m] for m in milestones}
    sections = [
        "# Results on a GPU",
        "**Not run on a GPU.** No machine with one was at hand: nothing on this page was measured. "
        "`make gpu-check` on such a machine replaces this page, and writes `gpu.json` beside it. "
        "It needs no network; `make gpu-check PART='build bench-matmul'` runs some parts.",
        _table(["part", "what it does"], [list(item) for item in parts.items()]),
        f"## Against PyTorch\n\n{len(rows)} comparisons (`python -m weft.bench.gpu --list` names "
        "them all), each a row with torch/weft and its share of the nearest measured limit: bytes "
        "a second of a copy, FLOP/s of the largest product in float32, tf32, float16 or bfloat16.",
        _table(
            ["milestone", "first", "good", "rows", "for example"],
            [
                [m, goals["first"], goals["good"], str(len(names[m])), names[m][0]]
                for m, goals in milestones.items()
            ],
        ),
    ]
    return "\n\n".join(sections) + "\n"


def _machine(record: Record) -> str:
    about = record["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    parts = record.get("parts", {})
    passed = sum(p["outcome"] == "passed" for p in parts.values())
    writer = f"`make gpu-check`; {passed} of {len(parts)} parts passed"
    text = (
        f"# Results on a GPU\n\n{about['gpu']}, driver {about['driver']}, {about['date']}. "
        f"{versions}. Written by {writer if parts else '`python -m weft.bench.gpu`'}."
    )
    if "simulated" in about["gpu"]:
        text += " **Not run on a GPU**: times of the simulated device say nothing about one."
    return text


def _parts(parts: Record) -> str:
    if not parts:
        return ""
    body = [[name, p["outcome"], f"{p['seconds']:.0f}"] for name, p in parts.items()]
    return _table(["part", "outcome", "seconds"], body)


def _missing(record: Record) -> str:
    missing = record["machine"].get("missing", {})
    return "\n".join(f"- {name} is not installed: {lost}" for name, lost in missing.items())


def _limits(limits: Record) -> str:
    body = []
    for unit, limit in limits.items():
        rate = limit["per_second"]
        text = f"{rate / 1e9:.0f} GB/s" if unit == "bytes" else f"{rate / 1e12:.1f} TFLOP/s"
        body.append([unit, text, limit["work"], limit["by"]])
    return _table(["limit", "measured", "with", "by"], body)


def _milestones(rows: list[Record], milestones: Record) -> str:
    body = []
    for name, goals in milestones.items():
        mine = [row for row in rows if row["milestone"] == name]
        if not mine:
            continue
        ratios = [row["ratio"] for row in mine if row["ratio"]]
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None
        reached = [f"{sum(bool(r.get(k)) for r in mine)} of {len(mine)}" for k in ("first", "good")]
        body.append(
            [
                name, f"{goals['first']}: {reached[0]}", f"{goals['good']}: {reached[1]}",
                _number(mean), _number(min(ratios, default=None)),
            ]
        )  # fmt: skip
    return _table(["milestone", "first", "good", "mean torch/weft", "least"], body)


def _rows(rows: list[Record]) -> str:
    head = ["work", "weft", "torch/weft", "TFLOP/s", "GB/s", "share", "of", "reached"]
    return _table(head, [_cells(row) for row in rows])


def _cells(row: Record) -> list[str]:
    if row["error"]:
        return [row["name"], f"failed: {row['error'].splitlines()[0][:200]}", *[""] * 6]
    reached = "good" if row.get("good") else "first" if row.get("first") else "-"
    return [
        row["name"],
        f"{row['weft'] * 1e6:.1f} us",
        _number(row["ratio"]),
        _number(row["tflops"]),
        _number(row["gbytes"], 0),
        "-" if row["share"] is None else f"{100 * row['share']:.0f} %",
        row["limit"] or "-",
        reached,
    ]


def _ladders(ladders: list[Record]) -> str:
    if not ladders:
        return ""
    body = [
        [
            f"{r['ladder']} {r['rung']} {r['title']}", f"{r['seconds'] * 1e6:.1f} us",
            _number(r["tflops"]), _number(r["gbytes"], 0), f"{100 * r['share']:.0f} %", r["limit"],
            f"{r['error']:.0e}",
        ]
        for r in ladders
    ]  # fmt: skip
    head = ["rung", "time", "TFLOP/s", "GB/s", "share", "of", "error"]
    return f"## Ladders\n\n{_table(head, body)}"


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _table(head: list[str], body: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |" for cells in lines
    )
