"""Devices are values: `with weft.device("sim"):` places what is created inside."""

from __future__ import annotations

import os
import threading
from types import TracebackType

from weft import _C

KNOWN = ("cpu", "meta", "sim", "cuda")
GPUS = ("sim", "cuda")  # with memory that the CPU cannot read


class _Current(threading.local):
    name = "cpu"  # where new tensors go
    chosen: str | None = None  # what the user asked for; layers make weights elsewhere at first


class _Gpus:
    in_use = False


_current = _Current()
_gpus = _Gpus()


def gpu_in_use() -> bool:
    """Whether the process has asked for a GPU: if not, nobody need look where tensors are."""
    return _gpus.in_use


def available_devices() -> tuple[str, ...]:
    """The devices on which tensors can be placed in this process.

    Example:
        >>> from weft.device import available_devices
        >>> available_devices()[:2]
        ('cpu', 'meta')
    """
    simulated = [full_name("sim", i) for i in range(_C.device_count("sim"))]
    gpus = [full_name("cuda", i) for i in range(_C.device_count("cuda"))]
    return ("cpu", "meta", *simulated, *gpus)


def full_name(kind: str, index: int = 0) -> str:
    """The name of a device: ``"cuda:0"``, but ``"sim"`` for the first simulated one.

    Example:
        >>> from weft.device import full_name
        >>> full_name("cuda"), full_name("sim"), full_name("sim", 1)
        ('cuda:0', 'sim', 'sim:1')
    """
    return kind if kind != "cuda" and index == 0 else f"{kind}:{index}"


def check_device(name: str) -> str:
    """The full name (``"cuda"`` is ``"cuda:0"``), if tensors can be placed there.

    Raises:
        ValueError: If no such device exists, or it cannot be used in this process.
    """
    kind, _, index = str(name).partition(":")
    if kind not in KNOWN or (index and not index.isdigit()):
        raise ValueError(
            f"unknown device {name!r}; this process has: {', '.join(available_devices())}"
        )
    if kind not in GPUS:
        return kind
    _gpus.in_use = True
    count = _C.device_count(kind)
    if count == 0:
        raise ValueError(
            f"device {name!r} is not available: {_C.why_unavailable(kind)}; "
            f"this process has: {', '.join(available_devices())} "
            "('python -m weft doctor' explains what to do)"
        )
    if int(index or 0) >= count:
        raise ValueError(
            f"device {name!r}: there {'is' if count == 1 else 'are'} {count} such "
            f"device{'' if count == 1 else 's'}, numbered from 0"
        )
    return full_name(kind, int(index or 0))


def is_gpu(name: str) -> bool:
    """Whether tensors on the device have memory that the CPU cannot read.

    Example:
        >>> from weft.device import is_gpu
        >>> is_gpu("sim"), is_gpu("cpu")
        (True, False)
    """
    return name.partition(":")[0] in GPUS


def usable_cores() -> int:
    """On how many cores the calling thread, and one that it starts now, may run.

    Example:
        >>> from weft.device import usable_cores
        >>> usable_cores() >= 1
        True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def current_device() -> str:
    """The device on which new tensors are placed by the calling thread.

    Example:
        >>> from weft.device import current_device
        >>> current_device()
        'cpu'
    """
    return _current.name


def chosen_device() -> str | None:
    """The device of the innermost ``with weft.device(...)`` that the user wrote, or None.

    Example:
        >>> import weft
        >>> from weft.device import chosen_device
        >>> with weft.device("cpu"):
        ...     chosen_device()
        'cpu'
    """
    return _current.chosen


class device:
    """Place new tensors on a device, inside a ``with`` block.

    Args:
        name: ``"cpu"``; ``"cuda"`` or ``"cuda:1"`` (a GPU); ``"sim"`` (a GPU simulated on the
            CPU); ``"meta"`` (shapes and dtypes without memory).

    Raises:
        ValueError: If the device does not exist or cannot be used in this process.

    Example:
        >>> import weft
        >>> with weft.device("meta"):
        ...     x = weft.zeros((1000, 1000, 1000))
        >>> x.shape, x.device
        ((1000, 1000, 1000), 'meta')
    """

    def __init__(self, name: str) -> None:
        self.name = check_device(name)
        self._outer: list[tuple[str, str | None]] = []

    def __enter__(self) -> device:
        self._outer.append((_current.name, _current.chosen))
        _current.name = _current.chosen = self.name
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _current.name, _current.chosen = self._outer.pop()

    def __repr__(self) -> str:
        return f"device({self.name!r})"


class working_on(device):
    """`device` for weft's own work: what the user chose stays noted.

    Example:
        >>> from weft.device import chosen_device, current_device, working_on
        >>> with working_on("meta"):
        ...     current_device(), chosen_device()
        ('meta', None)
    """

    def __enter__(self) -> device:
        self._outer.append((_current.name, _current.chosen))
        _current.name = self.name
        return self
