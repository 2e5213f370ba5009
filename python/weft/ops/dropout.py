"""Dropout."""

from __future__ import annotations

from typing import Any

from weft import _C, ops
from weft import random as weft_random
from weft.autograd.recording import Function
from weft.errors import number
from weft.tensor import Tensor, as_tensor

__all__ = ["dropout"]


class Dropout(Function):
    """Saves the mask of what was kept, one byte an element."""

    @staticmethod
    def forward(ctx: Any, x: Any, state: Any, rate: float) -> Any:
        y, mask = _C.dropout(x, state, rate)
        ctx.rate = rate
        ctx.save(mask)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (mask,) = ctx.saved
        return DropoutMask.apply(dy, mask, ctx.rate), None, None


class DropoutMask(Function):
    """The mask applied and scaled: linear, so it is its own gradient. Saves the mask."""

    @staticmethod
    def forward(ctx: Any, x: Any, mask: Any, rate: float) -> Any:
        ctx.rate = rate
        ctx.save(mask)
        return _C.dropout_mask(x, mask, rate)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (mask,) = ctx.saved
        return DropoutMask.apply(dy, mask, ctx.rate), None, None


def dropout(x: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Tensor:
    """`x` with a random share of its elements set to 0 and the rest scaled by ``1 / (1 - rate)``.

    Args:
        x: Floating tensor of any shape.
        rate: Probability of 0, from 0 to below 1.
        noise_shape: A shape that broadcasts to that of `x`: elements along its axes of size 1
            share their fate. None stands for the size of `x`.
        seed: None, an integer or a generator; see `weft.random`.

    Returns:
        Tensor (...) of the shape of `x`.

    Raises:
        ValueError: If the rate or the noise shape does not fit.
        TypeError: If `x` is not floating.

    Example:
        >>> import weft
        >>> sorted(set(weft.ops.dropout(weft.ones(100), 0.5, seed=0).tolist()))
        [0.0, 2.0]

    Source: Srivastava et al.: Dropout, Journal of Machine Learning Research 15, 2014.
    """
    x, rate = as_tensor(x), number("dropout", "rate", rate)
    state = weft_random.state_of(seed, x.device)
    if noise_shape is None:
        return Dropout.apply(x, state, rate)
    if not 0 <= rate < 1:
        raise ValueError(f"dropout: rate must lie in [0, 1), got {rate}")
    if len(noise_shape) != x.ndim:
        raise ValueError(
            f"dropout: noise_shape {tuple(noise_shape)} must have as many axes as x of shape "
            f"{x.shape}"
        )
    sizes = [n if m is None else m for n, m in zip(x.shape, noise_shape, strict=True)]
    mask = Tensor(_C.random_bernoulli(state, tuple(sizes), 1 - rate))
    return DropoutMask.apply(x, ops.broadcast_to(mask, x.shape), rate)
