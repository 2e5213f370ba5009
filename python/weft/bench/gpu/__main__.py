"""The command: measure, print, and write JSON with a table beside it."""

from __future__ import annotations

import argparse
import datetime
import gc
import pathlib
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import weft
from weft import _C
from weft.bench import gpu
from weft.bench.gpu import measure, report
from weft.bench.gpu.milestones import MILESTONES
from weft.bench.gpu.work import Work


def goals() -> dict[str, dict[str, str]]:
    """The milestones in words."""
    return {name: {"first": str(m.first), "good": str(m.good)} for name, m in MILESTONES.items()}


def chosen(scale: float, groups: Sequence[str], pattern: str) -> Iterator[Work]:
    """The comparisons of some groups, all by default, whose name contains `pattern`."""
    for work in measure.works(scale):
        if pattern in work.name and (not groups or work.group in groups):
            yield work


def check(device: str, torch: Any, works: Iterable[Work]) -> int:
    """Run each work once and say how far it is from PyTorch; how many failed."""
    failed = 0
    for work in works:
        try:
            difference = measure.check(work, device, torch)
            said = "ran" if difference is None else f"differs by {difference:.1e}"
        except Exception as error:  # the others are still worth knowing
            failed += 1
            said = f"failed: {type(error).__name__}: {error}"
        print(f"{work.name:60s} {said}", flush=True)
    return failed


def run(
    device: str, torch: Any, works: Iterable[Work], rounds: int, limits: dict[str, Any],
    output: pathlib.Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Compare and time works: a record for JSON, which is written after each."""
    library = measure.runtime(device)
    record = machine(device, torch) | {"limits": limits}
    rows = record["rows"]
    for work in works:
        row = measure.row(work, device, torch, rounds, limits)
        goal = MILESTONES[work.milestone]
        for name, wanted in (("first", goal.first), ("good", goal.good)):
            row[name] = None if row["error"] else wanted.reached(row)
        rows.append(row)
        print(report.line(row), flush=True)
        if output is not None:
            report.write(record, output)
        gc.collect()  # graphs of gradients may be cycles, and hold what the next one needs
        library.empty_cache(device)
        if torch is not None:
            torch.cuda.empty_cache()
    return record


def machine(device: str, torch: Any) -> dict[str, Any]:
    """A record without results: where and when it was made."""
    facts = measure.runtime(device).device_facts(device)
    return {
        "machine": {
            "gpu": str(facts["name"]),
            "driver": "CUDA " + _cuda_version(_C.cuda_versions(device)[0]),
            "date": datetime.date.today().isoformat(),
            "versions": {
                "weft": weft.__version__,
                "PyTorch": "(not compared)" if torch is None else str(torch.__version__),
            },
        },
        "milestones": goals(),
        "rows": [],
    }


def _cuda_version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 if a comparison failed."""
    parser = argparse.ArgumentParser(
        prog="python -m weft.bench.gpu", description=gpu.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=20, help="turns of each; the median counts")
    parser.add_argument("--scale", type=float, default=1.0, help="shrink the inputs")
    parser.add_argument("--group", nargs="+", default=[], choices=measure.GROUPS)
    parser.add_argument("--filter", default="", help="only work whose name contains this")
    parser.add_argument("--no-peer", action="store_true", help="do not compare with PyTorch")
    parser.add_argument("--list", action="store_true", help="name the comparisons and stop")
    parser.add_argument("--check", action="store_true", help="run each once and time nothing")
    parser.add_argument("--limits", help="results whose limits hold, if they are of this GPU")
    parser.add_argument("--output", help="write a JSON file, and a Markdown table beside it")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    works = list(chosen(options.scale, options.group, options.filter))
    if not works:
        parser.error("there is no such comparison: --list names all")
    if options.list:
        for work in works:
            print(f"{work.group:10s} {work.milestone:36s} {work.name}")
        return 0
    device = options.device
    torch = None if options.no_peer else measure.peer_module(device)
    start = time.monotonic()
    if options.check:
        failed = check(device, torch, works)
    else:
        limits = measure.known_limits(pathlib.Path(options.limits or ""), device)
        limits = limits or measure.limits(device, torch, min(options.rounds, 10), options.scale)
        output = pathlib.Path(options.output) if options.output else None
        record = run(device, torch, works, options.rounds, limits, output)
        failed = sum(row["error"] is not None for row in record["rows"])
    print(f"{len(works)} comparisons in {time.monotonic() - start:.0f} s; {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
