"""Callbacks that write files: the model, or everything needed to go on after an interruption."""

from __future__ import annotations

import os
import string
from typing import Any

from weft.callbacks.callback import Callback, Logs, as_numbers
from weft.callbacks.monitor import Watch, check_mode


def check_save_freq(save_freq: Any, callback: str) -> Any:
    """``"epoch"`` or a number of batches.

    Raises:
        ValueError: If it is something else.
    """
    whole = isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq > 0
    if save_freq != "epoch" and not whole:
        raise ValueError(
            f"{callback}: save_freq must be 'epoch' or a positive number of batches, got "
            f"{save_freq!r}"
        )
    return save_freq


def check_file(filepath: str, weights: bool) -> None:
    """Raise now what saving would raise after the first epoch.

    Raises:
        ValueError: If models, or weights alone, are not saved under such a name.
        ImportError: If a package is needed for it that is not installed.
    """
    from weft.saving import files, model_file
    from weft.saving import weights as weights_file

    if weights:
        what = "ModelCheckpoint with save_weights_only=True"
        files.check_ending(what, filepath, weights_file.ENDINGS)
        weights_file.require_packages(filepath)
    else:
        files.check_ending("ModelCheckpoint of a whole model", filepath, model_file.ENDINGS)


class ModelCheckpoint(Callback):
    """Save the model, or its weights, during training.

    Args:
        filepath: Where; may contain ``{epoch}`` (from 1) and logged names, such as
            ``"m-{epoch:02d}-{val_loss:.3f}.keras"``. A model ends in ``.keras`` or ``.weft``,
            weights in ``.safetensors``, ``.npz`` or ``.h5``.
        monitor: The logged number that tells the best model.
        verbose: 1 prints each save.
        save_best_only: Save only when `monitor` improves.
        save_weights_only: Save the weights instead of the model.
        mode: ``"min"``, ``"max"``, or ``"auto"`` to tell from the name.
        save_freq: ``"epoch"``, or a number of batches between saves.
        initial_value_threshold: `monitor` must be better than this to be saved.

    Raises:
        ValueError: If the ending of `filepath` or `save_freq` is wrong.
        ImportError: If `filepath` ends in ``.h5`` and h5py is not installed.

    Example:
        >>> import weft
        >>> keep = weft.callbacks.ModelCheckpoint("best.keras", save_best_only=True)

    Follows keras.callbacks.ModelCheckpoint.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__()
        self.filepath = os.fspath(filepath)
        self.monitor = monitor
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = check_save_freq(save_freq, "ModelCheckpoint")
        self.best = initial_value_threshold
        check_file(self.filepath, save_weights_only)
        self._watch = Watch(monitor, check_mode(mode, "ModelCheckpoint"), 0, "ModelCheckpoint")
        self._batches = 0
        self._epoch = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._batches = 0
        self._started = False

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            return
        self._batches += 1
        if self._batches % self.save_freq == 0:
            self._save(self._epoch, batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, None, logs)

    def _save(self, epoch: int, batch: int | None, logs: Logs | None) -> None:
        logs = as_numbers(logs)
        if self.save_best_only and not self._improved(logs):
            return
        path = self._path(epoch, batch, logs)
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: saved to {path}")

    def _improved(self, logs: Logs) -> bool:
        value = self._watch.read(logs, "saving the best model")
        if value is None:
            return False
        if not self._started:
            self._watch.start(self.model)
            self._started = True
        if not self._watch.better(value, self._watch.worst if self.best is None else self.best):
            return False
        self.best = value
        return True

    def _path(self, epoch: int, batch: int | None, logs: Logs) -> str:
        known = {**logs, "epoch": epoch + 1, "batch": (batch or 0) + 1}
        for _, name, _, _ in string.Formatter().parse(self.filepath):
            if name is not None and name not in known:
                raise KeyError(
                    f"ModelCheckpoint: {self.filepath!r} names {name!r}, which is not logged; "
                    f"available are: {', '.join(known)}"
                )
        return self.filepath.format(**known)


class BackupAndRestore(Callback):
    """Keep a backup from which an interrupted `fit` goes on, bit for bit.

    The backup holds weights, optimizer, random generators and the position in the data. Run the
    same script again: `fit` finds it and goes on. A run that ends deletes it.

    Args:
        backup_dir: Folder of the backup; used by nothing else.
        save_freq: ``"epoch"``, or a number of batches between backups.
        double_checkpoint: Keep the backup before the last one too, in case the disk fails while
            the last is written.
        delete_checkpoint: Delete the backup when training ends.

    Raises:
        ValueError: If `backup_dir` is empty or `save_freq` is wrong.

    Example:
        >>> import weft
        >>> backup = weft.callbacks.BackupAndRestore("backup")

    Follows keras.callbacks.BackupAndRestore.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not backup_dir:
            raise ValueError("BackupAndRestore: backup_dir must name a folder, got an empty name")
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = check_save_freq(save_freq, "BackupAndRestore")
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._batches = 0

    @property
    def _path(self) -> str:
        return os.path.join(self.backup_dir, "backup.safetensors")

    @property
    def _previous(self) -> str:
        return os.path.join(self.backup_dir, "previous.safetensors")

    def on_train_begin(self, logs: Logs | None = None) -> None:
        from weft.training.resume import load_state

        self._batches = 0
        for path in (self._path, self._previous):
            if os.path.exists(path):
                try:
                    load_state(self.model, path)
                    return
                except OSError:
                    if path == self._previous or not os.path.exists(self._previous):
                        raise

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            return
        self._batches += 1
        if self._batches % self.save_freq == 0:
            self._save(epoch_done=False)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch_done=True)

    def on_train_end(self, logs: Logs | None = None) -> None:
        if not self.delete_checkpoint:
            return
        for path in (self._path, self._previous):
            if os.path.exists(path):
                os.remove(path)
        if os.path.isdir(self.backup_dir) and not os.listdir(self.backup_dir):
            os.rmdir(self.backup_dir)

    def _save(self, epoch_done: bool) -> None:
        from weft.training.resume import save_state

        os.makedirs(self.backup_dir, exist_ok=True)
        if self.double_checkpoint and os.path.exists(self._path):
            os.replace(self._path, self._previous)
        save_state(self.model, self._path, epoch_done=epoch_done)
