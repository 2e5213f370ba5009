"""Everything that only a machine with an NVIDIA GPU can tell, in parts of at most 8 minutes each.

The machine needs no network: Python with numpy, pybind11, scikit-build-core, cmake, ninja, pytest
and torch installed, and nvcc. weft is built there, without isolation, and installed in place. Every
part adds its outcome to benchmarks/results/gpu_check.json and rewrites the table beside it, so the
parts can run in one call or in several.

Usage: python tools/gpu_check.py [part ...]
       with parts of: build selftest ops training suite memory bench ladder
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
LIMIT = 8 * 60  # seconds for a part

PYTEST = [sys.executable, "-m", "pytest", "-q", "-x", "--maxfail=20"]
PARTS: dict[str, list[list[str]]] = {
    "build": [
        [
            *(sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps"),
            *("--no-index", "--config-settings=cmake.define.WEFT_CUDA=ON"),
            *("--config-settings=cmake.define.WEFT_LADDER=ON", "--editable", "."),
        ]
    ],
    # What the simulator assumes of the hardware: the same checks on both.
    "selftest": [[*PYTEST, "tests/test_gpu_selftest.py"]],
    "ops": [[*PYTEST, "tests/test_gpu_ops.py", "-k", "cuda"]],
    "training": [[*PYTEST, "tests/test_gpu_training.py", "tests/test_devices.py"]],
    "suite": [[*PYTEST, "tests", "--ignore=tests/test_gpu_ops.py"]],
    "memory": [
        [*("compute-sanitizer", "--tool", tool, "--error-exitcode", "1"), *PYTEST,
         "tests/test_gpu_ops.py", "-k", "cuda and values_in_every_dtype and (matmul or conv2d or "
         "softmax or sum or cumsum or layer_norm or sort or take)"]
        for tool in ("memcheck", "racecheck")
    ],
    "bench": [
        [
            *(sys.executable, "-m", "weft.bench.gpu", "--device", "cuda"),
            *("--output", str(RESULTS / "gpu.json")),
        ]
    ],
    # The teaching kernels, each checked and timed; the driver translates them first.
    "ladder": [[sys.executable, "-m", "benchmarks.ladder", "--device", "cuda"]],
}  # fmt: skip


def run_part(name: str) -> dict[str, Any]:
    """Run the commands of a part; the outcome with the last lines of its output."""
    environment = {**os.environ, "WEFT_REQUIRE_CUDA": "1"}
    start = time.monotonic()
    outcome, tail = "passed", ""
    for command in PARTS[name]:
        if shutil.which(command[0]) is None:
            outcome, tail = "not available", f"{command[0]} is not installed on this machine"
            break
        print(f"\n=== {name}: {' '.join(command)}", flush=True)
        left = LIMIT - (time.monotonic() - start)
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, timeout=max(left, 1),
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            output = error.stdout or b""
            tail = output.decode() if isinstance(output, bytes) else output
            outcome = f"did not end within {LIMIT} s"
            break
        tail = done.stdout
        print(done.stdout[-6000:], flush=True)
        if done.returncode != 0:
            outcome = f"failed ({done.returncode})"
            break
    return {
        "outcome": outcome,
        "seconds": round(time.monotonic() - start, 1),
        "output": tail[-4000:],
    }


def machine() -> dict[str, str]:
    """The GPU and its driver, as the driver's own tool names them."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        text = subprocess.run(query, capture_output=True, text=True, check=True).stdout
        name, driver = text.splitlines()[0].split(", ")
    except (OSError, subprocess.CalledProcessError, ValueError, IndexError) as error:
        raise SystemExit(
            f"gpu_check: this machine has no usable NVIDIA GPU ({error}); nothing was run. The "
            "simulated device has its tests in the ordinary suite: make test"
        ) from error
    return {"gpu": name, "driver": driver, "date": datetime.date.today().isoformat()}


def write(record: dict[str, Any]) -> None:
    """The record as JSON and as a table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "gpu_check.json").write_text(json.dumps(record, indent=1) + "\n")
    about = record["machine"]
    lines = [
        f"`make gpu-check` on {about['gpu']}, driver {about['driver']}, {about['date']}.",
        "",
        "| part | outcome | seconds |",
        "|---|---|---|",
        *(f"| {n} | {p['outcome']} | {p['seconds']} |" for n, p in record["parts"].items()),
    ]
    (RESULTS / "gpu_check.md").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Run the parts asked for and add them to the record of this machine and day."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all by default")
    names = parser.parse_args().parts or list(PARTS)
    if unknown := [n for n in names if n not in PARTS]:
        parser.error(f"unknown part {unknown[0]!r}; there are {', '.join(PARTS)}")
    about = machine()
    path = RESULTS / "gpu_check.json"
    record: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if record.get("machine") != about:
        record = {"machine": about, "parts": {}}
    for name in names:
        record["parts"][name] = run_part(name)
        write(record)
    failed = [n for n in names if record["parts"][n]["outcome"] != "passed"]
    print("\n".join(f"{n}: {record['parts'][n]['outcome']}" for n in names))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
