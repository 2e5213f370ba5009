"""First values of weights (names, arguments and distributions of keras.initializers).

An initializer is called with a shape and a dtype. Random ones take a seed: None draws from
weft.random's global generator (so `weft.utils.set_random_seed` makes runs repeat), an integer gives
the same values at every call.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from weft import ops, random
from weft.dtypes import as_dtype
from weft.errors import did_you_mean, module_getattr
from weft.lookup import find, name_table
from weft.tensor import Tensor, as_tensor

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]


class Initializer:
    """A function of a shape and a dtype that gives the first value of a weight.

    An initializer of your own defines ``__call__(shape, dtype=None)``, and ``get_config`` if it is
    to be saved. A plain function of the same arguments works as well.

    Example:
        >>> import weft
        >>> class Sevens(weft.initializers.Initializer):
        ...     def __call__(self, shape, dtype=None):
        ...         return weft.full(shape, 7.0, dtype=dtype)
        >>> Sevens()((2,)).tolist()
        [7.0, 7.0]

    Follows keras.initializers.Initializer.
    """

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A value of this shape and dtype."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same initializer again."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        """The initializer of a configuration."""
        return cls(**config)

    def clone(self) -> Initializer:
        """The same initializer again."""
        return type(self).from_config(self.get_config())


# --- constants -----------------------------------------------------------------------------------


class Zeros(Initializer):
    """All zeros.

    Example:
        >>> import weft
        >>> weft.initializers.Zeros()((2,)).tolist()
        [0.0, 0.0]

    Follows keras.initializers.Zeros.
    """

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A value of this shape and dtype."""
        return ops.zeros(shape, dtype=dtype or "float32")


class Ones(Initializer):
    """All ones.

    Example:
        >>> import weft
        >>> weft.initializers.Ones()((2,)).tolist()
        [1.0, 1.0]

    Follows keras.initializers.Ones.
    """

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A value of this shape and dtype."""
        return ops.ones(shape, dtype=dtype or "float32")


class Constant(Initializer):
    """All equal to a number, or to an array that is broadcast to the shape.

    Args:
        value: The number or array.

    Example:
        >>> import weft
        >>> weft.initializers.Constant(3.0)((2,)).tolist()
        [3.0, 3.0]

    Follows keras.initializers.Constant.
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A value of this shape and dtype."""
        value = as_tensor(self.value).astype(dtype or "float32", copy=False)
        return ops.copy(ops.broadcast_to(value, shape))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same initializer again."""
        return {"value": self.value}


class Identity(Initializer):
    """A multiple of the identity matrix; zeros outside the diagonal if it is not square.

    Args:
        gain: The value on the diagonal.

    Raises:
        ValueError: If the shape is not that of a matrix.

    Example:
        >>> import weft
        >>> weft.initializers.Identity(2.0)((2, 2)).tolist()
        [[2.0, 0.0], [0.0, 2.0]]

    Follows keras.initializers.Identity.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A value of this shape and dtype."""
        shape = tuple(shape)
        if len(shape) != 2:
            raise ValueError(f"Identity: the weight must be a matrix, got shape {shape}")
        return ops.eye(shape[0], shape[1], dtype=dtype or "float32") * self.gain

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same initializer again."""
        return {"gain": self.gain}


# --- random values -------------------------------------------------------------------------------


class _Random(Initializer):
    """Keeps the seed, and what an integer seed must not be mixed up with."""

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


class RandomNormal(_Random):
    """Normal values.

    Args:
        mean: Their mean.
        stddev: Their standard deviation.
        seed: See the module.

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


class TruncatedNormal(_Random):
    """Normal values, drawn again where they are more than two standard deviations off.

    Args:
        mean: Mean before the cut.
        stddev: Standard deviation before the cut.
        seed: See the module.

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


class RandomUniform(_Random):
    """Uniform values in [minval, maxval).

    Args:
        minval: Lower end.
        maxval: Upper end.
        seed: See the module.

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

    Example:
        >>> from weft.initializers import compute_fans
        >>> compute_fans((3, 3, 16, 32))
        (144, 288)
    """
    shape = tuple(shape)
    if len(shape) < 1:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


class VarianceScaling(_Random):
    """Random values whose variance keeps the size of signals from layer to layer.

    The variance is ``scale / n``, where n is the number of inputs, of outputs, or their mean.

    Args:
        scale: The factor; positive.
        mode: ``"fan_in"``, ``"fan_out"`` or ``"fan_avg"``.
        distribution: ``"truncated_normal"``, ``"untruncated_normal"`` or ``"uniform"``.
        seed: See the module.
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

    Example:
        >>> import weft
        >>> weft.initializers.LecunNormal(seed=0)((3, 4)).shape
        (3, 4)

    Follows keras.initializers.LecunNormal (LeCun et al., 1998).
    """

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None) -> None:
        super().__init__(1.0, "fan_in", "truncated_normal", seed, input_axes, output_axes)


class Orthogonal(_Random):
    """A matrix with orthonormal rows or columns; all axes but the last count as rows.

    Args:
        gain: A factor.
        seed: See the module.

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


# --- by name -------------------------------------------------------------------------------------

constant, identity, ones, zeros, orthogonal = Constant, Identity, Ones, Zeros, Orthogonal
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling, glorot_normal, glorot_uniform = VarianceScaling, GlorotNormal, GlorotUniform
he_normal, he_uniform, lecun_normal, lecun_uniform = HeNormal, HeUniform, LecunNormal, LecunUniform
IdentityInitializer, OrthogonalInitializer = Identity, Orthogonal

TABLE = name_table(
    [
        Constant,
        GlorotNormal,
        GlorotUniform,
        HeNormal,
        HeUniform,
        Identity,
        LecunNormal,
        LecunUniform,
        Ones,
        Orthogonal,
        RandomNormal,
        RandomUniform,
        TruncatedNormal,
        VarianceScaling,
        Zeros,
    ],
    {
        "one": Ones,
        "zero": Zeros,
        "normal": RandomNormal,
        "uniform": RandomUniform,
        "IdentityInitializer": Identity,
        "OrthogonalInitializer": Orthogonal,
    },
)


def get(identifier: Any) -> Any:
    """The initializer of a name, a configuration, or a function itself; None for None.

    Raises:
        ValueError: If the name is unknown, with the nearest known one.

    Example:
        >>> import weft
        >>> weft.initializers.get("zeros")((2,)).tolist()
        [0.0, 0.0]
    """
    return find(identifier, TABLE, "initializer")


def serialize(initializer: Initializer) -> Any:
    """The configuration of an initializer, as JSON can hold it.

    Example:
        >>> import weft
        >>> config = weft.initializers.serialize(weft.initializers.Constant(0.5))
        >>> config["class_name"]
        'Constant'
    """
    from weft.saving import serialize as serialize_object

    return serialize_object(initializer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The initializer that `serialize` described.

    Example:
        >>> import weft
        >>> config = weft.initializers.serialize(weft.initializers.Constant(0.5))
        >>> weft.initializers.deserialize(config).value
        0.5
    """
    from weft.saving import deserialize as deserialize_object

    return deserialize_object(config, custom_objects)


__getattr__ = module_getattr(__name__, {name: globals()[name] for name in __all__})
