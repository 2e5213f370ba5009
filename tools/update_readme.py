"""Write the speed tables of README.md from benchmarks/results: wins and losses alike.

On a quiet machine run `python -m weft.bench --threads 1 2 --output benchmarks/results/cpu.json`
first, and what tools/publish_speed.py says.

Usage: python tools/update_readme.py
"""

import json
import math
import pathlib
import statistics
import sys
from typing import Any

from publish_speed import quantity, training_table

ROOT = pathlib.Path(__file__).parent.parent
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results"

# What readers ask for first, whatever the numbers say; these with one thread.
CHOSEN = (
    "train_on_batch", "matmul", "conv2d", "max_pool2d", "batch_norm", "layer_norm", "softmax",
    "softmax_cross_entropy", "gelu", "exp", "log10", "add", "take", "concatenate", "sum", "sort",
)  # fmt: skip
CALLS_PER_OPERATION = 3


def ratio(row: dict[str, Any], peer: str) -> float | None:
    """Time of the peer / time of weft."""
    return row[peer] / row["weft"] if row[peer] else None


def summary(rows: list[dict[str, Any]], peer: str) -> str:
    """How many rows were lost, and the geometric mean of all."""
    ratios = [r for row in rows if (r := ratio(row, peer)) is not None]
    mean = math.exp(statistics.fmean(map(math.log, ratios)))
    return f"{sum(r < 1 for r in ratios)} of {len(ratios)} (geometric mean {mean:.2f})"


def chosen(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the operations of CHOSEN, with calls evenly picked where there are many."""
    found = []
    for name in CHOSEN:
        own = [row for row in rows if row["operation"] == name and row["threads"] == 1]
        calls = list(dict.fromkeys(row["call"] for row in own))
        picked = calls[:: max(1, math.ceil(len(calls) / CALLS_PER_OPERATION))]
        found += [row for row in own if row["call"] in picked]
    return found


def table(record: dict[str, Any]) -> str:
    """The text between the marks."""
    machine, rows = record["machine"], record["rows"]
    limits = record["limits"]["1"]
    threads = sorted({row["threads"] for row in rows})
    lines = [
        f"Made by `python -m weft.bench --threads {' '.join(map(str, threads))} --output "
        f"benchmarks/results/cpu.json` on {machine['date']}: {machine['processor']} with "
        f"{machine['isa']}, NumPy {machine['versions']['numpy']}, PyTorch "
        f"{machine['versions'].get('torch', '(none)')}. Measured limits of one thread: "
        f"{limits['flops'] / 1e9:.0f} GFLOP/s (float32) and {limits['bandwidth'] / 1e9:.1f} GB/s "
        "(copy). Results agree before anything is timed; calls alternate in one process; the best "
        "of many counts. Above 1, weft is faster; a share above 100 % is data in a cache, "
        "or Winograd's algorithm, whose operations are counted as those of the plain sum. Of "
        f"[all {len(rows)} rows](benchmarks/results/cpu.md) these are lost:",
        "",
        *(
            f"- with {n} thread{'s' * (n > 1)}: to NumPy "
            f"{summary([r for r in rows if r['threads'] == n], 'numpy')}, to PyTorch "
            f"{summary([r for r in rows if r['threads'] == n], 'torch')}"
            for n in threads
        ),
        "",
        "| work (one thread) | weft | NumPy / weft | PyTorch / weft | share of the limit |",
        "|---|---|---|---|---|",
    ]
    for row in chosen(rows):
        backward = {"forward": "", "step": ""}.get(row["direction"], " +backward")
        cells = [f"{r:.2f}" if (r := ratio(row, p)) else "-" for p in ("numpy", "torch")]
        share = f"{row['share']:.0%}" if row["share"] else "-"
        call = row["call"].replace("float32", "")
        lines.append(
            f"| {row['operation']}{backward} {call} | {quantity(row['weft'], 's')} | "
            f"{cells[0]} | {cells[1]} | {share} |"
        )
    return "\n".join(lines) + "\n"


def with_table(text: str, name: str, content: str) -> str:
    """`text` with something new between the marks of `name`."""
    begin, end = (
        f"<!-- {name}: written by tools/update_readme.py -->\n",
        f"<!-- end of {name} -->\n",
    )
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"README.md lacks the marks {begin.strip()!r} and {end.strip()!r}")
    return before + begin + content + end + after


def updated() -> str:
    """README.md with the tables of the results."""
    text = README.read_text()
    text = with_table(text, "speed", table(json.loads((RESULTS / "cpu.json").read_text())))
    steps = training_table(json.loads((RESULTS / "speed.json").read_text()))
    return with_table(text, "steps", steps)


def main() -> int:
    """Write the file."""
    README.write_text(updated())
    return 0


if __name__ == "__main__":
    sys.exit(main())
