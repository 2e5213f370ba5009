"""Random initializers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from weft import random
from weft.dtypes import as_dtype
from weft.errors import did_you_mean
from weft.initializers.constant import Initializer
from weft.tensor import Tensor, as_tensor


class RandomInitializer(Initializer):
    """Keeps the seed: None, an integer or a generator."""

    def __init__(self, seed: Any = None) -> None:
        if isinstance(seed, (bool, str, float)):
            raise ValueError(
                f"{type(self).__name__}: seed must be None, an integer or a generator, got {seed!r}"
            )
        self.seed = seed

    def _seed_config(self) -> Any:
        if self.seed is None or isinstance(self.seed, (int, np.integer)):
            return self.seed
        from weft.saving import serialize

        return serialize(self.seed)


class RandomNormal(RandomInitializer):
    """Normal values.

    Args:
        mean: Their mean.
        stddev: Their standard deviation.
        seed: As in `weft.initializers`.

    Raises:
        ValueError: If `seed` is neither an integer nor a generator.
        TypeError: When called, if the dtype is not floating or the shape does not hold integers.

    Example:
        >>> import weft
        >>> weft.initializers.RandomNormal(stddev=0.1, seed=0)((2, 3)).shape
        (2, 3)

    Follows keras.initializers.RandomNormal.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A value of this shape and dtype."""
        return random.normal(
            shape, mean=self.mean, stddev=self.stddev, dtype=dtype or "float32", seed=self.seed
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same initializer again."""
        return {"mean": self.mean, "stddev": self.stddev, "seed": self._seed_config()}


class TruncatedNormal(RandomInitializer):
    """Normal values, drawn again where they are more than two standard deviations off.

    Args:
        mean: Mean before the cut.
        stddev: Standard deviation before the cut.
        seed: As in `weft.initializers`.

    Raises:
        ValueError: If `seed` is neither an integer nor a generator.
        TypeError: When called, if the dtype is not floating or the shape does not hold integers.

    Example:
        >>> import weft
        >>> float(weft.max(weft.initializers.TruncatedNormal(stddev=1.0, seed=0)((100,)))) <= 2.0
        True

    Follows keras.initializers.TruncatedNormal.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A value of this shape and dtype."""
        return random.truncated_normal(
            shape, mean=self.mean, stddev=self.stddev, dtype=dtype or "float32", seed=self.seed
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same initializer again."""
        return {"mean": self.mean, "stddev": self.stddev, "seed": self._seed_config()}


class RandomUniform(RandomInitializer):
    """Uniform values in [minval, maxval).

    Args:
        minval: Lower end.
        maxval: Upper end.
        seed: As in `weft.initializers`.

    Raises:
        ValueError: If `seed` is neither an integer nor a generator.
        TypeError: When called, if the dtype is unknown or the shape does not hold integers.

    Example:
        >>> import weft
        >>> bool(weft.all(weft.initializers.RandomUniform(0.0, 1.0, seed=0)((100,)) >= 0.0))
        True

    Follows keras.initializers.RandomUniform.
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.minval, self.maxval = minval, maxval

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A value of this shape and dtype."""
        return random.uniform(
            shape, minval=self.minval, maxval=self.maxval, dtype=dtype or "float32", seed=self.seed
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same initializer again."""
        return {"minval": self.minval, "maxval": self.maxval, "seed": self._seed_config()}


def compute_fans(shape: Any) -> tuple[float, float]:
    """How many inputs and outputs one unit of a weight of this shape has.

    A kernel is (*window, inputs, outputs); vectors count as both.

    Args:
        shape: Shape of a weight (..., inputs, outputs).

    Returns:
        The numbers of inputs and outputs.

    Raises:
        TypeError: If the shape does not hold numbers.

    Example:
        >>> from weft.initializers import compute_fans
        >>> compute_fans((3, 3, 16, 32))
        (144, 288)

    Source: Glorot, Bengio: Understanding the difficulty of training deep feedforward neural
    networks, AISTATS 2010.
    """
    shape = tuple(shape)
    if len(shape) < 1:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


class VarianceScaling(RandomInitializer):
    """Random values whose variance keeps the size of signals from layer to layer.

    The variance is ``scale / n``, where n is the number of inputs, of outputs, or their mean.

    Args:
        scale: The factor; positive.
        mode: ``"fan_in"``, ``"fan_out"`` or ``"fan_avg"``.
        distribution: ``"truncated_normal"``, ``"untruncated_normal"`` or ``"uniform"``.
        seed: As in `weft.initializers`.
        input_axes: Axes that count as inputs, when the shape is not that of a kernel.
        output_axes: Axes that count as outputs.

    Raises:
        ValueError: For an impossible argument, which is named.

    Example:
        >>> import weft
        >>> weft.initializers.VarianceScaling(2.0, seed=0)((3, 3, 8, 16)).shape
        (3, 3, 8, 16)

    Follows keras.initializers.VarianceScaling (Glorot and Bengio, 2010; He et al., 2015).
    """

    _MODES = ("fan_in", "fan_out", "fan_avg")
    _DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform", "normal")

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
    ) -> None:
        super().__init__(seed)
        if not scale > 0:
            raise ValueError(f"VarianceScaling: scale must be positive, got {scale!r}")
        if mode not in self._MODES:
            hint = did_you_mean(mode, self._MODES)
            raise ValueError(f"VarianceScaling: unknown mode {mode!r}{hint}")
        if distribution not in self._DISTRIBUTIONS:
            hint = did_you_mean(distribution, self._DISTRIBUTIONS)
            raise ValueError(f"VarianceScaling: unknown distribution {distribution!r}{hint}")
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.input_axes, self.output_axes = input_axes, output_axes

    def _fans(self, shape: tuple[int, ...]) -> tuple[float, float]:
        if self.input_axes is None and self.output_axes is None:
            return compute_fans(shape)
        axes = range(len(shape))
        inputs = {a % len(shape) for a in _axes(self.input_axes)}
        outputs = {a % len(shape) for a in _axes(self.output_axes)}
        window = math.prod(shape[a] for a in axes if a not in inputs | outputs)
        return (
            window * math.prod(shape[a] for a in inputs),
            window * math.prod(shape[a] for a in outputs),
        )

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A value of this shape and dtype."""
        fan_in, fan_out = self._fans(tuple(shape))
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        dtype = as_dtype(dtype or "float32")
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return random.uniform(shape, -limit, limit, dtype=dtype, seed=self.seed)
        deviation = math.sqrt(variance)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, 0.0, deviation, dtype=dtype, seed=self.seed)
        # Cutting at two standard deviations leaves 0.8796 of one.
        deviation /= 0.87962566103423978
        return random.truncated_normal(shape, 0.0, deviation, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same initializer again."""
        config = {"seed": self._seed_config()}
        if type(self) is VarianceScaling:
            config.update(scale=self.scale, mode=self.mode, distribution=self.distribution)
        return {**config, "input_axes": self.input_axes, "output_axes": self.output_axes}


