"""The GPU simulated on the CPU: facts, memory, streams, events, pinned memory. See `weft.gpu`.

Example:
    >>> import weft
    >>> weft.sim.device_count() >= 1
    True
"""

from weft.gpu import Runtime

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
