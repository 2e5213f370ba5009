"""What the modules of `weft.kernels` share: listing and choosing the kernels of an operation."""

from __future__ import annotations

from types import TracebackType
from typing import ClassVar, NamedTuple, TypeVar

from weft import _C
from weft.device import check_device, current_device, is_gpu

__all__ = ["Variant", "VariantChoice", "listed"]

Choice = TypeVar("Choice", bound="VariantChoice")


class Variant(NamedTuple):
    """One way to compute an operation on a GPU.

    Attributes:
        name: What `use` takes.
        dtypes: The dtypes it computes.
        requirement: What it asks of the shapes and the device.
        unavailable: Why the device cannot run it; empty if it can.
    """

    name: str
    dtypes: str
    requirement: str
    unavailable: str


def listed(operation: str, device: str | None) -> list[Variant]:
    """What `variants` of every operation returns."""
    if device is None:
        current = current_device()
        first = "cuda" if _C.device_count("cuda") else "sim"
        device = current if is_gpu(current) else first
    name = check_device(device)
    if not is_gpu(name):
        raise ValueError(
            f"variants: {name!r} is no GPU, and only kernels of GPUs have variants; give 'cuda' "
            "or 'sim'"
        )
    return [Variant(*row) for row in getattr(_C, f"{operation}_variants")(name)]


class VariantChoice:
    """What `use` of every operation does: a choice that a ``with`` block takes back."""

    _operation: ClassVar[str]

    def __init__(self, name: str) -> None:
        self._before = getattr(_C, f"{self._operation}_variant")()
        self._choose(name)
        self.name = name

    def _choose(self, name: str) -> None:
        getattr(_C, f"set_{self._operation}_variant")(name)

    def __enter__(self: Choice) -> Choice:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._choose(self._before)

    def __repr__(self) -> str:
        return f"use({self.name!r})"
