"""`History`: what `fit` returns; and logs in files and functions."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from typing import IO, Any

from weft.callbacks.callback import Callback, Logs


class History(Callback):
    """The logged numbers of every epoch; returned by `fit`.

    Attributes:
        epoch: Numbers of the epochs.
        history: For each logged name, a list of one value per epoch.

    Example:
        >>> import weft
        >>> model = weft.Sequential([weft.Input((2,)), weft.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> history = model.fit([[1.0, 2.0]], [[3.0]], epochs=2, verbose=0)
        >>> history.epoch, len(history.history["loss"])
        ([0, 1], 2)

    Follows keras.callbacks.History.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []
        self.history = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        if self.model is not None:
            self.model.history = self

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw the curves, training and validation of each number in one panel.

        Args:
            path: Save the picture there (the ending chooses the format).

        Returns:
            The matplotlib figure.

        Raises:
            ImportError: Without matplotlib; ``pip install weft[plot]`` brings it.
            ValueError: If there is no epoch to draw.
        """
        from weft.viz.training import plot_history

        return plot_history(self, path)

    def __repr__(self) -> str:
        last = ", ".join(
            f"{name}: {values[-1]:.4g}"
            for name, values in self.history.items()
            if isinstance(values[-1], (int, float))
        )
        return f"<History of {len(self.epoch)} epochs{'; last ' + last if last else ''}>"


class CSVLogger(Callback):
    """Write the numbers of every epoch as a line of a CSV file.

    Args:
        filename: The file.
        separator: What stands between values.
        append: Go on with an existing file instead of replacing it.

    Raises:
        TypeError: If `filename` is no path.
        OSError: When training begins, if the file cannot be written.

    Example:
        >>> import tempfile, weft
        >>> model = weft.Sequential([weft.Input((2,)), weft.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> with tempfile.NamedTemporaryFile("r", suffix=".csv") as file:
        ...     log = weft.callbacks.CSVLogger(file.name)
        ...     _ = model.fit([[1.0, 2.0]], [[3.0]], epochs=2, verbose=0, callbacks=[log])
        ...     [line.split(",")[0] for line in open(file.name)]
        ['epoch', '0', '1']

    Follows keras.callbacks.CSVLogger.
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        super().__init__()
        self.filename = os.fspath(filename)
        self.separator = separator
        self.append = append
        self._keys: list[str] | None = None
        self._file: IO[str] | None = None
        self._with_header = True

    def on_train_begin(self, logs: Logs | None = None) -> None:
        continues = self.append and os.path.exists(self.filename)
        self._with_header = not continues or os.path.getsize(self.filename) == 0
        mode = "a" if self.append else "w"
        self._file = open(self.filename, mode, newline="", encoding="utf-8")  # noqa: SIM115
        self._keys = None
        if not self._with_header:
            self._keys = self._header_of_file()

    def _header_of_file(self) -> list[str]:
        """The columns of the file that is continued: new rows keep their order."""
        with open(self.filename, newline="", encoding="utf-8") as file:
            return next(csv.reader(file, delimiter=self.separator))[1:]

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        assert self._file is not None
        writer = csv.writer(self._file, delimiter=self.separator)
        if self._keys is None:
            # Validation may not happen in the first epoch: it has its columns from the start.
            keys = sorted(k for k in logs if not k.startswith("val_"))
            validation = [k for k in sorted(logs) if k.startswith("val_")]
            if not validation:
                validation = [f"val_{k}" for k in keys if k != "learning_rate"]
            self._keys = [*keys, *validation]
            writer.writerow(["epoch", *self._keys])
        writer.writerow([epoch, *(_text(logs.get(key, "NA")) for key in self._keys)])
        self._file.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _text(value: Any) -> Any:
    if getattr(value, "ndim", 0) > 0:
        return '"[' + ", ".join(map(str, value)) + ']"'
    return value


class LambdaCallback(Callback):
    """A callback of functions.

    Args:
        on_epoch_begin: ``f(epoch, logs)``.
        on_epoch_end: ``f(epoch, logs)``.
        on_train_begin: ``f(logs)``.
        on_train_end: ``f(logs)``.
        on_train_batch_begin: ``f(batch, logs)``.
        on_train_batch_end: ``f(batch, logs)``.
        **kwargs: Any other hook of `Callback`, by its name.

    Raises:
        ValueError: If a keyword is no hook.

    Example:
        >>> import weft
        >>> tell = weft.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch))

    Follows keras.callbacks.LambdaCallback.
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Callable[..., Any] | None,
    ) -> None:
        super().__init__()
        hooks = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        known = [name for name in vars(Callback) if name.startswith("on_")]
        for name, hook in hooks.items():
            if name not in known:
                from weft.errors import did_you_mean

                raise ValueError(f"LambdaCallback: {name!r} is no hook{did_you_mean(name, known)}")
            if hook is not None:
                setattr(self, name, hook)
