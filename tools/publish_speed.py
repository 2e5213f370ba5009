"""Publish a run of the speed judge: benchmarks/results/speed.json, and speed.md with all its rows.

The judge is a program beside this repository (../shared/accept/speed/speed.py): each library in its
own process, results compared first, blocks of 10 ms in turns, peers in every way their experts
would use, PyTorch compiled as well and Keras on JAX. On a quiet machine:

    python ../shared/accept/speed/speed.py --goals --json run.json
    python tools/publish_speed.py run.json && python tools/update_readme.py

Usage: python tools/publish_speed.py RUN.json
"""

import datetime
import json
import pathlib
import sys
from typing import Any

RESULTS = pathlib.Path(__file__).parent.parent / "benchmarks" / "results"
PEERS = {"torch": "PyTorch", "torch.compile": "torch.compile", "keras": "Keras", "numpy": "NumPy"}
_UNITS = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))


def quantity(value: float, unit: str) -> str:
    """Three digits of seconds or bytes."""
    if unit != "s":
        return f"{value / 1e6:.1f} MB"
    name, scale = next(((n, s) for n, s in _UNITS if value >= s), _UNITS[-1])
    return f"{value / scale:.3g} {name}"


def ratio(row: dict[str, Any], peer: str) -> str:
    """Time of the peer / time of weft, with its 95 % interval and the way the peer was written."""
    found = row.get("peers", {}).get(peer)
    if not found:
        return "-"
    return f"{found['ratio']:.2f} [{found['low']:.2f} {found['high']:.2f}] {found['way']}"


def provenance(record: dict[str, Any]) -> str:
    """Which run it was."""
    machine, versions = record["machine"], record["versions"]
    libraries = ", ".join(v for k, v in versions.items() if k != "subject_weft")
    return (
        f"{record['date']}, {machine['cpu']} ({machine['isa'].split()[-2]}"
        f"{', virtual' if machine['virtual'] else ''}), {record['threads']} thread(s), against "
        f"{libraries}; load average {' and '.join(t.split()[0] for t in record['load'])} at the "
        "beginning and end"
    )


def markdown(record: dict[str, Any]) -> str:
    """All rows, group by group, and the goals that were missed."""
    lines = [
        "# Judged from outside",
        "",
        f"{provenance(record)}. Ratios are the peer's median time / weft's, with their 95 % "
        "interval: above 1, weft is faster. Each peer is written in several ways, of which the "
        "fastest counts and is named. Made by `tools/publish_speed.py` from a run of the judge "
        "beside this repository.",
    ]
    for group in dict.fromkeys(row["group"] for row in record["rows"]):
        rows = [row for row in record["rows"] if row["group"] == group]
        peers = [p for p in PEERS if any(p in row.get("peers", {}) for row in rows)]
        lines += ["", f"## {group}", ""]
        lines.append(f"| case | weft | {' | '.join(f'{PEERS[p]} / weft' for p in peers)} |")
        lines.append("|---" * (2 + len(peers)) + "|")
        for row in rows:
            time = quantity(row["median"], row["unit"]) if "median" in row else "failed"
            cells = " | ".join(ratio(row, p) for p in peers)
            lines.append(f"| {row['case']} | {time} | {cells} |")
    lines += ["", "## Goals that were missed", ""]
    lines += [f"- {miss}" for miss in record["short_of_goals"]] or ["None."]
    return "\n".join(lines) + "\n"


def training_table(record: dict[str, Any]) -> str:
    """Training steps and overhead, for README.md."""
    lines = [
        f"[All {len(record['rows'])} rows](benchmarks/results/speed.md), with the "
        f"{len(record['short_of_goals'])} goals that were missed. {provenance(record)}. A step is "
        "one of `fit`, shuffling and all; every peer in the fastest of its ways.",
        "",
        "| step | weft | PyTorch / weft | torch.compile / weft | Keras / weft |",
        "|---|---|---|---|---|",
    ]
    for row in record["rows"]:
        if row["group"] in ("train", "overhead") and "median" in row:
            cells = " | ".join(ratio(row, p).split(" ")[0] for p in PEERS if p != "numpy")
            lines.append(f"| {row['case']} | {quantity(row['median'], row['unit'])} | {cells} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write both files."""
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    source = pathlib.Path(sys.argv[1])
    record = json.loads(source.read_text())
    made = datetime.date.fromtimestamp(source.stat().st_mtime)
    record.setdefault("date", made.isoformat())
    for row in record["rows"]:
        row.pop("ways", None)  # the slower ways of each peer
    (RESULTS / "speed.json").write_text(json.dumps(record, indent=1) + "\n")
    (RESULTS / "speed.md").write_text(markdown(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
