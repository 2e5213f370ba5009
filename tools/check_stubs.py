"""Keep python/weft/_C.pyi, the types of the compiled module, in step with the C++ bindings.

Usage: python tools/check_stubs.py [--write]
"""

import argparse
import difflib
import pathlib
import re
import subprocess
import sys
import tempfile

STUB = pathlib.Path(__file__).parent.parent / "python" / "weft" / "_C.pyi"


def generate() -> str:
    """The stub that the compiled module asks for."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pybind11_stubgen", "weft._C", "--output-dir", folder]
        subprocess.run(command, check=True, capture_output=True)
        text = (pathlib.Path(folder) / "weft" / "_C.pyi").read_text()
    # Python names the buffer protocol from 3.12 on.
    buffer = r"    def __(release_)?buffer__\(self, \w+\):\n        \"{3}.*?\"{3}\n"
    text = re.sub(buffer, "", text, flags=re.DOTALL)
    # Developers' builds hold the kernels of benchmarks/ladder; the library knows nothing of them.
    text = re.sub(r"""["']ladder_\w+["'], """, "", text)
    text = re.sub(r"^def ladder_.*\n    \.\.\.\n", "", text, flags=re.MULTILINE)
    formatted = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--stdin-filename", "_C.pyi", "-"],
        input=text, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return formatted.stdout


def main() -> int:
    """Write the stub, or print how the committed one differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="replace the committed stub")
    wanted = generate()
    if parser.parse_args().write:
        STUB.write_text(wanted)
        return 0
    committed = STUB.read_text() if STUB.exists() else ""
    changes = list(difflib.unified_diff(committed.splitlines(), wanted.splitlines(), lineterm=""))
    if changes:
        print("\n".join(changes[:40]))
        print("_C.pyi does not match the compiled module; run 'make stubs'")
    return 1 if changes else 0


if __name__ == "__main__":
    sys.exit(main())
