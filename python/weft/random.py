"""Random numbers: Philox generators and the distributions drawn from them.

A generator is a seed and a counter. What it gives depends on these two and on the position in the
result alone: never on the number of threads, the instruction set or the machine. The elements of a
result come from consecutive blocks of Philox 4x32-10, which advance the counter.

The `seed` argument of every function: None draws from the global generator (`seed` sets it), an
integer gives the same numbers at every call, a `Generator` is drawn from and advanced.
"""

from __future__ import annotations

import functools
import os
from typing import Any

import numpy as np

from weft import _C
from weft.device import current_device
from weft.dtypes import as_dtype
from weft.errors import integer, integers, number
from weft.programs.recording import beforehand
from weft.tensor import Tensor, as_tensor

__all__ = [
    "Generator",
    "SeedGenerator",
    "bernoulli",
    "categorical",
    "default_generator",
    "dropout",
    "normal",
    "permutation",
    "rand",
    "randint",
    "randn",
    "seed",
    "shuffle",
    "truncated_normal",
    "uniform",
]


class Generator:
    """A stream of random numbers.

    Args:
        seed: An integer from 0 to 2**64 - 1; by default taken from the operating system.
        name: Its name, kept as it is.

    Raises:
        ValueError: If the seed is out of range.

    Example:
        >>> import weft
        >>> a, b = weft.random.Generator(7), weft.random.Generator(7)
        >>> weft.random.normal((3,), seed=a).tolist() == weft.random.normal((3,), seed=b).tolist()
        True

    Source: Salmon et al.: Parallel random numbers: as easy as 1, 2, 3, SC 2011 (Philox 4x32-10).
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        self.name = name
        # By device: an operand of the kernels, which advance the counter in it. That of `_home` is
        # up to date. They stay where they are, for recorded steps use them there.
        self._states = {"cpu": _C.from_numpy(np.zeros(2, "uint64"))}
        self._home = "cpu"
        self.seed(int.from_bytes(os.urandom(8), "little") if seed is None else seed)

    def seed(self, seed: int) -> None:
        """Start the stream of `seed` from its beginning."""
        self.set_state((seed, 0))

    def get_state(self) -> tuple[int, int]:
        """The seed and the counter, for `set_state`."""
        seed, counter = self._state.numpy().tolist()
        return seed, counter

    def set_state(self, state: tuple[int, int]) -> None:
        """Continue where `get_state` was called.

        Raises:
            ValueError: If one of the two numbers is out of range.
        """
        _C.copy_into(_raw_state(state, self._home), self._state)

    @property
    def _state(self) -> Any:
        return self._states[self._home]

    def state_on(self, device: str) -> Any:
        """The raw state on a device; the stream goes on there, with the same numbers."""
        beforehand((self, device), functools.partial(self._go_on, device))
        return self._state

    def _go_on(self, device: str) -> None:
        if self._home == device:
            return
        state = _C.to_device(self._state, device)
        if device in self._states:
            _C.copy_into(state, self._states[device])
        else:
            self._states[device] = state
        self._home = device

    def get_config(self) -> dict[str, Any]:
        """The seed, for `from_config`."""
        return {"seed": self.get_state()[0], "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Generator:
        """A generator at the beginning of the stream that `get_config` describes."""
        return cls(**config)

    def __repr__(self) -> str:
        seed, counter = self.get_state()
        return f"Generator(seed={seed}, counter={counter})"


def _raw_state(state: tuple[int, int], device: str) -> Any:
    for value in state:
        if not 0 <= int(value) < 2**64:
            raise ValueError(f"a generator's seed and counter are 64-bit numbers, got {value}")
    return _C.to_device(_C.from_numpy(np.array([int(v) for v in state], "uint64")), device)


SeedGenerator = Generator  # Keras's name

default_generator = Generator()


def seed(seed: int) -> None:
    """Seed the global generator.

    Args:
        seed: An integer of 64 bits without sign.

    Returns:
        None.

    Raises:
        TypeError: If it is no integer.
        ValueError: If it is negative or has more bits.

    Example:
        >>> import weft
        >>> weft.random.seed(1)
        >>> a = weft.random.rand(2)
        >>> weft.random.seed(1)
        >>> weft.random.rand(2).tolist() == a.tolist()
        True

    Follows keras.utils.set_random_seed, but for the generators of Python and NumPy.
    """
    default_generator.seed(integer("seed", "seed", seed))


def state_of(seed: Any, device: str | None = None) -> Any:
    """The raw state {seed, counter} that a `seed` argument stands for.

    Raises:
        TypeError: If it is neither None, an integer nor a generator.
    """
    device = device or current_device()
    if device == "meta":
        return _C.empty((2,), "uint64", "meta")  # shapes only: no numbers are used up
    if seed is None:
        return default_generator.state_on(device)
    if isinstance(seed, Generator):
        return seed.state_on(device)
    if isinstance(seed, (int, np.integer)):
        return _raw_state((int(seed), 0), device)
    raise TypeError(f"seed must be None, an integer or a Generator, got {type(seed).__name__}")


def uniform(
    shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Numbers between `minval` (included) and `maxval` (excluded), equally likely.

    Args:
        shape: Shape of the result.
        minval: Lower bound.
        maxval: Upper bound.
        dtype: A floating dtype, float32 by default. An integer dtype gives integers.
        seed: See the module.

    Returns:
        Tensor of that shape.

    Raises:
        ValueError: If the bounds are in the wrong order or not finite.
        TypeError: If the shape does not hold integers, or a bound is no number.

    Example:
        >>> import weft
        >>> weft.random.uniform((2, 3), -1.0, 1.0).shape
        (2, 3)

    Follows keras.random.uniform.
    """
    kind = as_dtype(dtype or "float32")
    if kind.is_integer:
        return randint(shape, int(minval), int(maxval), kind, seed)
    low, high = number("uniform", "minval", minval), number("uniform", "maxval", maxval)
    return Tensor(
        _C.random_uniform(state_of(seed), integers("uniform", "shape", shape), low, high, kind)
    )


def normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Normally distributed numbers (by the Box-Muller transform).

    float32 values reach 6.8 standard deviations, float64 values 8.6.

    Args:
        shape: Shape of the result.
        mean: Mean.
        stddev: Standard deviation, not negative.
        dtype: A floating dtype, float32 by default.
        seed: See the module.

    Returns:
        Tensor of that shape.

    Raises:
        ValueError: If `stddev` is negative, or a number is not finite.
        TypeError: If the shape does not hold integers, or the dtype is not floating.

    Example:
        >>> import weft
        >>> weft.random.normal((1000,), mean=5.0, seed=0).mean().item() // 0.5
        9.0

    Follows keras.random.normal.
    """
    kind = as_dtype(dtype or "float32")
    mean, stddev = number("normal", "mean", mean), number("normal", "stddev", stddev)
    return Tensor(
        _C.random_normal(state_of(seed), integers("normal", "shape", shape), mean, stddev, kind)
    )


def truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Normally distributed numbers, but none further than two standard deviations from the mean.

    Drawn by the inverse of the distribution function, so that each number takes one random word.

    Args:
        shape: Shape of the result.
        mean: Mean before the cut.
        stddev: Standard deviation before the cut, not negative.
        dtype: A floating dtype, float32 by default.
        seed: See the module.

    Returns:
        Tensor of that shape.

    Raises:
        ValueError: If `stddev` is negative, or a number is not finite.
        TypeError: If the shape does not hold integers, or the dtype is not floating.

    Example:
        >>> import weft
        >>> bool((abs(weft.random.truncated_normal((100,))) <= 2).all())
        True

    Follows keras.random.truncated_normal.
    """
    kind = as_dtype(dtype or "float32")
    op = "truncated_normal"
    mean, stddev = number(op, "mean", mean), number(op, "stddev", stddev)
    return Tensor(
        _C.random_truncated_normal(state_of(seed), integers(op, "shape", shape), mean, stddev, kind)
    )


