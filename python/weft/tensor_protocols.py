"""What other array libraries ask of a tensor: NumPy's protocols, the Array API's, DLPack."""

from __future__ import annotations

from typing import Any

import numpy as np

import weft
from weft import _C

# NumPy's names where they differ from the Array API's.
_UFUNC_NAMES = {
    "true_divide": "divide",
    "absolute": "abs",
    "invert": "bitwise_invert",
    "left_shift": "bitwise_left_shift",
    "right_shift": "bitwise_right_shift",
    "conjugate": "positive",
}


class ArrayProtocols:
    """How `np.asarray(x)`, `np.sin(x)` and other libraries' `from_dlpack(x)` see a tensor."""

    def __array__(self: Any, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.numpy()
        if dtype is not None and array.dtype != np.dtype(dtype):
            if copy is False:
                raise ValueError(f"a copy is needed to convert {self.dtype} to {np.dtype(dtype)}")
            return array.astype(dtype)
        return array.copy() if copy else array

    __array_priority__ = 1000

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function = getattr(weft.ops, _UFUNC_NAMES.get(ufunc.__name__, ufunc.__name__), None)
        if method != "__call__" or function is None or kwargs:
            return NotImplemented
        return function(*inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        own = getattr(weft.ops, function.__name__, None)
        if own is None:
            return NotImplemented
        return own(*args, **kwargs)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return weft

    def __dlpack__(self: Any, *, stream: Any = None, **options: Any) -> Any:
        """A DLPack capsule; on a GPU the consumer's `stream` waits for the work queued so far.

        Raises:
            TypeError: On ``"sim"`` and ``"meta"``, whose memory other libraries cannot read.
        """
        device = options.get("dl_device")
        if device is not None and tuple(map(int, device)) != self.__dlpack_device__():
            raise BufferError(
                f"__dlpack__: the tensor lives on {self.device}, not on DLPack device "
                f"{tuple(device)}; move it with .to() first"
            )
        array = _C.copy(self._data) if options.get("copy") else self._data
        # Without a stream the consumer works on the default one, whose handle is 1.
        return _C.to_dlpack(array, _LEGACY_STREAM if stream is None else int(stream))

    def __dlpack_device__(self: Any) -> tuple[int, int]:
        return _C.dlpack_device(self._data)

    @property
    def __cuda_array_interface__(self: Any) -> dict[str, Any]:
        """What CuPy, Numba and PyTorch take a CUDA tensor from, version 3 of the protocol.

        Raises:
            AttributeError: On other devices, so that libraries see that there is none.
        """
        kind = self.device.partition(":")[0]
        if kind != "cuda":
            raise AttributeError(
                f"__cuda_array_interface__: the tensor lives on {self.device}, not on a CUDA device"
            )
        if self.dtype == "bfloat16":
            raise AttributeError("__cuda_array_interface__ has no bfloat16; use DLPack")
        return array_interface(self._data, _C.current_stream(self.device).pointer)


_LEGACY_STREAM = 1


def array_interface(array: Any, stream: int) -> dict[str, Any]:
    """The values of ``__cuda_array_interface__`` for a raw array."""
    size = array.dtype.itemsize
    strides = None if array.is_contiguous() else tuple(s * size for s in array.strides)
    return {
        "shape": array.shape,
        "strides": strides,
        "typestr": np.dtype(str(array.dtype)).str,
        "data": (array.pointer if 0 not in array.shape else 0, not array.writable),
        "version": 3,
        "stream": stream,
    }
