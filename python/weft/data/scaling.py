"""Scaling of input features, with the way back."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.data.arrays import Array, as_array


class _Scaler:
    """``(x - offset) / scale`` per column; subclasses say which offset and scale."""

    offset_: Array | None = None
    scale_: Array | None = None

    def _statistics(self, x: Array) -> tuple[Array, Array]:
        raise NotImplementedError

    def fit(self, x: Any) -> Any:
        """Learn offset and scale of each column of `x` (rows first); returns the scaler."""
        table = as_array(x, "x", "float64")
        if table.shape[0] == 0:
            raise ValueError(f"{type(self).__name__}.fit: the data are empty (0 rows)")
        self.offset_, scale = self._statistics(table)
        # A constant column has nothing to scale; it becomes 0.
        self.scale_ = np.where(scale == 0, 1.0, scale)
        return self

    def _fitted(self, x: Any, what: str) -> tuple[Array, Array, Array]:
        if self.offset_ is None or self.scale_ is None:
            raise ValueError(
                f"{type(self).__name__}.{what}: call fit(x) on the training data first"
            )
        table = as_array(x, "x", "float64")
        if table.shape[1:] != self.offset_.shape:
            raise ValueError(
                f"{type(self).__name__}.{what}: fitted on rows of shape {self.offset_.shape}, got "
                f"rows of shape {table.shape[1:]}"
            )
        return table, self.offset_, self.scale_

    def transform(self, x: Any) -> Array:
        """`x` scaled."""
        table, offset, scale = self._fitted(x, "transform")
        return _like((table - offset) / scale, x)

    def fit_transform(self, x: Any) -> Array:
        """`fit`, then `transform`."""
        return self.fit(x).transform(x)

    def inverse_transform(self, x: Any) -> Array:
        """The data before scaling."""
        table, offset, scale = self._fitted(x, "inverse_transform")
        return _like(table * scale + offset, x)


def _like(result: Array, x: Any) -> Array:
    """`result` in the floating-point type of `x` (float64 for integers and tables)."""
    dtype = getattr(x, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        return np.asarray(result, dtype)
    return np.asarray(result)


class Standardizer(_Scaler):
    """Zero mean and unit variance per column.

    Raises:
        ValueError: If the data are empty, or have other columns than those it was fitted on.

    Example:
        >>> import weft
        >>> weft.data.Standardizer().fit_transform([[1.0], [3.0]]).tolist()
        [[-1.0], [1.0]]

    Follows sklearn.preprocessing.StandardScaler.
    """

    def _statistics(self, x: Array) -> tuple[Array, Array]:
        return x.mean(0), x.std(0)


class MeanNormalizer(_Scaler):
    """Zero mean and a range (maximum - minimum) of 1 per column.

    Raises:
        ValueError: If the data are empty, or have other columns than those it was fitted on.

    Example:
        >>> import weft
        >>> weft.data.MeanNormalizer().fit_transform([[1.0], [3.0]]).tolist()
        [[-0.5], [0.5]]

    Follows sklearn.preprocessing.MinMaxScaler, with the mean at 0.
    """

    def _statistics(self, x: Array) -> tuple[Array, Array]:
        return x.mean(0), x.max(0) - x.min(0)
