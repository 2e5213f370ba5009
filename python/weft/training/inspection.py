"""What `Trainer` looks at besides training: data, outputs, losses that explode."""

from __future__ import annotations

import functools
import inspect
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.autograd import no_grad
from weft.data.arrays import map_structure, named_leaves
from weft.data.sources import Source, unpack
from weft.device import current_device
from weft.placement import place
from weft.tensor import Tensor
from weft.training import checks, labels
from weft.training.compile_utils import by_output
from weft.training.outputs import Output, outputs_of


@functools.cache
def metric_class() -> type:
    """`weft.metrics.Metric`; metrics are not needed before training, and import this module."""
    from weft.metrics import Metric

    return Metric


class MetricsFound:
    """The metrics among the attributes of a model.

    Attributes:
        metrics: The metrics.
        attributes: How many attributes there were.
    """

    def __init__(self) -> None:
        self.metrics: list[Any] = []
        self.attributes = 0

    def look_at(self, attributes: dict[str, Any]) -> None:
        """Find the metrics among `attributes`, also in lists."""
        kind = metric_class()
        for value in attributes.values():
            items = value if type(value) is list else [value]
            self.metrics.extend(item for item in items if isinstance(item, kind))
        self.attributes = len(attributes)


def takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has a parameter of a name."""
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def own_losses(model: Any) -> bool:
    """Whether the model's class defines `losses` itself."""
    from weft.layers.layer import Layer

    return type(model).losses is not Layer.losses


def stops_quietly(run: Any) -> bool:
    """Whether the user asked for a quiet stop when the loss is not finite."""
    from weft.callbacks.stopping import TerminateOnNaN

    return any(isinstance(callback, TerminateOnNaN) for callback in run.callbacks)


def own_step(model: Any) -> bool:
    """Whether the model's class has a `train_step` of its own."""
    from weft.training.trainer import Trainer

    return type(model).train_step is not Trainer.train_step


# --- checks --------------------------------------------------------------------------------------


def warn_at_compile(model: Any) -> None:
    """Warn about output activations that do not belong to the loss."""
    loss = model._compiled.loss
    if loss is None or own_step(model):
        return
    outputs = outputs_of(model)
    if not outputs:
        return
    given = loss._shared if loss._shared is not None else loss.given
    if isinstance(given, dict):
        losses = [given.get(output.name) for output in outputs]
    elif isinstance(given, list):
        losses = given
    else:
        losses = [given] * len(outputs)
    for item, output in zip(losses, outputs, strict=False):
        labels.warn_activation(item, output)
        labels.warn_softmax_of_one(output, output.units)


def warn_before_split(y: Any, fraction: float) -> None:
    """Warn when `validation_split` would take rows of other classes."""
    if isinstance(y, (list, tuple)):
        y = np.asarray(y)
    if hasattr(y, "to_numpy") or isinstance(y, Tensor):
        y = np.asarray(y)
    if isinstance(y, np.ndarray) and y.ndim:
        checks.warn_sorted_split(y, math.floor(len(y) * (1 - fraction)))


def warn_no_batch(epoch: int) -> None:
    """Warn that the data ran out before an epoch began."""
    warnings.warn(
        f"training stops before epoch {epoch + 1}: the generator is exhausted. A generator is read "
        "once; pass steps_per_epoch with an endless one, or a weft.utils.PyDataset",
        stacklevel=5,
    )


def check_data(model: Any, source: Source, method: str, quiet: bool = False) -> None:
    """Check data before they are used: finite numbers, targets that fit loss and outputs.

    Args:
        model: The model.
        source: The data.
        method: What they are used for.
        quiet: Leave NaN and infinity to the callback that stops on them.
    """
    data = checks.checkable(source)
    if not quiet:
        check_finite(model, data, method)
    checks.warn_negative_weights(data[2])
    check_labels(model, source, data)


def check_finite(model: Any, data: Any, method: str) -> None:
    """Raise for NaN and infinity, which only models made for them may be given."""
    x, y, sample_weight = unpack(data)
    # Losses and steps of the user's own may have a meaning for missing targets.
    own = own_step(model) or _own_loss(model)
    try:
        checks.check_finite(x, None if own else y, sample_weight, method)
    except ValueError:
        if not any(type(layer).__name__ == "Imputer" for layer in model._flatten_layers()):
            raise
        checks.check_finite(None, None if own else y, sample_weight, method)


def check_class_weight(model: Any, class_weight: dict[int, float]) -> None:
    """Raise for a weight of a class that the output does not have."""
    outputs = outputs_of(model)
    units = outputs[0].units if len(outputs) == 1 else None
    loss = model._compiled.loss
    shared = None if loss is None else loss._shared
    if units is None or labels.kind_of(shared) not in ("sparse", "categorical", "binary"):
        return
    classes = max(units, 2)  # one unit tells two classes apart
    wrong = [label for label in class_weight if not 0 <= int(label) < classes]
    if wrong:
        raise ValueError(
            f"class_weight: {wrong[0]} is no class: layer {outputs[0].layer!r} has {units} "
            f"unit{'s' if units > 1 else ''}, so the classes are 0 to {classes - 1}"
        )


def _own_loss(model: Any) -> bool:
    loss = model._compiled.loss
    return loss is not None and loss._shared is not None and labels.kind_of(loss._shared) is None


