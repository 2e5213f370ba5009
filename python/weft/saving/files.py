"""Writing files so that a failure leaves the old one, and naming what is wrong with a file."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


def atomic_write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a new file and put it in the place of `path` when it is complete.

    A process that is killed, or a `write` that raises, leaves what was at `path` untouched. The
    unfinished file of one that was killed goes with the next write to `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_unfinished(path)
    handle, name = _open_locked(path)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; a saved model gets the rights of any new file.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, path.stat().st_mode if path.exists() else 0o666 & ~umask)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    _sync_folder(path.parent)


def _open_locked(path: Path) -> tuple[int, str]:
    """A new file beside `path`, locked as long as this process has it open."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        with contextlib.suppress(OSError):  # not every file system has locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, name
        os.close(handle)  # another process took it for an old one before it was locked


def _remove_unfinished(path: Path) -> None:
    """Delete what killed processes left beside `path`: nobody holds the locks of these files.

    A lock tells more than a process number in the name: it is also right for processes of other
    containers.
    """
    unfinished = re.compile(rf"\.{re.escape(path.name)}\.\w{{8}}\.tmp")  # as mkstemp names them
    for entry in [e for e in os.scandir(path.parent) if unfinished.fullmatch(e.name)]:
        with contextlib.suppress(OSError):
            handle = os.open(entry.path, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(entry.path)
            finally:
                os.close(handle)


def _sync_folder(folder: Path) -> None:
    """Make the new name durable, where the system lets folders be synchronised."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def check_ending(what: str, filepath: Any, endings: tuple[str, ...]) -> Path:
    """The path, if it ends as such files do.

    Raises:
        ValueError: If the ending is unknown.
    """
    path = Path(filepath)
    if not str(path).endswith(endings):
        raise ValueError(
            f"{what}: {str(filepath)!r} has no known ending; use {' or '.join(endings)}, for "
            f"instance {path.stem + endings[0]!r}"
        )
    return path


def target(what: str, filepath: Any, endings: tuple[str, ...], overwrite: bool) -> Path:
    """The path to write to.

    Raises:
        ValueError: If the ending is unknown.
        FileExistsError: If the file exists and must not be replaced.
    """
    path = check_ending(what, filepath, endings)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{what}: {path} exists already and overwrite=False was given")
    return path


def source(what: str, filepath: Any) -> Path:
    """The path to read from.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    path = Path(filepath)
    if not path.exists():
        raise FileNotFoundError(f"{what}: there is no file {str(path)!r} (in {Path.cwd()})")
    if path.is_dir():
        raise ValueError(f"{what}: {str(path)!r} is a folder, not a file")
    return path


def damaged(what: str, path: Path, expected: str, error: Any = "") -> ValueError:
    """The error for a file that is not what its name says."""
    size = path.stat().st_size
    state = "it is empty" if size == 0 else f"it has {size} bytes and may be truncated"
    reason = f" ({error})" if str(error) else ""
    return ValueError(
        f"{what}: {str(path)!r} is not a {expected}, or it is damaged: {state}{reason}"
    )
