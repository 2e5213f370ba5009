"""The measured limits of the processor, and the shares of them that programs report."""

import numpy as np
import pytest

import weft
from weft import _C
from weft.limits import Limits
from weft.programs import Program

ROUND = Limits(flops=1e11, flops_float64=5e10, bandwidth=2e10)


@pytest.fixture(autouse=True)
def restore_threads():
    threads = weft.num_threads()
    yield
    weft.set_num_threads(threads)


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        ((5e8, 0, 0.01), (0.5, "compute")),
        ((5e8, 0, 0.01, "float64"), (1.0, "compute")),
        ((5e8, 0, 0.01, weft.float64), (1.0, "compute")),
        ((5e8, 1.5e8, 0.01), (0.75, "memory")),
        ((0, 8e8, 0.01), (4.0, "memory")),
    ],
)
def test_the_share_is_of_the_nearer_limit(work, expected):
    share, bound = ROUND.share(*work)
    assert (pytest.approx(share), bound) == expected


def test_limits_are_measured_once_for_each_number_of_threads():
    weft.set_num_threads(1)
    limits = Limits.measure()
    assert Limits.measure() is limits
    # A vector of float64 has half as many elements.
    assert 1.3 < limits.flops / limits.flops_float64 < 3
    weft.set_num_threads(2)
    assert Limits.measure() is not limits
    weft.set_num_threads(1)
    assert Limits.measure() is limits


def test_measuring_keeps_no_memory(monkeypatch):
    monkeypatch.setattr("weft.limits._measured", {})
    _C.empty_cache()
    before = _C.memory_statistics("cpu")["reserved"]
    Limits.measure()
    assert _C.memory_statistics("cpu")["reserved"] <= before


def test_a_copy_in_the_first_cache_is_faster_than_one_in_memory():
    weft.set_num_threads(1)
    assert _C.peak_bandwidth(8 << 10) > 1.5 * _C.peak_bandwidth(128 << 20)


def test_a_copy_needs_something_to_copy():
    with pytest.raises(ValueError, match="at least 1024 bytes"):
        _C.peak_bandwidth(16)


def program_of(function, *arguments):
    captured = weft.capture(function)
    for _ in range(3):
        captured(*arguments)
    (program,) = captured.programs
    return program


def table(program, monkeypatch, *seconds):
    monkeypatch.setattr(Limits, "measure", classmethod(lambda cls: ROUND))
    monkeypatch.setattr(Program, "_seconds", lambda self, method, repeat: list(seconds))
    return program.profile().splitlines()


@pytest.mark.parametrize(("dtype", "share"), [("float32", "52%"), ("float64", "105%")])
def test_profile_gives_the_share_of_the_limit(dtype, share, monkeypatch):
    program = program_of(lambda x: x @ x, weft.ones((64, 64), dtype=dtype))
    # 2 * 64^3 = 524 288 operations in 10 us: 52.4 GFLOP/s.
    head, matmul, everything, limits, beyond, *_ = table(program, monkeypatch, 10e-6)
    names = ["us", "of time", "GFLOP/s", "GB/s", "of limit", "bound by"]
    assert [name.strip() for name in head.split("  ") if name][-6:] == names
    assert matmul.split()[0] == "matmul"
    assert matmul.split()[-6:-3] == ["10.00", "100.0%", "52.4"]
    assert matmul.split()[-2:] == [share, "compute"]
    # What is beyond the limit does not make up for other launches.
    assert everything.split()[-2:] == [min(share, "100%", key=lambda s: int(s[:-1])), "compute"]
    assert "100 GFLOP/s in float32, 50 in float64, 20.0 GB/s" in limits
    assert beyond.startswith("above 100%")


def test_the_share_of_a_program_is_that_of_its_time(monkeypatch):
    x = weft.ones((100, 100))
    program = program_of(lambda x: weft.ops.relu(x @ x + 1.0), x)
    text = table(program, monkeypatch, *[1e-4] * len(program.launches))
    product, *rest = text[1 : 1 + len(program.launches)]
    # 2e6 operations in 100 us: 20 GFLOP/s, a fifth of the limit.
    assert product.split()[-2:] == ["20%", "compute"]
    assert all(line.split()[-1] == "memory" for line in rest)
    moved = sum(moved for *_, moved in program.launches[1:])
    expected = (0.2 * 1e-4 + moved / ROUND.bandwidth) / (1e-4 * len(program.launches))
    everything = text[1 + len(program.launches)].split()
    assert everything[0] == "all"
    assert everything[-2] == f"{expected:.0%}"


def test_no_limit_is_invented_for_the_simulated_device(monkeypatch):
    x = weft.tensor(np.ones((8, 8), "float32"), device="sim")
    program = program_of(lambda x: x @ x, x)
    _, matmul, everything, why, *_ = table(program, monkeypatch, 1.0)
    assert matmul.split()[-2:] == ["-", "-"]
    assert everything.split()[-2:] == ["-", "-"]
    assert why == "no limits are measured for sim, so there are no shares"
