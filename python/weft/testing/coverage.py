"""Which operations have a case: ``python -m weft.testing.coverage``."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

from weft import ops
from weft.testing.opcase import OpCase, cases


def public_operations() -> dict[str, Callable[..., Any]]:
    """Every function that a module of weft.ops exports, by name."""
    found: dict[str, Callable[..., Any]] = {}
    for info in pkgutil.iter_modules(ops.__path__):
        module = importlib.import_module(f"weft.ops.{info.name}")
        for name in getattr(module, "__all__", ()):
            if inspect.isfunction(getattr(module, name)):
                found[name] = getattr(module, name)
    return found


def uncovered() -> list[str]:
    """Names of operations without a case."""
    covered: set[Any] = {c.op for c in cases()}
    names = {name for c in cases() for name in (c.name, *c.covers)}
    return sorted(n for n, f in public_operations().items() if f not in covered and n not in names)


def _row(case: OpCase) -> list[str]:
    def mark(condition: object) -> str:
        return "yes" if condition else "-"

    return [
        case.name,
        str(len(case.all_samples())),
        " ".join(case.dtypes + case.integer_dtypes),
        mark(case.reference),
        mark(case.differentiable),
        mark(case.differentiable and case.second_derivative),
        mark(case.oracle),
        str(len(case.bad)),
        mark(case.bench),
    ]


def main() -> None:
    """Print the coverage table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "operation", "samples", "dtypes", "reference", "gradient", "second", "torch", "bad", "bench"
    )
    for case in sorted(cases(), key=lambda c: c.name):
        table.add_row(*_row(case))
    console = Console()
    console.print(table)
    missing = uncovered()
    console.print(f"{len(public_operations())} operations, without a case: {missing or 'none'}")


if __name__ == "__main__":
    main()
