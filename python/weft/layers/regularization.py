"""Layers that make training harder, so that models generalise: dropout, noise, penalties."""

from __future__ import annotations

import math
from typing import Any

from weft import ops, random, regularizers
from weft.config import check_data_format
from weft.layers.core import as_float
from weft.layers.input_spec import InputSpec
from weft.layers.layer import Layer
from weft.tensor import Tensor


def _rate(layer: str, rate: Any) -> float:
    if isinstance(rate, (bool, str)) or rate is None or not 0 <= rate <= 1:
        raise ValueError(f"{layer}: rate must lie between 0 and 1, got {rate!r}")
    return float(rate)


class _Random(Layer):
    """What layers with random numbers share: a stream of their own when a seed is given."""

    supports_masking = True

    seed: Any

    def _set_seed(self, seed: Any) -> None:
        """Draw from the global generator (None), from a given one, or from one of this seed."""
        self.seed = seed
        self._generator = random.SeedGenerator(seed) if isinstance(seed, int) else seed


class Dropout(_Random):
    """A random share of the inputs set to 0 while training, the rest scaled up to keep the sum.

    Args:
        rate: Probability of 0.
        noise_shape: Shape of the mask, None for the size of the input; 1 shares one decision.
        seed: Seed of the layer's own random numbers; None uses the global generator.

    Raises:
        ValueError: If the rate is no number from 0 to 1.

    Example:
        >>> import weft
        >>> weft.layers.Dropout(0.5)([1.0, 1.0]).tolist()
        [1.0, 1.0]

    Follows keras.layers.Dropout.
    """

    def __init__(
        self, rate: float, noise_shape: Any = None, seed: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.rate = _rate(type(self).__name__, rate)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        self._set_seed(seed)

    def _mask_shape(self, inputs: Tensor) -> Any:
        return self.noise_shape

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training or self.rate == 0:
            return inputs
        x = as_float(self, inputs)
        if self.rate == 1:
            return x * 0.0
        return ops.dropout(x, self.rate, noise_shape=self._mask_shape(x), seed=self._generator)


class SpatialDropout1D(Dropout):
    """`Dropout` of whole channels of sequences.

    Args:
        rate: Probability of 0.
        seed: Seed of the layer's own random numbers.

    Raises:
        ValueError: If `rate` is not from 0 to 1; when called, if the input has another number of
            axes.

    Example:
        >>> import weft
        >>> weft.layers.SpatialDropout1D(0.5)(weft.ones((1, 3, 2))).shape
        (1, 3, 2)

    Follows keras.layers.SpatialDropout1D.
    """

    def __init__(
        self, rate: float, seed: Any = None, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(rate, seed=seed, name=name, dtype=dtype)
        self.input_spec = InputSpec(ndim=3)

    def _mask_shape(self, inputs: Tensor) -> Any:
        return (inputs.shape[0], 1, inputs.shape[2])


class SpatialDropout2D(Dropout):
    """`Dropout` of whole channels of images.

    Args:
        rate: Probability of 0.
        data_format: ``"channels_last"`` or ``"channels_first"``.
        seed: Seed of the layer's own random numbers.

    Raises:
        ValueError: If `rate` is not from 0 to 1; when called, if the input has another number of
            axes.

    Example:
        >>> import weft
        >>> weft.layers.SpatialDropout2D(0.5)(weft.ones((1, 3, 3, 2))).shape
        (1, 3, 3, 2)

    Follows keras.layers.SpatialDropout2D.
    """

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(rate, seed=seed, name=name, dtype=dtype)
        self.data_format = check_data_format(data_format)
        self.input_spec = InputSpec(ndim=4)

    def _mask_shape(self, inputs: Tensor) -> Any:
        n, a, _, c = inputs.shape
        return (n, a, 1, 1) if self.data_format == "channels_first" else (n, 1, 1, c)


class GaussianNoise(_Random):
    """Normal noise added while training.

    Args:
        stddev: Standard deviation of the noise.
        seed: Seed of the layer's own random numbers; None uses the global generator.

    Raises:
        ValueError: If `stddev` is negative.

    Example:
        >>> import weft
        >>> weft.layers.GaussianNoise(0.1)([1.0]).tolist()
        [1.0]

    Follows keras.layers.GaussianNoise.
    """

    def __init__(self, stddev: float, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(stddev, str) or not stddev >= 0:
            raise ValueError(f"GaussianNoise: stddev must be at least 0, got {stddev!r}")
        self.stddev = float(stddev)
        self._set_seed(seed)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training or self.stddev == 0:
            return inputs
        x = as_float(self, inputs)
        noise = random.normal(x.shape, stddev=self.stddev, dtype=x.dtype, seed=self._generator)
        return x + noise


class ActivityRegularization(Layer):
    """A loss on the inputs, which pass unchanged.

    Args:
        l1: Factor of the sum of absolute values.
        l2: Factor of the sum of squares.

    Raises:
        ValueError: If a factor is not a finite number of at least 0.

    Example:
        >>> import weft
        >>> layer = weft.layers.ActivityRegularization(l1=0.5)
        >>> _ = layer([[1.0, -3.0]])
        >>> [float(loss) for loss in layer.losses]
        [2.0]

    Follows keras.layers.ActivityRegularization.
    """

    supports_masking = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.l1, self.l2 = l1, l2

    def call(self, inputs: Tensor) -> Tensor:
        return inputs

    def get_config(self) -> dict[str, Any]:
        """The arguments; the regularizer follows from them."""
        config = super().get_config()
        config.pop("activity_regularizer", None)
        return config


class SpatialDropout3D(Dropout):
    """`Dropout` of whole channels of volumes.

    Args:
        rate: Probability of 0.
        data_format: ``"channels_last"`` or ``"channels_first"``.
        seed: Seed of the layer's own random numbers.

    Raises:
        ValueError: If `rate` is not from 0 to 1; when called, if the input has another number of
            axes.

    Example:
        >>> import weft
        >>> weft.layers.SpatialDropout3D(0.5)(weft.ones((1, 3, 3, 3, 2))).shape
        (1, 3, 3, 3, 2)

    Follows keras.layers.SpatialDropout3D.
    """

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(rate, seed=seed, name=name, dtype=dtype)
        self.data_format = check_data_format(data_format)
        self.input_spec = InputSpec(ndim=5)

    def _mask_shape(self, inputs: Tensor) -> Any:
        first = self.data_format == "channels_first"
        n, c = inputs.shape[0], inputs.shape[1 if first else 4]
        return (n, c, 1, 1, 1) if first else (n, 1, 1, 1, c)


class GaussianDropout(_Random):
    """Inputs multiplied by normal numbers around 1 while training, as noisy as `Dropout`.

    Args:
        rate: The rate of a `Dropout` with the same variance, below 1.
        seed: Seed of the layer's own random numbers; None uses the global generator.

    Raises:
        ValueError: If the rate is no number from 0 to below 1.

    Example:
        >>> import weft
        >>> weft.layers.GaussianDropout(0.5)([1.0]).tolist()
        [1.0]

    Follows keras.layers.GaussianDropout (Srivastava et al., 2014).
    """

    def __init__(self, rate: float, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = _rate("GaussianDropout", rate)
        if self.rate == 1:
            raise ValueError("GaussianDropout: rate must be below 1: its noise would be infinite")
        self._set_seed(seed)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training or self.rate == 0:
            return inputs
        x = as_float(self, inputs)
        stddev = math.sqrt(self.rate / (1 - self.rate))
        noise = random.normal(x.shape, mean=1.0, stddev=stddev, dtype=x.dtype, seed=self._generator)
        return x * noise


# Where selu flattens out: what a dropped unit becomes.
_SELU_FLOOR = -1.6732632423543772 * 1.0507009873554805


class AlphaDropout(_Random):
    """A random share of the inputs set to the lowest value of selu while training.

    Mean and variance of what selu makes are kept by a factor and a shift.

    Args:
        rate: Probability of being dropped.
        noise_shape: Shape of the mask, None for the size of the input; 1 shares one decision.
        seed: Seed of the layer's own random numbers; None uses the global generator.

    Raises:
        ValueError: If the rate is no number from 0 to 1.

    Example:
        >>> import weft
        >>> weft.layers.AlphaDropout(0.5)([1.0]).tolist()
        [1.0]

    Follows keras.layers.AlphaDropout (Klambauer et al., arXiv 1706.02515).
    """

    def __init__(
        self, rate: float, noise_shape: Any = None, seed: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.rate = _rate("AlphaDropout", rate)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        self._set_seed(seed)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training or self.rate == 0:
            return inputs
        x = as_float(self, inputs)
        wanted = self.noise_shape or x.shape
        shape = tuple(n if m is None else m for n, m in zip(x.shape, wanted, strict=True))
        kept = random.bernoulli(shape, 1 - self.rate, seed=self._generator)
        factor = (
            ((1 - self.rate) * (1 + self.rate * _SELU_FLOOR**2)) ** -0.5 if self.rate < 1 else 0
        )
        return ops.where(kept, x, _SELU_FLOOR) * factor - factor * _SELU_FLOOR * self.rate
