"""Why a loss is not finite: the batch is replayed and looked at, layer by layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from weft.autograd import grad
from weft.data.arrays import named_leaves
from weft.data.sources import unpack
from weft.tensor import Tensor

_LARGE_INPUT = 30.0
_LARGE_WEIGHT = 1e3


def explain(model: Any, loss: float, data: Any, position: Any = None) -> str:
    """A message about a loss that is not finite: where, the numbers around it, the cause.

    Args:
        model: The model; its weights are those that gave the loss.
        loss: The loss.
        data: The batch.
        position: Epoch and batch of `fit`, None for a batch alone.
    """
    x, y, _ = unpack(data)
    weight, largest_weight = _largest_weight(model)
    largest_input = _largest(x)
    layer, norm = _replay(model, data)
    rate = _rate(model)
    facts = [
        f"learning rate {rate}" + (f" ({type(model.optimizer).__name__})" if rate else ""),
        f"inputs {_range(x)}",
        f"targets {_range(y)}",
        f"largest weight {largest_weight:.3g} in {weight!r}" if weight else "no weights",
        f"gradient norm {norm}",
        f"first layer with an output that is not finite: {layer!r}"
        if layer
        else "all layers give finite outputs, the loss itself does not",
    ]
    cause = _cause(largest_input, largest_weight, layer, rate)
    place, advice = "", ""
    if position is not None:
        place = f"epoch {position.epoch + 1}, batch {position.batch + 1}, "
        advice = " (Pass weft.callbacks.TerminateOnNaN() to stop quietly instead.)"
    return (
        f"the loss is {loss} (not finite) in {place}step {_steps(model)} of the optimizer. "
        + "; ".join(facts)
        + f". Likely cause: {cause}.{advice}"
    )


def _rate(model: Any) -> str:
    optimizer = model.optimizer
    return f"{float(optimizer.learning_rate):g}" if optimizer is not None else ""


def _steps(model: Any) -> int:
    return int(model.optimizer.iterations) if model.optimizer is not None else 0


def _cause(largest_input: float, largest_weight: float, layer: str | None, rate: str) -> str:
    if not math.isfinite(largest_input):
        return "the batch itself holds values that are not finite"
    causes = []
    if largest_input > _LARGE_INPUT:
        causes.append(
            f"the inputs are not scaled (up to {largest_input:.3g}); divide images by 255, or use "
            "weft.data.Standardizer"
        )
    if not largest_weight < _LARGE_WEIGHT:
        causes.append(
            f"the learning rate {rate} is too high and the weights explode; try a tenth of it, or "
            "clipnorm=1.0"
        )
    if not causes and layer is None:
        causes.append(
            "the loss takes the logarithm or the quotient of a prediction that reached 0; use a "
            "loss with from_logits=True, or check the range of the targets"
        )
    if not causes:
        causes.append(f"layer {layer!r} overflows, or the learning rate {rate} is too high")
    return " and ".join(causes)


def _arrays(structure: Any) -> list[Any]:
    return [
        leaf.numpy() if isinstance(leaf, Tensor) else np.asarray(leaf)
        for _, leaf in named_leaves(structure, "")
    ]


def _largest(structure: Any) -> float:
    return max((float(np.abs(a).max()) for a in _arrays(structure) if a.size), default=0.0)


def _range(structure: Any) -> str:
    arrays = [a for a in _arrays(structure) if a.size]
    if not arrays:
        return "none"
    low, high = min(float(a.min()) for a in arrays), max(float(a.max()) for a in arrays)
    return f"from {low:.3g} to {high:.3g}"


def _largest_weight(model: Any) -> tuple[str | None, float]:
    name, largest = None, 0.0
    for variable in model.variables:
        values = variable.numpy()
        if values.dtype.kind != "f" or not values.size:
            continue
        value = float(np.abs(values).max())
        if not math.isfinite(value):
            return variable.path, math.inf
        if name is None or value > largest:
            name, largest = variable.path, value
    return name, largest


def _watched(layer: Any, first: list[str]) -> Any:
    """`layer.call` that notes the layer's name if it is the first with an output not finite."""
    call = layer.call

    def watched(*args: Any, **kwargs: Any) -> Any:
        outputs = call(*args, **kwargs)
        for _, t in named_leaves(outputs, ""):
            if isinstance(t, Tensor) and not first and not np.isfinite(t.numpy()).all():
                first.append(layer.name)
        return outputs

    return watched


def _replay(model: Any, data: Any) -> tuple[str | None, str]:
    """The first layer whose output is not finite, and the norm of the gradient."""
    x, y, sample_weight = unpack(data)
    first: list[str] = []
    layers = model._flatten_layers()
    for layer in layers:
        layer.__dict__["call"] = _watched(layer, first)
    try:
        y_pred = model(x, training=True)
    finally:
        for layer in layers:
            del layer.__dict__["call"]
    variables = model._variables_to_train()
    loss = model._loss_of_batch(x, y, y_pred, sample_weight, training=True)
    gradients = grad(loss, variables, allow_unused=True)
    with np.errstate(all="ignore"):
        squares = [
            float(np.square(g.numpy(), dtype="f8").sum()) for g in gradients if g is not None
        ]
    norm = math.sqrt(sum(squares)) if all(map(math.isfinite, squares)) else math.inf
    return (first[0] if first else None), (f"{norm:.3g}" if math.isfinite(norm) else "not finite")
