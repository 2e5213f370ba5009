"""Learning rates that change with the step (names and formulas of keras.optimizers.schedules)."""

from typing import Any

from weft.errors import module_getattr
from weft.optimizers.schedules.cosine import CosineDecay, CosineDecayRestarts
from weft.optimizers.schedules.decay import (
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from weft.optimizers.schedules.schedule import LearningRateSchedule

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]


def serialize(learning_rate_schedule: LearningRateSchedule) -> Any:
    """The configuration of a schedule, as JSON can hold it.

    Args:
        learning_rate_schedule: The schedule.

    Returns:
        A name, or a dictionary that JSON can hold.

    Raises:
        TypeError: If it has no configuration.

    Example:
        >>> import weft
        >>> decay = weft.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
        >>> config = weft.optimizers.schedules.serialize(decay)
        >>> config["class_name"]
        'ExponentialDecay'

    Follows keras.optimizers.schedules.serialize.
    """
    from weft.saving import serialize as serialize_object

    return serialize_object(learning_rate_schedule)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> LearningRateSchedule:
    """The schedule that `serialize` described.

    Args:
        config: A name, or a configuration as `serialize` gives it.
        custom_objects: Own classes and functions by name, besides the registered ones.

    Returns:
        The schedule.

    Raises:
        ValueError: If the class is unknown.

    Example:
        >>> import weft
        >>> decay = weft.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
        >>> config = weft.optimizers.schedules.serialize(decay)
        >>> weft.optimizers.schedules.deserialize(config).decay_rate
        0.5

    Follows keras.optimizers.schedules.deserialize.
    """
    from weft.saving import deserialize as deserialize_object

    schedule: LearningRateSchedule = deserialize_object(config, custom_objects)
    return schedule


__getattr__ = module_getattr(__name__, {name: globals()[name] for name in __all__})
