"""Checks of the plain arguments of `compile`, `fit` and their relatives."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from weft.errors import nearest


def refuse_unknown(function: Callable[..., Any], unknown: dict[str, Any]) -> None:
    """Raise a TypeError for keywords that `function` does not have, naming the nearest."""
    if not unknown:
        return
    known = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.kind is not p.VAR_KEYWORD and p.name != "self"
    ]
    wrong = next(iter(unknown))
    near = nearest(wrong, known)
    hint = f"; did you mean {near!r}?" if near else f"; it has {', '.join(known)}"
    raise TypeError(f"{function.__name__}: unknown argument {wrong!r}{hint}")


@contextmanager
def naming(argument: str) -> Iterator[None]:
    """Let errors inside begin with an argument: ``x`` and ``y`` are others outside."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if type(error) not in (ValueError, TypeError) or str(error).startswith(argument):
            raise
        raise type(error)(f"{argument}: {error}") from error


def check_whole(name: str, value: Any, least: int) -> None:
    """Raise unless `value` is None or an integer of at least `least`."""
    if value is None:
        return
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer, got {value!r} of type {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def check_fit_arguments(
    batch_size: Any,
    epochs: Any,
    validation_split: Any,
    initial_epoch: Any,
    steps_per_epoch: Any,
    validation_steps: Any,
    validation_batch_size: Any,
    validation_freq: Any,
) -> None:
    """Raise for impossible values; the message names the argument and the value.

    Raises:
        TypeError: If a count is no integer.
        ValueError: If a value is out of range.
    """
    check_whole("batch_size", batch_size, 1)
    check_whole("epochs", epochs, 0)
    check_whole("initial_epoch", initial_epoch, 0)
    check_whole("steps_per_epoch", steps_per_epoch, 1)
    check_whole("validation_steps", validation_steps, 1)
    check_whole("validation_batch_size", validation_batch_size, 1)
    if not isinstance(validation_freq, (list, tuple, set)):
        check_whole("validation_freq", validation_freq, 1)
    if not isinstance(validation_split, (int, float)) or not math.isfinite(validation_split):
        raise TypeError(f"validation_split must be a number, got {validation_split!r}")
    if not 0 <= validation_split < 1:
        raise ValueError(
            f"validation_split must be at least 0 and below 1, got {validation_split}: it is the "
            "part of the data that is kept for validation"
        )


def check_compile_options(
    run_eagerly: Any, steps_per_execution: Any, jit_compile: Any, auto_scale_loss: Any
) -> None:
    """Refuse options that weft cannot honour: none is accepted and ignored.

    Raises:
        ValueError: For an option that would do nothing.
    """
    if jit_compile not in ("auto", True, False):
        raise ValueError(f"compile: jit_compile must be 'auto', True or False, got {jit_compile!r}")
    if jit_compile is True and run_eagerly is True:
        raise ValueError("compile: run_eagerly=True and jit_compile=True exclude each other")
    if steps_per_execution != 1:
        raise ValueError(
            f"compile: steps_per_execution={steps_per_execution!r} is not possible yet; weft runs "
            "one step per call (1)"
        )
    for name, value in (("run_eagerly", run_eagerly), ("auto_scale_loss", auto_scale_loss)):
        if not isinstance(value, bool):
            raise ValueError(f"compile: {name} must be True or False, got {value!r}")


def split_validation(
    x: Any, y: Any, sample_weight: Any, fraction: float
) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
    """Training part and validation part; validation is the tail, as it stands.

    Raises:
        ValueError: If a part would be empty, or the data are no arrays.
    """
    from weft.data.arrays import as_arrays, map_structure, named_leaves, row_counts

    parts = [as_arrays(x, "x"), as_arrays(y, "y"), as_arrays(sample_weight, "sample_weight")]
    rows = row_counts(
        [
            pair
            for name, part in zip(("x", "y", "sample_weight"), parts, strict=True)
            for pair in named_leaves(part, name)
        ]
    )
    border = math.floor(rows * (1 - fraction))
    if border == 0 or border == rows:
        empty = "training" if border == 0 else "validation"
        raise ValueError(
            f"validation_split={fraction} of {rows} rows leaves no row for {empty}; use another "
            "fraction or more data"
        )
    head = tuple(map_structure(lambda a: a[:border], part) for part in parts)
    tail = tuple(map_structure(lambda a: a[border:], part) for part in parts)
    return head, tail


def unpack_validation(data: Any) -> tuple[Any, Any, Any]:
    """``(x, y, sample_weight)`` of `validation_data`.

    Raises:
        ValueError: If it is a tuple or list of neither two nor three.
    """
    if isinstance(data, (tuple, list)):
        if len(data) not in (2, 3):
            raise ValueError(
                "validation_data must be (x, y) or (x, y, sample_weight), got a "
                f"{type(data).__name__} of {len(data)}"
            )
        return (*data, None)[:3]
    return data, None, None
