"""The command line: ``python -m weft doctor``, ``python -m weft bench``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m weft", description="weft's command line")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("doctor", help="which devices can be used, and what to do for the others")
    commands.add_parser("bench", help="compare the kernels with NumPy and PyTorch", add_help=False)
    options, rest = parser.parse_known_args(arguments)
    if options.command == "bench":
        from weft.bench.__main__ import main as bench

        bench(rest)
        return 0
    if rest:
        parser.error(f"doctor takes no further arguments, got {' '.join(rest)}")
    from weft.doctor import examine, show

    show(examine())
    return 0


if __name__ == "__main__":
    sys.exit(main())
