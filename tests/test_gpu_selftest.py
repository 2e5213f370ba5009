"""What kernels rely on, checked on every GPU: the simulator must agree with the hardware."""

import mmap

import numpy as np
import pytest

import weft
from weft import _C
from weft.device import available_devices, is_gpu


def results(device):
    return [(device, *result) for result in _C.gpu_selftest(device)]


GPUS = [d for d in available_devices() if is_gpu(d)]


@pytest.mark.parametrize(
    "device, name, error, tolerance",
    [r for d in GPUS for r in results(d)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hardware_does_what_kernels_expect(device, name, error, tolerance):
    assert error <= tolerance, f"{name} on {device}: error {error}, allowed {tolerance}"


def test_threads_that_end_leave_their_addresses_clean():
    """The stacks of a kernel's threads belong to a thread of the pool and go with it.

    Under the address sanitizer (tools/run_sanitizers.py) reading memory that comes to lie there
    failed: the red zones of functions that never returned were still in its map.
    """
    threads = _C.num_threads()
    try:
        _C.set_num_threads(8)
        x = weft.tensor(np.ones((512, 300), np.float32), device="sim")
        assert float(weft.sum(weft.softmax(x))) == pytest.approx(512)
        _C.set_num_threads(1)
    finally:
        _C.set_num_threads(threads)
    pages = [mmap.mmap(-1, 68 * 1024) for _ in range(1000)]
    assert not any(bytes(page).strip(b"\0") for page in pages)
