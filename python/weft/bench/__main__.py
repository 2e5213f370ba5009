"""``python -m weft.bench``: compare the kernels with NumPy and, if installed, PyTorch."""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from weft.bench import report


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each number of threads in a process of its own, then print and save the table.

    Two thread pools in one process spin against each other, so every count gets a fresh process in
    which both libraries are told the count before they start.
    """
    options = _parse(arguments)
    if options.roofline:
        _roofline(options)
        return
    if options.worker:
        _work(options)
        return
    rows: list[dict[str, Any]] = []
    limits: dict[str, Any] = {}
    for threads in options.threads:
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "rows.json"
            command = [
                sys.executable, "-m", "weft.bench", "--worker", str(out), "--threads", str(threads),
                "--filter", options.filter, "--seconds", str(options.seconds),
            ]  # fmt: skip
            environment = {
                **os.environ,
                "OMP_NUM_THREADS": str(threads),
                **_limited_to(options.isa),
            }
            subprocess.run(command, check=True, env=environment)
            result = json.loads(out.read_text())
        rows += result["rows"]
        limits[str(threads)] = result["limits"]
    machine = _machine()
    machine["isa"] = options.isa or machine["isa"]
    record = {"machine": machine, "limits": limits, "rows": rows}
    report.show(record)
    if options.output:
        path = pathlib.Path(options.output)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=1) + "\n")
        path.with_suffix(".md").write_text(report.markdown(record))
        print(f"written: {path} and {path.with_suffix('.md')}")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    description = "Compare the kernels with NumPy and, if installed, PyTorch."
    parser = argparse.ArgumentParser(prog="python -m weft.bench", description=description)
    parser.add_argument(
        "--threads", type=int, nargs="+",
        help="numbers of threads, each measured by itself (default: 1 and all; --roofline: 1)",
    )  # fmt: skip
    parser.add_argument("--filter", default="", help="only operations whose name contains this")
    parser.add_argument("--seconds", type=float, default=0.4, help="time per row")
    parser.add_argument(
        "--output",
        help="write a JSON file (with --roofline the picture), and a Markdown table beside it",
    )
    parser.add_argument(
        "--roofline", action="store_true",
        help="draw kernels below the limits of this machine, by default into roofline.png; needs "
        "matplotlib (the extra weft[plot])",
    )  # fmt: skip
    parser.add_argument(
        "--isa", choices=("avx2",),
        help="weft, NumPy and PyTorch all without the instructions beyond it",
    )  # fmt: skip
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.threads is None:
        options.threads = [1] if options.roofline else [1, max(1, os.cpu_count() or 1)]
    options.threads = sorted(set(options.threads))
    if options.threads[0] < 1:
        parser.error(f"--threads must be at least 1, got {options.threads[0]}")
    if options.seconds <= 0:
        parser.error(f"--seconds must be positive, got {options.seconds}")
    if options.roofline and options.isa:
        parser.error("--isa compares libraries; a roofline is drawn with WEFT_ISA=avx2")
    if options.roofline and len(options.threads) > 1:
        parser.error("--roofline draws one number of threads: give one with --threads")
    return options


def _limited_to(isa: str | None) -> dict[str, str]:
    """Variables that keep every library to instructions that older processors have."""
    if isa is None:
        return {}
    numpy_features = importlib.import_module("numpy._core._multiarray_umath").__cpu_dispatch__
    beyond = [f for f in numpy_features if f.startswith(("AVX512", "X86_V4"))]
    return {
        "WEFT_ISA": isa,
        "ATEN_CPU_CAPABILITY": isa,
        "MKL_ENABLE_INSTRUCTIONS": isa.upper(),
        "ONEDNN_MAX_CPU_ISA": isa.upper(),
        "OPENBLAS_CORETYPE": "Haswell",  # of NumPy's products
        "NPY_DISABLE_CPU_FEATURES": " ".join(beyond),
    }


def _roofline(options: argparse.Namespace) -> None:
    import weft
    from weft.bench import roofline
    from weft.viz.pyplot import pyplot

    pyplot()  # says what is missing before anything is measured
    from weft.bench import representative, roofline_picture

    if not any(options.filter in work.name for work in representative.works()):
        raise SystemExit(f"no kernel has a name that contains {options.filter!r}")
    (threads,) = options.threads
    weft.set_num_threads(threads)
    with_torch = importlib.util.find_spec("torch") is not None
    if with_torch:
        import torch

        torch.set_num_threads(threads)
    roofs = roofline.Roofs.measure()
    points = list(roofline.measure(options.filter, options.seconds, with_torch))
    machine = _machine()
    title, table = roofline.title(machine, threads), roofline.table(points, roofs)
    print(f"{title}\n\n{table}")
    path = pathlib.Path(options.output or "roofline.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    roofline_picture.draw(points, roofs, title, path)
    path.with_suffix(".md").write_text(f"{title}\n\n{table}\n")
    print(f"written: {path} and {path.with_suffix('.md')}")


def _work(options: argparse.Namespace) -> None:
    import weft
    from weft.bench import operations, training_step
    from weft.limits import Limits

    (threads,) = options.threads
    weft.set_num_threads(threads)
    with_torch = importlib.util.find_spec("torch") is not None
    if with_torch:
        import torch

        torch.set_num_threads(threads)
    limits = Limits.measure()
    rows = []
    for row in operations.run(options.filter, threads, limits, options.seconds, with_torch):
        rows.append(row.as_dict())
        print(report.line(rows[-1]), flush=True)
    if options.filter in "train_on_batch":
        for batch in (32, 128):
            times = training_step.measure(batch, with_torch, 4 * options.seconds)
            rows.append(
                {
                    "operation": "train_on_batch",
                    "call": f"MLP 784-128-10, Adam, batch {batch}",
                    "direction": "step",
                    "threads": threads,
                    "weft": times["weft"].best,
                    "numpy": None,
                    "torch": times["torch"].best if "torch" in times else None,
                    "gflops": None,
                    "gbytes": None,
                    "share": None,
                }
            )
            print(report.line(rows[-1]), flush=True)
    result = {"rows": rows, "limits": {"flops": limits.flops, "bandwidth": limits.bandwidth}}
    pathlib.Path(options.worker).write_text(json.dumps(result))


def _machine() -> dict[str, Any]:
    import numpy as np

    import weft
    from weft import _C
    from weft.bench.roofline import caches

    versions = {
        "weft": weft.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    if importlib.util.find_spec("torch") is not None:
        import torch

        versions["torch"] = torch.__version__
    return {
        "date": datetime.date.today().isoformat(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "caches": {name: size for name, size, _ in caches()},
        "virtual": _is_virtual(),
        "load": round(os.getloadavg()[0], 2),
        "isa": _C.isa(),
        "versions": versions,
    }


def processor() -> str:
    """What the CPU calls itself."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _is_virtual() -> bool:
    return "hypervisor" in _cpuinfo("flags").split()


def _cpuinfo(key: str) -> str:
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(key):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return ""


if __name__ == "__main__":
    main()
