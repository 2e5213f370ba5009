"""`Operation`: a tensor operation between symbolic tensors, as a layer of the model."""

from __future__ import annotations

from typing import Any

from weft import ops
from weft.layers.layer import Layer
from weft.lookup import unique_name
from weft.tensor import Tensor

_KNOWN = ("add", "subtract", "multiply", "divide", "power", "matmul", "negative", "getitem")


class Operation(Layer):
    """What ``x + y``, ``2 * x`` or ``x[:, 0]`` of symbolic tensors become.

    Args:
        op: Name of the operation.
        constant: The operand that is no tensor of the model.
        reverse: Whether the constant comes first.
        key: The index of ``getitem``.

    Raises:
        ValueError: If `op` is unknown.

    Example:
        >>> import weft
        >>> x = weft.Input((3,))
        >>> weft.Model(x, 2 * x + 1)([[1.0, 2.0, 3.0]]).tolist()
        [[3.0, 5.0, 7.0]]

    Follows the operators of keras.KerasTensor.
    """

    def __init__(
        self, op: str, constant: Any = None, reverse: bool = False, key: Any = None, **kwargs: Any
    ) -> None:
        if op not in _KNOWN:
            raise ValueError(f"Operation: op must be one of {', '.join(_KNOWN)}, got {op!r}")
        kwargs["name"] = kwargs.get("name") or unique_name(op)
        super().__init__(**kwargs)
        self.op, self.constant, self.reverse = op, constant, reverse
        self.key = _decode(key)

    def call(self, inputs: Any) -> Tensor:
        if self.op == "getitem":
            return inputs[self.key]
        function = getattr(ops, self.op)
        if isinstance(inputs, (list, tuple)):
            return function(*inputs)
        if self.constant is None:
            return function(inputs)
        return function(self.constant, inputs) if self.reverse else function(inputs, self.constant)

    def get_config(self) -> dict[str, Any]:
        """The arguments; slices are written as lists of three."""
        key, self.key = self.key, _encode(self.key)
        try:
            return super().get_config()
        finally:
            self.key = key


def _encode(key: Any) -> Any:
    if isinstance(key, tuple):
        return {"tuple": [_encode(item) for item in key]}
    if isinstance(key, slice):
        return {"slice": [key.start, key.stop, key.step]}
    return {"ellipsis": True} if key is Ellipsis else key


def _decode(key: Any) -> Any:
    if isinstance(key, dict):
        if "tuple" in key:
            return tuple(_decode(item) for item in key["tuple"])
        return slice(*key["slice"]) if "slice" in key else Ellipsis
    return key
