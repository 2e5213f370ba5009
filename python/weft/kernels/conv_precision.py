"""How exact convolutions have to be."""

from __future__ import annotations

from weft import _C

__all__ = ["conv_precision", "set_conv_precision"]


def set_conv_precision(precision: str) -> None:
    """Say how exact float32 convolutions on the CPU have to be.

    With ``"default"``, 3 x 3 convolutions of stride 1 over at least 16 channels, and the gradients
    of their inputs, are computed by Winograd's algorithm where it is faster (about twice). Results
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

    Example:
        >>> import weft
        >>> weft.conv_precision()
        'default'
    """
    return str(_C.conv_precision())