def _axes(value: Any) -> tuple[int, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


class GlorotUniform(VarianceScaling):
    """Uniform in [-limit, limit] with ``limit = sqrt(6 / (inputs + outputs))``: for tanh, sigmoid.

    Args:
        seed: As in `weft.initializers`.
        input_axes: Axes of the weight that count as inputs, if not the last but one.
        output_axes: Axes of the weight that count as outputs, if not the last.

    Raises:
        ValueError: If `seed` is neither an integer nor a generator.
        TypeError: When called, if the dtype is unknown or the shape does not hold integers.

    Example:
        >>> import weft
        >>> weft.initializers.GlorotUniform(seed=0)((3, 4)).shape
        (3, 4)

    Follows keras.initializers.GlorotUniform (Glorot and Bengio, 2010).
    """

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed, input_axes, output_axes)


class GlorotNormal(VarianceScaling):
    """Truncated normal with variance ``2 / (inputs + outputs)``: for tanh and sigmoid.

    Args:
        seed: As in `weft.initializers`.
        input_axes: Axes of the weight that count as inputs, if not the last but one.
        output_axes: Axes of the weight that count as outputs, if not the last.

    Raises:
        ValueError: If `seed` is neither an integer nor a generator.
        TypeError: When called, if the dtype is not floating or the shape does not hold integers.

    Example:
        >>> import weft
        >>> weft.initializers.GlorotNormal(seed=0)((3, 4)).shape
        (3, 4)

    Follows keras.initializers.GlorotNormal (Glorot and Bengio, 2010).
    """

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed, input_axes, output_axes)


