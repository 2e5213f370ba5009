"""Optimizers (names, arguments and formulas of keras.optimizers)."""

from typing import Any

from weft.errors import module_getattr
from weft.lookup import find, name_table
from weft.optimizers import schedules
from weft.optimizers.adam import Adam, Adamax, AdamW, Nadam
from weft.optimizers.adaptive import Adadelta, Adagrad, Ftrl, RMSprop
from weft.optimizers.first_order import SGD
from weft.optimizers.loss_scale import LossScaleOptimizer
from weft.optimizers.minimizing import Minimum, minimize
from weft.optimizers.optimizer import Optimizer

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "LossScaleOptimizer",
    "Minimum",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "minimize",
    "schedules",
    "serialize",
]

TABLE = name_table(
    [SGD, Adadelta, Adagrad, Adam, AdamW, Adamax, Ftrl, LossScaleOptimizer, Nadam, RMSprop], {}
)


def get(identifier: Any) -> Any:
    """The optimizer of a name, a configuration, or an optimizer itself.

    Args:
        identifier: Name, configuration, or object.

    Returns:
        The optimizer.

    Raises:
        ValueError: If the name is unknown, with the nearest known one.

    Example:
        >>> import weft
        >>> float(weft.optimizers.get("sgd").learning_rate)
        0.01

    Follows keras.optimizers.get.
    """
    found = find(identifier, TABLE, "optimizer")
    if found is not None and not isinstance(found, Optimizer) and not hasattr(found, "apply"):
        raise ValueError(f"an optimizer is a name or an Optimizer, not {identifier!r}")
    return found


def serialize(optimizer: Optimizer) -> Any:
    """The configuration of an optimizer, as JSON can hold it.

    Args:
        optimizer: The optimizer.

    Returns:
        A name, or a dictionary that JSON can hold.

    Raises:
        TypeError: If it has no configuration.

    Example:
        >>> import weft
        >>> config = weft.optimizers.serialize(weft.optimizers.SGD(momentum=0.5))
        >>> config["class_name"]
        'SGD'

    Follows keras.optimizers.serialize.
    """
    from weft.saving import serialize as serialize_object

    return serialize_object(optimizer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The optimizer that `serialize` described.

    Args:
        config: A name, or a configuration as `serialize` gives it.
        custom_objects: Own classes and functions by name, besides the registered ones.

    Returns:
        The optimizer.

    Raises:
        ValueError: If the class is unknown.

    Example:
        >>> import weft
        >>> config = weft.optimizers.serialize(weft.optimizers.SGD(momentum=0.5))
        >>> weft.optimizers.deserialize(config).momentum
        0.5

    Follows keras.optimizers.deserialize.
    """
    from weft.saving import deserialize as deserialize_object

    return deserialize_object(config, custom_objects)


__getattr__ = module_getattr(__name__, {name: globals()[name] for name in __all__})