def check_labels(model: Any, source: Source, data: Any = None) -> None:
    """Check targets against loss and outputs."""
    compiled = model._compiled
    if compiled.loss is None:
        return
    _, y, _ = checks.checkable(source) if data is None else data
    outputs = known_outputs(model, source.peek)
    if outputs:
        _check_each(compiled, y, outputs)


def check_batch(model: Any, data: Any) -> None:
    """Check the targets of one batch."""
    compiled = model._compiled
    _, y, _ = unpack(checks.host_arrays(data))
    if compiled.loss is None or y is None:
        return
    outputs = known_outputs(model, lambda: data)
    if outputs:
        _check_each(compiled, y, outputs)


def known_outputs(model: Any, first_batch: Callable[[], Any]) -> list[Output]:
    """The outputs with their shapes; an unbuilt model is called on one row to find them."""
    outputs = outputs_of(model)
    if outputs and all(output.shape is not None for output in outputs):
        return outputs
    if own_step(model):
        return []  # its `call` may mean something else, or not exist
    x, _, _ = unpack(first_batch())
    row = place(map_structure(lambda t: t[:1], x), current_device())
    with no_grad():
        return outputs_of(model, model(row, training=False))


def _check_each(compiled: Any, y: Any, outputs: list[Output]) -> None:
    names = [output.name for output in outputs]
    if not compiled.loss.built:
        compiled.loss.build(names)
    if y is None:
        raise ValueError(
            "there are no targets: give y (or batches (x, y)), or compile without a loss"
        )
    targets = by_output(y, names, "y") if len(names) > 1 or isinstance(y, dict) else [y]
    if len(names) == 1 and isinstance(targets[0], (list, tuple)) and len(targets[0]) == 1:
        targets = list(targets[0])
    groups = (compiled.metrics, compiled.weighted_metrics)
    words = [m for group in groups for m in _words(group.given)]
    for term, target, output in zip(compiled.loss.terms, targets, outputs, strict=True):
        if term is not None:
            labels.check_targets(term.loss, target, output)
            labels.warn_softmax_of_one(output, output.units)
            if len(names) == 1:
                labels.warn_accuracy(term.loss, words, target)


def _words(given: Any) -> list[Any]:
    return [leaf for _, leaf in named_leaves(given, "")]


# --- losses that are not finite ------------------------------------------------------------------


class Position:
    """Where a running `fit` is.

    Attributes:
        epoch: The epoch.
        batch: Batches of the epoch that are done.
        generator: State of the random generator before the epoch's data were shuffled.
    """

    def __init__(self, epoch: int) -> None:
        from weft.random import default_generator

        self.epoch = epoch
        self.batch = 0
        self.generator = default_generator.get_state()


class Explainer:
    """Raises an error that explains a loss that is not finite."""

    def __init__(self, model: Any, position: Position) -> None:
        self.model = model
        self.position = position

    def __call__(self, loss: float, data: Any) -> None:
        """Raise."""
        from weft.training.diagnosis import explain

        raise ValueError(explain(self.model, loss, data, self.position))

    def at(self, batch: int, loss: float, data: Any) -> None:
        """Raise for an earlier batch, whose loss was read just now; `data` is the last batch."""
        self.position.batch = batch
        self(loss, data)

    def check(self, logs: dict[str, Any], data: Any) -> None:
        """Look at the logged loss of a `train_step` that counts its loss itself."""
        loss = logs.get("loss")
        if isinstance(loss, float):
            if not math.isfinite(loss):
                self(loss, data)
        elif isinstance(loss, Tensor) and loss.size == 1 and not math.isfinite(loss.item()):
            self(loss.item(), data)


def explain_alone(model: Any, loss: float, data: Any) -> None:
    """Raise an error that explains the loss of a single batch, which is not finite."""
    from weft.training.diagnosis import explain

    check_finite(model, data, "train_on_batch")
    raise ValueError(explain(model, loss, data))


# --- predictions ---------------------------------------------------------------------------------


def own_arrays(outputs: Any) -> Any:
    """Outputs as NumPy arrays that may be written to: no view of a weight or of the input."""

    def convert(t: Any) -> Any:
        array = t.numpy()
        whole = array.flags.writeable and t._node is None and t.is_contiguous()
        return array if whole else np.array(array)

    return map_structure(convert, outputs)


class Collector:
    """Joins the outputs of batches."""

    def __init__(self) -> None:
        self.parts: list[list[Any]] = []
        self.structure: Any = None

    def add(self, outputs: Any) -> None:
        """Add the outputs of a batch."""
        leaves = [leaf.numpy() for _, leaf in named_leaves(outputs, "")]
        if self.structure is None:
            self.structure = map_structure(lambda _: 0, outputs)
            self.parts = [[] for _ in leaves]
        for part, leaf in zip(self.parts, leaves, strict=True):
            part.append(leaf)

    def result(self) -> Any:
        """The joined outputs in their structure."""
        if self.structure is None:
            raise ValueError("predict: the data are empty, so there is nothing to compute")
        joined = iter(
            [part[0].copy() if len(part) == 1 else np.concatenate(part) for part in self.parts]
        )
        return map_structure(lambda _: next(joined), self.structure)
