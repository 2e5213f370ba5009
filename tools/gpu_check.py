"""Everything that only a machine with an NVIDIA GPU can tell, in parts of under 8 minutes each.

The machine needs no network: Python with numpy, pybind11, scikit-build-core, cmake, ninja, pytest
and torch installed, and nvcc. weft is built there, without isolation, and installed in place. What
is missing is named first, with what is lost without it. Every part adds its outcome, and what it
measured, to benchmarks/results/gpu.json and rewrites the page beside it, so the parts can run in
one call or in several.

Usage: python tools/gpu_check.py [part ...]
       python tools/gpu_check.py --list        what the parts are
       python tools/gpu_check.py --page        write benchmarks/results/gpu.md without a GPU
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "gpu.json"
LIMIT = 7 * 60 + 45  # seconds for a part: under 8 minutes with what goes on around it
OUT = "{out}"  # in a command: the file that it writes its measurements to

# What the parts import or run, and what is lost without it. Parts that `need` it are left out.
MODULES = {
    "numpy": "nothing runs",
    "rich": "weft prints no tables: nothing runs",
    "safetensors": "weft saves nothing: nothing runs",
    "pip": "weft cannot be built",
    "pybind11": "weft cannot be built",
    "scikit_build_core": "weft cannot be built",
    "pytest": "no tests, and no memory checks",
    "torch": "no comparisons with PyTorch: rows have no ratio, tests skip that oracle",
    "xdist": "tests run in one process, which may take longer than a part has",
    "hypothesis": "tests/test_indexing_random.py is skipped",
    "sklearn": "tests skip the digits and linear models",
    "scipy": "tests skip what compares with special functions and distributions",
    "keras": "tests skip parity with Keras",
    "pandas": "tests skip data frames",
    "matplotlib": "tests skip plots",
    "h5py": "tests skip weights of Keras in HDF5",
}
PROGRAMS = {
    "cmake": "weft cannot be built",
    "ninja": "weft cannot be built",
    "nvcc": "weft cannot be built for GPUs",
    "compute-sanitizer": "no memory checks",
}
ALWAYS = ("numpy", "rich", "safetensors")
TESTS = (*ALWAYS, "pytest")


@dataclass(frozen=True)
class Part:
    """Some commands, run one after the other until one fails.

    Attributes:
        does: What it is for, for readers.
        commands: What is run.
        needs: Modules and programs without which it is left out.
        collects: What the file that its command writes is called in the record.
    """

    does: str
    commands: list[list[str]]
    needs: tuple[str, ...] = ALWAYS
    collects: str = ""


def pytest(*arguments: str, parallel: bool = True) -> list[str]:
    """A run of tests, by a process for each core (at most 8) where xdist is there."""
    spread = (
        ["-n", "auto", "--maxprocesses", "8"]
        if parallel and importlib.util.find_spec("xdist")
        else []
    )
    return [sys.executable, "-m", "pytest", "-q", "--maxfail=20", *spread, *arguments]


def files(*patterns: str) -> list[str]:
    """Test files by pattern, relative to the repository."""
    found = {p for pattern in patterns for p in (ROOT / "tests").glob(f"test_{pattern}.py")}
    return [str(p.relative_to(ROOT)) for p in sorted(found)]


# The tests in parts of a few minutes; what no pattern takes is in the last one.
SUITES = {
    "suite-operations": ("ops", "gradients", "autograd", "docstrings"),
    "suite-gpu": ("gpu_*", "attention", "conv_*", "gemm"),
    "suite-sim": ("sim_*", "ladders", "bench_gpu"),
    "suite-training": ("fit", "layers", "models", "optimizers", "callbacks", "saving", "capture*"),
}
# Are in parts above.
ON_ITS_OWN = ("gpu_ops", "gpu_selftest", "gpu_training", "devices", "device_interop")


def suites() -> dict[str, list[str]]:
    """The test files of each part of the suite; every file is in exactly one."""
    own = files(*ON_ITS_OWN)
    found = {
        name: [f for f in files(*patterns) if f not in own] for name, patterns in SUITES.items()
    }
    taken = {f for names in found.values() for f in names}
    found["suite-rest"] = [f for f in files("*") if f not in taken and f not in own]
    return found


def checked(tool: str, *command: str) -> list[str]:
    """A command under compute-sanitizer."""
    return ["compute-sanitizer", "--tool", tool, "--error-exitcode", "1", *command]


OPERATIONS = "matmul or conv2d or softmax or sum or cumsum or layer_norm or batch_norm or sort or "
OPERATIONS += "take or attention or pool or dropout"


def memory_parts(tool: str) -> dict[str, Part]:
    """Kernels under one tool of compute-sanitizer: by operation, by variant, by benchmark."""
    does, needs = f"compute-sanitizer {tool}", (*TESTS, "compute-sanitizer")

    def tests(*arguments: str) -> list[str]:
        return checked(tool, *pytest(*arguments, parallel=False))

    return {
        f"{tool}-operations": Part(
            f"{does} over operations in every dtype",
            [
                tests("tests/test_gpu_ops.py", "-k",
                      f"cuda and values_in_every_dtype and ({OPERATIONS})"),
                tests("tests/test_gpu_training.py", "-k", "cuda and test_optimizers"),
            ],
            needs,
        ),
        f"{tool}-matmul": Part(
            f"{does} over every kernel of matmul, each chosen by hand",
            [tests("tests/test_gpu_matmul.py", "-k", "cuda and test_tiles")],
            needs,
        ),
        f"{tool}-conv2d": Part(
            f"{does} over every kernel of conv2d and its gradients, each chosen by hand",
            [tests("tests/test_gpu_conv.py", "-k", "cuda and (every_path or tensor_cores_round)")],
            needs,
        ),
        f"{tool}-bench": Part(
            f"{does} over one small call of everything that is compared with PyTorch: attention, "
            "optimizers and captured training steps among it",
            [
                checked(tool, sys.executable, "-m", "weft.bench.gpu", "--check", "--no-peer",
                        "--device", "cuda", "--scale", "0.0078125")
            ],
            (*ALWAYS, "compute-sanitizer"),
        ),
    }  # fmt: skip


def bench_part(group: str, does: str) -> Part:
    """The comparisons of a group; the first to run measures the limits for all."""
    command = [sys.executable, "-m", "weft.bench.gpu", "--device", "cuda", "--group", group]
    return Part(
        does, [[*command, "--limits", str(RESULTS), "--output", OUT]], (*ALWAYS, "torch"), "rows"
    )


PARTS: dict[str, Part] = {
    "build": Part(
        "builds weft with CUDA, from this folder, and installs it in place",
        [
            [
                *(sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps"),
                *("--no-index", "--config-settings=cmake.define.WEFT_CUDA=ON"),
                *("--config-settings=cmake.define.WEFT_LADDER=ON", "--editable", "."),
            ]
        ],
        ("pip", "pybind11", "scikit_build_core", "cmake", "ninja", "nvcc"),
    ),
    "selftest": Part(
        "what the simulated device assumes of the hardware: fragments, descriptors, swizzles",
        [pytest("tests/test_gpu_selftest.py", parallel=False)],
        TESTS,
    ),
    "ops": Part(
        "every operation on the GPU against NumPy: dtypes, memory layouts, gradients",
        [pytest("tests/test_gpu_ops.py", "-k", "cuda")],
        TESTS,
    ),
    "training": Part(
        "models, layers, optimizers, metrics on the GPU against the CPU; memory, streams, errors",
        # What is free on the device is looked at: by one process alone.
        [
            pytest("tests/test_gpu_training.py", "tests/test_device_interop.py"),
            pytest("tests/test_devices.py", parallel=False),
        ],
        TESTS,
    ),
    "bench-bandwidth": bench_part(
        "bandwidth", "elementwise, softmax, norms, cross-entropy, pooling, embeddings, Adam"
    ),
    "bench-matmul": bench_part("matmul", "products against cuBLAS"),
    "bench-conv2d": bench_part("conv2d", "convolutions and their gradients against cuDNN"),
    "bench-attention": bench_part("attention", "attention and its gradients against SDPA"),
    "bench-steps": bench_part("steps", "launches, and training steps as CUDA graphs"),
    # The teaching kernels, each checked and timed; the driver translates them first.
    "ladder": Part(
        "the kernels of benchmarks/ladder, checked and timed",
        [
            [sys.executable, "-m", "benchmarks.ladder", "--device", "cuda", "--limits",
             str(RESULTS), "--output", OUT]
        ],
        collects="ladders",
    ),
    **{
        name: Part(f"the suite: {', '.join(SUITES.get(name, ['all other files']))}",
                   [pytest(*paths)], TESTS)
        for name, paths in suites().items()
    },
    **memory_parts("memcheck"),
    **memory_parts("racecheck"),
}  # fmt: skip


def report() -> Any:
    """The module that writes the page; by its path, since weft may not be built."""
    path = ROOT / "python" / "weft" / "bench" / "gpu" / "report.py"
    spec = importlib.util.spec_from_file_location("gpu_report", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- the machine ----------------------------------------------------------------------------------


def missing() -> dict[str, str]:
    """What is not there, and what is lost without it."""
    found = {m: lost for m, lost in MODULES.items() if importlib.util.find_spec(m) is None}
    # cmake and ninja may be there as modules of this Python only; a build finds them so.
    gone = [p for p in PROGRAMS if shutil.which(p) is None and importlib.util.find_spec(p) is None]
    return found | {p: PROGRAMS[p] for p in gone if p != "nvcc" or not _cuda_compiler()}


def _cuda_compiler() -> str | None:
    homes = [os.environ.get(name, "") for name in ("CUDA_HOME", "CUDA_PATH")]
    places = [f"{home}/bin" for home in (*homes, "/usr/local/cuda") if home]
    return shutil.which("nvcc", path=os.pathsep.join([os.environ.get("PATH", ""), *places]))


def machine() -> dict[str, Any]:
    """The GPU and its driver, as the driver's own tool names them, and what is installed."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        text = subprocess.run(query, capture_output=True, text=True, check=True).stdout
        name, driver = text.splitlines()[0].split(", ")
    except (OSError, subprocess.CalledProcessError, ValueError, IndexError) as error:
        raise SystemExit(
            f"gpu_check: this machine has no usable NVIDIA GPU ({error}); nothing was run. The "
            "simulated device has its tests in the ordinary suite: make test"
        ) from error
    return {
        "gpu": name,
        "driver": driver,
        "date": datetime.date.today().isoformat(),
        "versions": versions(),
        "missing": missing(),
    }


