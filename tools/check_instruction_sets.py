"""Prove that no instruction above the baseline stands outside the files meant for it.

Disassembles the compiled module and looks at every function: AVX registers and VEX/EVEX mnemonics
may appear only in functions of the namespaces weft::cpu::avx2 and weft::cpu::avx512. Anything else
would crash, at start-up or later, on a machine without AVX.

The installed module is stripped of its symbols, so the one in the build folder is read.

Usage: python tools/check_instruction_sets.py [path of an unstripped module]
"""

import pathlib
import platform
import re
import shutil
import subprocess
import sys

# Mangled names of the namespaces: N4weft3cpu4avx2..., N4weft3cpu6avx512...
ALLOWED = re.compile(r"3cpu4avx2|3cpu6avx512")
FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
# Wide registers, mask registers, and VEX/EVEX forms: their names start with v, which no instruction
# of the baseline does except a few of the system's.
WIDE = re.compile(r"%[yz]mm|%k[0-7]\b|\tv[a-z]")
SYSTEM = re.compile(r"\tv(err|erw|mcall|mlaunch|mfunc)")
# Instructions of BMI and LZCNT that -march=x86-64-v3 and above may emit. Not tzcnt: compilers write
# it for the baseline as well where its argument is not 0, because older processors read its bytes
# as bsf, which gives the same.
BMI = re.compile(r"\t(lzcnt|andn|bextr|bzhi|pdep|pext|mulx|rorx|sarx|shlx|shrx)\s")


def offenders(module: str) -> dict[str, str]:
    """Functions outside the allowed namespaces, with the first forbidden instruction of each."""
    command = ["objdump", "--disassemble", "--no-show-raw-insn", module]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if not ALLOWED.search(listing):
        raise SystemExit(f"check_instruction_sets: {module} has no symbols to tell functions apart")
    found: dict[str, str] = {}
    current = "?"
    for line in listing.splitlines():
        start = FUNCTION.match(line)
        if start:
            current = start.group(1)
        elif (
            (WIDE.search(line) or BMI.search(line))
            and not SYSTEM.search(line)
            and not ALLOWED.search(current)
        ):
            found.setdefault(current, line.strip())
    return found


def main() -> int:
    """Print the offenders; 1 if there are any."""
    if platform.machine() not in ("x86_64", "AMD64"):
        print("check_instruction_sets: only x86-64 has instruction sets to mix up")
        return 0
    if shutil.which("objdump") is None:
        print("check_instruction_sets: objdump (binutils) is needed")
        return 1
    modules = pathlib.Path("build").glob("*/_C*.so")
    built = sorted(
        (m for m in modules if m.parent.name != "sanitize"), key=lambda m: m.stat().st_mtime
    )
    if len(sys.argv) < 2 and not built:
        print("check_instruction_sets: build the module first (make dev)")
        return 1
    module = sys.argv[1] if len(sys.argv) > 1 else str(built[-1])
    found = offenders(module)
    for function, instruction in sorted(found.items()):
        print(f"{function}\n    {instruction}")
    print(f"check_instruction_sets: {len(found)} functions above the baseline outside their files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
