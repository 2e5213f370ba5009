"""Schedules that decay by a formula or in steps."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from typing import Any

from weft.optimizers.schedules.schedule import LearningRateSchedule, check_positive


class ExponentialDecay(LearningRateSchedule):
    """``initial_learning_rate * decay_rate ** (step / decay_steps)``.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: Steps after which the rate was multiplied by `decay_rate` once.
        decay_rate: The factor.
        staircase: Decay in jumps at multiples of `decay_steps` instead of continuously.
        name: Name, for the configuration.

    Raises:
        ValueError: If `decay_steps` is not positive.

    Example:
        >>> import weft
        >>> schedule = weft.optimizers.schedules.ExponentialDecay(1.0, 10, 0.5)
        >>> float(schedule(20))
        0.25

    Follows keras.optimizers.schedules.ExponentialDecay.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        check_positive("ExponentialDecay", decay_steps=decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def value(self, step: float) -> float:
        """The learning rate after `step` updates."""
        exponent = step / self.decay_steps
        if self.staircase:
            exponent = math.floor(exponent)
        return float(self.initial_learning_rate * self.decay_rate**exponent)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same schedule again."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


class InverseTimeDecay(LearningRateSchedule):
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: How many steps count as one.
        decay_rate: Strength of the decay.
        staircase: Decay in jumps at multiples of `decay_steps`.
        name: Name, for the configuration.

    Raises:
        ValueError: If `decay_steps` is not positive.

    Example:
        >>> import weft
        >>> float(weft.optimizers.schedules.InverseTimeDecay(1.0, 1, 1.0)(3))
        0.25

    Follows keras.optimizers.schedules.InverseTimeDecay.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        check_positive("InverseTimeDecay", decay_steps=decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def value(self, step: float) -> float:
        """The learning rate after `step` updates."""
        periods = step / self.decay_steps
        if self.staircase:
            periods = math.floor(periods)
        return float(self.initial_learning_rate / (1 + self.decay_rate * periods))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same schedule again."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


class PolynomialDecay(LearningRateSchedule):
    """From an initial to an end rate along ``(1 - step / decay_steps) ** power``.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: The step at which the end rate is reached.
        end_learning_rate: The rate from then on.
        power: 1 is a straight line.
        cycle: Start again at the next multiple of `decay_steps` instead of staying at the end.
        name: Name, for the configuration.

    Raises:
        ValueError: If `decay_steps` is not positive.

    Example:
        >>> import weft
        >>> float(weft.optimizers.schedules.PolynomialDecay(1.0, 10, 0.5)(5))
        0.75

    Follows keras.optimizers.schedules.PolynomialDecay.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        check_positive("PolynomialDecay", decay_steps=decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def value(self, step: float) -> float:
        """The learning rate after `step` updates."""
        span = float(self.decay_steps)
        if self.cycle:
            span *= max(math.ceil(step / span), 1)
        left = 1 - min(step, span) / span
        drop = self.initial_learning_rate - self.end_learning_rate
        return float(drop * left**self.power + self.end_learning_rate)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same schedule again."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
            "name": self.name,
        }


class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[0]`` up to and including step ``boundaries[0]``, then ``values[1]``, and so on.

    Args:
        boundaries: Increasing steps.
        values: One rate more than boundaries.
        name: Name, for the configuration.

    Raises:
        ValueError: If the lengths do not fit or the boundaries do not increase.

    Example:
        >>> import weft
        >>> schedule = weft.optimizers.schedules.PiecewiseConstantDecay([10], [1.0, 0.5])
        >>> float(schedule(10)), float(schedule(11))
        (1.0, 0.5)

    Follows keras.optimizers.schedules.PiecewiseConstantDecay.
    """

    def __init__(
        self,
        boundaries: Sequence[float],
        values: Sequence[float],
        name: str = "PiecewiseConstant",
    ) -> None:
        self.boundaries, self.values, self.name = list(boundaries), list(values), name
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(
                f"PiecewiseConstantDecay: {len(self.boundaries)} boundaries need "
                f"{len(self.boundaries) + 1} values, got {len(self.values)}"
            )
        if sorted(self.boundaries) != self.boundaries:
            raise ValueError(
                f"PiecewiseConstantDecay: boundaries must increase, got {self.boundaries}"
            )

    def value(self, step: float) -> float:
        """The learning rate after `step` updates."""
        return float(self.values[bisect.bisect_left(self.boundaries, step)])

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same schedule again."""
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}
