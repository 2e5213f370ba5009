"""Losses and metrics of a compiled model, matched to its outputs."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from weft import _C
from weft.device import is_gpu
from weft.errors import did_you_mean
from weft.programs.recording import ReadLater, afterwards, later
from weft.tensor import Tensor

Logs = dict[str, Any]


class Average:
    """The mean of the losses of an epoch, each batch counted by its rows; in float64.

    The sums are tensors, so that a recorded step adds to them. A loss on a GPU is kept and read
    later, many at a time: reading one waits for all work queued before it.

    Attributes:
        used: Whether a batch was ever counted.
        batches: How many losses of a GPU were read.
        not_finite: ``(batch, loss)`` of the first of these that is not finite.
    """

    READ_EVERY = 64  # batches, so that training stops soon after a loss that is not finite

    def __init__(self, name: str) -> None:
        self.name = name
        self.used = False
        self._sums = [_C.full((), 0.0, "float64") for _ in range(2)]
        self._one = _C.full((), 1.0, "float64")
        self.reset_state()

    def reset_state(self) -> None:
        """Forget everything."""
        _C.scaled_add(self._sums, self._sums, 0.0, 0.0)
        self.batches = 0
        self.not_finite: tuple[int, float] | None = None
        self._unread: list[tuple[Any, float]] = []

    def update_state(self, value: Any, rows: float = 1.0) -> None:
        """Add the mean of `rows` rows: a number or a tensor."""
        self.used = True
        if not isinstance(value, Tensor):
            self._add(_C.full((), float(value), "float64"), rows)
        elif is_gpu(value._data.device):
            afterwards(functools.partial(self._keep, rows), value._data)
        else:
            self._add(value._data, rows)

    def _keep(self, rows: float, raw: Any) -> None:
        self._unread.append((raw, rows))
        if len(self._unread) >= self.READ_EVERY:
            self._read()

    def _add(self, raw: Any, rows: float) -> None:
        _C.scaled_add([raw, self._one], self._sums, 1.0, float(rows))

    def _read(self) -> None:
        if not self._unread:
            return
        arrays = [_C.reshape(array, (1,)) for array, _ in self._unread]
        values = _C.concatenate(0, *arrays).numpy().tolist()
        for value, (_, rows) in zip(values, self._unread, strict=True):
            if self.not_finite is None and not math.isfinite(value):
                self.not_finite = (self.batches, value)
            self._add(_C.full((), value, "float64"), rows)
            self.batches += 1
        self._unread = []

    def __getstate__(self) -> dict[str, Any]:
        self._read()
        return {"name": self.name, "used": self.used, "sums": [self.total, self.rows]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["name"])  # type: ignore[misc]  # its tensors are not copied
        self.used = state["used"]
        self.restore(*state["sums"])

    @property
    def total(self) -> float:
        """The sum of all rows' losses."""
        self._read()
        total: float = self._sums[0].item()
        return total

    @property
    def rows(self) -> float:
        """How many rows there were."""
        self._read()
        rows: float = self._sums[1].item()
        return rows

    def restore(self, total: float, rows: float) -> None:
        """Go on from these sums."""
        for value, own in zip((total, rows), self._sums, strict=True):
            _C.copy_into(_C.full((), value, "float64"), own)

    def result(self) -> Any:
        """The mean so far; 0 before the first batch."""
        return later(self._sums, self._mean) if _C.is_recording() else self._mean()

    def _mean(self) -> float:
        rows = self.rows
        return self.total / rows if rows else 0.0

    @property
    def variables(self) -> list[Any]:
        """No variables: a model's other numbers are restored without it."""
        return []

    def __repr__(self) -> str:
        return f"<Average {self.name}={self.result():.4g}>"


class Deferred(ReadLater):
    """A logged number that is computed when somebody looks at it."""

    size = 1

    def __init__(self, read: Callable[[], Any]) -> None:
        self._read = read

    def item(self) -> float:
        """The number, as it is now."""
        return float(self._read())

    __float__ = item

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec)

    def __repr__(self) -> str:
        return repr(self.item())


