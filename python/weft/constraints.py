"""Projections of weights after each update (names of keras.constraints)."""

from __future__ import annotations

from typing import Any

from weft import ops
from weft.errors import module_getattr
from weft.lookup import find, name_table
from weft.tensor import Tensor, as_tensor

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]

_EPSILON = 1e-7


class Constraint:
    """A function that gives the allowed weight nearest to a weight.

    A constraint of your own defines ``__call__(w)``, and ``get_config`` if it is to be saved.

    Raises:
        NotImplementedError: When called, if the class does not define ``__call__``.

    Example:
        >>> import weft
        >>> class Clip(weft.constraints.Constraint):
        ...     def __call__(self, w):
        ...         return weft.clip(w, -1.0, 1.0)

    Follows keras.constraints.Constraint.
    """

    def __call__(self, w: Any) -> Tensor:
        """The constrained weight."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same constraint again."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        """The constraint of a configuration."""
        return cls(**config)


def _norms(w: Tensor, axis: Any) -> Tensor:
    return ops.sqrt(ops.sum(ops.square(w), axis=axis, keepdims=True))


class MaxNorm(Constraint):
    """Shortens vectors of weights to a largest norm.

    Args:
        max_value: The norm.
        axis: Axis (or axes) along which the vectors lie: 0 for the kernel of a Dense layer,
            (0, 1, 2) for that of a Conv2D.

    Raises:
        IndexError: When called, if an axis is out of range for the weight.

    Example:
        >>> import weft
        >>> w = weft.constraints.MaxNorm(1.0)(weft.tensor([[3.0], [4.0]]))
        >>> [[round(x, 3) for x in row] for row in w.tolist()]
        [[0.6], [0.8]]

    Follows keras.constraints.MaxNorm.
    """

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Any) -> Tensor:
        """The constrained weight."""
        w = as_tensor(w)
        norms = _norms(w, self.axis)
        return w * (ops.clip(norms, 0.0, self.max_value) / (norms + _EPSILON))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same constraint again."""
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """Replaces negative weights by 0.

    Raises:
        TypeError: When called, if the weight does not hold numbers.

    Example:
        >>> import weft
        >>> weft.constraints.NonNeg()(weft.tensor([-1.0, 2.0])).tolist()
        [0.0, 2.0]

    Follows keras.constraints.NonNeg.
    """

    def __call__(self, w: Any) -> Tensor:
        """The constrained weight."""
        return ops.maximum(as_tensor(w), 0.0)


class UnitNorm(Constraint):
    """Scales vectors of weights to norm 1.

    Args:
        axis: As in `MaxNorm`.

    Raises:
        IndexError: When called, if an axis is out of range for the weight.

    Example:
        >>> import weft
        >>> w = weft.constraints.UnitNorm()(weft.tensor([[3.0], [4.0]]))
        >>> [[round(x, 3) for x in row] for row in w.tolist()]
        [[0.6], [0.8]]

    Follows keras.constraints.UnitNorm.
    """

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Tensor:
        """The constrained weight."""
        w = as_tensor(w)
        return w / (_norms(w, self.axis) + _EPSILON)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same constraint again."""
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Brings the norms of vectors of weights between two bounds.

    Args:
        min_value: The smallest norm.
        max_value: The largest.
        rate: 1 enforces the bounds at once, less moves towards them.
        axis: As in `MaxNorm`.

    Raises:
        IndexError: When called, if an axis is out of range for the weight.

    Example:
        >>> import weft
        >>> w = weft.constraints.MinMaxNorm(1.0, 2.0)(weft.tensor([[0.3], [0.4]]))
        >>> [[round(x, 3) for x in row] for row in w.tolist()]
        [[0.6], [0.8]]

    Follows keras.constraints.MinMaxNorm.
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0
    ) -> None:
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w: Any) -> Tensor:
        """The constrained weight."""
        w = as_tensor(w)
        norms = _norms(w, self.axis)
        cut = ops.clip(norms, self.min_value, self.max_value)
        wanted = cut * self.rate + norms * (1 - self.rate)
        return w * (wanted / (norms + _EPSILON))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same constraint again."""
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }


max_norm, min_max_norm, non_neg, unit_norm = MaxNorm, MinMaxNorm, NonNeg, UnitNorm

TABLE = name_table([MaxNorm, MinMaxNorm, NonNeg, UnitNorm], {})


def get(identifier: Any) -> Any:
    """The constraint of a name, a configuration, or a function itself; None for None.

    Args:
        identifier: Name, configuration, object, function, or None.

    Returns:
        The constraint.

    Raises:
        ValueError: If the name is unknown; the message has the nearest one.

    Example:
        >>> import weft
        >>> weft.constraints.get("max_norm").max_value
        2

    Follows keras.constraints.get.
    """
    return find(identifier, TABLE, "constraint")


def serialize(constraint: Constraint) -> Any:
    """The configuration of a constraint, as JSON can hold it.

    Args:
        constraint: The constraint.

    Returns:
        A name, or a dictionary that JSON can hold.

    Raises:
        TypeError: If it has no configuration.

    Example:
        >>> import weft
        >>> config = weft.constraints.serialize(weft.constraints.MaxNorm(3.0))
        >>> config["class_name"]
        'MaxNorm'

    Follows keras.constraints.serialize.
    """
    from weft.saving import serialize as serialize_object

    return serialize_object(constraint)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The constraint that `serialize` described.

    Args:
        config: A name, or a configuration as `serialize` gives it.
        custom_objects: Own classes and functions by name, besides the registered ones.

    Returns:
        The constraint.

    Raises:
        ValueError: If the class is unknown.

    Example:
        >>> import weft
        >>> config = weft.constraints.serialize(weft.constraints.MaxNorm(3.0))
        >>> weft.constraints.deserialize(config).max_value
        3.0

    Follows keras.constraints.deserialize.
    """
    from weft.saving import deserialize as deserialize_object

    return deserialize_object(config, custom_objects)


__getattr__ = module_getattr(__name__, {name: globals()[name] for name in __all__})
