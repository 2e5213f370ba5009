"""NumPy helpers under their Keras names."""

from __future__ import annotations

from typing import Any

import numpy as np


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray[Any, Any]:
    """One-hot rows of class numbers.

    Args:
        x: Whole numbers from 0, of any shape; a last axis of 1 is dropped.
        num_classes: Width of the rows; by default the largest class + 1.

    Returns:
        float32 array of shape ``(*x.shape, num_classes)``.

    Raises:
        ValueError: If a class is negative, not whole, or not below `num_classes`.

    Example:
        >>> import weft
        >>> weft.utils.to_categorical([0, 2]).tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]

    Follows keras.utils.to_categorical.
    """
    given = np.asarray(x)
    classes = given.astype("int64")
    if given.dtype.kind == "f" and (classes != given).any():
        wrong = given[classes != given].flat[0]
        raise ValueError(f"to_categorical: classes must be whole numbers, found {wrong}")
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes[..., 0]
    if num_classes is None:
        num_classes = int(classes.max(initial=-1)) + 1
    outside = (classes < 0) | (classes >= num_classes)
    if outside.any():
        raise ValueError(
            f"to_categorical: class {classes[outside].flat[0]} is outside 0..{num_classes - 1} "
            f"(num_classes={num_classes})"
        )
    return np.eye(num_classes, dtype="float32")[classes]


def normalize(x: Any, axis: int = -1, order: int = 2) -> np.ndarray[Any, Any]:
    """`x` divided by its norm along an axis; rows of norm 0 stay 0.

    Args:
        x: Array of numbers.
        axis: Axis of the norm.
        order: Order of the norm (2: Euclidean).

    Returns:
        Array of the shape of `x`.

    Raises:
        ValueError: If `order` is no integer from 1.

    Example:
        >>> import weft
        >>> weft.utils.normalize([[3.0, 4.0]]).tolist()
        [[0.6, 0.8]]

    Follows keras.utils.normalize.
    """
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"normalize: order must be an integer >= 1, got {order!r}")
    array = np.asarray(x)
    norm = np.atleast_1d(np.linalg.norm(array, order, axis))
    norm[norm == 0] = 1
    result: np.ndarray[Any, Any] = array / np.expand_dims(norm, axis)
    return result
