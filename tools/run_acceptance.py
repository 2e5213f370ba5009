"""Run the acceptance tests that lie beside this repository (../shared/accept), if they do.

They judge weft from outside. The rows listed here are those that the library has promised so far.

Usage: python tools/run_acceptance.py
"""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
ACCEPT = ROOT.parent / "shared" / "accept"

LECTURE_ROWS = [
    *(f"T{i}" for i in range(1, 16)),
    *(f"M{i}" for i in (*range(1, 16), 22, 23, 24)),
    *(f"L{i}" for i in (*range(1, 9), *range(10, 21), 23, 24)),
    *(f"F{i}" for i in (1, 2, 3, 4, 8, 9, 10, 27)),
]
# Whole files of comparisons with Keras.
PARITY = [f"test_{name}.py" for name in ("callbacks", "fit", "layers_attention", "layers_rnn")]
# What judges ask for in the same breath as promised rows, but belongs to later work.
LATER = ["conv3d", "E79"]  # of the errors: layers over volumes, and linear algebra


def pytest(folder: str, *arguments: str) -> int:
    """Run one folder of judges with the installed weft."""
    environment = {**os.environ, "WEFT_DATA": str(ACCEPT.parent / "data"), "MPLBACKEND": "Agg"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=ACCEPT / folder, env=environment).returncode


def main() -> int:
    """0 when every promised row passes, or when there are no judges to ask."""
    if not ACCEPT.is_dir():
        print(f"no acceptance tests at {ACCEPT}: nothing to run")
        return 0
    rows = " or ".join(f"{row}_" for row in LECTURE_ROWS)
    ordinary = ("-m", "not slow and not gpu")
    later = " and ".join(f"not {word}" for word in LATER)
    return (
        pytest("lectures", "-k", rows, *ordinary)
        or pytest("errors", "-c", "../pytest.ini", "-k", later, *ordinary)
        or pytest("keras_parity", *PARITY)
    )


if __name__ == "__main__":
    sys.exit(main())
