"""`Trainer`: compile, fit, evaluate and predict; the base of `Model` that trains.

One step is `train_step`: forward, loss, gradients, update, metrics. Everything else feeds it with
batches and tells callbacks. Override `train_step`, `test_step`, `predict_step`, `compute_loss` or
`compute_metrics` to change a part; the loop stays the same.
"""

from __future__ import annotations

import math
from typing import Any

from weft.autograd import grad, no_grad
from weft.callbacks.callback import CallbackList, as_numbers
from weft.data.sources import Epochs, Source, make_source, tensors, unpack
from weft.tensor import Tensor
from weft.training import arguments, inspection
from weft.training.compile_utils import Average, CompiledLoss, CompiledMetrics
from weft.training.outputs import output_names

Logs = dict[str, Any]


class Compiled:
    """What `compile` was given, and what is derived from it once the model is built.

    An object of its own, because a layer looks for its weights among its attributes.
    """

    def __init__(self, loss: Any, loss_weights: Any, metrics: Any, weighted_metrics: Any) -> None:
        self.loss = None if loss is None else CompiledLoss(loss, loss_weights)
        self.loss_tracker = Average("loss")
        self.metrics = CompiledMetrics(metrics, weighted=False)
        self.weighted_metrics = CompiledMetrics(weighted_metrics, weighted=True)
        self.variables: list[Any] = []  # all variables of the model
        self.regularized: list[Any] = []
        self.own_losses = False  # whether the model's class defines `losses`
        self.takes_training: bool | None = None  # whether an overridden compute_loss does
        self.checked: Any = None  # kind of the last batch that was checked