class HeUniform(VarianceScaling):
    """Uniform in [-limit, limit] with ``limit = sqrt(6 / inputs)``: for relu.

    Args:
        seed: As in `weft.initializers`.
        input_axes: Axes of the weight that count as inputs, if not the last but one.
        output_axes: Axes of the weight that count as outputs, if not the last.

    Raises:
        ValueError: If `seed` is neither an integer nor a generator.
        TypeError: When called, if the dtype is unknown or the shape does not hold integers.

    Example:
        >>> import weft
        >>> weft.initializers.HeUniform(seed=0)((3, 4)).shape
        (3, 4)

    Follows keras.initializers.HeUniform (He et al., 2015).
    """

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None) -> None:
        super().__init__(2.0, "fan_in", "uniform", seed, input_axes, output_axes)


class HeNormal(VarianceScaling):
    """Truncated normal with variance ``2 / inputs``: for relu.

    Args:
        seed: As in `weft.initializers`.
        input_axes: Axes of the weight that count as inputs, if not the last but one.
        output_axes: Axes of the weight that count as outputs, if not the last.

    Raises:
        ValueError: If `seed` is neither an integer nor a generator.
        TypeError: When called, if the dtype is not floating or the shape does not hold integers.

    Example:
        >>> import weft
        >>> weft.initializers.HeNormal(seed=0)((3, 4)).shape
        (3, 4)

    Follows keras.initializers.HeNormal (He et al., 2015).
    """

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None) -> None:
        super().__init__(2.0, "fan_in", "truncated_normal", seed, input_axes, output_axes)


class LecunUniform(VarianceScaling):
    """Uniform in [-limit, limit] with ``limit = sqrt(3 / inputs)``.

    Args:
        seed: As in `weft.initializers`.
        input_axes: Axes of the weight that count as inputs, if not the last but one.
        output_axes: Axes of the weight that count as outputs, if not the last.

    Raises:
        ValueError: If `seed` is neither an integer nor a generator.
        TypeError: When called, if the dtype is unknown or the shape does not hold integers.

    Example:
        >>> import weft
        >>> weft.initializers.LecunUniform(seed=0)((3, 4)).shape
        (3, 4)

    Follows keras.initializers.LecunUniform (LeCun et al., 1998).
    """

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None) -> None:
        super().__init__(1.0, "fan_in", "uniform", seed, input_axes, output_axes)


class LecunNormal(VarianceScaling):
    """Truncated normal with variance ``1 / inputs``: for selu.

    Args:
        seed: As in `weft.initializers`.
        input_axes: Axes of the weight that count as inputs, if not the last but one.
        output_axes: Axes of the weight that count as outputs, if not the last.

    Raises:
        ValueError: If `seed` is neither an integer nor a generator.
        TypeError: When called, if the dtype is not floating or the shape does not hold integers.

    Example:
        >>> import weft
        >>> weft.initializers.LecunNormal(seed=0)((3, 4)).shape
        (3, 4)

    Follows keras.initializers.LecunNormal (LeCun et al., 1998).
    """

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None) -> None:
        super().__init__(1.0, "fan_in", "truncated_normal", seed, input_axes, output_axes)


class Orthogonal(RandomInitializer):
    """A matrix with orthonormal rows or columns; all axes but the last count as rows.

    Args:
        gain: A factor.
        seed: As in `weft.initializers`.

    Raises:
        ValueError: If the shape has fewer than two axes.

    Example:
        >>> import weft
        >>> q = weft.initializers.Orthogonal(seed=0)((3, 3)).numpy()
        >>> bool(abs(q @ q.T - [[1, 0, 0], [0, 1, 0], [0, 0, 1]]).max() < 1e-6)
        True

    Follows keras.initializers.Orthogonal (Saxe et al., 2014).
    """

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A value of this shape and dtype."""
        shape = tuple(shape)
        if len(shape) < 2:
            raise ValueError(f"Orthogonal: the weight needs at least two axes, got shape {shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        flat = (max(rows, columns), min(rows, columns))
        # Once for each weight, so NumPy's factorisation will do.
        values = random.normal(flat, dtype="float64", seed=self.seed).numpy()
        q, r = np.linalg.qr(values)
        q *= np.where(np.diag(r) < 0, -1.0, 1.0)  # makes the choice of q unique
        if rows < columns:
            q = q.T
        return as_tensor(self.gain * q.reshape(shape)).astype(dtype or "float32")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same initializer again."""
        return {"gain": self.gain, "seed": self._seed_config()}
