"""What `weft.cuda` and `weft.sim` offer: facts, memory, streams, events, pinned memory.

Work on a device is queued on streams: in order within one, at the same time in different ones.
Without a word said everything runs on the device's compute stream, and uploads of more than 64 KiB
on its copy stream, for which the compute stream waits where it uses them. Nothing else waits: only
reading values back (`numpy`, `item`, printing) and `synchronize` do.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, ClassVar

from weft import _C
from weft.device import check_device, current_device, full_name, working_on
from weft.tensor import Tensor, as_tensor

COMPUTE, COPY = 0, 1  # the streams that every device has


class Stream:
    """A queue of work on a device, beside its compute stream; used as a ``with`` block.

    What is launched inside the block is queued on the stream. Between streams nothing is ordered
    unless one waits for another (`wait_stream`) or for an `Event`: a tensor made on one stream may
    be used on another only after that. Memory is safe in any case: it is handed out again only
    when all streams that used it are done with it.

    Args:
        device: Where; the current device, if it is a GPU, else the first one of the module's kind.

    Raises:
        ValueError: If the device has no streams or does not exist.
        RuntimeError: If it cannot be used.

    Example:
        >>> import weft
        >>> stream = weft.sim.Stream()
        >>> with weft.device("sim"), stream:
        ...     y = weft.ones(3) * 2.0
        >>> stream.synchronize()
        >>> y.tolist()
        [2.0, 2.0, 2.0]
    """

    kind: ClassVar[str] = "cuda"

    def __init__(self, device: str | None = None) -> None:
        self._stream = _C.Stream(device_of_kind(self.kind, device))
        self._outer: list[Any] = []

    @classmethod
    def _of(cls, stream: Any) -> Any:
        made = cls.__new__(cls)
        made._stream, made._outer = stream, []
        return made

    @property
    def device(self) -> str:
        """Where it is."""
        return self._stream.device

    @property
    def pointer(self) -> int:
        """The address of the ``cudaStream_t``, for other libraries."""
        return int(self._stream.pointer)

    def synchronize(self) -> None:
        """Wait until all its work is done; raises what went wrong in it."""
        self._stream.synchronize()

    def query(self) -> bool:
        """Whether all its work is done."""
        return bool(self._stream.done())

    def wait_stream(self, other: Stream) -> None:
        """What is queued here from now on waits for what is queued on `other` so far."""
        self._stream.wait_stream(other._stream)

    def wait_event(self, event: Event) -> None:
        """What is queued here from now on waits for an event."""
        event._event.wait(self._stream)

    def record_event(self, event: Any = None) -> Any:
        """Record an event (a new one by default) behind what is queued so far."""
        event = type(self)._event_type(self.device) if event is None else event
        event.record(self)
        return event

    _event_type: ClassVar[Any] = None

    def __enter__(self) -> Stream:
        self._outer.append(_C.current_stream(self.device))
        self._stream.make_current()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._outer.pop().make_current()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self._place == other._place

    def __hash__(self) -> int:
        return hash(self._place)

    @property
    def _place(self) -> tuple[str, int]:
        return self.device, self._stream.number

    def __repr__(self) -> str:
        names = {COMPUTE: "compute", COPY: "copy"}
        number = self._stream.number
        return f"<Stream {names.get(number, number)} of {self.device}>"


class Event:
    """A point in a stream: other streams and the CPU can wait for it, and it knows its time.

    Args:
        device: Where; the current device, if it is a GPU, else the first one of the module's kind.
        timed: Whether `elapsed` can be asked; untimed events cost less.

    Raises:
        ValueError: If the device has no streams or does not exist.

    Example:
        >>> import weft
        >>> begin, end = weft.sim.Event(), weft.sim.Event()
        >>> begin.record()
        >>> y = weft.ops.to_device([1.0, 2.0], "sim") + 1.0
        >>> end.record()
        >>> end.synchronize()
        >>> begin.elapsed(end) >= 0
        True
    """

    kind: ClassVar[str] = "cuda"

    def __init__(self, device: str | None = None, timed: bool = True) -> None:
        self._event = _C.Event(device_of_kind(self.kind, device), timed)

    @property
    def device(self) -> str:
        """Where it is."""
        return self._event.device

    def record(self, stream: Stream | None = None) -> None:
        """Mark what is queued so far on a stream, the current one by default."""
        raw = _C.current_stream(self.device) if stream is None else stream._stream
        self._event.record(raw)

    def wait(self, stream: Stream | None = None) -> None:
        """What is queued on a stream (the current one by default) from now on waits for it."""
        raw = _C.current_stream(self.device) if stream is None else stream._stream
        self._event.wait(raw)

    def synchronize(self) -> None:
        """Wait until what it marks is done."""
        self._event.synchronize()

    def query(self) -> bool:
        """Whether what it marks is done."""
        return bool(self._event.done())

    def elapsed(self, end: Event) -> float:
        """Milliseconds from this event to a later one; both must be done.

        Raises:
            ValueError: If one was not recorded.
            RuntimeError: If one is not done, or not timed.
        """
        return float(self._event.elapsed_ms(end._event))

    def __repr__(self) -> str:
        return f"<Event on {self.device}>"


def device_of_kind(kind: str, device: str | int | None) -> str:
    """The full name of a device of one kind: by name, by number, or the current one.

    Raises:
        ValueError: If the device is of another kind or does not exist.
    """
    if device is None:
        current = current_device()
        return check_device(current if current.partition(":")[0] == kind else kind)
    name = check_device(full_name(kind, device) if isinstance(device, int) else device)
    if name.partition(":")[0] != kind:
        raise ValueError(f"device {name!r} is not a device of weft.{kind}")
    return name


class Runtime:
    """The functions of `weft.cuda` and `weft.sim`, for one kind of device."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.Event: Any = type("Event", (Event,), {"kind": kind, "__doc__": Event.__doc__})
        of_streams = {"kind": kind, "_event_type": self.Event, "__doc__": Stream.__doc__}
        self.Stream: Any = type("Stream", (Stream,), of_streams)

    def device_count(self) -> int:
        """How many devices there are; 0 where they cannot be used (see `why_unavailable`)."""
        return int(_C.device_count(self.kind))

    def is_available(self) -> bool:
        """Whether there is a device."""
        return self.device_count() > 0

    def why_unavailable(self) -> str:
        """Why there is no device; empty if there is one."""
        return str(_C.why_unavailable(self.kind))

    def device_name(self, device: str | int | None = None) -> str:
        """What the device calls itself."""
        return str(self.device_facts(device)["name"])

    def device_facts(self, device: str | int | None = None) -> dict[str, Any]:
        """Name, bus address, compute capability and number of multiprocessors."""
        return dict(_C.device_facts(device_of_kind(self.kind, device)))

    def memory_statistics(self, device: str | int | None = None) -> dict[str, int]:
        """What `weft.memory.statistics` tells of a device of this kind."""
        from weft.memory import statistics

        return statistics(device_of_kind(self.kind, device))

    def memory_report(self, device: str | int | None = None, top: int = 10) -> str:
        """Who holds the memory, a line each: variables, tensors, what is kept for gradients."""
        from weft.memory import holders

        largest = holders(device_of_kind(self.kind, device))[:top]
        return "\n".join(f"{size / 2**20:10.2f} MiB  {what}" for size, what in largest)

    def reset_peak_memory(self, device: str | int | None = None) -> None:
        """Let ``peak`` begin again at what is held now."""
        _C.reset_peak_memory(device_of_kind(self.kind, device))

    def empty_cache(self, device: str | int | None = None) -> None:
        """Give memory back that no tensor holds; other processes may want it."""
        _C.empty_cache(device_of_kind(self.kind, device))

    def synchronize(self, device: str | int | None = None) -> None:
        """Wait for all work of a device; raises what went wrong in it."""
        _C.synchronize(device_of_kind(self.kind, device))

    def current_stream(self, device: str | int | None = None) -> Any:
        """The stream on which the calling thread queues work."""
        return self.Stream._of(_C.current_stream(device_of_kind(self.kind, device)))

    def compute_stream(self, device: str | int | None = None) -> Any:
        """The stream that is current unless another one was chosen."""
        return self.Stream._of(_C.stream(device_of_kind(self.kind, device), COMPUTE))

    def copy_stream(self, device: str | int | None = None) -> Any:
        """The stream on which uploads run beside the kernels."""
        return self.Stream._of(_C.stream(device_of_kind(self.kind, device), COPY))

    def pin_memory(self, x: Any) -> Tensor:
        """A copy of `x` in memory of the CPU that the device reads by itself.

        Its upload (``.to(device)``) returns before the copy is done, and runs beside the kernels;
        change the values only after `synchronize` or an event behind it. Such memory is scarce.

        Raises:
            TypeError: If `x` is a tensor on another device.
            weft.OutOfMemoryError: If the system gives no more of it.
        """
        if not isinstance(x, Tensor):
            with working_on("cpu"):
                x = as_tensor(x)
        return Tensor(_C.pin_memory(x._data, device_of_kind(self.kind, None)))

    def is_pinned(self, x: Tensor) -> bool:
        """Whether a tensor is in pinned memory."""
        return bool(_C.is_pinned(x._data, self.kind))

    def can_access_peer(self, device: str | int, peer: str | int) -> bool:
        """Whether copies between two devices need not pass through memory of the CPU."""
        return bool(
            _C.can_access_peer(device_of_kind(self.kind, device), device_of_kind(self.kind, peer))
        )


__all__ = ["Event", "Runtime", "Stream", "device_of_kind"]
