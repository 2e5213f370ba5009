"""Shared fixtures: a fixed seed, and the instruction sets of this machine."""

import os

import numpy as np
import pytest

import weft
from weft import _C
from weft.device import available_devices, is_gpu
from weft.testing.sim_check import (  # noqa: F401
    pytest_addoption,
    pytest_runtest_call,
    pytest_sessionfinish,
)

ISAS = ["baseline", "avx2", "avx512"]
ISAS = ISAS[: ISAS.index(_C.best_isa()) + 1]


@pytest.fixture(autouse=True)
def _fixed_seed():
    np.random.seed(0)
    if hasattr(weft, "random"):
        weft.random.seed(0)
    yield


# Devices with memory of their own: the simulated one always, a real one where there is one.
GPUS = [d for d in available_devices() if is_gpu(d)]
if os.environ.get("WEFT_REQUIRE_CUDA") == "1" and "cuda:0" not in GPUS:
    raise RuntimeError(f"WEFT_REQUIRE_CUDA=1, but {_C.why_unavailable('cuda')}")


@pytest.fixture(params=GPUS)
def gpu(request):
    """Each GPU of this process in turn; what is created without a device goes there."""
    with weft.device(request.param):
        yield request.param


@pytest.fixture(params=["cpu", *GPUS])
def everywhere(request):
    """The CPU and each GPU in turn; what is created without a device goes there."""
    with weft.device(request.param):
        yield request.param


@pytest.fixture(params=ISAS)
def isa(request):
    """Each instruction set of this machine in turn."""
    before = _C.isa()
    _C.set_isa(request.param)
    yield request.param
    _C.set_isa(before)
