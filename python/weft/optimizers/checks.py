"""Checks of the optimizers' arguments: what is impossible is named, with its value."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from weft.errors import did_you_mean

# Arguments that every optimizer takes, with their defaults.
COMMON: dict[str, Any] = {
    "weight_decay": None,
    "clipnorm": None,
    "clipvalue": None,
    "global_clipnorm": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}


def check_known(kind: type, common: dict[str, Any]) -> None:
    """Raise TypeError for a keyword that no optimizer takes, with the nearest known one."""
    for key in common:
        if key not in COMMON:
            parameters = inspect.signature(kind).parameters.values()
            own = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
            hint = did_you_mean(key, [*own, *COMMON])
            raise TypeError(f"{kind.__name__}: unknown argument {key!r}{hint}")


def check_common(owner: str, options: dict[str, Any]) -> None:
    """Raise ValueError for impossible values of the arguments in `COMMON`."""
    limits = [k for k in ("clipnorm", "clipvalue", "global_clipnorm") if options[k] is not None]
    if len(limits) > 1:
        raise ValueError(
            f"{owner}: only one of clipnorm, clipvalue and global_clipnorm can "
            f"be set, got {' and '.join(limits)}"
        )
    for key in ("clipnorm", "clipvalue", "global_clipnorm", "loss_scale_factor"):
        if options[key] is not None:
            check_number(owner, key, options[key], above=0.0)
    for key in ("ema_overwrite_frequency", "gradient_accumulation_steps"):
        value = options[key]
        least = 2 if key == "gradient_accumulation_steps" else 1
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if value is not None and not (whole and value >= least):
            raise ValueError(
                f"{owner}: {key} must be an integer of at least {least}, got {value!r}"
            )
    check_number(owner, "ema_momentum", options["ema_momentum"], least=0.0, most=1.0)
    if options["weight_decay"] is not None:
        check_number(owner, "weight_decay", options["weight_decay"], least=0.0)


def check_number(
    owner: str,
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> float:
    """`value` as a float, if it is a number within the bounds; else ValueError."""
    bounds = [
        (f"at least {least}", least is None or value is None or _compare(value, least) >= 0),
        (f"above {above}", above is None or _compare(value, above) > 0),
        (f"at most {most}", most is None or _compare(value, most) <= 0),
        (f"below {below}", below is None or _compare(value, below) < 0),
    ]
    if not _is_number(value) or not all(ok for _, ok in bounds):
        given = (least, above, most, below)
        words = [text for (text, _), bound in zip(bounds, given, strict=True) if bound is not None]
        raise ValueError(f"{owner}: {name} must be a number {' and '.join(words)}, got {value!r}")
    return float(value)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, (int, float, np.integer, np.floating))
        and not isinstance(value, bool)
        and np.isfinite(value)
    )


def _compare(value: Any, bound: float) -> float:
    return float(value) - bound if _is_number(value) else float("nan")
