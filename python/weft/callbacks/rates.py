"""Callbacks that change the learning rate."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from weft.callbacks.callback import Callback, Logs
from weft.callbacks.monitor import Watch, check_count, check_mode


def rate_of(optimizer: Any) -> float:
    """The optimizer's learning rate as a number."""
    return float(optimizer.learning_rate)


class LearningRateScheduler(Callback):
    """Set the learning rate of each epoch with a function.

    Args:
        schedule: ``schedule(epoch, rate)`` or ``schedule(epoch)``, gives the new rate.
        verbose: 1 prints each rate.

    Raises:
        TypeError: If `schedule` is no function.
        ValueError: When an epoch begins, if it does not give a number.

    Example:
        >>> import weft
        >>> halve = weft.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)

    Follows keras.callbacks.LearningRateScheduler.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        if not callable(schedule):
            raise TypeError(
                f"LearningRateScheduler: schedule must be a function of the epoch, got {schedule!r}"
            )
        self.schedule = schedule
        self.verbose = verbose
        self._takes_rate = _takes_two(schedule)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        rate: Any
        if self._takes_rate:
            rate = self.schedule(epoch, rate_of(self.model.optimizer))
        else:
            rate = self.schedule(epoch)
        try:
            rate = float(rate)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"LearningRateScheduler: schedule({epoch}) must give a number, got {rate!r}"
            ) from error
        self.model.optimizer.learning_rate = rate
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: LearningRateScheduler sets the learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = rate_of(self.model.optimizer)


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(0, 0.0)
    except TypeError:
        return False
    return True


class ReduceLROnPlateau(Callback):
    """Lower the learning rate when a number stops improving.

    Args:
        monitor: The logged number to watch.
        factor: The rate is multiplied by this; below 1.
        patience: Epochs without improvement before the rate falls.
        verbose: 1 prints each change.
        mode: ``"min"``, ``"max"``, or ``"auto"`` to tell from the name.
        min_delta: What counts as an improvement must be larger than this.
        cooldown: Epochs to wait after a change before watching again.
        min_lr: The rate does not go below.

    Raises:
        ValueError: If an argument is impossible.

    Example:
        >>> import weft
        >>> lower = weft.callbacks.ReduceLROnPlateau(factor=0.5, patience=2)

    Follows keras.callbacks.ReduceLROnPlateau.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 < factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must lie between 0 and 1, got {factor}")
        if min_lr < 0:
            raise ValueError(f"ReduceLROnPlateau: min_lr must not be negative, got {min_lr}")
        self.monitor = monitor
        self.factor = factor
        self.patience = check_count("patience", patience, "ReduceLROnPlateau")
        self.cooldown = check_count("cooldown", cooldown, "ReduceLROnPlateau")
        self.verbose = verbose
        self.min_delta = min_delta
        self.min_lr = min_lr
        self.mode = check_mode(mode, "ReduceLROnPlateau")
        self._watch = Watch(monitor, self.mode, min_delta, "ReduceLROnPlateau")
        self._reset()

    def _reset(self) -> None:
        self.wait = 0
        self.cooldown_counter = 0
        self.best: float | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._reset()
        self._started = False

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = {} if logs is None else logs
        value = self._watch.read(logs, "reducing the learning rate")
        logs["learning_rate"] = rate_of(self.model.optimizer)
        if value is None:
            return
        if not self._started:
            self._watch.start(self.model)
            self._started = True
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self._watch.better(value, self._watch.worst if self.best is None else self.best):
            self.best, self.wait = value, 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience:
                self._lower(epoch)

    def _lower(self, epoch: int) -> None:
        rate = rate_of(self.model.optimizer)
        if rate <= self.min_lr:
            return
        lowered = max(rate * self.factor, self.min_lr)
        self.model.optimizer.learning_rate = lowered
        if self.verbose > 0:
            print(
                f"\nEpoch {epoch + 1}: ReduceLROnPlateau lowers the learning rate to {lowered:g}."
            )
        self.cooldown_counter = self.cooldown
        self.wait = 0
