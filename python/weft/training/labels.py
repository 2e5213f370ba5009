"""Targets against losses: labels outside the classes, one-hot or not, shapes that only broadcast.

Only losses whose meaning is known are judged; functions of the user's own are left alone.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from weft.data.arrays import Array
from weft.training.outputs import Output

# Loss classes by what they ask of their targets.
_KINDS = {
    "SparseCategoricalCrossentropy": "sparse",
    "CategoricalCrossentropy": "categorical",
    "CategoricalFocalCrossentropy": "categorical",
    "BinaryCrossentropy": "binary",
    "BinaryFocalCrossentropy": "binary",
    "MeanSquaredError": "regression",
    "MeanAbsoluteError": "regression",
    "MeanAbsolutePercentageError": "regression",
    "MeanSquaredLogarithmicError": "regression",
    "Huber": "regression",
    "LogCosh": "regression",
    "Poisson": "regression",
    "KLDivergence": "distribution",
}
_FUNCTIONS = {
    "sparse_categorical_crossentropy": "sparse",
    "categorical_crossentropy": "categorical",
    "binary_crossentropy": "binary",
    "mean_squared_error": "regression",
    "mean_absolute_error": "regression",
    "mean_absolute_percentage_error": "regression",
    "mean_squared_logarithmic_error": "regression",
    "huber": "regression",
    "log_cosh": "regression",
    "poisson": "regression",
    "kl_divergence": "distribution",
}


def kind_of(loss: Any) -> str | None:
    """``"sparse"``, ``"categorical"``, ``"binary"``, ``"regression"``, ``"distribution"``, None."""
    kind = _KINDS.get(type(loss).__name__)
    if kind is not None:
        return kind
    function = getattr(loss, "fn", None)
    own = getattr(function, "__module__", "").startswith("weft.")
    return _FUNCTIONS.get(getattr(function, "__name__", "")) if own else None


def from_logits(loss: Any) -> bool:
    """Whether a loss takes logits."""
    options = getattr(loss, "_fn_kwargs", None) or {}
    return bool(getattr(loss, "from_logits", options.get("from_logits", False)))


def warn_activation(loss: Any, output: Output) -> None:
    """Warn about an output activation that does not belong to the loss."""
    kind, activation = kind_of(loss), output.activation
    if kind not in ("sparse", "categorical", "binary") or activation is None:
        return
    fitting = "sigmoid" if kind == "binary" else "softmax"
    name = _loss_name(kind)
    where = f"layer {output.layer!r}"
    if from_logits(loss):
        if activation in ("softmax", "sigmoid"):
            warnings.warn(
                f"{where} ends in {activation}, but {name} with from_logits=True applies "
                f"{fitting} itself, so it would be applied twice: drop the activation, or use "
                "from_logits=False",
                stacklevel=4,
            )
    elif activation == "linear":
        warnings.warn(
            f"{where} has no activation (linear), but {name} expects probabilities: use "
            f"activation={fitting!r}, or a loss with from_logits=True",
            stacklevel=4,
        )


def warn_softmax_of_one(output: Output, units: int | None) -> None:
    """Warn about a softmax over one unit, which is always 1."""
    if output.activation == "softmax" and units == 1:
        warnings.warn(
            f"layer {output.layer!r} applies softmax to one unit, which always gives 1: for two "
            "classes use activation='sigmoid', or two units",
            stacklevel=4,
        )


def _loss_name(kind: str) -> str:
    prefix = {"sparse": "sparse_categorical", "categorical": "categorical", "binary": "binary"}
    return f"{prefix[kind]}_crossentropy"


def check_targets(loss: Any, y: Any, output: Output) -> None:
    """Raise if targets cannot be meant for a loss and an output.

    Raises:
        ValueError: If shape or values do not fit; the message has the layer, both, and the way out.
    """
    kind = kind_of(loss)
    if kind is None or not isinstance(y, np.ndarray) or output.shape is None:
        return
    if kind == "sparse":
        _check_sparse(loss, y, output)
    elif kind == "categorical":
        _check_categorical(y, output)
    else:
        _check_same_shape(y, output)
        if kind == "binary":
            _check_binary(y, output)


def _shown(array: Array) -> str:
    return str(tuple(array.shape))


def _facts(y: Array, output: Output) -> str:
    assert output.shape is not None
    return (
        f"the targets have shape {_shown(y)}, the output of layer {output.layer!r} has shape "
        f"{output.shape}"
    )


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        w is None or n == w for n, w in zip(shape, wanted, strict=True)
    )


def _check_sparse(loss: Any, y: Array, output: Output) -> None:
    assert output.shape is not None
    shape, wanted, units = y.shape[1:], output.shape[1:-1], output.units
    if not (_fits(shape, wanted) or _fits(shape, (*wanted, 1))):
        if units != 1 and _fits(shape, (*wanted, units)):
            raise ValueError(
                "sparse_categorical_crossentropy takes class numbers, but the targets look "
                f"one-hot: {_facts(y, output)}; use categorical_crossentropy, or "
                "y.argmax(-1) for class numbers"
            )
        hint = ""
        if len(output.shape) > y.ndim + 1:
            hint = "; is a Flatten or GlobalAveragePooling2D layer missing before the last layer?"
        raise ValueError(
            "sparse_categorical_crossentropy needs one class number per prediction: "
            f"{_facts(y, output)}{hint}"
        )
    if y.dtype.kind == "f":
        fraction = y != np.round(y)
        if fraction.any():
            where = int(np.argwhere(fraction)[0][0])
            raise ValueError(
                f"class numbers must be integers, but y[{where}] is {y[fraction].flat[0]}; for "
                "targets that are no classes use a loss such as 'mse'"
            )
    _check_range(loss, y, output)


def _check_range(loss: Any, y: Array, output: Output) -> None:
    units = output.units
    if units is None or y.size == 0:
        return
    if y.min() >= 0 and y.max() < units:
        return
    outside = (y < 0) | (y >= units)
    ignored = getattr(loss, "ignore_class", None)
    if ignored is None:
        ignored = (getattr(loss, "_fn_kwargs", None) or {}).get("ignore_class")
    if ignored is not None:
        outside &= y != ignored
        if not outside.any():
            return
    where = np.argwhere(outside)[0]
    position = ", ".join(str(int(i)) for i in where)
    label = int(y[tuple(where)])
    raise ValueError(
        f"label {label} at y[{position}] is no class: layer {output.layer!r} has {units} units, so "
        f"the classes are 0 to {units - 1}"
        + ("; do the labels start at 1?" if label == units and y.min() >= 1 else "")
    )


def _check_categorical(y: Array, output: Output) -> None:
    assert output.shape is not None
    if _fits(y.shape[1:], output.shape[1:]):
        return
    shape, wanted = y.shape[1:], output.shape[1:-1]
    if _fits(shape, wanted) or _fits(shape, (*wanted, 1)):
        raise ValueError(
            "categorical_crossentropy takes one-hot targets, but these look like class numbers: "
            f"{_facts(y, output)}; use sparse_categorical_crossentropy, or "
            f"weft.utils.to_categorical(y, {output.units})"
        )
    raise ValueError(f"categorical_crossentropy needs equal shapes: {_facts(y, output)}")


def _check_binary(y: Array, output: Output) -> None:
    if y.size == 0 or (y.min() >= 0 and y.max() <= 1):
        return
    outside = (y < 0) | (y > 1)
    where = np.argwhere(outside)[0]
    value = y[tuple(where)]
    low, high = y.min(), y.max()
    if high == 1 and low == -1:
        fix = "turn -1 and 1 into 0 and 1 with (y + 1) / 2, or use the 'hinge' loss"
    elif low >= 1 and high <= 2:
        fix = "turn 1 and 2 into 0 and 1 with y - 1"
    else:
        fix = f"scale them, for example y / {high:g}" if low >= 0 else "scale them to 0..1"
    raise ValueError(
        f"binary_crossentropy (layer {output.layer!r}) needs labels from 0 to 1, but "
        f"y[{int(where[0])}] is {value:g} (range {low:g} to {high:g}); {fix}"
    )


def _check_same_shape(y: Array, output: Output) -> None:
    assert output.shape is not None
    shape, wanted = y.shape[1:], output.shape[1:]
    if _fits(shape, wanted) or _fits((*shape, 1), wanted) or _fits(shape, (*wanted, 1)):
        return
    hint = ""
    if len(wanted) > len(shape):
        hint = "; is a Flatten layer missing, or has the last layer too many units?"
    elif output.units is not None and shape and wanted:
        hint = f"; should layer {output.layer!r} have {shape[-1]} units?"
    raise ValueError(f"targets and output do not have equal shapes: {_facts(y, output)}{hint}")


def warn_accuracy(loss: Any, metrics: list[Any], y: Any) -> None:
    """Warn about an accuracy of targets that are no classes."""
    named = [m for m in metrics if str(getattr(m, "name", m)).endswith(("accuracy", "acc"))]
    if not named or not isinstance(y, np.ndarray) or y.dtype.kind != "f":
        return
    if kind_of(loss) in ("categorical", "distribution") or y.size == 0:
        return
    fraction = y != np.round(y)
    if fraction.any() and kind_of(loss) != "binary":
        warnings.warn(
            f"'accuracy' counts correct classes, but the targets are continuous (float, for "
            f"example {y[fraction].flat[0]:g}), which makes this a regression: use "
            "metrics=['mae'] or ['mse']",
            stacklevel=4,
        )
