"""Kernels of matrix products on GPUs, and the precision of float32 products."""

from __future__ import annotations

import warnings

from weft import _C
from weft.kernels.variant import Variant, VariantChoice, listed

__all__ = ["Variant", "matmul_precision", "set_matmul_precision", "use", "variants"]


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
    return listed("matmul", device)


class use(VariantChoice):
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

    _operation = "matmul"


def set_matmul_precision(precision: str) -> None:
    """Say what float32 products on GPUs may be computed in. Sums are float32 in any case.

    The setting covers matrix products and convolutions, both also in gradients. Convolutions whose
    groups have one channel, which memory bounds, stay in float32.

    ``"float32"``, the default, means products of float32. ``"tf32"`` lets tensor cores round the
    factors to 11 significant bits (relative error up to 2**-11 each), ``"bfloat16"`` to 8 bits
    (2**-9 each). Products of other dtypes, and all products on the CPU, stay as they are: the CPU
    computes float32 in float32, and a warning says so where there is no GPU that could do else.

    Args:
        precision: ``"float32"``, ``"tf32"`` or ``"bfloat16"``.

    Returns:
        None.

    Raises:
        ValueError: If the precision is unknown.

    Example:
        >>> import weft
        >>> weft.set_matmul_precision("float32")
        >>> weft.matmul_precision()
        'float32'

    Follows torch.set_float32_matmul_precision, with other names.
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

    Returns:
        ``"float32"``, ``"tf32"`` or ``"bfloat16"``.

    Example:
        >>> import weft
        >>> weft.matmul_precision()
        'float32'

    Follows torch.get_float32_matmul_precision, with other names.
    """
    return str(_C.matmul_precision())
