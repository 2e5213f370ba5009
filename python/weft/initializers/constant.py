"""Initializers without chance, and the base of all."""

from __future__ import annotations

from typing import Any

from weft import ops
from weft.tensor import Tensor, as_tensor


class Initializer:
    """A function of a shape and a dtype that gives the first value of a weight.

    An initializer of your own defines ``__call__(shape, dtype=None)``, and ``get_config`` if it is
    to be saved. A plain function of the same arguments works as well.

    Raises:
        NotImplementedError: When called, if the class does not define ``__call__``.

    Example:
        >>> import weft
        >>> class Sevens(weft.initializers.Initializer):
        ...     def __call__(self, shape, dtype=None):
        ...         return weft.full(shape, 7.0, dtype=dtype)
        >>> Sevens()((2,)).tolist()
        [7.0, 7.0]

    Follows keras.initializers.Initializer.
    """

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A value of this shape and dtype."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same initializer again."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        """The initializer of a configuration."""
        return cls(**config)

    def clone(self) -> Initializer:
        """The same initializer again."""
        return type(self).from_config(self.get_config())


class Zeros(Initializer):
    """All zeros.

    Raises:
        TypeError: When called, if the dtype is unknown or the shape does not hold integers.

    Example:
        >>> import weft
        >>> weft.initializers.Zeros()((2,)).tolist()
        [0.0, 0.0]

    Follows keras.initializers.Zeros.
    """

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A value of this shape and dtype."""
        return ops.zeros(shape, dtype=dtype or "float32")


class Ones(Initializer):
    """All ones.

    Raises:
        TypeError: When called, if the dtype is unknown or the shape does not hold integers.

    Example:
        >>> import weft
        >>> weft.initializers.Ones()((2,)).tolist()
        [1.0, 1.0]

    Follows keras.initializers.Ones.
    """

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A value of this shape and dtype."""
        return ops.ones(shape, dtype=dtype or "float32")


class Constant(Initializer):
    """All equal to a number, or to an array that is broadcast to the shape.

    Args:
        value: The number or array.

    Raises:
        TypeError: When called, if the dtype is unknown or the shape does not hold integers.

    Example:
        >>> import weft
        >>> weft.initializers.Constant(3.0)((2,)).tolist()
        [3.0, 3.0]

    Follows keras.initializers.Constant.
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A value of this shape and dtype."""
        value = as_tensor(self.value).astype(dtype or "float32", copy=False)
        return ops.copy(ops.broadcast_to(value, shape))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same initializer again."""
        return {"value": self.value}


class Identity(Initializer):
    """A multiple of the identity matrix; zeros outside the diagonal if it is not square.

    Args:
        gain: The value on the diagonal.

    Raises:
        ValueError: If the shape is not that of a matrix.

    Example:
        >>> import weft
        >>> weft.initializers.Identity(2.0)((2, 2)).tolist()
        [[2.0, 0.0], [0.0, 2.0]]

    Follows keras.initializers.Identity.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A value of this shape and dtype."""
        shape = tuple(shape)
        if len(shape) != 2:
            raise ValueError(f"Identity: the weight must be a matrix, got shape {shape}")
        return ops.eye(shape[0], shape[1], dtype=dtype or "float32") * self.gain

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same initializer again."""
        return {"gain": self.gain}
