"""Build sdist and wheel, and use the wheel in an environment of its own, as a user would.

Usage: python tools/check_wheel.py
"""

import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time
import venv

ROOT = pathlib.Path(__file__).parent.parent
MAX_WHEEL_MB = {False: 20, True: 40}  # without and with the kernels of real GPUs
MAX_IMPORT_SECONDS = 0.5

TRY = """
import weft
x = weft.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
(x @ x).sum().backward()
print("weft", weft.__version__, "works:", x.grad.tolist())
y = weft.ones((3,), device="sim") * 2
print("and on the simulated device:", y.tolist())
"""
HAS_CUDA = "import weft; print('without nvcc' not in weft.cuda.why_unavailable())"


def main() -> int:
    """0 when the wheel is small, installs alone, imports quickly and computes."""
    with tempfile.TemporaryDirectory() as folder:
        # Without isolation the build folder of `make dev` serves again, and little is compiled.
        path = str(pathlib.Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]
        build = [sys.executable, "-m", "build", "--no-isolation", "--sdist", "--wheel"]
        subprocess.run(
            [*build, "--outdir", folder, str(ROOT)],
            check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PATH": path},
        )  # fmt: skip
        (sdist,) = pathlib.Path(folder).glob("*.tar.gz")
        (wheel,) = pathlib.Path(folder).glob("*.whl")
        check_sdist(sdist)
        megabytes = wheel.stat().st_size / 1e6
        home = pathlib.Path(folder) / "user"
        venv.create(home, with_pip=True)
        python = str(home / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], check=True)
        subprocess.run([python, "-c", TRY], check=True, cwd=folder)
        answer = subprocess.run(
            [python, "-c", HAS_CUDA], check=True, cwd=folder, capture_output=True, text=True
        ).stdout
        limit = MAX_WHEEL_MB[answer.strip() == "True"]
        best = min(_import_seconds(python, folder) for _ in range(5))
    print(
        f"{sdist.name}; wheel {megabytes:.1f} MB (limit {limit}); "
        f"import {best:.2f} s (limit {MAX_IMPORT_SECONDS})"
    )
    return 0 if megabytes < limit and best < MAX_IMPORT_SECONDS else 1


def check_sdist(sdist: pathlib.Path) -> None:
    """Raise when the sdist lacks a source: the wheel above was built beside it, not from it."""
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    sources = ["CMakeLists.txt", "pyproject.toml", "README.md", "LICENSE"]
    for folder, ending in (
        ("csrc", "*.h"),
        ("csrc", "*.cpp"),
        ("csrc", "*.cu"),
        ("cmake", "*.cmake"),
        ("python", "*.py"),
    ):
        sources += [str(p.relative_to(ROOT)) for p in (ROOT / folder).rglob(ending)]
    missing = sorted(set(sources) - packed)
    if missing:
        raise SystemExit(f"{sdist.name} lacks {', '.join(missing[:5])} ({len(missing)} files)")


def _import_seconds(python: str, folder: str) -> float:
    start = time.perf_counter()
    subprocess.run([python, "-c", "import weft"], check=True, cwd=folder)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
