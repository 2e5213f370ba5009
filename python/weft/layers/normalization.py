"""Normalisation by the statistics of the batch, of each sample, or of a data set."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft import config, constraints, initializers, ops, regularizers
from weft.autograd.recording import no_grad
from weft.layers.core import as_float, known_size
from weft.layers.input_spec import InputSpec
from weft.layers.layer import Layer
from weft.programs.recording import on_host
from weft.tensor import Tensor, as_tensor
from weft.variable import ReadBack


class _Normalizing(Layer):
    """Scale `gamma` and shift `beta`, which batch and layer normalisation share."""

    supports_masking = True

    center: bool
    scale: bool
    gamma: Tensor | None
    beta: Tensor | None

    def _set_affine(self, arguments: dict[str, Any]) -> None:
        self.center, self.scale = bool(arguments["center"]), bool(arguments["scale"])
        for name in ("beta", "gamma"):
            for kind, module in (
                ("initializer", initializers),
                ("regularizer", regularizers),
                ("constraint", constraints),
            ):
                setattr(self, f"{name}_{kind}", module.get(arguments[f"{name}_{kind}"]))

    def _add_affine(self, shape: tuple[int, ...]) -> None:
        self.gamma = self.beta = None
        for name, wanted in (("gamma", self.scale), ("beta", self.center)):
            if wanted:
                weight = self.add_weight(
                    shape,
                    getattr(self, f"{name}_initializer"),
                    regularizer=getattr(self, f"{name}_regularizer"),
                    constraint=getattr(self, f"{name}_constraint"),
                    autocast=False,
                    name=name,
                )
                setattr(self, name, weight)


class BatchNormalization(_Normalizing):
    """Each channel brought to mean 0 and variance 1, then scaled and shifted.

    In training the statistics are those of the batch, and running averages follow them; otherwise,
    and always when the layer is frozen (``trainable=False``), the averages are used. Steps that a
    mask leaves out are not counted.

    Args:
        axis: The axis of the channels.
        momentum: Share of the running averages that stays at each training call.
        epsilon: Added to the variance.
        center: Whether to add `beta`.
        scale: Whether to multiply by `gamma`.
        beta_initializer: First values of `beta`.
        gamma_initializer: First values of `gamma`.
        moving_mean_initializer: First values of the running mean.
        moving_variance_initializer: First values of the running variance.
        beta_regularizer: Loss on `beta`.
        gamma_regularizer: Loss on `gamma`.
        beta_constraint: Applied to `beta` after each update.
        gamma_constraint: Applied to `gamma` after each update.
        synchronized: False; there is no training on several devices yet.
        renorm: False; batch renormalisation does not exist here.
        renorm_clipping: Of `renorm` only.
        renorm_momentum: Of `renorm` only.

    Shapes:
        ``(N, ..., C)`` to the same; four weights ``(C,)``.

    Raises:
        ValueError: If an argument is out of its range or a name unknown; when called, if the axis
            does not exist or has another size than that of the first input.

    Example:
        >>> import weft
        >>> layer = weft.layers.BatchNormalization(epsilon=0.0)
        >>> layer([[1.0], [3.0]], training=True).tolist()
        [[-1.0], [1.0]]

    Follows keras.layers.BatchNormalization.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        synchronized: bool = False,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        **kwargs: Any,
    ) -> None:
        arguments = dict(locals())
        super().__init__(**kwargs)
        if not isinstance(axis, int):
            raise ValueError(f"BatchNormalization: axis must be an integer, got {axis!r}")
        if not 0 <= momentum <= 1:
            raise ValueError(
                f"BatchNormalization: momentum must lie between 0 and 1, got {momentum!r}"
            )
        if epsilon < 0:
            raise ValueError(f"BatchNormalization: epsilon must be at least 0, got {epsilon!r}")
        self.axis, self.momentum, self.epsilon = axis, float(momentum), float(epsilon)
        self._set_affine(arguments)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        for name, value in (("synchronized", synchronized), ("renorm", renorm)):
            if value:
                raise ValueError(f"BatchNormalization: {name} must be False, got {value!r}")
        if renorm_clipping is not None:
            raise ValueError("BatchNormalization: renorm_clipping has no meaning without renorm")
        self.synchronized, self.renorm = False, False
        self.renorm_clipping, self.renorm_momentum = None, renorm_momentum

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = known_size(self, input_shape, self.axis)
        self._add_affine((channels,))
        self.moving_mean = self.add_weight(
            (channels,), self.moving_mean_initializer, trainable=False, name="moving_mean"
        )
        self.moving_variance = self.add_weight(
            (channels,), self.moving_variance_initializer, trainable=False, name="moving_variance"
        )
        self.input_spec = InputSpec(
            ndim=len(input_shape), axes={self.axis: channels}, what="channels"
        )

    def call(self, inputs: Tensor, training: bool = False, mask: Any = None) -> Tensor:
        x = as_float(self, inputs)
        if training and self.trainable and mask is not None:
            mean, variance = self._masked_moments(x, mask)
            self._follow(mean, variance)
            return ops.batch_normalization(
                x, mean, variance, self.axis, self.beta, self.gamma, self.epsilon
            )
        if training and self.trainable:
            y, mean, variance = ops.batch_norm(x, self.gamma, self.beta, self.axis, self.epsilon)
            self._follow(mean, variance)
            return y
        return ops.batch_normalization(
            x,
            self.moving_mean,
            self.moving_variance,
            axis=self.axis,
            offset=self.beta,
            scale=self.gamma,
            epsilon=self.epsilon,
        )

    def _masked_moments(self, x: Tensor, mask: Any) -> tuple[Tensor, Tensor]:
        """Mean and variance over the samples and steps that count."""
        mask = as_tensor(mask, near=x)
        if mask.ndim != x.ndim - 1:
            raise ValueError(
                f"a mask needs one axis less than the input {x.shape}, got shape {mask.shape}"
            )
        others = tuple(a for a in range(x.ndim) if a != self.axis % x.ndim)
        kept = ops.broadcast_to(ops.expand_dims(ops.cast(mask, x.dtype), -1), x.shape)
        count = ops.sum(kept, others, keepdims=True) + config.epsilon()
        mean = ops.sum(kept * x, others, keepdims=True) / count
        variance = ops.sum(kept * ops.square(x - mean), others, keepdims=True) / count
        return ops.squeeze(mean, others), ops.squeeze(variance, others)

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        keep = self.momentum
        with no_grad():
            for running, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
                running.assign(running * keep + new.detach() * (1.0 - keep))