def spread(value: Any, names: list[str], what: str) -> list[Any]:
    """`value` as one item per output: a list by position, a dict by name, one thing for all.

    Raises:
        ValueError: If the lengths differ or a name is unknown.
    """
    if isinstance(value, dict):
        for key in value:
            if key not in names:
                raise ValueError(
                    f"{what} names {key!r}, but the model's outputs are {names}"
                    f"{did_you_mean(key, names)}"
                )
        return [value.get(name) for name in names]
    if isinstance(value, (list, tuple)):
        if len(value) != len(names):
            raise ValueError(
                f"{what} has {len(value)} entries, but the model has {len(names)} outputs: {names}"
            )
        return list(value)
    return [value] * len(names)


def by_output(structure: Any, names: list[str], what: str) -> list[Any]:
    """Targets, predictions or weights as a list with one item per output."""
    if structure is None:
        return [None] * len(names)
    if isinstance(structure, (dict, list, tuple)):
        return spread(structure, names, what)
    if len(names) > 1 and what != "sample_weight":
        raise ValueError(f"{what} is one array, but the model has {len(names)} outputs: {names}")
    return [structure] * len(names)


class LossOf:
    """The loss of one output."""

    def __init__(self, loss: Any, weight: float | None, name: str) -> None:
        self.loss = loss
        self.weight = weight
        self.tracker = Average(f"{name}_loss")


def make_loss(identifier: Any) -> Any:
    """A loss object of a name, a function ``f(y_true, y_pred)``, or a loss object.

    Raises:
        ValueError: If a name is unknown.
    """
    from weft import losses

    if identifier is None or isinstance(identifier, losses.Loss):
        return identifier
    if isinstance(identifier, (str, dict)):
        identifier = losses.get(identifier)
    elif isinstance(identifier, type):
        raise ValueError(f"loss must be an object: write {identifier.__name__}(), not the class")
    if isinstance(identifier, losses.Loss):
        return identifier
    if not callable(identifier):
        raise ValueError(f"loss must be a name, a function or a Loss object, got {identifier!r}")
    fused = _class_of(identifier)
    if fused is not None:
        return fused()
    return losses.LossFunctionWrapper(
        identifier, name=getattr(identifier, "__name__", type(identifier).__name__)
    )


def _class_of(function: Any) -> Any:
    """The class of one of weft's loss functions: it may compute the mean in one operation."""
    from weft import losses
    from weft.lookup import snake_case

    name = getattr(function, "__name__", "")
    if getattr(losses, "__dict__", {}).get(name) is not function:
        return None
    classes = [kind for kind in vars(losses).values() if isinstance(kind, type)]
    return next((k for k in classes if snake_case(k.__name__) == name), None)


