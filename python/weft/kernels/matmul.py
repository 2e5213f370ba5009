"""Kernels of matrix products on GPUs, and the precision of their float32 products."""

from __future__ import annotations

import warnings
from types import TracebackType
from typing import NamedTuple

from weft import _C
from weft.device import check_device, current_device, is_gpu

__all__ = ["Variant", "matmul_precision", "set_matmul_precision", "use", "variants"]


class Variant(NamedTuple):
    """One way to compute matrix products on a GPU.

    Attributes:
        name: What `use` takes.
        dtypes: The dtypes it multiplies.
        requirement: What it asks of the shapes and the device.
        unavailable: Why the device cannot run it; empty if it can.
    """

    name: str
    dtypes: str
    requirement: str
    unavailable: str


def variants(device: str | None = None) -> list[Variant]:
    """The kernels that compute matrix products on GPUs.

    Names say how and with which tile: ``simt`` are the ordinary arithmetic units, ``mma`` the
    tensor cores of compute capability 8.0 and newer, ``wgmma`` those of Hopper, fed by its copy
    engine; ``128x128`` are the rows and columns that one block computes.

    Args:
        device: A GPU: ``"cuda"``, ``"cuda:1"`` or ``"sim"``. None is the current device if that is
            a GPU, else the first GPU of the process, else ``"sim"``.

    Returns:
        One `Variant` for each; the first, ``"automatic"``, chooses by shape and device.

    Raises:
        ValueError: If the device is no GPU or does not exist.

    Example:
        >>> import weft
        >>> [v.name for v in weft.kernels.matmul.variants()][:3]
        ['automatic', 'gemv', 'simt_32x32']
        >>> [v.name for v in weft.kernels.matmul.variants("sim") if "wgmma" in v.name]
        ['wgmma_128x128', 'wgmma_128x256']
    """
    if device is None:
        current = current_device()
        first = "cuda" if _C.device_count("cuda") else "sim"
        device = current if is_gpu(current) else first
    name = check_device(device)
    if not is_gpu(name):
        raise ValueError(
            f"variants: {name!r} is no GPU, and only products of GPUs have variants; give 'cuda' "
            "or 'sim'"
        )
    return [Variant(*row) for row in _C.matmul_variants(name)]


class use:
    """Compute the products of GPUs with one kernel, from now on or in a ``with`` block.

    It holds for the calling thread. A product that the kernel cannot compute raises a ValueError.
    The CPU has kernels of its own, which this does not change.

    Args:
        name: A name of `variants`; ``"automatic"`` leaves the choice to weft again.

    Raises:
        ValueError: If there is no such kernel.

    Example:
        >>> import weft
        >>> with weft.device("sim"), weft.kernels.matmul.use("simt_32x32"):
        ...     (weft.ones((2, 3)) @ weft.ones((3, 2))).tolist()
        [[3.0, 3.0], [3.0, 3.0]]
    """

    def __init__(self, name: str) -> None:
        self._before = _C.matmul_variant()
        _C.set_matmul_variant(name)
        self.name = name

    def __enter__(self) -> use:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _C.set_matmul_variant(self._before)

    def __repr__(self) -> str:
        return f"use({self.name!r})"


def set_matmul_precision(precision: str) -> None:
    """Say what float32 matrix products on GPUs may be computed in. Sums are float32 in any case.

    ``"float32"``, the default, means products of float32. ``"tf32"`` lets tensor cores round the
    factors to 11 significant bits (relative error up to 2**-11 each), ``"bfloat16"`` to 8 bits
    (2**-9 each). Products of other dtypes, and all products on the CPU, stay as they are: the CPU
    computes float32 in float32, and a warning says so where there is no GPU that could do else.

    Args:
        precision: ``"float32"``, ``"tf32"`` or ``"bfloat16"``.

    Raises:
        ValueError: If the precision is unknown.

    Example:
        >>> import weft
        >>> weft.set_matmul_precision("float32")
        >>> weft.matmul_precision()
        'float32'
    """
    _C.set_matmul_precision(precision)
    if precision != "float32" and _C.device_count("cuda") == 0:
        warnings.warn(
            f"set_matmul_precision({precision!r}) holds for GPUs, and this process has no cuda "
            "device: products on the CPU are still computed in float32; the simulated device "
            "'sim' follows the setting",
            UserWarning,
            stacklevel=2,
        )


def matmul_precision() -> str:
    """What `set_matmul_precision` was told last.

    Example:
        >>> import weft
        >>> weft.matmul_precision()
        'float32'
    """
    return str(_C.matmul_precision())
