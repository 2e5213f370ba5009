"""One seed for every source of randomness."""

from __future__ import annotations

import random

import numpy as np

import weft.random


def set_random_seed(seed: int) -> None:
    """Seed Python's `random`, NumPy and weft, so that a run can be repeated bit by bit.

    The results do not depend on the number of threads.

    Args:
        seed: An integer from 0 to 2**32 - 1 (NumPy takes no larger one).

    Returns:
        None.

    Raises:
        ValueError: If the seed is out of range or not an integer.

    Example:
        >>> import weft
        >>> weft.utils.set_random_seed(812)

    Follows keras.utils.set_random_seed.
    """
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise ValueError(f"set_random_seed: the seed must be from 0 to 2**32 - 1, got {seed!r}")
    random.seed(int(seed))
    np.random.seed(int(seed))
    weft.random.seed(int(seed))
