"""Who holds a device's memory: live tensors, and what was saved for gradients."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from typing import Any

from weft import _C
from weft.autograd.recording import Node
from weft.device import check_device, is_gpu
from weft.tensor import Tensor
from weft.variable import Variable


def holders(device: str) -> list[tuple[int, str]]:
    """``(bytes, what it is)`` of everything on a device that Python can reach, largest first.

    Memory that several tensors share counts once. What operations saved for their gradients is
    summed up for each kind of operation.

    Example:
        >>> import weft
        >>> from weft.memory import holders
        >>> with weft.device("sim"):
        ...     x = weft.zeros((1000, 10))
        >>> (40000, "tensor of shape (1000, 10), float32") in holders("sim")
        True
    """
    seen: set[int] = set()
    found: list[tuple[int, str]] = []
    saved: Counter[str] = Counter()
    # By type: isinstance asks objects for their class, which runs code of other libraries.
    objects = [o for o in gc.get_objects() if issubclass(type(o), (Tensor, Node))]
    # Variables have the best names, so of shared memory they are the holders.
    objects.sort(key=lambda o: 2 if isinstance(o, Node) else 1 - isinstance(o, Variable))
    for item in objects:
        for array, what in _arrays(item):
            if array.device != device or array.storage_id in seen:
                continue
            seen.add(array.storage_id)
            if isinstance(item, Node):
                saved[what] += array.size * array.dtype.itemsize
            else:
                found.append((array.size * array.dtype.itemsize, what))
    found.extend((size, what) for what, size in saved.items())
    return sorted(_together(found), key=lambda holder: -holder[0])


def _together(found: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Equal holders as one: a loop that forgets to let go makes hundreds of them."""
    sizes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for size, what in found:
        sizes[what] += size
        counts[what] += 1
    for what, size in sizes.items():
        yield size, what if counts[what] == 1 else f"{counts[what]} x {what}"


def _arrays(item: Any) -> Iterator[tuple[Any, str]]:
    if isinstance(item, Node):
        for kept in item.kept:
            array = kept._data if isinstance(kept, Tensor) else kept
            if isinstance(array, _C.Tensor):
                yield array, f"saved for gradients of {item.function.name}"
        return
    array = Tensor._data.__get__(item)  # a subclass may compute `_data`
    if isinstance(array, _C.Tensor):
        name = f"variable {item.path!r}" if isinstance(item, Variable) else "tensor"
        yield array, f"{name} of shape {array.shape}, {array.dtype}"


def size_text(count: int) -> str:
    """A number of bytes for people: ``"3.50 MiB"``."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} TiB"


def report(device: str = "cpu", top: int = 5) -> str:
    """A sentence that names the largest holders of a device's memory; empty if there are none.

    Raises:
        ValueError: If the device does not exist or cannot be used in this process.

    Example:
        >>> import weft
        >>> with weft.device("sim"):
        ...     x = weft.zeros((1 << 20, 10))
        >>> weft.memory.report("sim").startswith("The largest on sim: ")
        True
    """
    name = check_device(device)
    largest = [h for h in holders(name) if h[0] > 0][:top]
    if not largest:
        return ""
    return f"The largest on {name}: " + "; ".join(f"{w}: {size_text(n)}" for n, w in largest)


def statistics(device: str = "cpu") -> dict[str, int]:
    """Bytes: what tensors hold (``allocated``, highest so far ``peak``), and what weft has taken
    from the system or the device (``reserved``).

    ``allocations`` and ``cache_hits`` count requests. GPUs have more: what the device itself has
    (``free``, ``total``), and memory of the CPU that it reads by itself (``pinned_...``).

    Raises:
        ValueError: If the device does not exist, cannot be used, or has no memory.

    Example:
        >>> import weft
        >>> x = weft.zeros((1024, 256))
        >>> weft.memory.statistics()["allocated"] >= 1 << 20
        True
    """
    name = check_device(device)
    found = dict(_C.memory_statistics(name))
    if is_gpu(name):
        found["free"], found["total"] = _C.device_memory(name)
    return found


def _end_of_message(device: str) -> str:
    text = report(device)
    return f". {text}" if text else ""


_C.set_memory_report(_end_of_message)
