"""Digits: 1797 small images that come with scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def load_data(
    test_fraction: float = 0.2, seed: int = 0
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Images of handwritten digits, 8 x 8 pixels with values 0 to 16.

    Args:
        test_fraction: Part of the 1797 rows that is kept for the test, every class in proportion.
        seed: Seed of the shuffle.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 images (rows, 8, 8), uint8 labels (rows,).

    Raises:
        ImportError: Without scikit-learn; ``pip install weft[examples]`` brings it.

    Source: E. Alpaydin, C. Kaynak, "Optical recognition of handwritten digits", UCI repository.

    Example:
        >>> import weft
        >>> (x_train, y_train), (x_test, y_test) = weft.datasets.digits.load_data()
        >>> x_train.shape, x_test.shape
        ((1438, 8, 8), (359, 8, 8))
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "the digits data set comes with scikit-learn: pip install weft[examples]"
        ) from error
    from weft.data import train_val_test_split

    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction must lie between 0 and 1, got {test_fraction}")
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8).astype("uint8")
    train, test = train_val_test_split(
        images,
        labels.astype("uint8"),
        (1 - test_fraction, test_fraction),
        stratify=True,
        seed=seed,
    )
    return train, test
