"""What is compared: one `Work` is the same function of the same inputs in weft and in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import weft

Array = np.ndarray[Any, Any]
Call = Callable[[], Any]
ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int64": 8}

# Results may differ by so much of the largest one: two units in the last place of halves, the
# rounding of factors to tf32, and another order of up to 400 000 terms of float32.
TOLERANCES = {"float32": 3e-5, "tf32": 2e-3, "float16": 2e-3, "bfloat16": 1.6e-2}


_pool: list[Array] = [np.empty(0, np.float32)]


def _normal(count: int, start: int) -> Array:
    """Normal numbers of one sequence, kept: drawing them takes longer than what is timed."""
    if _pool[0].size < start + count:
        rng = np.random.default_rng(0)
        _pool[0] = rng.standard_normal(max(start + count, 2 * _pool[0].size), dtype=np.float32)
    return _pool[0][start : start + count]


@dataclass(frozen=True)
class Input:
    """A random tensor: normal numbers, or integers in [0, below)."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    below: int = 0

    def array(self, position: int) -> Array:
        """The values of the input at a position, in float32 where the dtype is one of halves."""
        if self.below:
            return np.random.default_rng(position).integers(0, self.below, self.shape)
        count = int(np.prod(self.shape, dtype=np.int64))
        return _normal(count, position * 9973).reshape(self.shape)

    @property
    def size(self) -> int:
        """How many bytes it has on the device."""
        return ITEM_BYTES[self.dtype] * int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Work:
    """One comparison.

    Attributes:
        name: Operation, sizes and dtype.
        group: What is measured in one run of the benchmark.
        milestone: The row of `milestones.MILESTONES` that it counts for.
        inputs: The random tensors that both get.
        own: From weft's tensors, the call that is timed; what this does itself is not.
        peer: The same from PyTorch's module and tensors.
        moved: Bytes that must be read and written at least.
        flops: Arithmetic of one call.
        unit: The arithmetic that computes it, a key of the measured limits; None where only the
            memory counts.
        tolerance: Allowed difference relative to the largest result.
        precision: For float32 products of both libraries.
        clock: "device" for times between events, "launch" for the CPU's time until a call returns.
        calls: How many calls in a row have to agree: more than one where a call changes something.
        rotates: Whether there is a set of inputs for each call, so that no cache holds them.
        summary: What of a result is compared, where it is random.
    """

    name: str
    group: str
    milestone: str
    inputs: Sequence[Input]
    own: Callable[..., Call]
    peer: Callable[..., Call]
    moved: float
    flops: float = 0.0
    unit: str | None = None
    tolerance: float = TOLERANCES["float32"]
    precision: str = "float32"
    clock: str = "device"
    calls: int = 1
    rotates: bool = True
    summary: Callable[[Array], Array] | None = None


@dataclass(frozen=True)
class Sizes:
    """Sizes of a full comparison, or smaller ones of the same kind for the simulated device."""

    scale: float = 1.0

    def length(self, full: int, least: int = 8) -> int:
        """One axis."""
        return max(least, int(full * self.scale)) if self.scale < 1 else full

    def count(self, full: int, least: int = 64) -> int:
        """All elements of something that has one axis."""
        return max(least, int(full * self.scale * self.scale)) if self.scale < 1 else full


# --- from functions to calls ----------------------------------------------------------------------


def own_forward(function: Callable[..., Any]) -> Callable[..., Call]:
    """Time the function itself."""
    return lambda *inputs: lambda: function(*inputs)


def peer_forward(function: Callable[..., Any]) -> Callable[..., Call]:
    """Time the function itself; it gets the module first."""
    return lambda torch, *inputs: lambda: function(torch, *inputs)


def own_backward(function: Callable[..., Any], wanted: Sequence[int] = (0,)) -> Callable[..., Call]:
    """Time the gradients of the inputs at `wanted`; the last input is the result's gradient."""

    def prepare(*inputs: Any) -> Call:
        *operands, dy = inputs
        leaves = [operands[i] for i in wanted]
        for leaf in leaves:
            leaf.requires_grad = True
        y = function(*operands)
        return lambda: weft.grad(y, leaves, dy, retain_graph=True)

    return prepare


def peer_backward(
    function: Callable[..., Any], wanted: Sequence[int] = (0,)
) -> Callable[..., Call]:
    """As `own_backward`, in PyTorch."""

    def prepare(torch: Any, *inputs: Any) -> Call:
        *operands, dy = inputs
        leaves = [operands[i].requires_grad_() for i in wanted]
        y = function(torch, *operands)
        return lambda: torch.autograd.grad(y, leaves, dy, retain_graph=True)

    return prepare
