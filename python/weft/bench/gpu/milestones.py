"""What the kernels should reach on an H200, as ratios to PyTorch or shares of measured limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

UNITS = {"ratio": "x torch", "share": " of the limit", "us": " us"}


@dataclass(frozen=True)
class Goal:
    """A value to reach: at least it, or at most where it is a time."""

    unit: str
    value: float

    def reached(self, row: dict[str, Any]) -> bool | None:
        """Whether a row of results reaches it; None where the row cannot tell."""
        if self.unit == "us":
            return row["weft"] is not None and row["weft"] * 1e6 <= self.value
        found = row[self.unit]
        return None if found is None else bool(found >= self.value)

    def __str__(self) -> str:
        if self.unit == "share":
            return f"{100 * self.value:.0f} %{UNITS[self.unit]}"
        return f"{self.value:g}{UNITS[self.unit]}"


@dataclass(frozen=True)
class Milestone:
    """What is good enough to begin with, and what is good."""

    first: Goal
    good: Goal


def _ratio(first: float, good: float) -> Milestone:
    return Milestone(Goal("ratio", first), Goal("ratio", good))


# The shares are those of a copy: 3.7, 3.8 and 4.0 of 4.3 TB/s on an H200.
MILESTONES = {
    "matmul of halves": _ratio(0.45, 0.85),
    "matmul of halves, small and odd": _ratio(0.5, 0.8),
    "matmul float32": _ratio(0.7, 0.92),
    "matmul tf32": _ratio(0.5, 0.8),
    "conv2d on tensor cores": _ratio(0.35, 0.7),
    "conv2d float32": _ratio(0.7, 0.92),
    "conv2d depthwise": _ratio(1.0, 1.0),
    "attention forward": _ratio(0.75, 1.15),
    "attention backward": _ratio(0.6, 0.9),
    "elementwise": Milestone(Goal("share", 0.86), Goal("ratio", 1.0)),
    "softmax and norms forward": Milestone(Goal("ratio", 1.0), Goal("share", 0.88)),
    "softmax and norms backward": Milestone(Goal("ratio", 1.0), Goal("share", 0.88)),
    "cross-entropy": _ratio(1.0, 2.0),
    "reductions, pooling, gathers": Milestone(Goal("ratio", 0.9), Goal("ratio", 1.0)),
    "Adam of many tensors": Milestone(Goal("ratio", 1.0), Goal("share", 0.86)),
    "CPU time of a launch": Milestone(Goal("us", 6.0), Goal("us", 3.0)),
    "training step, against eager": _ratio(2.0, 4.0),
    "training step, against CUDA graphs": _ratio(0.8, 1.0),
}
