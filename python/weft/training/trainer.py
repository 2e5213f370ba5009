"""`Trainer`: fit, evaluate and predict; the base of `Model` that trains.

One step is `train_step` (see `weft.training.step`). Everything here feeds it with batches and tells
callbacks. Override `train_step`, `test_step`, `predict_step`, `compute_loss` or `compute_metrics`
to change a part; the loop stays the same.
"""

from __future__ import annotations

import functools
from math import isfinite
from typing import Any

import numpy as np

from weft.autograd import no_grad
from weft.callbacks.callback import CallbackList, as_numbers
from weft.data.epochs import Epochs
from weft.data.sources import Source, make_source, tensors
from weft.placement import at_home
from weft.tensor import Tensor
from weft.training import arguments, inspection
from weft.training.step import Logs, Step


class Trainer(Step):
    """Training for models; see `weft.Model`."""

    # --- fit -------------------------------------------------------------------------------------

    @at_home(automatic=True)
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
        if class_weight is not None:
            inspection.check_class_weight(self, class_weight)
        with arguments.naming("validation_data"):
            validation = self._validation(
                validation_data, validation_batch_size or batch_size, dtype
            )
        run = CallbackList(callbacks, add_history=True, add_progbar=verbose != 0, model=self)
        quiet = self._look_at_data(source, validation, run)
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
            batches.close()
            self._explain_loss = self._position = self._initial_epoch = None
        return self.history

    def _look_at_data(self, source: Any, validation: Any, run: CallbackList) -> bool:
        """Refuse data that cannot be meant; whether a loss that is not finite is no error."""
        quiet = inspection.stops_quietly(run)
        inspection.check_data(self, source, "fit", quiet)
        if validation is not None:
            with arguments.naming("validation_data"):
                inspection.check_data(self, validation, "evaluate", quiet)
        return quiet

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
        own = inspection.own_step(self)
        unwatched = not own and not run.watches_batches
        for data in iterator:
            batch = position.batch
            begin(batch)
            logs = self._replayed("train_step", step, data)
            position.batch = batch + 1
            if own and self._explain_loss is not None:
                self._explain_loss.check(logs, data)
            if unwatched and self._recordings is not None and (reader := batches.reader):
                self._recordings.replay_batches("train_step", reader, len(data[0]), position)
            end(position.batch - 1, logs)
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

    @at_home()
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
        inspection.check_data(self, source, "evaluate")
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
                logs = self._replayed("test_step", self.test_step, data)
                run.on_test_batch_end(batch, logs)
        logs = as_numbers(logs)
        run.on_test_end(logs)
        return logs

    @at_home()
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
        plain = verbose == 0 and callbacks is None and steps is None and type(x) is np.ndarray
        if plain and x.ndim and 0 < len(x) <= (batch_size or 32):
            # One batch at once: no source and no callbacks, for predictions of single rows.
            return self.predict_on_batch(x)
        source = make_source(x, batch_size=batch_size, float_dtype=self._data_dtype())
        run = self._start(callbacks, verbose, source, steps)
        collected = inspection.Collector()
        run.on_predict_begin()
        try:
            with no_grad():
                for batch, data in enumerate(Epochs(source, steps).epoch()):
                    run.on_predict_batch_begin(batch)
                    outputs = self._replayed("predict_step", self.predict_step, data)
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

    @at_home()
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

        Raises:
            ValueError: If the loss is not finite; the message names the value in the data, or what
                else explains it. On the CPU the weights are still those from before.

        Example:
            >>> import numpy as np, weft
            >>> model = weft.Sequential([weft.Input((1,)), weft.layers.Dense(1)])
            >>> model.compile(optimizer="sgd", loss="mse")
            >>> loss = model.train_on_batch(np.ones((4, 1), "float32"), np.ones((4, 1)))
        """
        self._require_compiled("train_on_batch")
        data = tensors(x, y, sample_weight, class_weight, self._data_dtype())
        if class_weight is not None:
            inspection.check_class_weight(self, class_weight)
        self._check_batch(data)
        if self._compiled.keeps_state:
            inspection.check_finite(self, data, "train_on_batch")
        logs = as_numbers(self._replayed("train_on_batch", self._train_alone, data))
        loss = logs.get("loss")
        if type(loss) is float and not isfinite(loss):  # of a step of the user's own, or on a GPU
            inspection.explain_alone(self, loss, data)
        return logs if return_dict else _in_order(logs)

    def partial_fit(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """One update on one batch, under scikit-learn's name; returns the model."""
        self.train_on_batch(x, y, sample_weight)
        return self

    @at_home()
    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """The loss and metrics of one batch."""
        self._require_compiled("test_on_batch", optimizer=False)
        data = tensors(x, y, sample_weight, None, self._data_dtype())
        inspection.check_finite(self, data, "test_on_batch")
        self._check_batch(data)
        with no_grad():
            logs = as_numbers(self._replayed("test_on_batch", self._test_alone, data))
        return logs if return_dict else _in_order(logs)

    def _train_alone(self, data: Any) -> Logs:
        self.reset_metrics()
        self._explain_loss = functools.partial(inspection.explain_alone, self)
        try:
            return self.train_step(data)
        finally:
            self._explain_loss = None

    def _test_alone(self, data: Any) -> Logs:
        self.reset_metrics()
        return self.test_step(data)

    @at_home()
    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, as NumPy arrays."""
        with no_grad():
            data = tensors(x, None, None, None, self._data_dtype())
            return inspection.own_arrays(self._replayed("predict_step", self.predict_step, data))

    def _check_batch(self, data: Any) -> None:
        """Check a batch if the last one was of another kind; the values of the first as well."""
        kind = [(t.shape[1:], t.dtype) if isinstance(t, Tensor) else type(t) for t in data]
        if kind != self._compiled.checked:
            if self._compiled.checked is None:  # before the model is built, perhaps
                inspection.check_finite(self, data, "train_on_batch")
            inspection.check_batch(self, data)
            self._compiled.checked = kind

    def _data_dtype(self) -> str:
        """The type that floating-point data are converted to: float64 if a weight is."""
        found: str | None = self.__dict__.get("_float_dtype")
        if found is None:
            own = {str(v.dtype) for v in self.variables}
            own.add(str(self.variable_dtype))
            found = "float64" if "float64" in own else "float32"
            if self.built:
                self.__dict__["_float_dtype"] = found
        return found


def _in_order(logs: Logs) -> Any:
    values = list(logs.values())
    return values[0] if len(values) == 1 else values


def _due(epoch: int, frequency: Any) -> bool:
    if isinstance(frequency, (list, tuple, set)):
        return epoch + 1 in frequency
    return (epoch + 1) % int(frequency) == 0
