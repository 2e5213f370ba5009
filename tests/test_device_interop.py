"""Tensors of devices in other libraries: DLPack and the CUDA array interface."""

import numpy as np
import pytest

import weft
from weft.tensor_protocols import array_interface

needs_cuda = pytest.mark.skipif(not weft.cuda.is_available(), reason=weft.cuda.why_unavailable())


def test_the_simulated_device_refuses_dlpack_and_says_what_to_do():
    x = weft.tensor([1.0, 2.0], device="sim")
    for ask in (x.__dlpack__, x.__dlpack_device__, lambda: np.from_dlpack(x)):
        with pytest.raises(TypeError, match=r"lives on sim.*\.to\('cpu'\)"):
            ask()
    assert not hasattr(x, "__cuda_array_interface__")
    assert np.asarray(x).tolist() == [1.0, 2.0]
    assert np.from_dlpack(x.to("cpu")).tolist() == [1.0, 2.0]


def test_dlpack_of_the_cpu():
    x = weft.arange(6.0).reshape(2, 3).T
    assert x.__dlpack_device__() == (1, 0)
    np.testing.assert_array_equal(np.from_dlpack(x), x.numpy())
    with pytest.raises(BufferError, match="lives on cpu"):
        x.__dlpack__(dl_device=(2, 0))
    assert not hasattr(x, "__cuda_array_interface__")


@pytest.mark.skipif(weft.cuda.is_available(), reason="there is a GPU")
def test_dlpack_data_on_a_missing_gpu_are_refused():
    class Foreign:
        def __dlpack_device__(self):
            return (2, 0)

        def __dlpack__(self, stream=None):
            raise AssertionError("must not be asked")

    with pytest.raises(ValueError, match="'cuda:0' is not available"):
        weft.from_dlpack(Foreign())


def test_the_values_of_the_cuda_array_interface():
    x = weft.arange(12, dtype="int16").reshape(3, 4)
    facts = array_interface(x._data, 7)
    assert facts["shape"] == (3, 4) and facts["strides"] is None and facts["typestr"] == "<i2"
    assert facts["data"] == (x._data.pointer, False) and facts["version"] == 3
    assert facts["stream"] == 7
    assert array_interface(x.T._data, 1)["strides"] == (2, 8)
    assert array_interface(weft.zeros((0, 2))._data, 1)["data"][0] == 0


@needs_cuda
def test_dlpack_and_the_cuda_array_interface_with_torch():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch has no CUDA")
    x = weft.tensor(np.arange(6.0).reshape(2, 3), device="cuda")
    theirs = torch.from_dlpack(x)
    assert theirs.is_cuda and theirs.data_ptr() == x._data.pointer
    theirs += 1
    torch.cuda.synchronize()
    assert x.tolist() == [[1, 2, 3], [4, 5, 6]]
    back = weft.from_dlpack(torch.ones(3, device="cuda"))
    assert back.device == "cuda:0" and (back + 1.0).tolist() == [2.0, 2.0, 2.0]
    assert torch.as_tensor(x, device="cuda").data_ptr() == x._data.pointer
