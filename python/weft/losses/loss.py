"""The base of losses: preparing arguments, reducing rows to one number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weft import ops
from weft.dtypes import float32
from weft.errors import did_you_mean
from weft.lookup import snake_case
from weft.tensor import Tensor, as_tensor

_MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")
REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none")


# For functions of rows: the function that gives the mean over all rows in one operation. It halves
# the cost of a small batch, where calls and not kernels take the time.
FUSED_MEANS: dict[Callable[..., Any], Callable[..., Tensor]] = {}


class Loss:
    """A number to be made small: how far predictions are from targets.

    A loss of your own defines ``call(y_true, y_pred)``, which gives one value for each row.

    Args:
        name: Name; that of the class by default.
        reduction: ``"sum_over_batch_size"`` or ``"mean"`` (the mean over rows), ``"sum"``,
            ``"mean_with_sample_weight"`` (the weighted mean), ``"none"`` or None.
        dtype: Float type of the computation; by default that of the predictions, but at least
            float32.

    Raises:
        ValueError: If the reduction is unknown.

    Example:
        >>> import weft
        >>> class Cubic(weft.losses.Loss):
        ...     def call(self, y_true, y_pred):
        ...         return weft.mean(weft.abs(y_true - y_pred) ** 3, axis=-1)
        >>> float(Cubic()([[1.0]], [[3.0]]))
        8.0

    Follows keras.losses.Loss.
    """

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        if reduction is not None and reduction not in REDUCTIONS:
            raise ValueError(
                f"{type(self).__name__}: unknown reduction {reduction!r}"
                f"{did_you_mean(reduction, REDUCTIONS)}"
            )
        self.name = name or snake_case(type(self).__name__)
        self.reduction = reduction
        self._dtype = dtype

    @property
    def dtype(self) -> str:
        """Float type of the computation."""
        return "float32" if self._dtype is None else str(self._dtype)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """The loss: of each row, or reduced to a number.

        Args:
            y_true: Targets.
            y_pred: Predictions.
            sample_weight: A weight for each row (or each value that `call` gives).
        """
        masked = getattr(y_pred, "_mask", None)  # set by layers that know which steps count
        y_true, y_pred = convert(y_true, y_pred, self._dtype)
        if sample_weight is None and masked is None and self.reduction in _MEANS:
            mean = self.mean(y_true, y_pred)
            if mean is not None:
                return mean
        values = self.call(y_true, y_pred)
        mask = self.mask(y_true)
        if masked is not None:
            mask = masked if mask is None else ops.logical_and(mask, masked)
        if mask is not None:
            sample_weight = masked_weights(mask, sample_weight, values.dtype, self.reduction)
        return reduce_weighted(values, sample_weight, self.reduction)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of each row."""
        raise NotImplementedError(f"{type(self).__name__} does not define call")

    def mean(self, y_true: Any, y_pred: Any) -> Tensor | None:
        """The mean over all rows, where there is a faster way than `call` and a mean; else None."""
        return None

    def mask(self, y_true: Any) -> Tensor | None:
        """Which rows count; None for all."""
        return None

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same loss again."""
        config: dict[str, Any] = {"name": self.name, "reduction": self.reduction}
        if self._dtype is not None:
            config["dtype"] = str(self._dtype)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        """The loss of a configuration."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


