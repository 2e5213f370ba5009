"""How often predictions are right."""

from __future__ import annotations

from typing import Any

from weft import ops
from weft.losses.loss import same_shapes
from weft.metrics.metric import MeanMetricWrapper
from weft.tensor import Tensor, as_tensor


def accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where the prediction equals the target, else 0.

    Args:
        y_true: Targets (...).
        y_pred: Predictions (...).

    Returns:
        Tensor (...) of float32.

    Raises:
        ValueError: If the shapes differ.
        TypeError: If one of them does not hold numbers.

    Example:
        >>> import weft
        >>> weft.metrics.accuracy([1, 2], [1, 3]).tolist()
        [1.0, 0.0]

    Follows keras.metrics.Accuracy.
    """
    y, x = same_shapes("accuracy", y_true, y_pred)
    return ops.cast(ops.equal(y, x), "float32")


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Tensor:
    """1 where the prediction lies on the target's side of the threshold, else 0.

    Args:
        y_true: Targets (...), 0 or 1.
        y_pred: Predictions (...).
        threshold: Predictions above it count as 1.

    Returns:
        Tensor (...) of float32.

    Raises:
        ValueError: If the shapes differ.
        TypeError: If one of them does not hold numbers.

    Example:
        >>> import weft
        >>> weft.metrics.binary_accuracy([[1.0], [0.0]], [[0.7], [0.6]]).tolist()
        [[1.0], [0.0]]

    Follows keras.metrics.binary_accuracy.
    """
    y, x = same_shapes("binary_accuracy", y_true, y_pred)
    return ops.cast(ops.equal(y, ops.cast(x > threshold, y.dtype)), "float32")


def categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where the largest score is that of the largest target, else 0.

    Args:
        y_true: Targets (..., C), such as one-hot rows.
        y_pred: Predictions (..., C).

    Returns:
        Tensor (...) of float32, for each row.

    Raises:
        ValueError: If the shapes differ.
        TypeError: If one of them does not hold numbers.

    Example:
        >>> import weft
        >>> weft.metrics.categorical_accuracy([[0.0, 1.0]], [[0.2, 0.8]]).tolist()
        [1.0]

    Follows keras.metrics.categorical_accuracy.
    """
    y, x = same_shapes("categorical_accuracy", y_true, y_pred)
    return ops.cast(ops.equal(ops.argmax(y, axis=-1), ops.argmax(x, axis=-1)), "float32")


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where the largest score is that of the target's class number, else 0.

    Args:
        y_true: Class numbers (...), or (..., 1).
        y_pred: Predictions (..., C).

    Returns:
        Tensor (...) of float32, for each row.

    Raises:
        ValueError: If the shapes do not fit.
        TypeError: If one of them does not hold numbers.

    Example:
        >>> import weft
        >>> weft.metrics.sparse_categorical_accuracy([1], [[0.2, 0.8]]).tolist()
        [1.0]

    Follows keras.metrics.sparse_categorical_accuracy.
    """
    x = as_tensor(y_pred, near=y_true)
    y = _class_numbers("sparse_categorical_accuracy", y_true, x)
    best = ops.argmax(x, axis=-1)
    return ops.cast(ops.equal(ops.cast(y, best.dtype), best), "float32")


def _class_numbers(name: str, y_true: Any, y_pred: Any) -> Tensor:
    x, y = as_tensor(y_pred, near=y_true), as_tensor(y_true, near=y_pred)
    if y.ndim == x.ndim and y.shape[-1] == 1:
        y = ops.squeeze(y, -1)
    if y.shape != x.shape[:-1]:
        raise ValueError(
            f"{name}: the targets have shape {y.shape} but the predictions {x.shape}: each target "
            "must be one class number"
        )
    return y


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """1 where the target's class is among the `k` largest scores, else 0.

    Args:
        y_true: Targets (..., C), such as one-hot rows.
        y_pred: Predictions (..., C).
        k: How many of the largest predictions count.

    Returns:
        Tensor (...) of float32, for each row.

    Raises:
        ValueError: If the shapes differ.
        TypeError: If one of them does not hold numbers.

    Example:
        >>> import weft
        >>> scores = [[0.1, 0.6, 0.3]]
        >>> weft.metrics.top_k_categorical_accuracy([[0.0, 0.0, 1.0]], scores, k=2).tolist()
        [1.0]

    Follows keras.metrics.top_k_categorical_accuracy.
    """
    y, x = same_shapes("top_k_categorical_accuracy", y_true, y_pred)
    return sparse_top_k_categorical_accuracy(ops.argmax(y, axis=-1), x, k)


def sparse_top_k_categorical_accuracy(
    y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False
) -> Tensor:
    """1 where the target's class number is among the `k` largest scores, else 0.

    Args:
        y_true: Class numbers (...), or (..., 1).
        y_pred: Scores (..., C), or class numbers (..., K).
        k: How many of the best count.
        from_sorted_ids: The predictions are class numbers, the best first.

    Returns:
        Tensor (...) of float32.

    Raises:
        ValueError: If the shapes do not fit.
        IndexError: If a class number is not below C.
        TypeError: If one of them does not hold numbers.

    Example:
        >>> import weft
        >>> weft.metrics.sparse_top_k_categorical_accuracy([2], [[0.1, 0.6, 0.3]], k=2).tolist()
        [1.0]

    Follows keras.metrics.sparse_top_k_categorical_accuracy.
    """
    name = "sparse_top_k_categorical_accuracy"
    x = as_tensor(y_pred, near=y_true)
    y = _class_numbers(name, y_true, x)
    own = ops.expand_dims(ops.cast(y, "int64"), -1)
    if from_sorted_ids:
        found = ops.any(ops.equal(ops.cast(x[..., :k], "int64"), own), axis=-1)
        return ops.cast(found, "float32")
    better = x > ops.take_along_axis(x, own, axis=-1)
    return ops.cast(ops.sum(ops.cast(better, "float32"), axis=-1) < k, "float32")


class Accuracy(MeanMetricWrapper):
    """How often predictions equal targets.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> float(weft.metrics.Accuracy()([1, 2, 3, 4], [1, 2, 3, 0]))
        0.75

    Follows keras.metrics.Accuracy.
    """

    def __init__(self, name: str | None = "accuracy", dtype: Any = None) -> None:
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """How often yes-or-no predictions lie on the right side of a threshold.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.
        threshold: Predictions above it mean 1.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> float(weft.metrics.BinaryAccuracy()([[1], [0]], [[0.7], [0.6]]))
        0.5

    Follows keras.metrics.BinaryAccuracy.
    """

    def __init__(
        self, name: str | None = "binary_accuracy", dtype: Any = None, threshold: float = 0.5
    ) -> None:
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)
        self.threshold = threshold


class CategoricalAccuracy(MeanMetricWrapper):
    """How often the largest score is that of the one-hot target.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> float(weft.metrics.CategoricalAccuracy()([[0.0, 1.0]], [[0.2, 0.8]]))
        1.0

    Follows keras.metrics.CategoricalAccuracy.
    """

    def __init__(self, name: str | None = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the largest score is that of the target's class number.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: When called, if each target is not one class number.

    Example:
        >>> import weft
        >>> float(weft.metrics.SparseCategoricalAccuracy()([1], [[0.2, 0.8]]))
        1.0

    Follows keras.metrics.SparseCategoricalAccuracy.
    """

    def __init__(self, name: str | None = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the one-hot target's class is among the `k` largest scores.

    Args:
        k: How many scores count.
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> float(weft.metrics.TopKCategoricalAccuracy(k=2)([[0.0, 0.0, 1.0]], [[0.1, 0.6, 0.3]]))
        1.0

    Follows keras.metrics.TopKCategoricalAccuracy.
    """

    def __init__(
        self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: Any = None
    ) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)
        self.k = k


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the target's class number is among the `k` largest scores.

    Args:
        k: How many scores count.
        name: As in `Metric`.
        dtype: As in `Metric`.
        from_sorted_ids: Whether predictions are class numbers, the best first.

    Raises:
        ValueError: When called, if each target is not one class number.

    Example:
        >>> import weft
        >>> float(weft.metrics.SparseTopKCategoricalAccuracy(k=2)([2], [[0.1, 0.6, 0.3]]))
        1.0

    Follows keras.metrics.SparseTopKCategoricalAccuracy.
    """

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(
            sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids
        )
        self.k = k


def error_rate(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Tensor:
    """1 where the prediction is wrong, else 0; the kind of target follows from the shapes.

    Scores of several classes with class numbers or one-hot rows, probabilities of one class, or
    predictions of the same integer kind as the targets.

    Args:
        y_true: Class numbers (...), one-hot rows (..., C), or targets (...).
        y_pred: Scores (..., C), or predictions (...).
        threshold: Probabilities of one class above it count as 1.

    Returns:
        Tensor (...) of float32, for each row of scores or each prediction.

    Raises:
        ValueError: If the shapes do not fit.
        TypeError: If one of them does not hold numbers.

    Example:
        >>> import weft
        >>> weft.metrics.error_rate([1, 0], [[0.2, 0.8], [0.4, 0.6]]).tolist()
        [0.0, 1.0]

    Follows keras.metrics.Accuracy, of which it is the rest to 1.
    """
    x, y = as_tensor(y_pred, near=y_true), as_tensor(y_true, near=y_pred)
    if x.ndim >= 1 and x.shape[-1] > 1 and (y.ndim == x.ndim - 1 or y.shape == (*x.shape[:-1], 1)):
        return 1.0 - sparse_categorical_accuracy(y, x)
    if not x.dtype.is_floating:
        return 1.0 - accuracy(y, x)
    if x.ndim >= 2 and x.shape[-1] > 1 and y.shape == x.shape:
        return 1.0 - categorical_accuracy(y, x)
    return 1.0 - binary_accuracy(y, x, threshold)


class ErrorRate(MeanMetricWrapper):
    """The share of wrong predictions: 1 - accuracy.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.
        threshold: For predictions of one probability: above it they mean 1.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> float(weft.metrics.ErrorRate()([1, 0], [[0.2, 0.8], [0.4, 0.6]]))
        0.5

    Follows keras.metrics.Accuracy, of which it is the rest to 1.
    """

    def __init__(
        self, name: str | None = "error_rate", dtype: Any = None, threshold: float = 0.5
    ) -> None:
        super().__init__(error_rate, name, dtype, threshold=threshold)
        self.threshold = threshold