class LayerNormalization(_Normalizing):
    """Each sample brought to mean 0 and variance 1 along some axes, then scaled and shifted.

    Args:
        axis: The axis or axes that are normalised together.
        epsilon: Added to the variance.
        center: Whether to add `beta`.
        scale: Whether to multiply by `gamma`.
        beta_initializer: First values of `beta`.
        gamma_initializer: First values of `gamma`.
        beta_regularizer: Loss on `beta`.
        gamma_regularizer: Loss on `gamma`.
        beta_constraint: Applied to `beta` after each update.
        gamma_constraint: Applied to `gamma` after each update.

    Shapes:
        ``(N, ..., C)`` to the same; two weights with the sizes of `axis`.

    Raises:
        ValueError: If `axis` does not hold integers; when called, if an axis does not exist.

    Example:
        >>> import weft
        >>> weft.layers.LayerNormalization(epsilon=0.0)([[1.0, 3.0]]).tolist()
        [[-1.0, 1.0]]

    Follows keras.layers.LayerNormalization.
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        arguments = dict(locals())
        super().__init__(**kwargs)
        if not isinstance(axis, (int, list, tuple)):
            raise ValueError(f"LayerNormalization: axis must be one or more integers, got {axis!r}")
        self.axis = [axis] if isinstance(axis, int) else list(axis)
        self._axis = self.axis[0] if len(self.axis) == 1 else self.axis
        self.epsilon = float(epsilon)
        self._set_affine(arguments)

    def _axes(self, rank: int) -> tuple[int, ...]:
        for axis in self.axis:
            if not -rank <= axis < rank:
                raise ValueError(f"axis {axis} does not exist: the input has {rank} axes")
        return tuple(sorted(axis % rank for axis in self.axis))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        axes = self._axes(len(input_shape))
        shape = tuple(known_size(self, input_shape, axis) for axis in axes)
        self._add_affine(shape)
        self.input_spec = InputSpec(
            ndim=len(input_shape), axes=dict(zip(axes, shape, strict=True)), what="features"
        )

    def call(self, inputs: Tensor) -> Tensor:
        x = as_float(self, inputs)
        return ops.layer_norm(x, self.gamma, self.beta, self._axis, self.epsilon)


class Normalization(Layer):
    """Each feature brought to mean 0 and variance 1 by the statistics of a data set.

    Args:
        axis: Axis or axes whose elements have statistics of their own; None for one of all.
        mean: The mean, instead of `adapt`.
        variance: The variance, instead of `adapt`.
        invert: Go back from normalised to original values.

    Raises:
        ValueError: If only one of `mean` and `variance` is given; when called, if there are none
            yet.

    Example:
        >>> import weft
        >>> layer = weft.layers.Normalization()
        >>> layer.adapt([[1.0], [3.0]])
        >>> layer([[5.0]]).tolist()
        [[3.0]]

    Follows keras.layers.Normalization.
    """

    supports_masking = True

    def __init__(
        self,
        axis: Any = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (mean is None) != (variance is None):
            raise ValueError(
                "Normalization: give both mean and variance, or neither and call adapt(); got "
                f"mean={mean!r} and variance={variance!r}"
            )
        self.axis = axis if axis is None or isinstance(axis, int) else list(axis)
        self.mean = None if mean is None else np.asarray(mean).tolist()
        self.variance = None if variance is None else np.asarray(variance).tolist()
        self.invert = bool(invert)

    def _kept(self, rank: int) -> tuple[int, ...]:
        if self.axis is None:
            return ()
        axes = [self.axis] if isinstance(self.axis, int) else self.axis
        return tuple(sorted(axis % rank for axis in axes))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        kept = self._kept(len(input_shape))
        shape = tuple(known_size(self, input_shape, axis) for axis in kept)
        self._shape = tuple(
            input_shape[axis] if axis in kept else 1 for axis in range(len(input_shape))
        )
        self._adapted_mean = self.add_weight(shape, "zeros", trainable=False, name="mean")
        self._adapted_variance = self.add_weight(shape, "ones", trainable=False, name="variance")
        self._count = self.add_weight((), "zeros", dtype="int64", trainable=False, name="count")
        self._adapted = ReadBack(self._count)
        if self.mean is not None:
            for weight, value in (
                (self._adapted_mean, self.mean),
                (self._adapted_variance, self.variance),
            ):
                given = np.asarray(value, "float64")
                weight.assign(
                    np.broadcast_to(given.reshape(given.shape or (1,) * len(shape)), shape)
                )
        axes = dict(zip(kept, shape, strict=True))
        self.input_spec = InputSpec(ndim=len(input_shape), axes=axes, what="features")

    def adapt(self, data: Any) -> None:
        """Take mean and variance from `data`: an array, or an iterable of batches.

        Raises:
            ValueError: If the statistics were given as arguments, or there are no data.
        """
        if self.mean is not None:
            raise ValueError(
                f"layer {self.name!r}: adapt cannot change the mean and variance given as arguments"
            )
        batches = rows_of(data)
        x = np.concatenate([np.asarray(batch, "float64") for batch in batches])
        if x.ndim == 1 and self.axis == -1:
            x = x[:, None]
        if x.size == 0:
            raise ValueError(f"layer {self.name!r}: adapt needs data, got shape {x.shape}")
        if not self.built:
            self.build((None, *x.shape[1:]))
        over = tuple(axis for axis in range(x.ndim) if axis not in self._kept(x.ndim))
        self._adapted_mean.assign(x.mean(axis=over))
        self._adapted_variance.assign(x.var(axis=over))
        self._count.assign(np.int64(len(x)))

    def call(self, inputs: Tensor) -> Tensor:
        if self.mean is None and self._count.device != "meta":
            on_host(self._require_adapted)
        x = as_float(self, inputs)
        mean = ops.reshape(self._adapted_mean, self._shape).astype(x.dtype, copy=False)
        variance = ops.reshape(self._adapted_variance, self._shape).astype(x.dtype, copy=False)
        # A constant feature has variance 0: it becomes 0 instead of NaN.
        spread = ops.maximum(ops.sqrt(variance), 1e-7)
        return x * spread + mean if self.invert else (x - mean) / spread

    def _require_adapted(self) -> None:
        if self._adapted.read() == 0:
            raise ValueError(
                "has no mean and variance yet: call adapt(data) on the training data, or give "
                "mean= and variance="
            )


def rows_of(data: Any) -> list[Any]:
    """`data` of `adapt` as a list of batches: arrays, or the first parts of (x, y) batches."""
    if hasattr(data, "shape") or isinstance(data, (list, tuple)):
        return [np.asarray(data)]
    return [np.asarray(b[0] if isinstance(b, tuple) else b) for b in data]
