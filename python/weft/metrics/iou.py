"""Confusion matrices, and intersection over union."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from weft import ops
from weft.autograd import no_grad
from weft.device import is_gpu
from weft.metrics.metric import Metric, add_to
from weft.tensor import Tensor, as_tensor


class ConfusionMatrix(Metric):
    """How often each class (row) was taken for each class (column).

    Args:
        num_classes: How many classes there are.
        sparse_y_true: Whether targets are class numbers; else the largest of a row counts.
        sparse_y_pred: Whether predictions are; by default it follows from their shape.
        axis: The axis of the classes, where they are not class numbers.
        ignore_class: Class number whose rows do not count.
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: If a class number is outside [0, num_classes).

    Example:
        >>> import weft
        >>> weft.metrics.ConfusionMatrix(2)([0, 1, 1], [0, 0, 1]).tolist()
        [[1.0, 0.0], [1.0, 1.0]]

    Follows tf.math.confusion_matrix, over batches.
    """

    def __init__(
        self,
        num_classes: int,
        sparse_y_true: bool = True,
        sparse_y_pred: bool | None = None,
        axis: int = -1,
        ignore_class: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        if not isinstance(num_classes, (int, np.integer)) or num_classes < 1:
            raise ValueError(
                f"{type(self).__name__}: num_classes must be a positive integer, got "
                f"{num_classes!r}"
            )
        self.num_classes, self.axis, self.ignore_class = int(num_classes), axis, ignore_class
        self.sparse_y_true, self.sparse_y_pred = sparse_y_true, sparse_y_pred
        self.total_cm = self._sum("total_confusion_matrix", (self.num_classes, self.num_classes))

    @no_grad()
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch, with a weight for each row."""
        y, x = as_tensor(y_true, near=y_pred), as_tensor(y_pred, near=y_true)
        sparse_x = self.sparse_y_pred
        if sparse_x is None:
            sparse_x = not (x.ndim > 1 and x.shape[self.axis] == self.num_classes)
        y = y if self.sparse_y_true else ops.argmax(y, axis=self.axis)
        x = x if sparse_x else ops.argmax(x, axis=self.axis)
        y, x = (ops.reshape(ops.cast(t, "int64"), (-1,)) for t in (y, x))
        if y.shape != x.shape:
            raise ValueError(f"{self.name}: {y.shape[0]} targets but {x.shape[0]} predictions")
        weight = ops.ones(y.shape, device=y.device)
        if sample_weight is not None:
            weight = ops.reshape(self._tensor(sample_weight, near=y), (-1,)).astype("float32")
            if weight.shape != y.shape:
                raise ValueError(
                    f"{self.name}: {weight.shape[0]} sample weights for {y.shape[0]} values"
                )
        if self.ignore_class is not None:
            kept = ops.not_equal(y, self.ignore_class)
            weight = weight * ops.cast(kept, weight.dtype)
            y, x = ops.where(kept, y, 0), ops.where(kept, x, 0)
        self._check(y, "target")
        self._check(x, "prediction")
        rows = ops.one_hot(y, self.num_classes) * ops.expand_dims(weight, 1)
        counts = ops.matmul(ops.transpose(rows), ops.one_hot(x, self.num_classes))
        add_to([self.total_cm], [counts])

    def _check(self, classes: Tensor, what: str) -> None:
        if not classes.size or is_gpu(classes.device):
            return  # on a GPU nothing is read back: `one_hot` reports what is no class
        low, high = int(ops.min(classes)), int(ops.max(classes))
        if low < 0 or high >= self.num_classes:
            raise ValueError(
                f"{self.name}: {what} {low if low < 0 else high} is not the number of a class: "
                f"with {self.num_classes} classes they go from 0 to {self.num_classes - 1}"
            )

    def result(self) -> Tensor:
        """The matrix."""
        return self._result(self.total_cm.numpy())

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same metric again."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
            "axis": self.axis,
            "ignore_class": self.ignore_class,
        }


