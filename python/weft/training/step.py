"""One step of training: compile, forward, loss, gradients, update, metrics."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from weft.autograd import grad, no_grad
from weft.data.sources import unpack
from weft.programs.program import Program
from weft.programs.recording import Changes, afterwards, note_change, on_host_unless_finite
from weft.programs.recordings import Recordings
from weft.tensor import Tensor
from weft.training import arguments, inspection
from weft.training.compile_utils import Average, CompiledLoss, CompiledMetrics, Deferred
from weft.training.configuration import Configuration
from weft.training.outputs import output_names

Logs = dict[str, Any]

_PARTS = frozenset({"train_step", "test_step", "predict_step", "compute_loss", "compute_metrics"})


class Compiled:
    """What `compile` was given, and what is derived from it once the model is built.

    An object of its own, because a layer looks for its weights among its attributes.
    """

    def __init__(self, loss: Any, loss_weights: Any, metrics: Any, weighted_metrics: Any) -> None:
        self.loss = None if loss is None else CompiledLoss(loss, loss_weights)
        self.loss_tracker = Average("loss")
        self.metrics = CompiledMetrics(metrics, weighted=False)
        self.weighted_metrics = CompiledMetrics(weighted_metrics, weighted=True)
        self.given_metrics = [g for g in (self.metrics, self.weighted_metrics) if g.given]
        self.variables: list[Any] = []  # all variables of the model
        self.looked = -1  # the count of changes when they were looked up
        self.regularized: list[Any] = []
        self.own_losses = False  # whether the model's class defines `losses`
        self.takes_training: bool | None = None  # whether an overridden compute_loss does
        self.checked: Any = None  # kind of the last batch that was checked
        self.keeps_state = False  # whether a forward pass changes weights, as batch norm's does
        self.deferred = False  # whether logs are read from a GPU when somebody looks at them
        self.last_batch: Any = None  # of a step whose loss is not read yet


class Step:
    """What a model does with one batch; `weft.training.trainer.Trainer` feeds it."""

    # What a model has from `Layer`.
    __call__: Callable[..., Any]
    name: str
    built: bool
    trainable: Any
    losses: Any
    variables: Any
    variable_dtype: Any
    dtype_policy: Any
    _noisy: Any

    optimizer: Any = None
    loss: Any = None
    stop_training = False
    history: Any = None
    compiled = False
    run_eagerly = False
    jit_compile: Any = "auto"
    _recordings: Any = None  # of its steps, made when they are needed
    _own_steps: bool | None = None  # whether the class writes a part of its steps itself
    auto_scale_loss = True
    _compiled: Any = None
    _compile_arguments: Any = None
    _initial_epoch: Any = None  # set by BackupAndRestore: where to go on
    _position: Any = None  # epoch, batch and generator of a running fit
    _explain_loss: Any = None  # called with a loss that is not finite, while training

    # --- compile ---------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
        **unknown: Any,
    ) -> None:
        """Choose what training minimises, and how.

        Args:
            optimizer: Name or object.
            loss: Name, function ``f(y_true, y_pred)`` or object; a list or dict of them for
                several outputs (None for an output without loss).
            loss_weights: Factors of the losses, in a list or dict.
            metrics: Names, functions or objects; lists or dicts of lists for several outputs.
            weighted_metrics: Metrics that take sample and class weights.
            run_eagerly: Run every step as it is written, never as a recording: for debugging.
            steps_per_execution: Must be 1.
            jit_compile: ``"auto"`` records steps and replays them (see `weft.capture`), and runs
                those eagerly that cannot be recorded, as well as all steps of a model whose class
                has a `train_step` or the like of its own; True records these too, and makes what
                cannot be recorded an error; False records nothing.
            auto_scale_loss: Let an optimizer with a loss scale apply it; a model whose policy is
                ``"mixed_float16"`` gets a `LossScaleOptimizer`.

        Raises:
            ValueError: For unknown names and impossible options.
            TypeError: For an unknown argument.

        Example:
            >>> import weft
            >>> model = weft.Sequential([weft.Input((4,)), weft.layers.Dense(1)])
            >>> model.compile(optimizer="adam", loss="mse", metrics=["mae"])
        """
        arguments.refuse_unknown(Step.compile, unknown)
        arguments.check_compile_options(
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss
        )
        from weft import optimizers

        self._compiled = Compiled(loss, loss_weights, metrics, weighted_metrics)
        given = isinstance(optimizer, optimizers.Optimizer)
        self.optimizer = optimizer if given else optimizers.get(optimizer)
        if (
            auto_scale_loss
            and self.optimizer is not None
            and self.dtype_policy.name == "mixed_float16"
            and not isinstance(self.optimizer, optimizers.LossScaleOptimizer)
        ):
            self.optimizer = optimizers.LossScaleOptimizer(self.optimizer)
        self.loss = loss
        self.run_eagerly = run_eagerly
        self.jit_compile = jit_compile
        self._recordings = None
        self.auto_scale_loss = auto_scale_loss
        self.stop_training = False
        self.compiled = True
        self._compile_arguments = {
            "optimizer": self.optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "jit_compile": jit_compile,
            "auto_scale_loss": auto_scale_loss,
        }
        inspection.warn_at_compile(self)

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of `compile`, None before it was called."""
        return None if self._compile_arguments is None else dict(self._compile_arguments)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as `get_compile_config` says."""
        self.compile(**config)

    def _require_compiled(self, method: str, optimizer: bool = True) -> None:
        if not self.compiled or (optimizer and self.optimizer is None):
            raise ValueError(
                f"{method}: call compile() first, for example model.compile(optimizer='adam', "
                "loss='mse')"
            )

    # --- recording -------------------------------------------------------------------------------

    def _replayed(self, name: str, step: Callable[[Any], Any], data: Any) -> Any:
        """``step(data)``, as a replay of what was recorded where that is possible."""
        if self._compiled is not None and self._compiled.deferred:
            self._compiled.last_batch = data
        if self.run_eagerly or self.jit_compile is False:
            return step(data)
        if self._own_steps is None:
            self._own_steps = any(getattr(type(self), n) is not getattr(Step, n) for n in _PARTS)
        own = self._own_steps or not self.__dict__.keys().isdisjoint(_PARTS)
        if own and self.jit_compile == "auto":
            return step(data)  # it may count, print or write; a replay would leave that out
        recordings = self._recordings
        if recordings is None:
            recordings = self._recordings = ModelRecordings(self)
        return recordings.run(name, step, data)

    @property
    def programs(self) -> dict[str, list[Program]]:
        """The recorded steps: ``"train_step"``, ``"test_step"``, ``"predict_step"``...

        Example:
            >>> import numpy as np, weft
            >>> model = weft.Sequential([weft.Input((2,)), weft.layers.Dense(1)])
            >>> model.compile("sgd", "mse")
            >>> for _ in range(3):
            ...     _ = model.train_on_batch(np.ones((4, 2), "float32"), np.ones((4, 1)))
            >>> program = model.programs["train_on_batch"][0]
            >>> print(program)  # doctest: +ELLIPSIS
            launch ...
        """
        return {} if self._recordings is None else self._recordings.programs

    # --- one step --------------------------------------------------------------------------------

    def train_step(self, data: Any) -> Logs:
        """One update on one batch; returns the logs.

        Override it for training of another kind: `data` is ``(x,)``, ``(x, y)`` or
        ``(x, y, sample_weight)``, and what it returns is logged.
        """
        x, y, sample_weight = unpack(data)
        y_pred = self(x, training=True)
        loss = self._loss_of_batch(x, y, y_pred, sample_weight, training=True)
        self._count_loss(loss, x, data)
        variables = self._variables_to_train()
        if variables:
            scaled = self.optimizer.scale_loss(loss) if self.auto_scale_loss else loss
            self.optimizer.apply(grad(scaled, variables, allow_unused=True), variables)
        else:
            warnings.warn(
                f"{self.name}: nothing is trained, for no weight of the model is trainable (see "
                "`trainable` of the model and its layers)",
                stacklevel=2,
            )
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def test_step(self, data: Any) -> Logs:
        """The loss and metrics of one batch."""
        x, y, sample_weight = unpack(data)
        y_pred = self(x, training=False)
        if self._has_loss():
            loss = self._loss_of_batch(x, y, y_pred, sample_weight, training=False)
            self._compiled.loss_tracker.update_state(loss, _rows(x))
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def predict_step(self, data: Any) -> Any:
        """The outputs for one batch."""
        return self(unpack(data)[0], training=False)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The loss that is minimised: that of `compile` and those added by layers.

        Raises:
            ValueError: If there is no loss, or no targets for it.
        """
        compiled = self._compiled
        total = None
        if compiled.loss is not None:
            if not compiled.loss.built:
                compiled.loss.build(output_names(self, y_pred, _count(y_pred)))
            if y is None:
                raise ValueError(
                    "there are no targets: give y (or batches (x, y)), or compile without a loss"
                )
            total = compiled.loss(y, y_pred, sample_weight)
        for extra in self._added_losses():
            total = extra if total is None else total + extra
        if total is None:
            raise ValueError(
                "there is nothing to minimise: compile with a loss, or add one with add_loss"
            )
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Logs:
        """Count a batch in the metrics and return all values."""
        compiled = self._compiled
        groups = compiled.given_metrics
        if not groups:
            return self.get_metrics_result()
        with no_grad():
            for group in groups:
                if not group.built:
                    names = output_names(self, y_pred, _count(y_pred))
                    taken = [] if group is compiled.metrics else compiled.metrics.names_logged
                    group.build(names, y, y_pred, taken)
                group.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def get_metrics_result(self) -> Logs:
        """The current value of every metric, by name."""
        compiled = self._compiled
        logs: Logs = {}
        deferred = compiled.deferred
        if self._has_loss() or compiled.loss_tracker.used:
            logs["loss"] = Deferred(self._mean_loss) if deferred else self._mean_loss()
        if compiled.loss is not None:
            for tracker in compiled.loss.trackers:
                logs[tracker.name] = Deferred(tracker.result) if deferred else tracker.result()
        for group in compiled.given_metrics:
            group.add_results(logs, deferred)
        for metric in self._own_metrics():
            value = metric.result()
            logs.update(value if isinstance(value, dict) else {metric.name: value})
        return logs

    @property
    def metrics(self) -> list[Any]:
        """The loss, the metrics of `compile`, and metrics among the model's attributes."""
        compiled = self._compiled
        if compiled is None:
            return self._own_metrics()
        trackers = compiled.loss.trackers if compiled.loss is not None else []
        return [
            compiled.loss_tracker,
            *trackers,
            *compiled.metrics.metrics,
            *compiled.weighted_metrics.metrics,
            *self._own_metrics(),
        ]

    @property
    def metrics_names(self) -> list[str]:
        """The names in the logs; complete once a batch was seen."""
        if self._compiled is None:
            return [metric.name for metric in self.metrics]
        return list(self.get_metrics_result())

    def reset_metrics(self) -> None:
        """Forget the counts of all metrics; `fit` does it before each epoch."""
        for metric in self.metrics:
            metric.reset_state()

    def _own_metrics(self) -> list[Any]:
        """Metrics among the attributes; looked for again when attributes were added."""
        own = self.__dict__.get("_metrics_found")
        if own is None or own.attributes != len(self.__dict__):
            own = self.__dict__["_metrics_found"] = inspection.MetricsFound()
            own.look_at(self.__dict__)
        return own.metrics

    def _has_loss(self) -> bool:
        return self._compiled.loss is not None or bool(self._added_losses())

    def _loss_of_batch(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool
    ) -> Any:
        """`compute_loss`, which users may have written without `training`."""
        compiled = self._compiled
        if compiled.takes_training is None:
            compiled.takes_training = inspection.takes(self.compute_loss, "training")
        if compiled.takes_training:
            return self.compute_loss(
                x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training
            )
        return self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight)

    def _count_loss(self, loss: Any, x: Any, data: Any) -> None:
        compiled = self._compiled
        if not compiled.deferred and self._explain_loss is not None:
            computed, first = loss.detach(), self._explain_loss

            def check() -> None:
                # Of several epochs the running one explains; single batches have no other.
                if not math.isfinite(value := computed.item()):
                    (self._explain_loss or first)(value, data)

            on_host_unless_finite(computed, check)
        compiled.loss_tracker.update_state(loss, _rows(x))
        if compiled.deferred:
            afterwards(self._explain_what_was_read)

    def _explain_what_was_read(self) -> None:
        if self._compiled.loss_tracker.not_finite is not None:
            self._mean_loss()

    def _mean_loss(self) -> Any:
        """The mean loss so far; one that is not finite and was read just now is explained."""
        tracker = self._compiled.loss_tracker
        value = tracker.result()
        if tracker.not_finite is not None and self._explain_loss is not None:
            batch, loss = tracker.not_finite
            self._explain_loss.at(batch, loss, self._compiled.last_batch)
        return value

    def _variables_to_train(self) -> list[Any]:
        """The trainable variables, looked up once: walking a deep model at each step is slow."""
        compiled = self._compiled
        if not compiled.variables or compiled.looked != Changes.count:
            self._find_variables()
        return [v for v in compiled.variables if v._trainable]

    def _find_variables(self) -> None:
        compiled = self._compiled
        compiled.looked = Changes.count
        self.__dict__.pop("_float_dtype", None)
        compiled.variables = list(self.variables) if self.trainable else []
        compiled.own_losses = inspection.own_losses(self)
        compiled.keeps_state = any(
            not v._trainable and v.dtype.is_floating for v in compiled.variables
        )
        compiled.regularized = [v for v in compiled.variables if v.regularizer is not None]

    def _added_losses(self) -> list[Any]:
        compiled = self._compiled
        if not compiled.variables or compiled.looked != Changes.count:
            self._find_variables()
        if not (self._noisy or compiled.regularized or compiled.own_losses):
            return []
        return list(self.losses)