def randint(shape: Any, minval: int, maxval: int, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Integers from `minval` to ``maxval - 1``, equally likely (without bias).

    Args:
        shape: Shape of the result.
        minval: Smallest number.
        maxval: First number above the range.
        dtype: An integer dtype.
        seed: See the module.

    Returns:
        Tensor of that shape.

    Raises:
        ValueError: If the range is empty or does not fit the dtype.
        TypeError: If the dtype is not an integer one, or the shape does not hold integers.

    Example:
        >>> import weft
        >>> set(weft.random.randint((100,), 1, 3, seed=0).tolist())
        {1, 2}

    Follows keras.random.randint.
    """
    low, high = integer("randint", "minval", minval), integer("randint", "maxval", maxval)
    sizes = integers("randint", "shape", shape)
    return Tensor(_C.random_integers(state_of(seed), sizes, low, high, as_dtype(dtype)))


def bernoulli(shape: Any, probability: float = 0.5, seed: Any = None) -> Tensor:
    """Booleans that are True with a probability.

    Args:
        shape: Shape of the result.
        probability: That of True.
        seed: See the module.

    Returns:
        Tensor of bools of that shape.

    Raises:
        ValueError: If the probability is outside [0, 1].
        TypeError: If the shape does not hold integers.

    Example:
        >>> import weft
        >>> weft.random.bernoulli((3,), 1.0).tolist()
        [True, True, True]

    Follows torch.bernoulli.
    """
    probability = number("bernoulli", "probability", probability)
    return Tensor(
        _C.random_bernoulli(state_of(seed), integers("bernoulli", "shape", shape), probability)
    )


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Class numbers, each class with the probability ``softmax(logits)`` gives it.

    Args:
        logits: (batch, classes).
        num_samples: How many for each row.
        dtype: An integer dtype.
        seed: See the module.

    Returns:
        (batch, num_samples).

    Raises:
        ValueError: If the logits do not have two axes, or hold NaN (on the CPU; a GPU is not made
            to wait for the answer).

    Example:
        >>> import weft
        >>> weft.random.categorical([[0.0, 100.0]], 3).tolist()
        [[1, 1, 1]]

    Follows keras.random.categorical.
    """
    raw = as_tensor(logits)._data
    count = integer("categorical", "num_samples", num_samples)
    if raw.device == "cpu" and raw.dtype.is_floating and not _C.is_recording():
        missing = np.argwhere(np.isnan(raw.numpy()))
        if len(missing):
            raise ValueError(
                f"categorical: the logits hold nan, the first at {missing[0].tolist()}"
            )
    state = state_of(seed, raw.device)
    return Tensor(_C.random_categorical(state, raw, count, as_dtype(dtype)))


def permutation(x: Any, axis: int = 0, seed: Any = None) -> Tensor:
    """The numbers from 0 to ``x - 1`` in random order, or `x` shuffled if it is not a number.

    Args:
        x: A number, or a tensor with at least one axis.
        axis: The axis along which a tensor is shuffled.
        seed: See the module.

    Returns:
        Tensor (x,) of int64, or of the shape and dtype of `x`.

    Raises:
        ValueError: If the number is negative.
        IndexError: If the axis is out of range.
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> sorted(weft.random.permutation(4).tolist())
        [0, 1, 2, 3]

    Follows numpy.random.Generator.permutation.
    """
    if isinstance(x, (int, np.integer)):
        return Tensor(_C.random_permutation(state_of(seed), int(x)))
    return shuffle(x, axis, seed)


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Tensor:
    """`x` with its slices along an axis in random order; a new tensor.

    Args:
        x: Tensor (...) with at least one axis.
        axis: The axis whose slices are moved.
        seed: See the module.

    Returns:
        Tensor (...) of the shape and dtype of `x`.

    Raises:
        IndexError: If the axis is out of range.

    Example:
        >>> import weft
        >>> sorted(weft.random.shuffle([5, 6, 7]).tolist())
        [5, 6, 7]

    Follows keras.random.shuffle.
    """
    x = as_tensor(x)
    if not -x.ndim <= axis < x.ndim:
        raise IndexError(f"shuffle: axis {axis} is out of range for shape {x.shape}")
    order = Tensor(_C.random_permutation(state_of(seed, x.device), x.shape[axis]))
    return ops.take(x, order, axis)


def rand(*shape: int, dtype: Any = None, seed: Any = None) -> Tensor:
    """Uniform numbers in [0, 1); the sizes are given one by one, as for ``numpy.random.rand``.

    Args:
        shape: Sizes of the axes.
        dtype: A floating dtype, float32 by default.
        seed: See the module.

    Returns:
        Tensor of these sizes.

    Raises:
        ValueError: If a size is negative.
        TypeError: If a size is no integer.

    Example:
        >>> import weft
        >>> weft.random.rand(4, 2).shape
        (4, 2)

    Follows numpy.random.rand.
    """
    return uniform(_sizes(shape), dtype=dtype, seed=seed)


def randn(*shape: int, dtype: Any = None, seed: Any = None) -> Tensor:
    """Normal numbers with mean 0 and deviation 1; the sizes are given one by one.

    Args:
        shape: Sizes of the axes.
        dtype: A floating dtype, float32 by default.
        seed: See the module.

    Returns:
        Tensor of these sizes.

    Raises:
        ValueError: If a size is negative.
        TypeError: If a size is no integer.

    Example:
        >>> import weft
        >>> weft.random.randn(4, 2).shape
        (4, 2)

    Follows numpy.random.randn.
    """
    return normal(_sizes(shape), dtype=dtype, seed=seed)


def _sizes(shape: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape


def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Tensor:
    """Zeros at random places; see `weft.ops.dropout`.

    Args:
        inputs: Floating tensor (...) of any shape.
        rate: Probability of 0, from 0 to below 1.
        noise_shape: A shape that broadcasts to that of `inputs`; None stands for its own.
        seed: See the module.

    Returns:
        Tensor (...) of the shape of `inputs`.

    Raises:
        ValueError: If the rate or the noise shape does not fit.
        TypeError: If `inputs` is not floating.

    Example:
        >>> import weft
        >>> weft.random.dropout([1.0, 1.0], 0.0).tolist()
        [1.0, 1.0]

    Follows keras.random.dropout.
    """
    return ops.dropout(inputs, rate, noise_shape, seed)


# At the end: `weft.ops` draws from the generators defined above.
from weft import ops  # noqa: E402
