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
        if options.get("copy"):
            return _C.to_dlpack(_C.copy(self._data))
        return _C.to_dlpack(self._data)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)
