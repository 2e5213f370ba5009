"""A pytest plugin: with ``--sim-check`` every test runs under ``weft.sim.check()``.

``pytest -p weft.testing.sim_check --sim-check`` uses it in any project. Tests that launch no kernel
on ``sim`` are not changed by it. A test that runs a tool of ``weft.sim`` itself is left alone when
it is marked ``sim_tool``. ``--sim-kernels FILE`` adds to a file which kernels were checked, one
``file.cu<tab>kernel<8>`` a line, from every process of the tests; tools/check_kernels.py reads it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--sim-check`` and ``--sim-seed``."""
    group = parser.getgroup("weft")
    group.addoption(
        "--sim-check", action="store_true", help="check the kernels that tests run on sim"
    )
    group.addoption("--sim-seed", type=int, help="with --sim-check: order of threads and copies")
    group.addoption("--sim-kernels", help="with --sim-check: add the checked kernels to this file")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Writes which kernels this process has checked."""
    path = session.config.getoption("--sim-kernels")
    if not path:
        return
    from weft import _C

    lines = sorted(f"{file}\t{name}\n" for file, name in set(_C.sim_checked_kernels()))
    with open(path, "a") as file:
        file.write("".join(lines))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, None]:
    """Checks the kernels of one test; findings make it fail, whatever else it did."""
    if not item.config.getoption("--sim-check") or item.get_closest_marker("sim_tool"):
        yield
        return
    from weft import sim

    try:
        with sim.check(seed=item.config.getoption("--sim-seed")):
            outcome = yield
            failure = outcome.excinfo
            if failure is not None and issubclass(failure[0], Exception):
                raise failure[1]
    except sim.CheckError as error:
        outcome.force_exception(error)
    except Exception:
        pass  # the outcome has it already
