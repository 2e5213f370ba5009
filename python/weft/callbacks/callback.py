"""`Callback`, the base class, and `CallbackList`, which the training loop calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from weft.programs.recording import Later

Logs = dict[str, Any]


class Callback:
    """Base class of what happens during training; every hook does nothing by default.

    `params` holds ``verbose``, ``epochs`` and ``steps`` (None if unknown); `model` is the model.
    Setting ``self.model.stop_training = True`` ends the run after the current batch's epoch.

    Example:
        >>> import weft
        >>> class Shout(weft.callbacks.Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         print(f"epoch {epoch} done")

    Follows keras.callbacks.Callback.
    """

    params: dict[str, Any]

    def __init__(self) -> None:
        self.params = {}
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The model in training."""
        return getattr(self, "_model", None)

    def set_params(self, params: dict[str, Any]) -> None:
        """Called by the training loop with ``verbose``, ``epochs`` and ``steps``."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Called by the training loop with the model."""
        self._model = model

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """The older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """The older name of `on_train_batch_end`."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """At the start of an epoch of `fit`."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """At the end of an epoch of `fit`; `logs` has the metrics, validation as ``val_*``."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of `fit`."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of `fit`; `logs` has the averages of the epoch so far."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of `evaluate`, also in the validation of `fit`."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of `evaluate`, also in the validation of `fit`."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of `predict`; `logs` has its ``outputs``."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """At the start of `fit`."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """At the end of `fit`."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """At the start of `evaluate` or a validation."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """At the end of `evaluate` or a validation."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """At the start of `predict`."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """At the end of `predict`."""


def as_numbers(logs: Logs | None) -> Logs:
    """`logs` with its one-element tensors as Python numbers."""
    if not logs:
        return {}
    numbers: Logs = {}
    for name, value in logs.items():
        if type(value) is Later:
            value = value.now()
        numbers[name] = value.item() if getattr(value, "size", 0) == 1 else value
    return numbers


class CallbackList(Callback):
    """Calls several callbacks in order, and skips those that do not define a hook.

    Reading numbers off the device takes time, so the logs of a batch are only read when a callback
    looks at them or the progress bar is about to be drawn.

    Args:
        callbacks: Callbacks, possibly nested in lists.
        add_history: Add a `History` if there is none.
        add_progbar: Add a `ProgbarLogger` if there is none.
        model: The model.
        params: Passed to `Callback.set_params`.

    Raises:
        TypeError: If one of them is not a `Callback`.

    Example:
        >>> import weft
        >>> callbacks = weft.callbacks.CallbackList(add_history=True)
        >>> callbacks.on_train_begin()
        >>> callbacks.on_epoch_end(0, {"loss": 0.5})
        >>> callbacks.callbacks[0].history
        {'loss': [0.5]}

    Follows keras.callbacks.CallbackList.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        super().__init__()
        from weft.callbacks.history import History
        from weft.callbacks.progress import ProgbarLogger

        self.callbacks: list[Callback] = list(_checked(callbacks))
        progress = [c for c in self.callbacks if isinstance(c, ProgbarLogger)]
        if add_progbar and not progress:
            progress = [ProgbarLogger()]
            self.callbacks.append(progress[0])
        self.progress = progress[0] if progress else None
        found = [c for c in self.callbacks if isinstance(c, History)]
        if add_history and not found:
            found = [History()]
            self.callbacks.append(found[0])
        self.history = found[0] if found else None
        if model is not None:
            self.set_model(model)
        self.set_params(params)
        self._batch_hooks = {
            f"on_{mode}_batch_{moment}": [
                getattr(c, f"on_{mode}_batch_{moment}")
                for c in self.callbacks
                if c is not self.progress and defines(c, mode, moment)
            ]
            for mode in ("train", "test", "predict")
            for moment in ("begin", "end")
        }

    @property
    def watches_batches(self) -> bool:
        """Whether a callback wants to know of single batches of `fit`."""
        hooks = self._batch_hooks
        return bool(hooks["on_train_batch_begin"] or hooks["on_train_batch_end"])

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        for callback in self.callbacks:
            callback.set_model(model)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        logs = as_numbers(logs)
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        # One dict for all: a callback may add to the logs for those after it.
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        for hook in self._batch_hooks["on_train_batch_begin"]:
            hook(batch, {})

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self._batch_hooks["on_train_batch_end"]:
            self._batch_end("on_train_batch_end", batch, logs)
        elif self.progress is not None:
            self.progress.on_train_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        for hook in self._batch_hooks["on_test_batch_begin"]:
            hook(batch, {})

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._batch_end("on_test_batch_end", batch, logs)

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        for hook in self._batch_hooks["on_predict_batch_begin"]:
            hook(batch, {})

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        for hook in self._batch_hooks["on_predict_batch_end"]:
            hook(batch, logs or {})
        if self.progress is not None:
            self.progress.on_predict_batch_end(batch)

    def _batch_end(self, hook_name: str, batch: int, logs: Logs | None) -> None:
        hooks = self._batch_hooks[hook_name]
        if hooks:
            logs = as_numbers(logs)
            for hook in hooks:
                hook(batch, logs)
        if self.progress is not None:
            getattr(self.progress, hook_name)(batch, logs)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._all("on_train_begin", logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._all("on_train_end", logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self._all("on_test_begin", logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        self._all("on_test_end", logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._all("on_predict_begin", logs)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._all("on_predict_end", logs)

    def _all(self, hook_name: str, logs: Logs | None) -> None:
        logs = as_numbers(logs)
        for callback in self.callbacks:
            getattr(callback, hook_name)(logs)

    def close(self) -> None:
        """Give the terminal back after an exception in the loop."""
        if self.progress is not None:
            self.progress.close()


def defines(callback: Callback, mode: str, moment: str) -> bool:
    """Whether a callback's class does something at a batch hook."""
    names = [f"on_{mode}_batch_{moment}"]
    if mode == "train":
        names.append(f"on_batch_{moment}")
    return any(_overridden(getattr(callback, name), getattr(Callback, name)) for name in names)


def _overridden(hook: Callable[..., Any], default: Callable[..., Any]) -> bool:
    return getattr(hook, "__func__", hook) is not default


def _checked(callbacks: Any) -> Iterable[Callback]:
    if callbacks is None:
        return
    if isinstance(callbacks, CallbackList):
        yield from callbacks.callbacks
        return
    if not isinstance(callbacks, (list, tuple)):
        callbacks = [callbacks]
    for callback in callbacks:
        if isinstance(callback, (list, tuple)):
            yield from _checked(callback)
        elif isinstance(callback, type) and issubclass(callback, Callback):
            raise TypeError(
                f"callbacks: {callback.__name__} is a class; write {callback.__name__}()"
            )
        elif not isinstance(callback, Callback):
            raise TypeError(
                f"callbacks must be weft.callbacks.Callback objects, got {callback!r} of type "
                f"{type(callback).__name__}"
            )
        else:
            yield callback
