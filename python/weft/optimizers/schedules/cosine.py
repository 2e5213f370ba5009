"""Schedules along a cosine."""

from __future__ import annotations

import math
from typing import Any

from weft.optimizers.schedules.schedule import LearningRateSchedule, check_positive


class CosineDecay(LearningRateSchedule):
    """Optional linear warm-up, then half a cosine down to ``alpha`` times the peak.

    Args:
        initial_learning_rate: The rate at step 0; with a warm-up the start of the line.
        decay_steps: Length of the cosine.
        alpha: The last rate as a fraction of the peak.
        name: Name, for the configuration.
        warmup_target: The peak that the warm-up reaches; None for no warm-up.
        warmup_steps: Length of the warm-up.

    Raises:
        ValueError: If `decay_steps` is not positive.

    Example:
        >>> import weft
        >>> from weft.optimizers.schedules import CosineDecay
        >>> schedule = CosineDecay(0.0, 10, warmup_target=1.0, warmup_steps=4)
        >>> float(schedule(2)), float(schedule(4)), float(schedule(9))
        (0.5, 1.0, 0.5)

    Follows keras.optimizers.schedules.CosineDecay (Loshchilov and Hutter, 2016).
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        check_positive("CosineDecay", decay_steps=decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def value(self, step: float) -> float:
        """The learning rate after `step` updates."""
        peak = self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return float(peak + (self.warmup_target - peak) * step / self.warmup_steps)
            peak, step = self.warmup_target, step - self.warmup_steps
        done = min(step, self.decay_steps) / self.decay_steps
        wave = 0.5 * (1 + math.cos(math.pi * done))
        return float(peak * ((1 - self.alpha) * wave + self.alpha))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same schedule again."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "name": self.name,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


class CosineDecayRestarts(LearningRateSchedule):
    """Cosines one after the other, each `t_mul` times longer and `m_mul` times lower.

    Args:
        initial_learning_rate: The peak of the first cosine.
        first_decay_steps: Its length.
        t_mul: Factor of the lengths.
        m_mul: Factor of the peaks.
        alpha: The lowest rate as a fraction of the first peak.
        name: Name, for the configuration.

    Raises:
        ValueError: If `first_decay_steps` is not positive or `t_mul` is below 1.

    Example:
        >>> import weft
        >>> schedule = weft.optimizers.schedules.CosineDecayRestarts(1.0, 10, m_mul=0.5)
        >>> float(schedule(5)), float(schedule(10))
        (0.5, 0.5)

    Follows keras.optimizers.schedules.CosineDecayRestarts (Loshchilov and Hutter, 2016).
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        check_positive("CosineDecayRestarts", first_decay_steps=first_decay_steps)
        if not t_mul >= 1:
            raise ValueError(f"CosineDecayRestarts: t_mul must be at least 1, got {t_mul!r}")
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def value(self, step: float) -> float:
        """The learning rate after `step` updates."""
        periods = step / self.first_decay_steps
        if self.t_mul == 1:
            restarts = math.floor(periods)
            done = periods - restarts
        else:
            restarts = math.floor(
                math.log(1 - periods * (1 - self.t_mul)) / math.log(self.t_mul) + 1e-12
            )
            before = (1 - self.t_mul**restarts) / (1 - self.t_mul)
            done = max(periods - before, 0.0) / self.t_mul**restarts
        wave = 0.5 * self.m_mul**restarts * (1 + math.cos(math.pi * done))
        return float(self.initial_learning_rate * ((1 - self.alpha) * wave + self.alpha))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same schedule again."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": self.first_decay_steps,
            "t_mul": self.t_mul,
            "m_mul": self.m_mul,
            "alpha": self.alpha,
            "name": self.name,
        }