class CompiledLoss:
    """The sum of the weighted losses of all outputs.

    Args:
        loss: As given to `compile`.
        loss_weights: As given to `compile`.
    """

    def __init__(self, loss: Any, loss_weights: Any) -> None:
        self.given = loss
        self.loss_weights = loss_weights
        self.names: list[str] = []
        self.terms: list[LossOf | None] = []
        # A loss that is the same for all outputs can be made, and misspelt names found, at once.
        self._shared = None if isinstance(loss, (dict, list, tuple)) else make_loss(loss)
        if isinstance(loss, (list, tuple)):
            self.given = [make_loss(item) for item in loss]
        elif isinstance(loss, dict):
            self.given = {key: make_loss(item) for key, item in loss.items()}

    def build(self, names: list[str]) -> None:
        """Match losses to outputs."""
        if isinstance(self.given, list) and len(self.given) == 1 and len(names) == 1:
            losses = list(self.given)
        elif self._shared is not None:
            losses = [make_loss(self.given) for _ in names] if len(names) > 1 else [self._shared]
        else:
            losses = spread(self.given, names, "loss")
        weights = spread(self.loss_weights, names, "loss_weights")
        for weight in weights:
            if weight is not None and not isinstance(weight, (int, float)):
                raise TypeError(f"loss_weights must be numbers, got {weight!r}")
        self.names = names
        self.terms = [
            None if loss is None else LossOf(loss, weight, name)
            for loss, weight, name in zip(losses, weights, names, strict=True)
        ]

    @property
    def built(self) -> bool:
        """Whether losses are matched to outputs."""
        return bool(self.names)

    @property
    def trackers(self) -> list[Average]:
        """The averages per output; none for a model with one output."""
        if len(self.terms) < 2:
            return []
        return [term.tracker for term in self.terms if term is not None]

    def __call__(self, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss as a scalar tensor."""
        if len(self.terms) == 1 and not isinstance(y_pred, (dict, list, tuple)):
            term = self.terms[0]
            if term is None:
                raise ValueError("the model has no loss for its output")
            y, sample_weight = _only(y, "y"), _only(sample_weight, "sample_weight")
            loss = term.loss(y, y_pred, sample_weight)
            return loss if term.weight is None else loss * term.weight
        return self._sum(y, y_pred, sample_weight)

    def _sum(self, y: Any, y_pred: Any, sample_weight: Any) -> Any:
        total = None
        truths = by_output(y, self.names, "y")
        predictions = by_output(y_pred, self.names, "the model's output")
        weights = by_output(sample_weight, self.names, "sample_weight")
        for term, truth, prediction, weight in zip(
            self.terms, truths, predictions, weights, strict=True
        ):
            if term is None:
                continue
            loss = term.loss(truth, prediction, weight)
            rows = prediction.shape[0] if prediction.ndim else 1
            term.tracker.update_state(loss, rows)
            loss = loss if term.weight is None else loss * term.weight
            total = loss if total is None else total + loss
        if total is None:
            raise ValueError("no output of the model has a loss")
        return total


def _only(value: Any, what: str) -> Any:
    """The one array in a structure for a model with one output."""
    if value is None or isinstance(value, Tensor):
        return value
    if isinstance(value, (list, tuple)) and len(value) == 1:
        return value[0]
    if isinstance(value, dict) and len(value) == 1:
        return next(iter(value.values()))
    if isinstance(value, (list, tuple, dict)):
        raise ValueError(f"{what} has {len(value)} arrays, but the model has one output")
    return value


# --- metrics -------------------------------------------------------------------------------------

_ACCURACY = {"accuracy": "Accuracy", "acc": "Accuracy"}
_CROSSENTROPY = {"crossentropy": "Crossentropy", "ce": "Crossentropy"}


def make_metric(identifier: Any, y_true: Any, y_pred: Any) -> Any:
    """A metric object; ``"accuracy"`` and ``"crossentropy"`` become the kind that fits the data.

    Raises:
        ValueError: If a name is unknown.
    """
    from weft import metrics

    if isinstance(identifier, metrics.Metric):
        return identifier
    name = identifier if isinstance(identifier, str) else None
    word = str(identifier).lower() if name else ""
    if word in _ACCURACY or word in _CROSSENTROPY:
        kind = _kind(y_true.shape, y_pred.shape)
        suffix = _ACCURACY.get(word) or _CROSSENTROPY[word]
        return getattr(metrics, kind + suffix)(name=name)
    if name is not None:
        made = metrics.get(name)
        if isinstance(made, type):
            made = made()
        if isinstance(made, metrics.Metric):
            made.name = name
            return made
        identifier = made
    if isinstance(identifier, dict):
        return metrics.get(identifier)
    if isinstance(identifier, type):
        raise ValueError(
            f"metrics must be objects: write {identifier.__name__}() instead of "
            f"{identifier.__name__}"
        )
    if not callable(identifier):
        raise ValueError(
            f"a metric must be a name, a function or a Metric object, got {identifier!r}"
        )
    return metrics.MeanMetricWrapper(identifier, name=name or _function_name(identifier))


def _function_name(function: Callable[..., Any]) -> str:
    name = getattr(function, "name", None) or getattr(function, "__name__", None)
    return str(name or type(function).__name__)


def _kind(true_shape: tuple[int, ...], pred_shape: tuple[int, ...]) -> str:
    if pred_shape[-1:] == (1,) or len(pred_shape) < 2:
        return "Binary"
    if len(true_shape) < len(pred_shape) or true_shape[-1] == 1:
        return "SparseCategorical"
    return "Categorical"


class CompiledMetrics:
    """The metrics of all outputs.

    Args:
        metrics: As given to `compile`.
        weighted: Whether they take the sample weights.
    """

    def __init__(self, metrics: Any, weighted: bool) -> None:
        self.given = metrics
        self.weighted = weighted
        self.built = False
        # Per output: (logged name, metric).
        self.outputs: list[list[tuple[str, Any]]] = []
        for identifier in _identifiers(metrics):
            _check_name(identifier)

    def build(self, names: list[str], y: Any, y_pred: Any, taken: list[str]) -> None:
        """Match metrics to outputs, with the data of the first batch.

        Args:
            names: Names of the outputs.
            y: Targets.
            y_pred: Predictions.
            taken: Logged names that other metrics have.
        """
        given = self.given
        if len(names) == 1 and not isinstance(given, dict):
            per_output = [[item for part in _as_list(given) for item in _as_list(part)]]
        else:
            per_output = [_as_list(item) for item in spread(given, names, self._what)]
        truths = by_output(y, names, "y")
        predictions = by_output(y_pred, names, "the model's output")
        self.outputs = []
        for i, name in enumerate(names):
            made = [
                make_metric(m, truths[i], predictions[i]) for m in per_output[i] if m is not None
            ]
            prefix = f"{name}_" if len(names) > 1 else ""
            logged = [(prefix + m.name, m) for m in made]
            self.outputs.append([(f"weighted_{n}" if n in taken else n, m) for n, m in logged])
        self.names = names
        self.built = True

    @property
    def _what(self) -> str:
        return "weighted_metrics" if self.weighted else "metrics"

    @property
    def metrics(self) -> list[Any]:
        """The metric objects."""
        if not self.given:
            return []
        if self.built:
            return [metric for output in self.outputs for _, metric in output]
        from weft.metrics import Metric

        return [m for m in _identifiers(self.given) if isinstance(m, Metric)]

    @property
    def names_logged(self) -> list[str]:
        """The names in the logs."""
        return [name for output in self.outputs for name, _ in output]

    def update_state(self, y: Any, y_pred: Any, sample_weight: Any) -> None:
        """Count a batch."""
        if not self.weighted:
            sample_weight = None
        if len(self.outputs) == 1:
            y, y_pred = _only(y, "y"), _only(y_pred, "the model's output")
            sample_weight = _only(sample_weight, "sample_weight")
            for _, metric in self.outputs[0]:
                metric.update_state(y, y_pred, sample_weight=sample_weight)
            return
        truths = by_output(y, self.names, "y")
        predictions = by_output(y_pred, self.names, "the model's output")
        weights = by_output(sample_weight, self.names, "sample_weight")
        for i, output in enumerate(self.outputs):
            for _, metric in output:
                metric.update_state(truths[i], predictions[i], sample_weight=weights[i])

    def add_results(self, logs: Logs, deferred: bool = False) -> None:
        """Put the values of the metrics into `logs`; `deferred` leaves weft's own unread."""
        for output in self.outputs:
            for name, metric in output:
                if deferred and type(metric).__module__.startswith("weft."):
                    logs[name] = Deferred(metric.result)
                    continue
                value = metric.result()
                if isinstance(value, dict):
                    logs.update(value)
                else:
                    logs[name] = value


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _identifiers(given: Any) -> list[Any]:
    if isinstance(given, dict):
        given = list(given.values())
    if isinstance(given, (list, tuple)):
        return [leaf for item in given for leaf in _identifiers(item)]
    return [] if given is None else [given]


def _check_name(identifier: Any) -> None:
    """Find misspelt names when the model is compiled, not in the middle of the first epoch."""
    if isinstance(identifier, str):
        word = identifier.lower()
        if word not in _ACCURACY and word not in _CROSSENTROPY:
            from weft import metrics

            metrics.get(identifier)
