"""Devices are values: `with weft.device("meta"):` places what is created inside."""

from __future__ import annotations

import threading
from types import TracebackType

# Devices whose kernels are in this build; the others are known names without kernels.
AVAILABLE = ("cpu", "meta")
KNOWN = ("cpu", "meta", "sim", "cuda")


class _Current(threading.local):
    name = "cpu"


_current = _Current()


def check_device(name: str) -> str:
    """`name`, if tensors can be placed there.

    Raises:
        ValueError: If no such device exists or this build has no kernels for it.
    """
    kind, _, index = str(name).partition(":")
    if kind not in KNOWN or (index and not index.isdigit()):
        raise ValueError(f"unknown device {name!r}; this build has: {', '.join(AVAILABLE)}")
    if kind not in AVAILABLE:
        raise ValueError(
            f"device {name!r} is not available: this build of weft has no kernels for it; "
            f"it has: {', '.join(AVAILABLE)}"
        )
    return kind


def current_device() -> str:
    """The device on which new tensors are placed by the calling thread.

    Example:
        >>> from weft.device import current_device
        >>> current_device()
        'cpu'
    """
    return _current.name


class device:
    """Place new tensors on a device, inside a ``with`` block.

    Args:
        name: ``"cpu"``, or ``"meta"`` (shapes and dtypes without memory).

    Raises:
        ValueError: If the device does not exist or has no kernels in this build.

    Example:
        >>> import weft
        >>> with weft.device("meta"):
        ...     x = weft.zeros((1000, 1000, 1000))
        >>> x.shape, x.device
        ((1000, 1000, 1000), 'meta')
    """

    def __init__(self, name: str) -> None:
        self.name = check_device(name)
        self._outer: list[str] = []

    def __enter__(self) -> device:
        self._outer.append(_current.name)
        _current.name = self.name
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _current.name = self._outer.pop()

    def __repr__(self) -> str:
        return f"device({self.name!r})"