class IoU(ConfusionMatrix):
    """Intersection over union of some classes, averaged over those that occur.

    Args:
        num_classes: How many classes there are.
        target_class_ids: Which count.
        name: As in `Metric`.
        dtype: As in `Metric`.
        ignore_class: Class number whose values do not count.
        sparse_y_true: Whether targets are class numbers; else the largest of a row counts.
        sparse_y_pred: Whether predictions are.
        axis: The axis of the classes, where they are not class numbers.

    Raises:
        ValueError: If a target class is outside [0, num_classes).

    Example:
        >>> import weft
        >>> metric = weft.metrics.IoU(num_classes=2, target_class_ids=[0])
        >>> round(float(metric([0, 0, 1, 1], [0, 1, 0, 1])), 4)
        0.3333

    Follows keras.metrics.IoU.
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, sparse_y_true, sparse_y_pred, axis, ignore_class, name, dtype)
        self.target_class_ids = list(target_class_ids)
        if any(not 0 <= c < num_classes for c in self.target_class_ids):
            raise ValueError(
                f"{type(self).__name__}: target_class_ids must lie in [0, {num_classes}), got "
                f"{self.target_class_ids}"
            )

    def result(self) -> Tensor:
        """The mean intersection over union."""
        matrix = self.total_cm.numpy()
        right = np.diag(matrix)[self.target_class_ids]
        union = (matrix.sum(0) + matrix.sum(1))[self.target_class_ids] - right
        present = union > 1e-9
        shares = np.where(present, right / (union + 1e-7), 0.0)
        return self._result(shares.sum() / (present.sum() + 1e-7))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same metric again."""
        return {**super().get_config(), "target_class_ids": self.target_class_ids}


class MeanIoU(IoU):
    """Intersection over union, averaged over the classes that occur.

    Args:
        num_classes: How many classes there are.
        name: As in `Metric`.
        dtype: As in `Metric`.
        ignore_class: As in `IoU`.
        sparse_y_true: As in `IoU`.
        sparse_y_pred: As in `IoU`.
        axis: As in `IoU`.

    Raises:
        ValueError: If `num_classes` is not positive; when called, if targets and predictions differ
            in number.

    Example:
        >>> import weft
        >>> round(float(weft.metrics.MeanIoU(2)([0, 0, 1, 1], [0, 1, 0, 1])), 4)
        0.3333

    Follows keras.metrics.MeanIoU.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes,
            list(range(int(num_classes))),
            name,
            dtype,
            ignore_class,
            sparse_y_true,
            sparse_y_pred,
            axis,
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same metric again."""
        config = super().get_config()
        del config["target_class_ids"]
        return config


class BinaryIoU(IoU):
    """Intersection over union of the two sides of a threshold.

    Args:
        target_class_ids: 0, 1 or both.
        threshold: Predictions of at least this are class 1.
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: If a class is not below the number of classes; when called, if targets and
            predictions differ in number.

    Example:
        >>> import weft
        >>> metric = weft.metrics.BinaryIoU(threshold=0.3)
        >>> round(float(metric([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7])), 4)
        0.3333

    Follows keras.metrics.BinaryIoU.
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    @no_grad()
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch, with a weight for each value."""
        super().update_state(y_true, self._tensor(y_pred) >= self.threshold, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same metric again."""
        return {
            "name": self.name,
            "dtype": self._dtype,
            "target_class_ids": self.target_class_ids,
            "threshold": self.threshold,
        }


class OneHotIoU(IoU):
    """`IoU` for one-hot targets.

    Args:
        num_classes: How many classes there are.
        target_class_ids: Which count.
        name: As in `Metric`.
        dtype: As in `Metric`.
        ignore_class: As in `IoU`.
        sparse_y_pred: As in `IoU`.
        axis: As in `IoU`.

    Raises:
        ValueError: If a class is not below the number of classes; when called, if targets and
            predictions differ in number.

    Example:
        >>> import weft
        >>> metric = weft.metrics.OneHotIoU(num_classes=2, target_class_ids=[1])
        >>> round(float(metric([[1, 0], [0, 1]], [[0.2, 0.8], [0.1, 0.9]])), 4)
        0.5

    Follows keras.metrics.OneHotIoU.
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same metric again."""
        config = super().get_config()
        del config["sparse_y_true"]
        return config


class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` for one-hot targets.

    Args:
        num_classes: How many classes there are.
        name: As in `Metric`.
        dtype: As in `Metric`.
        ignore_class: As in `IoU`.
        sparse_y_pred: As in `IoU`.
        axis: As in `IoU`.

    Raises:
        ValueError: If `num_classes` is not positive; when called, if targets and predictions differ
            in number.

    Example:
        >>> import weft
        >>> metric = weft.metrics.OneHotMeanIoU(num_classes=2)
        >>> round(float(metric([[1, 0], [0, 1]], [[0.2, 0.8], [0.1, 0.9]])), 4)
        0.25

    Follows keras.metrics.OneHotMeanIoU.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same metric again."""
        config = super().get_config()
        del config["sparse_y_true"]
        return config