class LossFunctionWrapper(Loss):
    """A loss made of a function of targets and predictions that gives one value for each row.

    Args:
        fn: The function.
        reduction: As in `Loss`.
        name: As in `Loss`.
        dtype: As in `Loss`.
        **kwargs: Further arguments of `fn`.

    Raises:
        ValueError: If `reduction` is unknown.

    Example:
        >>> import weft
        >>> loss = weft.losses.LossFunctionWrapper(weft.losses.huber, delta=2.0)
        >>> float(loss([[0.0]], [[1.0]]))
        0.5

    Follows keras.losses.Loss, for a function.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.fn, self._fn_kwargs = fn, kwargs
        self._mean_fn = FUSED_MEANS.get(fn)

    def mean(self, y_true: Any, y_pred: Any) -> Tensor | None:
        """The mean over all rows in one operation, if the function has such a twin."""
        if self._mean_fn is None or self.mask(y_true) is not None or not y_pred.size:
            return None
        return self._mean_fn(y_true, y_pred, **self._fn_kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of each row."""
        return as_tensor(self.fn(y_true, y_pred, **self._fn_kwargs))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same loss again."""
        from weft.saving import serialize

        own = {} if type(self) is not LossFunctionWrapper else {"fn": serialize(self.fn)}
        return {**super().get_config(), **own, **self._fn_kwargs}


def convert(y_true: Any, y_pred: Any, dtype: Any) -> tuple[Any, Any]:
    """Targets and predictions as tensors (also inside lists and dictionaries)."""
    if isinstance(y_pred, dict):
        pairs = {k: convert(y_true[k], v, dtype) for k, v in y_pred.items()}
        return {k: t for k, (t, _) in pairs.items()}, {k: p for k, (_, p) in pairs.items()}
    prediction = as_tensor(y_pred, near=y_true)
    own = prediction.dtype
    if dtype is not None or own is not float32:
        wanted = dtype if dtype is not None else own if own == "float64" else "float32"
        if own != wanted:
            prediction = prediction.astype(wanted)
    return as_tensor(y_true, near=prediction), prediction


def same_shapes(name: str, y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    """Targets and predictions as floating tensors of one shape.

    (n,) fits (n, 1); nothing else is broadcast, because a loss of the wrong pairs is a mistake
    that trains.

    Raises:
        ValueError: With both shapes.
    """
    x, y = as_tensor(y_pred, near=y_true), as_tensor(y_true, near=y_pred)
    if not x.dtype.is_floating:
        x = x.astype("float32")
    if y.dtype != x.dtype:
        y = y.astype(x.dtype)
    if y.shape != x.shape:
        if y.ndim + 1 == x.ndim and x.shape == (*y.shape, 1):
            y = ops.expand_dims(y, -1)
        elif x.ndim + 1 == y.ndim and y.shape == (*x.shape, 1):
            x = ops.expand_dims(x, -1)
        else:
            raise ValueError(
                f"{name}: the targets have shape {y.shape} but the predictions {x.shape}; they "
                "must be equal, because broadcasting would compare values that do not belong "
                "together"
            )
    return y, x


def masked_weights(mask: Tensor, sample_weight: Any, dtype: Any, reduction: str | None) -> Tensor:
    """Weights that leave masked rows out of the sum and, for a mean, out of the count."""
    kept = ops.cast(mask, dtype)
    if reduction in ("mean", "sum_over_batch_size"):
        kept = kept * (float(mask.size) / ops.maximum(ops.sum(kept), 1.0))
    if sample_weight is None:
        return kept
    weight = as_tensor(sample_weight, near=kept).astype(dtype, copy=False)
    while 0 < weight.ndim < kept.ndim:  # a weight for each row, a mask for each step
        weight = ops.expand_dims(weight, -1)
    while 0 < kept.ndim < weight.ndim:
        kept = ops.expand_dims(kept, -1)
    return weight * kept


def reduce_weighted(values: Any, sample_weight: Any, reduction: str | None) -> Tensor:
    """The rows' values times their weights, reduced as `Loss` describes.

    Raises:
        ValueError: If the weights fit neither the values nor their first axes.
    """
    values = as_tensor(values)
    weight = None
    if sample_weight is not None:
        weight = fit_weights(sample_weight, values)
        values = values * weight
    if reduction in (None, "none") or values.ndim == 0:
        return values
    if reduction == "sum":
        return ops.sum(values)
    if reduction == "mean_with_sample_weight" and weight is not None:
        total = ops.sum(ops.broadcast_to(weight, values.shape))
        zero = ops.equal(total, 0.0)
        return ops.where(zero, 0.0, ops.sum(values) / ops.where(zero, 1.0, total))
    return ops.mean(values) if values.size else ops.sum(values)


def fit_weights(sample_weight: Any, values: Tensor) -> Tensor:
    """Weights with the dtype of `values` and axes that broadcast against it row by row."""
    weight = as_tensor(sample_weight, near=values)
    if not weight.dtype.is_floating or weight.dtype != values.dtype:
        weight = weight.astype(values.dtype)
    given = weight.shape
    if weight.ndim == values.ndim + 1 and given[-1] == 1:
        weight = ops.squeeze(weight, -1)
    while weight.ndim < values.ndim and weight.ndim > 0:
        weight = ops.expand_dims(weight, -1)
    fits = weight.ndim <= values.ndim and all(
        w in (1, v) for w, v in zip(weight.shape, values.shape[: weight.ndim], strict=True)
    )
    if not fits:
        raise ValueError(
            f"sample_weight has shape {given}, but there are losses of shape {values.shape}: give "
            "one weight for each row"
        )
    return weight


def as_numbers(value: Any) -> np.ndarray[Any, Any]:
    """The values as a NumPy array, for messages."""
    return np.asarray(as_tensor(value).numpy())
