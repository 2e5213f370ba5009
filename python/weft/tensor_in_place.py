"""What writes into a tensor: ``x += y``, ``x[i] = y``, ``x.fill_(y)``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import weft
from weft import _C
from weft.autograd.recording import note_in_place

if TYPE_CHECKING:
    from weft.tensor import Tensor


class InPlaceMethods:
    """What ``x += y``, ``x[i] = y`` and the like mean."""

    def _become(self: Any, result: Tensor, op: str) -> Tensor:
        """Take over the values and the history of `result`: the core of `x += y`."""
        note_in_place(self, op)
        if result.shape != self.shape:
            raise ValueError(
                f"{op}: the result of shape {result.shape} does not fit in-place into {self.shape}"
            )
        if _C.promote(self.dtype, result.dtype) != self.dtype:
            raise TypeError(
                f"{op}: the {result.dtype} result does not fit in-place into {self.dtype}; write "
                "x = x + y instead"
            )
        _C.copy_into(result._data, self._data)
        if result.requires_grad:
            self._requires_grad, self._node, self._index = True, result._node, result._index
        return self

    def __iadd__(self, other: Any) -> Tensor:
        return self._become(weft.ops.add(self, other), "add")

    def __isub__(self, other: Any) -> Tensor:
        return self._become(weft.ops.subtract(self, other), "subtract")

    def __imul__(self, other: Any) -> Tensor:
        return self._become(weft.ops.multiply(self, other), "multiply")

    def __itruediv__(self, other: Any) -> Tensor:
        return self._become(weft.ops.divide(self, other), "divide")

    def __ifloordiv__(self, other: Any) -> Tensor:
        return self._become(weft.ops.floor_divide(self, other), "floor_divide")

    def __imod__(self, other: Any) -> Tensor:
        return self._become(weft.ops.remainder(self, other), "remainder")

    def __ipow__(self, other: Any) -> Tensor:
        return self._become(weft.ops.power(self, other), "power")

    def __iand__(self, other: Any) -> Tensor:
        return self._become(weft.ops.bitwise_and(self, other), "bitwise_and")

    def __ior__(self, other: Any) -> Tensor:
        return self._become(weft.ops.bitwise_or(self, other), "bitwise_or")

    def __ixor__(self, other: Any) -> Tensor:
        return self._become(weft.ops.bitwise_xor(self, other), "bitwise_xor")

    def fill_(self: Any, value: Any) -> Tensor:
        """Set every element to `value`, in place."""
        self[...] = value
        return self

    def zero_(self) -> Tensor:
        """Set every element to 0, in place."""
        return self.fill_(0)

    def __setitem__(self: Any, key: Any, value: Any) -> None:
        weft.ops.setitem(self, key, value)