def versions() -> dict[str, str]:
    """Of Python, the compiler and the libraries that take part."""
    found = {"Python": platform.python_version()}
    for package in ("numpy", "torch", "pytest"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    if compiler := _cuda_compiler():
        text = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout
        found["nvcc"] = text.partition("release ")[2].partition(",")[0] or "unknown"
    revision = ["git", "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(revision, cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return found
    return found | ({"weft": done.stdout.strip()} if done.returncode == 0 else {})


# --- running --------------------------------------------------------------------------------------


def run_part(name: str, lacking: Iterable[str]) -> tuple[dict[str, Any], Any]:
    """Run the commands of a part; its outcome, and what it measured."""
    part, start = PARTS[name], time.monotonic()
    measured: Any = None
    outcome, output = "passed", ""
    if gone := [need for need in part.needs if need in lacking]:
        lost = f"left out: {', '.join(gone)} not installed"
        return {"outcome": lost, "seconds": 0.0, "output": ""}, None
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "measured.json"
        for command in part.commands:
            command = [str(file) if word == OUT else word for word in command]
            print(f"\n=== {name}: {' '.join(command)}", flush=True)
            code, output = run(command, LIMIT - (time.monotonic() - start))
            print(output[-6000:], flush=True)
            if code is None:
                outcome = f"did not end within {LIMIT} s"
            elif code != 0:
                outcome = f"failed ({code})"
            if code != 0:
                break
        if file.exists():
            measured = json.loads(file.read_text())
    seconds = round(time.monotonic() - start, 1)
    return {"outcome": outcome, "seconds": seconds, "output": output[-4000:]}, measured


def run(command: list[str], limit: float) -> tuple[int | None, str]:
    """Exit status, None if it was stopped at the limit with all it started, and the output."""
    environment = {**os.environ, "WEFT_REQUIRE_CUDA": "1", "PYTHONUNBUFFERED": "1"}
    if "--maxprocesses" in command:
        environment["OMP_NUM_THREADS"] = "1"  # of PyTorch in each of the processes
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        try:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return 127, str(error)
        try:
            code: int | None = process.wait(max(limit, 1))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = None
        log.seek(0)
        return code, log.read()


def merge(record: dict[str, Any], name: str, outcome: dict[str, Any], measured: Any) -> None:
    """Add what a part said to the record; what it said before is replaced."""
    record["parts"][name] = outcome
    record["parts"] = {n: record["parts"][n] for n in PARTS if n in record["parts"]}
    if measured is None:
        return
    key = PARTS[name].collects
    mine = measured[key]
    owner = "group" if key == "rows" else "ladder"
    replaced = {row[owner] for row in mine}
    record[key] = [row for row in record.get(key, []) if row[owner] not in replaced] + mine
    record["limits"] = measured["limits"]
    if key == "rows":
        record["milestones"] = measured["milestones"]


def planned_page() -> str:
    """The page of a repository whose kernels were not run on a GPU; needs a built weft."""
    from weft.bench.gpu import measure
    from weft.bench.gpu.__main__ import goals

    rows = [
        {"name": w.name, "group": w.group, "milestone": w.milestone} for w in measure.works(1.0)
    ]
    parts = {name: part.does for name, part in PARTS.items()}
    text: str = report().not_run(parts, rows, goals())
    return text


def page() -> str:
    """What benchmarks/results/gpu.md should hold: the record in words, or that there is none."""
    if RESULTS.exists():
        text: str = report().markdown(json.loads(RESULTS.read_text()))
        return text
    return planned_page()


def main() -> int:
    """Run the parts asked for and add them to the record of this machine and day."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--list", action="store_true", help="say what the parts are and stop")
    parser.add_argument("--page", action="store_true", help="write gpu.md from what is known")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{name:20s} {part.does}" for name, part in PARTS.items()))
        return 0
    if options.page:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.with_suffix(".md").write_text(page())
        return 0
    names = options.parts or list(PARTS)
    if unknown := [n for n in names if n not in PARTS]:
        parser.error(f"unknown part {unknown[0]!r}; there are {', '.join(PARTS)}")
    about = machine()
    for lacking, lost in about["missing"].items():
        print(f"gpu_check: {lacking} is not installed: {lost}")
    record: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if record.get("machine") != about:
        record = {"machine": about, "parts": {}}
    for name in names:
        merge(record, name, *run_part(name, about["missing"]))
        report().write(record, RESULTS)
    outcomes = {n: record["parts"][n]["outcome"] for n in names}
    print("\n".join(f"{n}: {outcome}" for n, outcome in outcomes.items()))
    return 0 if set(outcomes.values()) == {"passed"} else 1


if __name__ == "__main__":
    sys.exit(main())
