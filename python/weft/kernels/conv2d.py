"""Kernels of convolutions on GPUs."""

from __future__ import annotations

from weft.kernels.variant import Variant, VariantChoice, listed

__all__ = ["Variant", "use", "variants"]


def variants(device: str | None = None) -> list[Variant]:
    """The kernels that compute convolutions, and their gradients, on GPUs.

    Names say how and with which tile: ``simt`` are the ordinary arithmetic units, ``mma`` the
    tensor cores of compute capability 8.0 and newer; ``128x128`` are the pixels and filters that
    one block computes. Tensor cores multiply float16 and bfloat16 as they are, and float32 where
    `weft.set_matmul_precision` allows that.

    Args:
        device: A GPU: ``"cuda"``, ``"cuda:1"`` or ``"sim"``. None is the current device if that is
            a GPU, else the first GPU of the process, else ``"sim"``.

    Returns:
        One `Variant` for each; the first, ``"automatic"``, chooses by dtype and shape.

    Raises:
        ValueError: If the device is no GPU or does not exist.

    Example:
        >>> import weft
        >>> [v.name for v in weft.kernels.conv2d.variants()]
        ['automatic', 'simt', 'mma_64x64', 'mma_128x128']
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
