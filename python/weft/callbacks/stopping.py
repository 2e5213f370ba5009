"""Callbacks that end a run early."""

from __future__ import annotations

import math
from typing import Any

from weft.callbacks.callback import Callback, Logs
from weft.callbacks.monitor import Watch, check_count, check_mode


class EarlyStopping(Callback):
    """Stop when a number has not improved for a while.

    Args:
        monitor: The logged number to watch.
        min_delta: What counts as an improvement must be larger than this.
        patience: Epochs without improvement before training stops.
        verbose: 1 prints when it stops and which weights it restores.
        mode: ``"min"``, ``"max"``, or ``"auto"`` to tell from the name.
        baseline: Value that training must improve on.
        restore_best_weights: Go back to the weights of the best epoch.
        start_from_epoch: Epochs to wait before watching.

    Raises:
        ValueError: If `patience` or `start_from_epoch` is negative.

    Example:
        >>> import weft
        >>> stop = weft.callbacks.EarlyStopping(patience=3, restore_best_weights=True)

    Follows keras.callbacks.EarlyStopping.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__()
        self.monitor = monitor
        self.patience = check_count("patience", patience, "EarlyStopping")
        self.start_from_epoch = check_count("start_from_epoch", start_from_epoch, "EarlyStopping")
        self.verbose = verbose
        self.baseline = baseline
        self.min_delta = abs(min_delta)
        self.mode = check_mode(mode, "EarlyStopping")
        self.restore_best_weights = restore_best_weights
        self._watch = Watch(monitor, self.mode, min_delta, "EarlyStopping")
        self._reset()

    def _reset(self) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best_epoch = 0
        self.best: float | None = None
        self.best_weights: Any = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._reset()
        self._started = False

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self._watch.read(logs, "early stopping")
        if value is None or epoch < self.start_from_epoch:
            return
        if not self._started:
            self._watch.start(self.model)
            self._started = True
        improved = self._watch.better(value, self._watch.worst if self.best is None else self.best)
        if improved:
            self.best = value
        # The first epoch's weights are the best there are, even if they miss a baseline.
        if improved or (self.restore_best_weights and self.best_weights is None):
            self.best_epoch = epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
        beats_baseline = self.baseline is None or self._watch.better(value, self.baseline)
        self.wait = 0 if improved and beats_baseline else self.wait + 1
        if not improved and self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                print(f"Restoring the weights of the best epoch: {self.best_epoch + 1}")
            self.model.set_weights(self.best_weights)


class TerminateOnNaN(Callback):
    """Stop when the loss is no longer finite.

    Without this callback `fit` raises an error that explains the loss; with it, training stops
    quietly.

    Args:
        raise_error: Raise an error instead of stopping.

    Raises:
        RuntimeError: With `raise_error`, when a loss is not finite.

    Example:
        >>> import weft
        >>> model = weft.Sequential([weft.Input((2,)), weft.layers.Dense(1)])
        >>> model.compile(weft.optimizers.SGD(1e30), "mse")
        >>> stop = weft.callbacks.TerminateOnNaN()
        >>> history = model.fit([[1.0, 2.0]], [[3.0]], epochs=9, verbose=0, callbacks=[stop])
        Batch 0: the loss is inf, training stops
        >>> len(history.epoch) < 9
        True

    Follows keras.callbacks.TerminateOnNaN.
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(f"batch {batch}: the loss is {loss}")
        print(f"Batch {batch}: the loss is {loss}, training stops")
        self.model.stop_training = True
