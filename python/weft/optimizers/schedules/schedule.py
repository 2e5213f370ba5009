"""The base of learning-rate schedules."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.tensor import Tensor, as_tensor


class LearningRateSchedule:
    """A learning rate as a function of the number of updates made so far.

    A schedule of your own defines ``__call__(step)``, where `step` is a number or a 0-d tensor,
    or ``value(step)`` on plain numbers; and ``get_config`` if it is to be saved.

    Raises:
        NotImplementedError: When called, if the class does not define ``__call__``.

    Example:
        >>> import weft
        >>> class Halving(weft.optimizers.schedules.LearningRateSchedule):
        ...     def value(self, step):
        ...         return 0.5 ** step
        >>> float(Halving()(3))
        0.125

    Follows keras.optimizers.schedules.LearningRateSchedule.
    """

    def value(self, step: float) -> float:
        """The learning rate after `step` updates, as a plain number."""
        if type(self).__call__ is LearningRateSchedule.__call__:
            raise NotImplementedError(f"{type(self).__name__} defines neither value nor __call__")
        return float(self(step))

    def __call__(self, step: Any) -> Tensor:
        """The learning rate after `step` updates, as a tensor."""
        return as_tensor(np.float32(self.value(float(step))))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same schedule again."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_config")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        """The schedule of a configuration."""
        return cls(**config)


def check_positive(schedule: str, **arguments: Any) -> None:
    """Raise ValueError unless every argument is a number above 0."""
    for name, value in arguments.items():
        if not isinstance(value, (int, float, np.number)) or not value > 0:
            raise ValueError(f"{schedule}: {name} must be a positive number, got {value!r}")