class Trainer:
    """Training for models; see `weft.Model`."""

    optimizer: Any = None
    loss: Any = None
    stop_training = False
    history: Any = None
    compiled = False
    run_eagerly = False
    auto_scale_loss = True
    _compiled: Any = None
    _compile_arguments: Any = None
    _initial_epoch: Any = None  # set by BackupAndRestore: where to go on
    _position: Any = None  # epoch, batch and generator of a running fit
    _explain_loss: Any = None  # called with a loss that is not finite, inside `fit`

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
            run_eagerly: Every step of weft runs eagerly; both values are the same today.
            steps_per_execution: Must be 1.
            jit_compile: ``"auto"`` or False.
            auto_scale_loss: Let an optimizer with a loss scale apply it.

        Raises:
            ValueError: For unknown names and impossible options.
            TypeError: For an unknown argument.

        Example:
            >>> import weft
            >>> model = weft.Sequential([weft.Input((4,)), weft.layers.Dense(1)])
            >>> model.compile(optimizer="adam", loss="mse", metrics=["mae"])
        """
        arguments.refuse_unknown(Trainer.compile, unknown)
        arguments.check_compile_options(
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss
        )
        from weft import optimizers

        self._compiled = Compiled(loss, loss_weights, metrics, weighted_metrics)
        given = isinstance(optimizer, optimizers.Optimizer)
        self.optimizer = optimizer if given else optimizers.get(optimizer)
        self.loss = loss
        self.run_eagerly = run_eagerly
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

    # --- one step --------------------------------------------------------------------------------

    def train_step(self, data: Any) -> Logs:
        """One update on one batch; returns the logs.

        Override it for training of another kind: `data` is ``(x,)``, ``(x, y)`` or
        ``(x, y, sample_weight)``, and what it returns is logged.
        """
        x, y, sample_weight = unpack(data)
        y_pred = self(x, training=True)  # type: ignore[operator]
        loss = self._loss_of_batch(x, y, y_pred, sample_weight, training=True)
        self._count_loss(loss, x, data)
        variables = self._variables_to_train()
        scaled = self.optimizer.scale_loss(loss) if self.auto_scale_loss else loss
        self.optimizer.apply(grad(scaled, variables, allow_unused=True), variables)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def test_step(self, data: Any) -> Logs:
        """The loss and metrics of one batch."""
        x, y, sample_weight = unpack(data)
        y_pred = self(x, training=False)  # type: ignore[operator]
        if self._has_loss():
            loss = self._loss_of_batch(x, y, y_pred, sample_weight, training=False)
            self._compiled.loss_tracker.update_state(loss.item(), _rows(x))
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def predict_step(self, data: Any) -> Any:
        """The outputs for one batch."""
        return self(unpack(data)[0], training=False)  # type: ignore[operator]

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
        with no_grad():
            for group in (compiled.metrics, compiled.weighted_metrics):
                if not group.given:
                    continue
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
        if self._has_loss() or compiled.loss_tracker.rows:
            logs["loss"] = compiled.loss_tracker.result()
        if compiled.loss is not None:
            for tracker in compiled.loss.trackers:
                logs[tracker.name] = tracker.result()
        compiled.metrics.add_results(logs)
        compiled.weighted_metrics.add_results(logs)
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
        options = {"training": training} if compiled.takes_training else {}
        return self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, **options)

    def _count_loss(self, loss: Any, x: Any, data: Any) -> None:
        value = loss.item()
        if self._explain_loss is not None and not math.isfinite(value):
            self._explain_loss(value, data)
        self._compiled.loss_tracker.update_state(value, _rows(x))

    def _variables_to_train(self) -> list[Any]:
        """The trainable variables, looked up once: walking a deep model at each step is slow."""
        compiled = self._compiled
        if not compiled.variables:
            self._find_variables()
        return [v for v in compiled.variables if v._trainable]

    def _find_variables(self) -> None:
        compiled = self._compiled
        self.__dict__.pop("_float_dtype", None)
        compiled.variables = list(self.variables) if self.trainable else []  # type: ignore[attr-defined]
        compiled.own_losses = inspection.own_losses(self)
        compiled.regularized = [v for v in compiled.variables if v.regularizer is not None]

    def _added_losses(self) -> list[Any]:
        compiled = self._compiled
        if not compiled.variables:
            self._find_variables()
        if not (self._noisy or compiled.regularized or compiled.own_losses):  # type: ignore[attr-defined]
            return []
        return list(self.losses)  # type: ignore[attr-defined]

    # --- fit -------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | str = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        **unknown: Any,
    ) -> Any:
        """Train.

        The data are looked at once before: NaN, infinity, labels outside the classes and targets
        that would only broadcast are errors. A loss that is not finite is an error that explains
        itself, unless `TerminateOnNaN` is among the callbacks.

        Args:
            x: Arrays, tensors or tables (or lists or dicts of them), a `PyDataset`, or an iterable
                of batches ``(x, y)`` or ``(x, y, sample_weight)``.
            y: Targets, when `x` holds arrays.
            batch_size: Rows of a batch; 32 by default.
            epochs: Number of the epoch to stop at.
            verbose: 0 silent, 1 a progress bar (plain lines if the output is no terminal), 2 a line
                per epoch, ``"auto"`` 1.
            callbacks: `Callback` objects.
            validation_split: Part of the rows, at the end, that is kept for validation.
            validation_data: ``(x, y)``, ``(x, y, sample_weight)``, or batches.
            shuffle: Shuffle the rows (``"batch"``: the batches) before each epoch.
            class_weight: Weight of each class.
            sample_weight: Weight of each row.
            initial_epoch: Number of the epoch to begin with.
            steps_per_epoch: Batches of an epoch; by default one pass.
            validation_steps: Batches of a validation; by default all.
            validation_batch_size: Rows of a validation batch; by default `batch_size`.
            validation_freq: Validate every so many epochs, or after the epochs in a list.

        Returns:
            The `History`.

        Raises:
            ValueError: If the model is not compiled, or data or arguments cannot be meant.
            TypeError: For arguments or data of the wrong kind.

        Example:
            >>> import numpy as np, weft
            >>> model = weft.Sequential([weft.Input((1,)), weft.layers.Dense(1)])
            >>> model.compile(optimizer="sgd", loss="mse")
            >>> x = np.linspace(0, 1, 32, dtype="float32")[:, None]
            >>> history = model.fit(x, 2 * x, epochs=3, verbose=0)
            >>> len(history.history["loss"])
            3
        """
        arguments.refuse_unknown(Trainer.fit, unknown)
        arguments.check_fit_arguments(
            batch_size,
            epochs,
            validation_split,
            initial_epoch,
            steps_per_epoch,
            validation_steps,
            validation_batch_size,
            validation_freq,
        )
        from weft.training.progress import check_verbose

        verbose = check_verbose(verbose)
        self._require_compiled("fit")
        dtype = self._data_dtype()
        if validation_split and validation_data is None:
            inspection.warn_before_split(y, validation_split)
            train, held = arguments.split_validation(x, y, sample_weight, validation_split)
            (x, y, sample_weight), validation_data = train, held
        source = make_source(
            x,
            y,
            sample_weight,
            batch_size=batch_size,
            shuffle=shuffle,
            class_weight=class_weight,
            float_dtype=dtype,
        )
        validation = self._validation(validation_data, validation_batch_size or batch_size, dtype)
        run = CallbackList(callbacks, add_history=True, add_progbar=verbose != 0, model=self)
        quiet = inspection.stops_quietly(run)
        inspection.check_data(self, source, quiet=quiet)
        if validation is not None:
            inspection.check_data(self, validation, quiet=quiet)
        run.set_params(
            {
                "verbose": verbose,
                "epochs": epochs,
                "steps": steps_per_epoch or source.num_batches,
                "rows": None if steps_per_epoch else getattr(source, "rows", None),
            }
        )
        self._find_variables()
        batches = Epochs(source, steps_per_epoch)
        checks = Epochs(validation, validation_steps) if validation is not None else None
        try:
            self._fit(run, batches, checks, initial_epoch, epochs, validation_freq, quiet)
        finally:
            run.close()
            self._explain_loss = self._position = self._initial_epoch = None
        return self.history

    def _fit(
        self,
        run: CallbackList,
        batches: Epochs,
        validation: Epochs | None,
        first_epoch: int,
        epochs: int,
        validation_freq: Any,
        quiet: bool,
    ) -> None:
        self.stop_training = False
        self.history = run.history
        self._initial_epoch = None
        run.on_train_begin()
        resume = self._initial_epoch
        logs: Logs = {}
        for epoch in range(resume.epoch if resume else first_epoch, epochs):
            self.reset_metrics()
            run.on_epoch_begin(epoch)
            batches.source.on_epoch_begin()
            logs = self._train_epoch(run, batches, epoch, resume, quiet)
            batches.source.on_epoch_end()
            resume = None
            if validation is not None and _due(epoch, validation_freq):
                validation.rewind()
                checked = self._evaluate(run, validation)
                logs |= {f"val_{name}": value for name, value in checked.items()}
            run.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        if logs and getattr(self.optimizer, "use_ema", False):
            self.optimizer.finalize_variable_values(self._variables_to_train())
        run.on_train_end(logs)

    def _train_epoch(
        self, run: CallbackList, batches: Epochs, epoch: int, resume: Any, quiet: bool
    ) -> Logs:
        position = self._position = inspection.Position(epoch)
        if not quiet:
            self._explain_loss = inspection.Explainer(self, position)
        iterator = batches.epoch()
        logs: Logs = {}
        if resume is not None and resume.skip(self, position, iterator):
            logs = self.get_metrics_result()
        begin, step, end = run.on_train_batch_begin, self.train_step, run.on_train_batch_end
        for data in iterator:
            batch = position.batch
            begin(batch)
            logs = step(data)
            position.batch = batch + 1
            if self._explain_loss is not None:
                self._explain_loss.check(logs, data)
            end(batch, logs)
            if self.stop_training:
                break
        if not logs and position.batch == 0:
            inspection.warn_no_batch(epoch)
            self.stop_training = True
        return as_numbers(logs)

    def _validation(self, data: Any, batch_size: int | None, dtype: str) -> Source | None:
        if data is None:
            return None
        x, y, sample_weight = arguments.unpack_validation(data)
        if not isinstance(data, (tuple, list)):
            batch_size = None  # its batches are made already
        return make_source(x, y, sample_weight, batch_size=batch_size, float_dtype=dtype)

    # --- evaluate and predict --------------------------------------------------------------------

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **unknown: Any,
    ) -> Any:
        """The loss and metrics of data, without training.

        Args:
            x: As for `fit`.
            y: Targets.
            batch_size: Rows of a batch; 32 by default.
            verbose: As for `fit`.
            sample_weight: Weight of each row.
            steps: Batches; by default all.
            callbacks: `Callback` objects.
            return_dict: Return a dict by name.

        Returns:
            The loss, or ``[loss, metric, ...]``, or a dict.
        """
        arguments.refuse_unknown(Trainer.evaluate, unknown)
        arguments.check_whole("batch_size", batch_size, 1)
        arguments.check_whole("steps", steps, 1)
        self._require_compiled("evaluate", optimizer=False)
        source = make_source(
            x, y, sample_weight, batch_size=batch_size, float_dtype=self._data_dtype()
        )
        inspection.check_labels(self, source)
        run = self._start(callbacks, verbose, source, steps)
        try:
            logs = self._evaluate(run, Epochs(source, steps))
        finally:
            run.close()
        return logs if return_dict else _in_order(logs)

    def _evaluate(self, run: CallbackList, batches: Epochs) -> Logs:
        run.on_test_begin()
        self.reset_metrics()
        logs: Logs = {}
        with no_grad():
            for batch, data in enumerate(batches.epoch()):
                run.on_test_batch_begin(batch)
                logs = self.test_step(data)
                run.on_test_batch_end(batch, logs)
        logs = as_numbers(logs)
        run.on_test_end(logs)
        return logs

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
        **unknown: Any,
    ) -> Any:
        """The outputs for data, as NumPy arrays in the order of the rows.

        Args:
            x: As for `fit`.
            batch_size: Rows of a batch; 32 by default.
            verbose: As for `fit`.
            steps: Batches; by default all.
            callbacks: `Callback` objects.
        """
        arguments.refuse_unknown(Trainer.predict, unknown)
        arguments.check_whole("batch_size", batch_size, 1)
        arguments.check_whole("steps", steps, 1)
        source = make_source(x, batch_size=batch_size, float_dtype=self._data_dtype())
        if verbose == 0 and callbacks is None and source.num_batches == 1 and steps is None:
            with no_grad():
                return inspection.own_arrays(self.predict_step(next(source.batches())))
        run = self._start(callbacks, verbose, source, steps)
        collected = inspection.Collector()
        run.on_predict_begin()
        try:
            with no_grad():
                for batch, data in enumerate(Epochs(source, steps).epoch()):
                    run.on_predict_batch_begin(batch)
                    outputs = self.predict_step(data)
                    collected.add(outputs)
                    run.on_predict_batch_end(batch, {"outputs": outputs})
        finally:
            run.on_predict_end()
            run.close()
        return collected.result()

    def _start(
        self, callbacks: Any, verbose: Any, source: Source, steps: int | None
    ) -> CallbackList:
        from weft.training.progress import check_verbose

        verbose = check_verbose(verbose)
        if isinstance(callbacks, CallbackList):
            return callbacks
        return CallbackList(
            callbacks,
            add_progbar=verbose != 0,
            model=self,
            verbose=verbose,
            epochs=1,
            steps=steps or source.num_batches,
            rows=None if steps else getattr(source, "rows", None),
        )

    # --- single batches --------------------------------------------------------------------------

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One update on one batch.

        Returns:
            The loss, or ``[loss, metric, ...]``, or a dict.

        Example:
            >>> import numpy as np, weft
            >>> model = weft.Sequential([weft.Input((1,)), weft.layers.Dense(1)])
            >>> model.compile(optimizer="sgd", loss="mse")
            >>> loss = model.train_on_batch(np.ones((4, 1), "float32"), np.ones((4, 1)))
        """
        self._require_compiled("train_on_batch")
        data = tensors(x, y, sample_weight, class_weight, self._data_dtype())
        self._check_batch(data)
        self.reset_metrics()
        logs = as_numbers(self.train_step(data))
        return logs if return_dict else _in_order(logs)

    def partial_fit(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """One update on one batch, under scikit-learn's name; returns the model."""
        self.train_on_batch(x, y, sample_weight)
        return self

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """The loss and metrics of one batch."""
        self._require_compiled("test_on_batch", optimizer=False)
        data = tensors(x, y, sample_weight, None, self._data_dtype())
        self._check_batch(data)
        self.reset_metrics()
        with no_grad():
            logs = as_numbers(self.test_step(data))
        return logs if return_dict else _in_order(logs)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, as NumPy arrays."""
        with no_grad():
            data = tensors(x, None, None, None, self._data_dtype())
            return inspection.own_arrays(self.predict_step(data))

    def _check_batch(self, data: Any) -> None:
        """Check a batch if the last one was of another kind."""
        kind = [(t.shape[1:], t.dtype) if isinstance(t, Tensor) else type(t) for t in data]
        if kind != self._compiled.checked:
            inspection.check_batch(self, data)
            self._compiled.checked = kind

    def _data_dtype(self) -> str:
        """The type that floating-point data are converted to: float64 if a weight is."""
        found: str | None = self.__dict__.get("_float_dtype")
        if found is None:
            own = {str(v.dtype) for v in self.variables}  # type: ignore[attr-defined]
            own.add(str(self.variable_dtype))  # type: ignore[attr-defined]
            found = "float64" if "float64" in own else "float32"
            if self.built:  # type: ignore[attr-defined]
                self.__dict__["_float_dtype"] = found
        return found


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


def _in_order(logs: Logs) -> Any:
    values = list(logs.values())
    return values[0] if len(values) == 1 else values


def _due(epoch: int, frequency: Any) -> bool:
    if isinstance(frequency, (list, tuple, set)):
        return epoch + 1 in frequency
    return (epoch + 1) % int(frequency) == 0
