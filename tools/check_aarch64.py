"""Configure for aarch64 and compile core, kernels and simulated device, where a cross compiler is.

The machine that checks is an x86-64 one as a rule; an intrinsic without a guard, or an option that
only one architecture knows, fails here.

Usage: python tools/check_aarch64.py
"""

import concurrent.futures
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
BUILD = ROOT / "build" / "aarch64"
COMPILER = "aarch64-linux-gnu-g++"
FOLDERS = [ROOT / "csrc" / folder for folder in ("core", "cpu", "cpu/gemm", "sim")]
# Of the GPU kernels as the simulated device compiles them, a few that use most of its language.
SIMULATED = ("softmax.cpp", "matmul_mma.cpp", "matmul_wgmma.cpp", "selftest.cpp")


def configure() -> None:
    """Let CMake write the build for the other architecture."""
    import pybind11

    bin_folder = str(pathlib.Path(sys.executable).parent)
    arguments = [
        "cmake", "-S", str(ROOT), "-B", str(BUILD), "-G", "Ninja", "-DCMAKE_SYSTEM_NAME=Linux",
        "-DCMAKE_SYSTEM_PROCESSOR=aarch64", f"-DCMAKE_CXX_COMPILER={COMPILER}",
        "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", "-DWEFT_WERROR=ON",
        f"-DPython_EXECUTABLE={sys.executable}", f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
    ]  # fmt: skip
    path = bin_folder + os.pathsep + os.environ["PATH"]
    environment = {**os.environ, "PATH": path}
    subprocess.run(arguments, check=True, env=environment, stdout=subprocess.DEVNULL)


def is_checked(path: pathlib.Path) -> bool:
    """Whether a source is among those to compile."""
    return path.parent in FOLDERS or (path.parent == BUILD / "sim" and path.name in SIMULATED)


def compile_fast(entry: dict[str, str]) -> bool:
    """Compile one file without optimisation: that it compiles is all that is asked."""
    command = [c for c in shlex.split(entry["command"]) if c not in ("-O2", "-O3")]
    command[command.index("-o") + 1] = os.devnull
    return subprocess.run([*command, "-O0"], cwd=entry["directory"]).returncode == 0


def main() -> int:
    """0 when everything compiles, or when there is nothing to compile with."""
    if shutil.which(COMPILER) is None:
        print(f"aarch64: skipped, there is no {COMPILER} (Debian: g++-aarch64-linux-gnu)")
        return 0
    configure()
    entries = json.loads((BUILD / "compile_commands.json").read_text())
    entries = [e for e in entries if is_checked(pathlib.Path(e["file"]))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        compiled = list(pool.map(compile_fast, entries))
    print(f"aarch64: {sum(compiled)} of {len(entries)} files compile")
    return 0 if entries and all(compiled) else 1


if __name__ == "__main__":
    sys.exit(main())
