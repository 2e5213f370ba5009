"""Prove that every kernel of csrc/cuda ran under the checker of the simulated device.

Reads what ``pytest --sim-check --sim-kernels FILE`` has written, and compares it with the sources:
a kernel that no checked test launches is an error. Kernels for tensor cores are compared one
instantiation at a time: their layouts, types and tiles are different programs.

Usage: python tools/check_kernels.py FILE [path of a module with its symbols]
"""

from __future__ import annotations

import collections
import importlib.util
import pathlib
import re
import subprocess
import sys

FOLDER = pathlib.Path(__file__).parents[1] / "csrc" / "cuda"
BOUNDS = r"__launch_bounds__\((?:[^()]|\([^()]*\))*\)\s*"
KERNEL = re.compile(rf"__global__\s+void\s+(?:{BOUNDS})?(\w+)\s*\(")
NAMESPACE = "weft::sim_checked::(anonymous namespace)::"
TENSOR_CORES = re.compile(r"\w*mma\w*\.cu$")


def kernels_of_the_sources() -> set[tuple[str, str]]:
    """File and name of every kernel that is no self-test."""
    found = set()
    for file in sorted([*FOLDER.glob("*.cu"), *FOLDER.glob("*.h")]):
        if file.name.startswith("selftest"):
            continue
        text = re.sub(r"//.*", "", file.read_text())
        names = KERNEL.findall(text)
        if len(names) != len(re.findall(r"__global__\s+void", text)):
            raise SystemExit(f"check_kernels: {file.name} declares kernels in a way unknown to it")
        found |= {(file.name, name) for name in names}
    return found


def short(name: str) -> str:
    """A kernel's full name as the simulator gives it: without parameters and namespaces."""
    depth = 0
    for i, letter in enumerate(name):
        depth += (letter == "<") - (letter == ">")
        if letter == "(" and depth == 0 and not name.startswith("(anonymous ", i):
            name = name[:i]
            break
    name = name.removeprefix("void ").replace("(anonymous namespace)::", "")
    return name.replace("weft::sim_checked::", "").replace("weft::", "")


def instantiations(module: str, names: set[str]) -> set[str]:
    """The kernels of these names that the module holds for the checker."""
    command = ["nm", "--demangle", "--defined-only", module]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = set()
    for line in listing.splitlines():
        symbol = line.split(" ", 2)[-1]
        if symbol.removeprefix("void ").startswith(NAMESPACE):
            name = short(symbol)
            if name.partition("<")[0] in names:
                found.add(name)
    return found


def main() -> int:
    """Print the kernels that were not checked; 1 if there are any."""
    lines = pathlib.Path(sys.argv[1]).read_text().splitlines()
    checked = {tuple(line.split("\t")) for line in lines}
    names = {(file, name.partition("<")[0]) for file, name in checked}
    sources = kernels_of_the_sources()
    missing = [f"{file}: {name}" for file, name in sorted(sources - names)]

    module = sys.argv[2] if len(sys.argv) > 2 else None
    if module is None:
        spec = importlib.util.find_spec("weft._C")
        assert spec is not None and spec.origin is not None
        module = spec.origin
    on_tensor_cores = {name for file, name in sources if TENSOR_CORES.search(file)}
    present = instantiations(module, on_tensor_cores)
    if not present:
        raise SystemExit(f"check_kernels: {module} has no symbols, or no kernels for the checker")
    missing += sorted(present - {name for _, name in checked})

    for text in missing:
        print(f"check_kernels: no checked test launches {text}")
    of_file = collections.Counter(file for file, _ in checked)
    print(
        f"check_kernels: {len(names & sources)} of {len(sources)} kernels were checked in "
        f"{len(checked)} instantiations from {len(of_file)} files; on tensor cores "
        f"{len(present & {name for _, name in checked})} of {len(present)} instantiations"
    )
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
