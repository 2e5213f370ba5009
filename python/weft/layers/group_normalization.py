"""Normalisation of groups of channels, by the root of the mean square, and to unit length."""

from __future__ import annotations

from typing import Any

from weft import ops
from weft.layers.core import as_float, known_size
from weft.layers.input_spec import InputSpec
from weft.layers.layer import Layer
from weft.layers.normalization import _Normalizing
from weft.tensor import Tensor


class GroupNormalization(_Normalizing):
    """Groups of channels of each sample brought to mean 0 and variance 1, then scaled and shifted.

    Args:
        groups: Number of groups; -1 for one of each channel (instance normalisation).
        axis: The axis of the channels.
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
        ``(N, ..., C)`` to the same; two weights ``(C,)``.

    Raises:
        ValueError: If the groups do not divide the channels.

    Example:
        >>> import weft
        >>> layer = weft.layers.GroupNormalization(groups=2, epsilon=0.0)
        >>> layer([[1.0, 3.0, 5.0, 9.0]]).tolist()
        [[-1.0, 1.0, -1.0, 1.0]]

    Follows keras.layers.GroupNormalization (Wu and He, arXiv 1803.08494).
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
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
        if not isinstance(groups, int) or isinstance(groups, bool) or (groups < 1 and groups != -1):
            raise ValueError(
                f"GroupNormalization: groups must be a positive integer, or -1, got {groups!r}"
            )
        if not isinstance(axis, int):
            raise ValueError(f"GroupNormalization: axis must be an integer, got {axis!r}")
        self.groups, self.axis, self.epsilon = groups, axis, float(epsilon)
        self._set_affine(arguments)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = known_size(self, input_shape, self.axis)
        if self.groups == -1:
            self.groups = channels
        if channels % self.groups:
            raise ValueError(
                f"the {channels} channels of input shape {tuple(input_shape)} cannot be split into "
                f"groups={self.groups}"
            )
        self._add_affine((channels,))
        self.input_spec = InputSpec(
            ndim=len(input_shape), axes={self.axis: channels}, what="channels"
        )

    def call(self, inputs: Tensor) -> Tensor:
        x = as_float(self, inputs)
        rank, axis = x.ndim, self.axis % x.ndim
        # (N, groups, the rest): the last axes are what one mean is taken of.
        order = (0, axis, *(a for a in range(1, rank) if a != axis))
        moved = ops.permute_dims(x, order)
        rows = ops.reshape(moved, (x.shape[0], self.groups, -1)) if x.size else moved
        y = ops.reshape(ops.layer_norm(rows, epsilon=self.epsilon), moved.shape)
        y = ops.permute_dims(y, tuple(order.index(a) for a in range(rank)))
        shape = tuple(n if a == axis else 1 for a, n in enumerate(x.shape))
        if self.gamma is not None:
            y = y * ops.cast(ops.reshape(self.gamma, shape), y.dtype)
        if self.beta is not None:
            y = y + ops.cast(ops.reshape(self.beta, shape), y.dtype)
        return y


class RMSNormalization(Layer):
    """Features divided by the root of the mean of their squares, then scaled.

    Args:
        axis: The axis or axes of the features.
        epsilon: Added to the mean of the squares.

    Shapes:
        ``(N, ..., C)`` to the same; one weight with the sizes of `axis`.

    Raises:
        ValueError: If `axis` does not hold integers; when called, if an axis does not exist.

    Example:
        >>> import weft
        >>> weft.layers.RMSNormalization(epsilon=0.0)([[3.0, -3.0]]).tolist()
        [[1.0, -1.0]]

    Follows keras.layers.RMSNormalization (Zhang and Sennrich, arXiv 1910.07467).
    """

    supports_masking = True

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axis, (int, list, tuple)):
            raise ValueError(f"RMSNormalization: axis must be one or more integers, got {axis!r}")
        self.axis: Any = axis if isinstance(axis, int) else sorted(axis)
        self.epsilon = float(epsilon)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if isinstance(self.axis, int):
            self.axis = [self.axis]
        shape = tuple(known_size(self, input_shape, axis) for axis in self.axis)
        self.scale = self.add_weight(shape, "ones", name="scale")

    def call(self, inputs: Tensor) -> Tensor:
        x = as_float(self, inputs)
        axes = sorted(axis % x.ndim for axis in self.axis)
        # Squares of halves would overflow.
        wide = ops.cast(x, "float32") if x.dtype in ("float16", "bfloat16") else x
        mean = ops.mean(ops.square(wide), tuple(axes), keepdims=True)
        shape = tuple(n if a in axes else 1 for a, n in enumerate(x.shape))
        scale = ops.cast(ops.reshape(self.scale, shape), wide.dtype)
        return ops.cast(wide * ops.rsqrt(mean + self.epsilon) * scale, x.dtype)


class UnitNormalization(Layer):
    """Each sample's features brought to length 1.

    Args:
        axis: The axis or axes of the features.

    Raises:
        TypeError: If `axis` does not hold integers.
        IndexError: When called, if an axis does not exist.

    Example:
        >>> import weft
        >>> weft.layers.UnitNormalization()([[0.0, 2.0]]).tolist()
        [[0.0, 1.0]]

    Follows keras.layers.UnitNormalization.
    """

    supports_masking = True

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axis, (int, list, tuple)):
            raise TypeError(f"UnitNormalization: axis must be one or more integers, got {axis!r}")
        self.axis = axis if isinstance(axis, int) else list(axis)

    def call(self, inputs: Tensor) -> Tensor:
        axis = self.axis if isinstance(self.axis, int) else tuple(self.axis)
        return ops.normalize(as_float(self, inputs), axis=axis, order=2, epsilon=1e-12)
