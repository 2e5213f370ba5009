"""Normalisation over a batch, over the features of each sample, or to unit length."""

from __future__ import annotations

import builtins
from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function, is_grad_enabled
from weft.ops.shape import axes_of, normalize_axis
from weft.tensor import Tensor, as_tensor

__all__ = ["batch_norm", "batch_normalization", "layer_norm", "layer_normalization", "normalize"]


def _gradients(
    dy: Tensor, x: Tensor, gamma: Tensor | None, over: Any, weights_over: Any, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """dx, dgamma and dbeta in public operations, from x alone: differentiable once more.

    `over` are the axes of the statistics, `weights_over` those that gamma and beta lack.
    """
    centered = x - ops.mean(x, over, keepdims=True)
    rstd = ops.rsqrt(ops.mean(ops.square(centered), over, keepdims=True) + epsilon)
    hat = centered * rstd
    g = dy if gamma is None else dy * gamma
    slope = ops.mean(g * hat, over, keepdims=True)
    dx = rstd * (g - ops.mean(g, over, keepdims=True) - hat * slope)
    return dx, ops.sum(dy * hat, weights_over), ops.sum(dy, weights_over)


def _like(gradient: Tensor, weight: Tensor | None) -> Tensor | None:
    """The gradient of an optional weight, in its dtype."""
    if weight is None or gradient.dtype == weight.dtype:
        return None if weight is None else gradient
    return ops.cast(gradient, weight.dtype)


def _raw(weight: Tensor | None) -> Any:
    return None if weight is None else weight._data


class LayerNorm(Function):
    """Saves x, gamma, and mean and 1 / standard deviation of each row."""

    @staticmethod
    def forward(ctx: Any, x: Any, gamma: Any, beta: Any, axes: int, epsilon: float) -> Any:
        y, mean, rstd = _C.layer_norm(x, gamma, beta, axes, epsilon)
        ctx.save(x, gamma, mean, rstd)
        ctx.axes, ctx.epsilon = axes, epsilon
        ctx.beta_dtype = None if beta is None else beta.dtype
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, gamma, mean, rstd = ctx.saved
        if is_grad_enabled():
            lead = x.ndim - ctx.axes
            over = tuple(range(lead, x.ndim))
            dx, dgamma, dbeta = _gradients(dy, x, gamma, over, tuple(range(lead)), ctx.epsilon)
        else:
            raw = _C.layer_norm_backward(
                dy._data, x._data, _raw(gamma), mean._data, rstd._data, ctx.axes
            )
            dx, dgamma, dbeta = map(Tensor, raw)
        if ctx.beta_dtype is not None and dbeta.dtype != ctx.beta_dtype:
            dbeta = ops.cast(dbeta, ctx.beta_dtype)
        return dx, _like(dgamma, gamma), dbeta if ctx.beta_dtype else None, None, None


def layer_norm(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float = 1e-3
) -> Tensor:
    """Each sample's features with mean 0 and variance 1, then times `gamma` plus `beta`.

    Args:
        x: Floating-point tensor, (..., features).
        gamma: Scale, of the shape of the normalised axes, or None.
        beta: Shift, of the same shape, or None.
        axis: The axes of the features; together they are one sample.
        epsilon: Added to the variance.

    Returns:
        Tensor of the shape of `x`.

    Raises:
        IndexError: If an axis is out of range.
        ValueError: If `gamma` or `beta` has another shape, or `epsilon` is negative.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.layer_norm([[1.0, 3.0]], epsilon=0.0).tolist()
        [[-1.0, 1.0]]

    Source: Ba, Kiros, Hinton: Layer Normalization, arXiv 1607.06450.
    """
    x = as_tensor(x)
    gamma = None if gamma is None else as_tensor(gamma, near=x)
    beta = None if beta is None else as_tensor(beta, near=x)
    if axis == -1 and x.ndim > 0:
        return LayerNorm.apply(x, gamma, beta, 1, epsilon)
    axes = sorted({normalize_axis("layer_norm", a, x.ndim) for a in axes_of(axis)})
    if axes == list(range(x.ndim - len(axes), x.ndim)):
        return LayerNorm.apply(x, gamma, beta, len(axes), epsilon)
    order = [a for a in range(x.ndim) if a not in axes] + axes
    y = LayerNorm.apply(ops.permute_dims(x, tuple(order)), gamma, beta, len(axes), epsilon)
    return ops.permute_dims(y, tuple(order.index(a) for a in range(x.ndim)))


layer_normalization = layer_norm


class BatchNorm(Function):
    """Saves x, gamma, and mean and 1 / standard deviation of each channel."""

    @staticmethod
    def forward(ctx: Any, x: Any, gamma: Any, beta: Any, epsilon: float) -> Any:
        y, mean, variance, rstd = _C.batch_norm(x, gamma, beta, epsilon)
        ctx.save(x, gamma, mean, rstd)
        ctx.epsilon = epsilon
        ctx.beta_dtype = None if beta is None else beta.dtype
        return y, mean, variance

    @staticmethod
    def backward(
        ctx: Any, dy: Tensor | None, dmean: Tensor | None, dvariance: Tensor | None
    ) -> Any:
        x, gamma, mean, rstd = ctx.saved
        over = tuple(range(x.ndim - 1))
        dx = dgamma = dbeta = None
        if dy is not None and is_grad_enabled():
            dx, dgamma, dbeta = _gradients(dy, x, gamma, over, over, ctx.epsilon)
        elif dy is not None:
            raw = _C.batch_norm_backward(dy._data, x._data, _raw(gamma), mean._data, rstd._data)
            dx, dgamma, dbeta = map(Tensor, raw)
        if dgamma is not None:
            dgamma = _like(dgamma, gamma)
        if dbeta is not None and ctx.beta_dtype is None:
            dbeta = None
        elif dbeta is not None and dbeta.dtype != ctx.beta_dtype:
            dbeta = ops.cast(dbeta, ctx.beta_dtype)
        share = 1.0 / (x.size // builtins.max(x.shape[-1], 1) or 1)
        if dmean is not None:
            part = ops.broadcast_to(dmean * share, x.shape)
            dx = part if dx is None else dx + part
        if dvariance is not None:
            part = (x - ops.mean(x, over)) * (dvariance * (2.0 * share))
            dx = part if dx is None else dx + part
        return dx if dx is None else ops.cast(dx, x.dtype), dgamma, dbeta, None


def batch_norm(
    x: Any, gamma: Any = None, beta: Any = None, axis: int = -1, epsilon: float = 1e-3
) -> tuple[Tensor, Tensor, Tensor]:
    """Each channel with mean 0 and variance 1 over the batch, then times `gamma` plus `beta`.

    This is the step of training, with the statistics of the batch itself; `batch_normalization`
    uses given ones.

    Args:
        x: Floating-point tensor with channels C along `axis`.
        gamma: Scale (C,), or None.
        beta: Shift (C,), or None.
        axis: The axis of the channels; all others are normalised over.
        epsilon: Added to the variance.

    Returns:
        The result (of the shape of `x`), mean (C,) and biased variance (C,).

    Raises:
        IndexError: If the axis is out of range.
        ValueError: If `gamma` or `beta` has another shape, or there are no samples.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> y, mean, variance = weft.batch_norm([[1.0], [3.0]], epsilon=0.0)
        >>> y.tolist(), mean.tolist(), variance.tolist()
        ([[-1.0], [1.0]], [2.0], [1.0])

    Source: Ioffe, Szegedy: Batch Normalization, arXiv 1502.03167.
    """
    x = as_tensor(x)
    gamma = None if gamma is None else as_tensor(gamma, near=x)
    beta = None if beta is None else as_tensor(beta, near=x)
    if normalize_axis("batch_norm", axis, x.ndim) == x.ndim - 1:
        y, mean, variance = BatchNorm.apply(x, gamma, beta, epsilon)
        return y, mean, variance
    y, mean, variance = BatchNorm.apply(ops.moveaxis(x, axis, -1), gamma, beta, epsilon)
    return ops.moveaxis(y, -1, axis), mean, variance


class BatchNormInference(Function):
    """Saves x, mean, variance and gamma."""

    @staticmethod
    def forward(
        ctx: Any, x: Any, mean: Any, variance: Any, gamma: Any, beta: Any, epsilon: float
    ) -> Any:
        ctx.save(x, mean, variance, gamma)
        ctx.epsilon = epsilon
        ctx.beta_dtype = None if beta is None else beta.dtype
        return _C.batch_norm_inference(x, mean, variance, gamma, beta, epsilon)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, mean, variance, gamma = ctx.saved
        need_x, need_mean, need_variance, need_gamma, need_beta, _ = ctx.needs_grad
        over = tuple(range(x.ndim - 1))
        rstd = ops.rsqrt(variance + ctx.epsilon)
        scale = rstd if gamma is None else rstd * gamma
        dx = dmean = dvariance = dgamma = dbeta = None
        if need_x:
            dx = ops.cast(dy * scale, x.dtype)
        if need_variance or need_gamma:
            along = ops.sum(dy * (x - mean), over)
            dgamma = _like(along * rstd, gamma)
            if need_variance:
                dvariance = ops.cast(along * scale * ops.square(rstd) * -0.5, variance.dtype)
        if need_mean or need_beta:
            total = ops.sum(dy, over)
            dmean = ops.cast(-total * scale, mean.dtype) if need_mean else None
            dbeta = ops.cast(total, ctx.beta_dtype) if need_beta else None
        return dx, dmean, dvariance, dgamma, dbeta, None


def batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    axis: int = -1,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
) -> Tensor:
    """``(x - mean) / sqrt(variance + epsilon) * scale + offset``, per channel.

    Args:
        x: Floating-point tensor with channels C along `axis`.
        mean: Mean of each channel (C,).
        variance: Variance of each channel (C,).
        axis: The axis of the channels.
        offset: Added (C,), or None.
        scale: Factor (C,), or None.
        epsilon: Added to the variance.

    Returns:
        Tensor of the shape of `x`.

    Raises:
        IndexError: If the axis is out of range.
        ValueError: If a per-channel argument has another shape.
        TypeError: If `axis` is no integer, or an operand does not hold numbers.

    Example:
        >>> import weft
        >>> weft.batch_normalization([[1.0], [3.0]], [2.0], [1.0], epsilon=0.0).tolist()
        [[-1.0], [1.0]]

    Follows keras.ops.batch_normalization.
    """
    x = as_tensor(x)
    mean, variance = as_tensor(mean, near=x), as_tensor(variance, near=x)
    scale = None if scale is None else as_tensor(scale, near=x)
    offset = None if offset is None else as_tensor(offset, near=x)
    if normalize_axis("batch_normalization", axis, x.ndim) == x.ndim - 1:
        return BatchNormInference.apply(x, mean, variance, scale, offset, epsilon)
    moved = ops.moveaxis(x, axis, -1)
    y = BatchNormInference.apply(moved, mean, variance, scale, offset, epsilon)
    return ops.moveaxis(y, -1, axis)


def normalize(x: Any, axis: Any = -1, order: Any = 2, epsilon: float = 1e-12) -> Tensor:
    """`x` divided by its norm along `axis`; vectors shorter than `epsilon` by `epsilon`.

    Args:
        x: Tensor of any shape; integers become float32.
        axis: The axes that together make a vector.
        order: Which norm, as `ord` of `norm`.
        epsilon: Smallest divisor.

    Returns:
        Tensor (...) of the shape of `x`.

    Raises:
        IndexError: If an axis is out of range.
        ValueError: If `order` is none of those of `norm`.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.normalize([[3.0, 4.0]]).numpy().round(3).tolist()
        [[0.6000000238418579, 0.800000011920929]]

    Follows keras.ops.normalize.
    """
    x = as_tensor(x)
    if not x.dtype.is_floating:
        x = ops.cast(x, "float32")
    return x / ops.maximum(ops.norm(x, order, axis, keepdims=True), epsilon)
