"""`ProgbarLogger`: draws the progress of `fit`, `evaluate` and `predict`."""

from __future__ import annotations

from typing import Any

from weft.callbacks.callback import Callback, Logs, as_numbers


class ProgbarLogger(Callback):
    """Show progress, times, samples per second and the logged numbers.

    Example:
        >>> import weft
        >>> model = weft.Sequential([weft.Input((2,)), weft.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> progress = weft.callbacks.ProgbarLogger()
        >>> _ = model.fit([[1.0, 2.0]], [[3.0]], verbose=0, callbacks=[progress])

    Follows keras.callbacks.ProgbarLogger.
    """

    def __init__(self) -> None:
        super().__init__()
        self._display: Any = None
        self._training = False
        self._done = 0
        self._logs: Logs = {}

    def _start(self, label: str = "") -> None:
        from weft.training.progress import start_progress

        self._display = start_progress(
            self.params.get("steps"),
            self.params.get("rows"),
            verbose=self.params.get("verbose", 1),
            label=label,
        )
        self._done = 0

    def _finish(self, logs: Logs | None) -> None:
        if self._display is not None:
            self._display.finish(self._done, as_numbers(logs))
            self._display = None

    def close(self) -> None:
        """Give the terminal back."""
        if self._display is not None:
            self._display.close()
            self._display = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._training = False

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self.params.get("verbose"):
            print(f"Epoch {epoch + 1}/{self.params.get('epochs')}", flush=True)
        self._start()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._finish(logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._done = batch + 1
        display = self._display
        if display is not None and display.due():
            self._logs = as_numbers(logs)
            display.draw(self._done, self._logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        if not self._training:
            self._start()
        elif self._display is not None:
            self._display.steps_end()

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        display = self._display
        if self._training:
            if display is not None and display.due():
                display.draw(self._done, self._logs, note=f"validating, batch {batch + 1}")
            return
        self._done = batch + 1
        if display is not None and display.due():
            display.draw(self._done, as_numbers(logs))

    def on_test_end(self, logs: Logs | None = None) -> None:
        if not self._training:
            self._finish(logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._start()

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._done = batch + 1
        if self._display is not None and self._display.due():
            self._display.draw(self._done, {})

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._finish({})
