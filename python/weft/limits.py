"""What the processor can do at best, measured: what times of kernels are compared with."""

from __future__ import annotations

from dataclasses import dataclass

from weft import _C

# Copied in all: more than the caches of the processors that weft was measured on.
_COPY_BYTES = 128 << 20
_measured: dict[tuple[int, str], Limits] = {}


@dataclass(frozen=True)
class Limits:
    """FLOP/s and bytes/s that no kernel exceeds on some number of threads.

    Attributes:
        flops: Multiply-adds in float32 a second, each counted as two operations.
        flops_float64: The same in float64.
        bandwidth: Bytes a second of a copy between arrays that fit no cache, read plus written.
    """

    flops: float
    flops_float64: float
    bandwidth: float

    @classmethod
    def measure(cls) -> Limits:
        """Those of `weft.get_num_threads()` threads, by the loops of csrc/cpu/peak.cpp.

        They are measured once in a process (0.1 s to 0.5 s) and then remembered.

        Example:
            >>> from weft.limits import Limits
            >>> limits = Limits.measure()
            >>> limits.flops > limits.flops_float64 > 0 and limits is Limits.measure()
            True
        """
        threads = _C.num_threads()
        key = threads, _C.isa()
        if key not in _measured:
            _measured[key] = cls(
                _C.peak_flops("float32"),
                _C.peak_flops("float64"),
                _C.peak_bandwidth(max(_COPY_BYTES // threads, 4 << 20)),
            )
            _C.empty_cache()  # of the arrays that were copied
        return _measured[key]

    def share(
        self, flops: float, moved: float, seconds: float, dtype: object = "float32"
    ) -> tuple[float, str]:
        """How near a kernel came, and what stands in its way: ``"compute"`` or ``"memory"``.

        A share above 1 is of data that lay in a cache, or of an algorithm that does less than
        what was counted, such as Winograd's.

        Args:
            flops: Operations of the kernel.
            moved: Bytes that it must read and write.
            seconds: The time it took.
            dtype: What it computes in.

        Example:
            >>> from weft.limits import Limits
            >>> Limits(flops=1e11, flops_float64=5e10, bandwidth=2e10).share(2e9, 1e6, 0.04)
            (0.5, 'compute')
        """
        peak = self.flops_float64 if str(dtype) == "float64" else self.flops
        compute, memory = flops / peak / seconds, moved / self.bandwidth / seconds
        return (compute, "compute") if compute >= memory else (memory, "memory")
