"""`Variable`: a named tensor that training changes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from weft import _C
from weft.autograd.recording import no_grad
from weft.device import check_device, is_gpu
from weft.dtypes import as_dtype
from weft.programs.recording import note_change
from weft.tensor import Tensor, as_tensor

_count = itertools.count()


class Variable(Tensor):
    """A tensor with a name whose value is assigned, and which can be trained.

    Args:
        initializer: The first value (anything `weft.tensor` takes), or a callable
            ``initializer(shape, dtype=...)`` together with `shape`.
        shape: Shape, when `initializer` is a callable.
        dtype: Type of the elements; by default that of the value (Python floats: float32).
        trainable: Whether optimizers change it. Integers and booleans never are.
        name: Name; unique by default.

    Raises:
        ValueError: If a callable is given without a shape.

    Example:
        >>> import weft
        >>> v = weft.Variable([1.0, 2.0], name="v")
        >>> v.assign_add([1.0, 1.0]).tolist()
        [2.0, 3.0]

    Follows keras.Variable.
    """

    autocast = True  # a layer may use it in the dtype of its computation
    frozen_by_layer = False  # it is trainable again when its layer is

    def __init__(
        self,
        initializer: Any,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        name: str | None = None,
    ) -> None:
        if callable(initializer) and not isinstance(initializer, Tensor):
            if shape is None:
                raise ValueError("Variable: an initializer function needs shape=")
            initializer = initializer(tuple(shape), dtype=as_dtype(dtype or "float32"))
        value = as_tensor(initializer, dtype).detach()
        super().__init__(_C.copy(value._data))
        self.name = name if name is not None else f"variable_{next(_count)}"
        self.path = self.name
        self.regularizer: Callable[[Tensor], Tensor] | None = None
        self.constraint: Callable[[Tensor], Tensor] | None = None
        self._trainable = bool(trainable)
        self.trainable = trainable

    @property
    def trainable(self) -> bool:
        """Whether optimizers change it and gradients are recorded for it."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if self._trainable != bool(value):
            note_change(f"whether {self.path!r} is trained")
        self._trainable = bool(value)
        self._requires_grad = self._trainable and self.dtype.is_floating

    @property
    def value(self) -> Tensor:
        """The variable itself, which is a tensor (Keras keeps them apart)."""
        return self

    def assign(self, value: Any) -> Variable:
        """Replace the value.

        Raises:
            ValueError: If the shape differs; the message has the name and both shapes.
        """
        value = as_tensor(value, near=self)
        if value.shape != self.shape:
            raise ValueError(
                f"cannot assign a value of shape {value.shape} to variable {self.path!r} of shape "
                f"{self.shape}"
            )
        raw = value._data
        if raw.device != self._data.device:
            raw = _C.to_device(raw, self._data.device)
        _C.copy_into(raw, self._data)
        return self

    def move_to(self, device: str) -> Variable:
        """Go to another device, together with the gradient; the variable stays the same object.

        Raises:
            ValueError: If the device does not exist or cannot be used in this process.

        Example:
            >>> import weft
            >>> v = weft.Variable([1.0, 2.0])
            >>> v.move_to("sim").device, v.tolist()
            ('sim', [1.0, 2.0])
        """
        device = check_device(device)
        if self._data.device != device:
            self._data = _C.to_device(self._data, device)
            if self.grad is not None:
                self.grad = self.grad.detach().to(device)
        return self

    def assign_add(self, value: Any) -> Variable:
        """Add `value` in place."""
        with no_grad():
            return self.assign(self + value)

    def assign_sub(self, value: Any) -> Variable:
        """Subtract `value` in place."""
        with no_grad():
            return self.assign(self - value)

    def __repr__(self) -> str:
        return f"<Variable {self.path!r} shape={self.shape} dtype={self.dtype}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (self.numpy(), str(self.dtype), self.trainable, self.name))

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        twin = Variable(self, trainable=self.trainable, name=self.name)
        twin.path, twin.regularizer, twin.constraint = self.path, self.regularizer, self.constraint
        twin.autocast, twin.frozen_by_layer = self.autocast, self.frozen_by_layer
        memo[id(self)] = twin
        return twin


class ReadBack:
    """The whole number in a variable, read back from a GPU only after somebody else wrote it.

    Example:
        >>> import weft
        >>> from weft.variable import ReadBack
        >>> ReadBack(weft.Variable(3)).read()
        3
    """

    def __init__(self, variable: Variable) -> None:
        self._variable = variable
        self._known: tuple[Any, int, int] | None = None  # array, its version, value

    def read(self) -> int:
        """The number."""
        array = self._variable._data
        if not is_gpu(array.device):
            return int(array.item())
        known = self._known
        if known is None or known[0] is not array or known[1] != array.version:
            self._known = known = (array, array.version, int(array.item()))
        return known[2]

    def wrote(self, value: int) -> None:
        """Note a value that was just written."""
        array = self._variable._data
        self._known = (array, array.version, value)

    def __getstate__(self) -> dict[str, Any]:
        return {"_variable": self._variable, "_known": None}


def _rebuild(values: Any, dtype: str, trainable: bool, name: str) -> Variable:
    return Variable(values, dtype=dtype, trainable=trainable, name=name)
