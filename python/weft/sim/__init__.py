"""The GPU simulated on the CPU: facts, memory, streams, events, pinned memory. See `weft.gpu`.

And tools that watch whatever launches kernels on it, be it one operation or a training step:
``check`` finds mistakes in kernels, ``counters`` counts their accesses, ``trace`` follows one
thread. The kernels then run in a build that reports every memory access; results are the same, only
slower. One tool can run at a time. docs/simulated-device.md says what each can see.

Example:
    >>> import weft
    >>> weft.sim.device_count() >= 1
    True
    >>> with weft.sim.check(), weft.device("sim"):
    ...     y = weft.tanh(weft.ones((100,)))
"""

from weft.gpu import Runtime
from weft.sim.checker import CheckError, Finding, Findings, check, check_from_environment
from weft.sim.counters import Counts, Line, counters
from weft.sim.environment import check_environment
from weft.sim.trace import Launch, Step, Trace, trace

__all__ = [
    "CheckError",
    "Counts",
    "Event",
    "Finding",
    "Findings",
    "Launch",
    "Line",
    "Step",
    "Stream",
    "Trace",
    "can_access_peer",
    "check",
    "check_environment",
    "check_from_environment",
    "compute_stream",
    "copy_stream",
    "counters",
    "current_stream",
    "device_count",
    "device_facts",
    "device_name",
    "empty_cache",
    "is_available",
    "is_pinned",
    "memory_report",
    "memory_statistics",
    "pin_memory",
    "reset_peak_memory",
    "synchronize",
    "trace",
    "why_unavailable",
]

_runtime = Runtime("sim")

Stream, Event = _runtime.Stream, _runtime.Event
device_count = _runtime.device_count
is_available = _runtime.is_available
why_unavailable = _runtime.why_unavailable
device_name = _runtime.device_name
device_facts = _runtime.device_facts
memory_statistics = _runtime.memory_statistics
memory_report = _runtime.memory_report
reset_peak_memory = _runtime.reset_peak_memory
empty_cache = _runtime.empty_cache
synchronize = _runtime.synchronize
current_stream = _runtime.current_stream
compute_stream = _runtime.compute_stream
copy_stream = _runtime.copy_stream
pin_memory = _runtime.pin_memory
is_pinned = _runtime.is_pinned
can_access_peer = _runtime.can_access_peer
