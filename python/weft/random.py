"""Random numbers: Philox generators and the distributions drawn from them.

A generator is a seed and a counter. What it gives depends on these two and on the position in the
result alone: never on the number of threads, the instruction set or the machine. The elements of a
result come from consecutive blocks of Philox 4x32-10, which advance the counter.

The `seed` argument of every function: None draws from the global generator (`seed` sets it), an
integer gives the same numbers at every call, a `Generator` is drawn from and advanced.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft import _C
from weft.dtypes import as_dtype
from weft.errors import integer, integers, number
from weft.generator import Generator, default_generator, state_of
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


SeedGenerator = Generator  # Keras's name


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
