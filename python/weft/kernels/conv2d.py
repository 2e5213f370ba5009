"""Kernels of convolutions on GPUs, and how exact those on the CPU have to be."""

from __future__ import annotations

from weft import _C
from weft.kernels.variant import Variant, VariantChoice, listed

__all__ = ["Variant", "conv_precision", "set_conv_precision", "use", "variants"]


def variants(device: str | None = None) -> list[Variant]:
    """The kernels that compute convolutions, and their gradients, on GPUs.

    Names say how and with which tile: ``simt`` are the ordinary arithmetic units, ``mma`` the
    tensor cores of compute capability 8.0 and newer, ``wgmma`` those of Hopper, fed by its copy
    engine; ``128x128`` are the pixels and filters that one block computes. Tensor cores multiply
    float16 and bfloat16 as they are, and float32 where `weft.set_matmul_precision` allows that.

    Args:
        device: A GPU: ``"cuda"``, ``"cuda:1"`` or ``"sim"``. None is the current device if that is
            a GPU, else the first GPU of the process, else ``"sim"``.

    Returns:
        One `Variant` for each; the first, ``"automatic"``, chooses by dtype and shape.

    Raises:
        ValueError: If the device is no GPU or does not exist.

    Example:
        >>> import weft
        >>> [v.name for v in weft.kernels.conv2d.variants()][:4]
        ['automatic', 'simt', 'mma_64x64', 'mma_128x128']
        >>> [v.name for v in weft.kernels.conv2d.variants("sim") if "wgmma" in v.name]
        ['wgmma_128x128', 'wgmma_128x256']
    """
    return listed("conv2d", device)


class use(VariantChoice):
    """Compute the convolutions of GPUs with one kernel, from now on or in a ``with`` block.

    It holds for the calling thread. A convolution that the kernel cannot compute raises a
    ValueError. The CPU has kernels of its own, which this does not change.

    Args:
        name: A name of `variants`; ``"automatic"`` leaves the choice to weft again.

    Raises:
        ValueError: If there is no such kernel.

    Example:
        >>> import weft
        >>> with weft.device("sim"), weft.kernels.conv2d.use("simt"):
        ...     weft.ops.conv2d(weft.ones((1, 2, 2, 1)), weft.ones((2, 2, 1, 1))).tolist()
        [[[[4.0]]]]
    """

    _operation = "conv2d"


def set_conv_precision(precision: str) -> None:
    """Say how exact float32 convolutions on the CPU have to be.

    With ``"default"``, 3 x 3 convolutions of stride 1 over at least 16 channels, and both their
    gradients, are computed by Winograd's algorithm where it is faster (about twice). Results
    then differ from exact ones by up to 2e-5 of the largest result, and a NaN or an infinity in the
    input reaches all results in its tile of 4 x 4 and the neighbouring ones. With ``"highest"``
    every result is a sum of products (1e-6). Convolutions in float64 are always of the second kind.

    Args:
        precision: ``"default"`` or ``"highest"``.

    Raises:
        ValueError: If the precision is unknown.

    Example:
        >>> import weft
        >>> weft.set_conv_precision("highest")
        >>> weft.conv_precision()
        'highest'
        >>> weft.set_conv_precision("default")

    Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015.
    """
    _C.set_conv_precision(precision)


def conv_precision() -> str:
    """What `set_conv_precision` was told last.

    Returns:
        ``"default"`` or ``"highest"``.

    Example:
        >>> import weft
        >>> weft.conv_precision()
        'default'

    Follows torch.get_float32_matmul_precision, for convolutions of the CPU.
    """
    return str(_C.conv_precision())
