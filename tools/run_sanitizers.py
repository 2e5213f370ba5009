"""Build the module with the address and undefined-behaviour sanitizers and test the core with it.

Every case of every operation runs in every memory layout on the baseline kernels, and the simulated
GPU does what kernels rely on; a stray access or undefined behaviour ends the run with the kernel's
file and line.

Usage: python tools/run_sanitizers.py [test file ...]
"""

import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

ROOT = pathlib.Path(__file__).parent.parent
BUILD = ROOT / "build" / "sanitize"
DESELECTED = [
    # Starts Python anew, which finds the plain build.
    "tests/test_core.py::test_the_environment_chooses_the_instruction_set",
    # Limits the address space, of which the address sanitizer takes 20 TiB for itself.
    "tests/test_core.py::test_work_goes_on_with_the_threads_that_the_system_gives",
]
TESTS = [
    "tests/test_ops.py",
    "tests/test_core.py",
    "tests/test_indexing.py",
    "tests/test_gpu_selftest.py",
    "tests/test_gpu_indexing.py",
]

# The import hook of the editable install would find the plain build first.
RUN = """
import sys
sys.meta_path[:] = [f for f in sys.meta_path if "Redirecting" not in type(f).__name__]
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


def build() -> pathlib.Path:
    """Compile, and lay the module beside links to the Python files; returns the folder."""
    import pybind11

    bin_folder = str(pathlib.Path(sys.executable).parent)
    environment = {**os.environ, "PATH": bin_folder + os.pathsep + os.environ["PATH"]}
    configure = [
        "cmake", "-S", str(ROOT), "-B", str(BUILD), "-G", "Ninja", "-DWEFT_SANITIZE=ON",
        f"-DPython_EXECUTABLE={sys.executable}", f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
    ]  # fmt: skip
    subprocess.run(configure, check=True, env=environment, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", str(BUILD)], check=True, env=environment)
    package = BUILD / "python" / "weft"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(ROOT / "python" / "weft", package, ignore=shutil.ignore_patterns("*.so"))
    name = "_C" + sysconfig.get_config_var("EXT_SUFFIX")
    shutil.copy(BUILD / name, package / name)
    return package.parent


def main() -> int:
    """Run the tests of the core; 0 when no sanitizer complained."""
    source = build()
    runtime = [
        subprocess.run(
            ["g++", f"-print-file-name={library}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for library in ("libasan.so", "libubsan.so")
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": str(source),
        "LD_PRELOAD": ":".join(runtime),
        # Python and NumPy keep memory until the process ends, which is not weft's leak; and weft
        # must see a refused allocation as the system would answer it.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        # Under pymalloc small objects share blocks, and overruns between them would go unseen.
        "PYTHONMALLOC": "malloc",
    }
    tests = sys.argv[1:] or TESTS
    # One process: the preloaded runtime reports on its own standard error.
    command = [sys.executable, "-c", RUN, "-q", "-s", "-p", "no:cacheprovider", "-x", *tests]
    command += [f"--deselect={test}" for test in DESELECTED]
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
