"""What callbacks share that watch one logged number."""

from __future__ import annotations

import math
import warnings
from typing import Any

_GROWS = ("acc", "auc", "precision", "recall", "f1", "fbeta", "r2", "cosine_similarity", "iou")
_FALLS = ("loss", "error", "mse", "mae", "mape", "msle", "crossentropy", "logcosh", "hinge")


def check_mode(mode: str, callback: str) -> str:
    """`mode`, or ``"auto"`` with a warning if it is unknown."""
    if mode in ("auto", "min", "max"):
        return mode
    warnings.warn(
        f"{callback}: unknown mode {mode!r} is ignored; known modes are 'min', 'max' and 'auto' "
        "(going on with 'auto')",
        stacklevel=3,
    )
    return "auto"


def check_count(name: str, value: Any, callback: str, least: int = 0) -> int:
    """A whole number of at least `least`.

    Raises:
        ValueError: If it is something else.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{callback}: {name} must be an integer >= {least}, got {value!r}")
    return value


def grows(monitor: str, mode: str, model: Any, callback: str) -> bool:
    """Whether larger values of `monitor` are better.

    Raises:
        ValueError: If mode is ``"auto"`` and the name does not tell.
    """
    if mode != "auto":
        return mode == "max"
    name = monitor.removeprefix("val_")
    for metric in _metrics(model):
        direction = getattr(metric, "_direction", None)
        if metric.name == name and direction in ("up", "down"):
            return bool(direction == "up")
    lowered = name.lower()
    if any(word in lowered for word in _FALLS) or "mean_" in lowered:
        return False
    if any(word in lowered for word in _GROWS):
        return True
    raise ValueError(
        f"{callback}: cannot tell whether {monitor!r} should grow or fall; pass mode='max' or "
        "mode='min'"
    )


def _metrics(model: Any) -> list[Any]:
    return list(getattr(model, "metrics", None) or [])


class Watch:
    """Compares the values of one logged number with the best so far."""

    def __init__(self, monitor: str, mode: str, min_delta: float, callback: str) -> None:
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(min_delta)
        self.callback = callback
        self._sign: int | None = None

    def start(self, model: Any) -> None:
        """Find the direction, once the model is known."""
        self._sign = 1 if grows(self.monitor, self.mode, model, self.callback) else -1

    @property
    def worst(self) -> float:
        """What every value improves on."""
        return -math.inf if self._sign == 1 else math.inf

    def read(self, logs: dict[str, Any] | None, effect: str) -> float | None:
        """The watched number, or None with a warning that lists what is logged."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"{self.callback}: {effect} depends on {self.monitor!r}, which is not logged; "
                f"available are: {', '.join(logs or {}) or 'nothing'}",
                stacklevel=4,
            )
            return None
        return float(value)

    def better(self, value: float, best: float) -> bool:
        """Whether `value` improves on `best` by more than `min_delta`."""
        assert self._sign is not None
        return self._sign * value > self._sign * best + self.min_delta
