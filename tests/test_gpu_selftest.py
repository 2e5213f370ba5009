"""What kernels rely on, checked on every GPU: the simulator must agree with the hardware."""

import pytest

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