class ModelRecordings:
    """The recorded steps of a model, and when they are out of date."""

    patience = 3
    most_new = 10

    def __init__(self, model: Any) -> None:
        self._model = model
        self._of: dict[str, Recordings] = {}
        self._seen = -1  # count of changes when the model was last looked at
        self._configuration: Any = None
        self._known: dict[tuple[Any, ...], tuple[int, Any]] = {}  # by its key
        self._number = 0
        self._restless = 0  # steps in a row that changed the configuration
        self._unsettled = 0  # steps in a row that found a new one

    def __deepcopy__(self, memo: dict[int, Any]) -> None:
        return None

    def __reduce__(self) -> Any:
        return (_nothing, ())

    @property
    def programs(self) -> dict[str, list[Program]]:
        """By the name of the step."""
        return {name: found.programs for name, found in self._of.items()}

    def run(self, name: str, step: Callable[[Any], Any], data: Any) -> Any:
        """``step(data)``, recorded under `name`."""
        model = self._model
        if self._seen != Changes.count or not self._configuration.is_current():
            self._look()
        else:
            self._unsettled = 0
        recordings = self._of.get(name)
        if recordings is None:
            recordings = self._of[name] = Recordings(f"{name} of model {model.name!r}")
        source = getattr(model.optimizer, "_source", None)
        flags = (self._number, model._explain_loss is None, source is None)
        before = Changes.count
        if self._restless >= self.patience:
            return step(data)
        results = recordings.call(step, data, flags, model.jit_compile is True)
        if before == Changes.count:
            self._restless = 0
        else:
            self._restless += 1
            if self._restless == self.patience:
                recordings.complain(f"the step sets {Changes.last}", model.jit_compile is True)
        if self._unsettled == self.most_new:
            recordings.complain(f"each step finds {Changes.last} set anew", False)
        return results

    def replay_batches(self, name: str, reader: Any, rows: int, position: Any) -> None:
        """If the last step was a replay: the same on further batches, see `Program`."""
        if name in self._of:
            self._of[name].replay_batches(reader, rows, position)

    def _look(self) -> None:
        """Number the configuration of all layers: what was recorded under another is not used."""
        if self._seen == Changes.count:
            note_change(f"something that {self._model.name!r} keeps in a list, dict or object")
        self._seen = Changes.count
        found = self._configuration = Configuration(self._model)
        if found.key not in self._known:
            self._unsettled += 1
            if len(self._known) >= 16:
                self._known.clear()
                self._of.clear()
            self._known[found.key] = (len(self._known) + 1, found)
        self._number = self._known[found.key][0]


def _nothing() -> None:
    return None


def _rows(x: Any) -> int:
    while not isinstance(x, Tensor):
        if isinstance(x, dict):
            x = list(x.values())
        if not x:
            return 1
        x = x[0]
    return x.shape[0] if x.ndim else 1


def _count(y_pred: Any) -> int:
    return len(y_pred) if isinstance(y_pred, (dict, list, tuple)) else 1
