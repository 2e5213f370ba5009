"""What can be wrong with the gradients that an optimizer is given."""

from __future__ import annotations

import warnings
from typing import Any

from weft.variable import Variable


def explain_shapes(owner: str, raw: list[Any], variables: list[Variable]) -> str | None:
    """Name the first variable whose gradient has another shape; None if there is none."""
    for array, variable in zip(raw, variables, strict=True):
        if array.shape != variable.shape:
            return (
                f"{owner}: the gradient of variable {variable.path!r} has shape {array.shape}, "
                f"the variable {variable.shape}"
            )
    return None


def without_missing(
    owner: str, grads: list[Any], variables: list[Variable]
) -> tuple[list[Any], list[Variable]]:
    """Leave out variables without a gradient, with a warning; ValueError if none has one."""
    missing = [getattr(v, "path", "?") for g, v in zip(grads, variables, strict=True) if g is None]
    if len(missing) == len(grads):
        raise ValueError(
            f"{owner}: no variable has a gradient: {', '.join(missing)}. Was the loss computed "
            "from these variables, inside the tape or with backward(), and without detach() or "
            "NumPy in between?"
        )
    warnings.warn(
        f"{owner}: no gradient for {', '.join(missing)}; these variables stay as they are. Does "
        "the loss depend on them?",
        stacklevel=3,
    )
    kept = [(g, v) for g, v in zip(grads, variables, strict=True) if g is not None]
    return [g for g, _ in kept], [v for _, v in kept]
