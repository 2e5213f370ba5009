"""Penalties on weights that are added to the loss (names of keras.regularizers)."""

from __future__ import annotations

from typing import Any

from weft import ops
from weft.errors import module_getattr
from weft.lookup import find, name_table
from weft.tensor import Tensor, as_tensor

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]


class Regularizer:
    """A function of a weight that gives a penalty, a single number.

    A regularizer of your own defines ``__call__(x)``, and ``get_config`` if it is to be saved.

    Raises:
        NotImplementedError: When called, if the class does not define ``__call__``.

    Example:
        >>> import weft
        >>> class Sum(weft.regularizers.Regularizer):
        ...     def __call__(self, x):
        ...         return weft.sum(x)

    Follows keras.regularizers.Regularizer.
    """

    def __call__(self, x: Any) -> Tensor:
        """The penalty of `x`."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same regularizer again."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_config")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        """The regularizer of a configuration."""
        return cls(**config)


def _strength(kind: str, name: str, value: Any) -> float:
    number = 0.0 if value is None else value
    if isinstance(number, (str, bool)) or not 0 <= float(number) < float("inf"):
        raise ValueError(f"{kind}: {name} must be a finite number of at least 0, got {value!r}")
    return float(number)


class L1L2(Regularizer):
    """``l1 * sum(|x|) + l2 * sum(x^2)``.

    Args:
        l1: Strength of the first term.
        l2: Strength of the second.

    Raises:
        ValueError: If a strength is negative or no number.

    Example:
        >>> import weft
        >>> float(weft.regularizers.L1L2(l1=1.0, l2=2.0)(weft.tensor([1.0, -3.0])))
        24.0

    Follows keras.regularizers.L1L2.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = _strength("L1L2", "l1", l1), _strength("L1L2", "l2", l2)

    def __call__(self, x: Any) -> Tensor:
        """The penalty of `x`."""
        x = as_tensor(x)
        if not self.l1:
            return ops.sum(ops.square(x)) * self.l2
        absolute = ops.sum(ops.abs(x)) * self.l1
        return absolute + ops.sum(ops.square(x)) * self.l2 if self.l2 else absolute

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same regularizer again."""
        return {"l1": self.l1, "l2": self.l2}


class L1(Regularizer):
    """``l1 * sum(|x|)``: pulls weights to 0.

    Args:
        l1: The strength.

    Raises:
        ValueError: If the factor is not a finite number of at least 0.

    Example:
        >>> import weft
        >>> float(weft.regularizers.L1(0.5)(weft.tensor([1.0, -3.0])))
        2.0

    Follows keras.regularizers.L1.
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = _strength("L1", "l1", 0.01 if l1 is None else l1)

    def __call__(self, x: Any) -> Tensor:
        """The penalty of `x`."""
        return ops.sum(ops.abs(as_tensor(x))) * self.l1

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same regularizer again."""
        return {"l1": self.l1}


class L2(Regularizer):
    """``l2 * sum(x^2)``: keeps weights small.

    Args:
        l2: The strength.

    Raises:
        ValueError: If the factor is not a finite number of at least 0.

    Example:
        >>> import weft
        >>> float(weft.regularizers.L2(0.5)(weft.tensor([1.0, -3.0])))
        5.0

    Follows keras.regularizers.L2.
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = _strength("L2", "l2", 0.01 if l2 is None else l2)

    def __call__(self, x: Any) -> Tensor:
        """The penalty of `x`."""
        return ops.sum(ops.square(as_tensor(x))) * self.l2

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same regularizer again."""
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """Pushes the rows, or the columns, of a matrix towards right angles.

    Args:
        factor: The strength.
        mode: ``"rows"`` or ``"columns"``.

    Raises:
        ValueError: If `mode` is neither, or the weight is no matrix.

    Example:
        >>> import weft
        >>> float(weft.regularizers.OrthogonalRegularizer(1.0)(weft.eye(3)))
        0.0

    Follows keras.regularizers.OrthogonalRegularizer.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        if mode not in ("rows", "columns"):
            raise ValueError(
                f"OrthogonalRegularizer: mode must be 'rows' or 'columns', got {mode!r}"
            )
        self.factor, self.mode = _strength("OrthogonalRegularizer", "factor", factor), mode

    def __call__(self, x: Any) -> Tensor:
        """The penalty of `x`."""
        x = as_tensor(x)
        if x.ndim != 2:
            raise ValueError(f"OrthogonalRegularizer: the weight must be a matrix, got {x.shape}")
        rows = x if self.mode == "rows" else x.T
        lengths = ops.sqrt(ops.sum(ops.square(rows), axis=1, keepdims=True))
        rows = rows / ops.maximum(lengths, 1e-12)
        size = rows.shape[0]
        products = ops.matmul(rows, rows.T) * (1.0 - ops.eye(size, dtype=rows.dtype))
        pairs = size * (size - 1) / 2
        return ops.sum(ops.abs(products)) * (self.factor * 0.5 / max(pairs, 1))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same regularizer again."""
        return {"factor": self.factor, "mode": self.mode}


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer

TABLE = name_table(
    [L1, L2, L1L2, OrthogonalRegularizer],
    {"l1_l2": L1L2, "orthogonal_regularizer": OrthogonalRegularizer},
)


def get(identifier: Any) -> Any:
    """The regularizer of a name, a configuration, or a function itself; None for None.

    Args:
        identifier: Name, configuration, object, function, or None.

    Returns:
        The regularizer.

    Raises:
        ValueError: If the name is unknown; the message has the nearest one.

    Example:
        >>> import weft
        >>> weft.regularizers.get("l2").get_config()
        {'l2': 0.01}

    Follows keras.regularizers.get.
    """
    return find(identifier, TABLE, "regularizer")


def serialize(regularizer: Regularizer) -> Any:
    """The configuration of a regularizer, as JSON can hold it.

    Args:
        regularizer: The regularizer.

    Returns:
        A name, or a dictionary that JSON can hold.

    Raises:
        TypeError: If it has no configuration.

    Example:
        >>> import weft
        >>> config = weft.regularizers.serialize(weft.regularizers.L2(0.5))
        >>> config["class_name"]
        'L2'

    Follows keras.regularizers.serialize.
    """
    from weft.saving import serialize as serialize_object

    return serialize_object(regularizer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The regularizer that `serialize` described.

    Args:
        config: A name, or a configuration as `serialize` gives it.
        custom_objects: Own classes and functions by name, besides the registered ones.

    Returns:
        The regularizer.

    Raises:
        ValueError: If the class is unknown.

    Example:
        >>> import weft
        >>> config = weft.regularizers.serialize(weft.regularizers.L2(0.5))
        >>> weft.regularizers.deserialize(config).l2
        0.5

    Follows keras.regularizers.deserialize.
    """
    from weft.saving import deserialize as deserialize_object

    return deserialize_object(config, custom_objects)


__getattr__ = module_getattr(__name__, {name: globals()[name] for name in __all__})
