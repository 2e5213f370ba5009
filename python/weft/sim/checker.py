"""``weft.sim.check()``: memory errors, races and misused synchronisation in kernels."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from weft import _C


@dataclass(frozen=True)
class Finding:
    """One mistake in a kernel, at the first thread that showed it.

    Attributes:
        kind: ``"race"``, ``"out of bounds"``, ``"uninitialised read"``, ``"divergent barrier"``,
            ``"deadlock"``, ``"misaligned access"``, ``"asynchronous copy"``,
            ``"misused synchronisation"`` or ``"fault"``.
        kernel: Its name.
        line: ``"softmax.cu:41"``; empty when no single line is to blame.
        block: Index of the block (x, y, z).
        thread: Index of the thread in its block (x, y, z).
        message: All of it as one sentence, and what the other side of a race did.
        other_line: Where the other side did it; empty where there is none.
        count: How often the same lines were found at it.
    """

    kind: str
    kernel: str
    line: str
    block: tuple[int, int, int]
    thread: tuple[int, int, int]
    message: str
    other_line: str
    count: int

    def __str__(self) -> str:
        return self.message


class Findings(list[Finding]):
    """What a check found: a list that fills when its ``with`` block ends."""

    def __str__(self) -> str:
        return "\n".join(str(finding) for finding in self) or "nothing found"


class CheckError(AssertionError):
    """Kernels that ran under ``weft.sim.check()`` have mistakes; ``findings`` lists them."""

    def __init__(self, findings: Findings):
        self.findings = findings
        places = "1 place" if len(findings) == 1 else f"{len(findings)} places"
        super().__init__(f"mistakes in kernels at {places}:\n{findings}")


def _collect(into: Findings) -> None:
    """Ends the check; a kernel that it stopped leaves the device usable."""
    for r in _C.sim_take_reports():
        into.append(
            Finding(r.kind, r.kernel, r.line, r.block, r.thread, r.message, r.other_line, r.count)
        )
    _C.sim_stop_watching()
    if into:
        _C.sim_forgive_fault()


@contextmanager
def check(*, raise_errors: bool = True, seed: int | None = None) -> Iterator[Findings]:
    """Checks every kernel that runs on ``sim`` inside the block.

    Args:
        raise_errors: Whether findings raise when the block ends; else they are only listed.
        seed: Runs threads and asynchronous copies in an order drawn from this number.

    Yields:
        The findings, complete when the block has ended.

    Raises:
        CheckError: At the end of the block, if anything was found.
        ValueError: If `seed` is not a whole number of at least 0.
        RuntimeError: If another tool of ``weft.sim`` is running, or this build has none of them.

    Example:
        >>> import weft
        >>> with weft.sim.check() as findings, weft.device("sim"):
        ...     y = weft.ones((10,)) + 1
        >>> print(findings)
        nothing found
    """
    if seed is not None and (not isinstance(seed, int) or seed < 0):
        raise ValueError(f"check: seed must be a whole number of at least 0, got {seed!r}")
    findings = Findings()
    before = _C.sim_schedule_seed()
    _C.sim_start_checker()
    failure: Exception | None = None
    try:
        if seed is not None:
            _C.sim_set_schedule_seed(seed)
        yield findings
    except Exception as error:
        failure = error
    finally:
        _C.sim_set_schedule_seed(before)
        _collect(findings)
    if findings and raise_errors:
        raise CheckError(findings) from failure
    if failure is not None:
        raise failure


def check_from_environment() -> None:
    """Starts a check of the whole process if ``WEFT_SIM_CHECK=1`` asks for one.

    What it finds is printed when the process ends, which then fails with exit status 1.
    """
    if os.environ.get("WEFT_SIM_CHECK") != "1":
        return
    _C.sim_start_checker()

    def report() -> None:
        findings = Findings()
        _collect(findings)
        if findings:
            print(CheckError(findings), file=sys.stderr)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)  # the only way to change the exit status this late

    atexit.register(report)
