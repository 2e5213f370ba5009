"""Shared fixtures: a fixed seed, and the instruction sets of this machine."""

import numpy as np
import pytest

import weft
from weft import _C

ISAS = ["baseline", "avx2", "avx512"]
ISAS = ISAS[: ISAS.index(_C.best_isa()) + 1]


@pytest.fixture(autouse=True)
def _fixed_seed():
    np.random.seed(0)
    if hasattr(weft, "random"):
        weft.random.seed(0)
    yield


@pytest.fixture(params=ISAS)
def isa(request):
    """Each instruction set of this machine in turn."""
    before = _C.isa()
    _C.set_isa(request.param)
    yield request.param
    _C.set_isa(before)
