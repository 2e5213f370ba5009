"""Kernels of matrix products on GPUs."""

from __future__ import annotations

from types import TracebackType
from typing import NamedTuple

from weft import _C

__all__ = ["Variant", "use", "variants"]


class Variant(NamedTuple):
    """One way to compute matrix products on a GPU.

    Attributes:
        name: What `use` takes.
        dtypes: The dtypes it multiplies.
        requirement: What it asks of the shapes and the device.
    """

    name: str
    dtypes: str
    requirement: str


def variants() -> list[Variant]:
    """The kernels that compute matrix products on GPUs.

    Names say how and with which tile: ``simt`` are the ordinary arithmetic units, ``128x128`` the
    rows and columns that one block computes.

    Returns:
        One `Variant` for each; the first, ``"automatic"``, chooses by shape and device.

    Example:
        >>> import weft
        >>> [v.name for v in weft.kernels.matmul.variants()][:3]
        ['automatic', 'gemv', 'simt_32x32']
    """
    return [Variant(*row) for row in _C.matmul_variants()]


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
