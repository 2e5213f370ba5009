"""Linear models under scikit-learn's names, trained by weft's own operations."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft import ops
from weft.autograd import no_grad
from weft.tensor import Tensor, as_tensor


class Lasso:
    """Linear regression with a penalty on the absolute weights, which makes some exactly zero.

    Minimises ``|y - x @ w - b|^2 / (2 n) + alpha * |w|_1`` by proximal gradient steps with Nesterov
    momentum (FISTA: Beck and Teboulle, 2009), in float64.

    Args:
        alpha: Strength of the penalty, at least 0.
        fit_intercept: Whether `b` is fitted; otherwise it is 0.
        max_iter: Most steps taken.
        tol: The steps end when no weight changes by more than `tol` times the largest one.

    Attributes:
        coef_: Weights, shape ``(features,)``.
        intercept_: The number `b`.
        n_iter_: Steps taken.

    Raises:
        ValueError: If `alpha` is negative, or `x` and `y` do not have the same number of rows.

    Example:
        >>> import numpy as np, weft
        >>> x = np.random.default_rng(0).normal(size=(100, 3))
        >>> model = weft.linear_model.Lasso(alpha=0.1).fit(x, 2.0 * x[:, 0] + 1.0)
        >>> [round(w, 1) for w in model.coef_.tolist()]
        [1.9, 0.0, 0.0]

    Follows sklearn.linear_model.Lasso.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        max_iter: int = 10_000,
        tol: float = 1e-8,
    ) -> None:
        if alpha < 0:
            raise ValueError(f"Lasso: alpha must be at least 0, got {alpha!r}")
        self.alpha, self.fit_intercept = alpha, fit_intercept
        self.max_iter, self.tol = max_iter, tol

    @no_grad()
    def fit(self, x: Any, y: Any) -> Lasso:
        """Fit the weights to rows `x`, shape ``(n, features)``, and targets `y`, shape ``(n,)``."""
        x = as_tensor(np.asarray(x, "float64"))
        y = as_tensor(np.asarray(y, "float64").reshape(-1))
        if x.ndim != 2 or x.shape[0] != y.shape[0] or x.shape[0] == 0:
            raise ValueError(
                f"Lasso: x must have shape (rows, features) and y one number for each row, got "
                f"{x.shape} and {y.shape}"
            )
        x_mean, y_mean = ops.mean(x, axis=0), ops.mean(y)
        if self.fit_intercept:
            x, y = x - x_mean, y - y_mean
        rows = x.shape[0]
        gram, target = x.T @ x / float(rows), x.T @ y / float(rows)
        self.coef_, self.n_iter_ = self._descend(gram, target)
        shift = y_mean - ops.dot(x_mean, self.coef_)
        self.intercept_ = float(shift) if self.fit_intercept else 0.0
        return self

    def _descend(self, gram: Tensor, target: Tensor) -> tuple[Tensor, int]:
        step = 1.0 / max(_largest_eigenvalue(gram), 1e-300)
        weights = momentum = target * 0.0
        t = 1.0
        steps = 0
        for _ in range(self.max_iter):
            steps += 1
            moved = momentum - step * (gram @ momentum - target)
            shrunk = ops.maximum(ops.abs(moved) - step * self.alpha, 0.0)
            after = ops.sign(moved) * shrunk
            change = float(ops.max(ops.abs(after - weights)))
            t_after = (1.0 + (1.0 + 4.0 * t * t) ** 0.5) / 2.0
            momentum = after + ((t - 1.0) / t_after) * (after - weights)
            weights, t = after, t_after
            if change <= self.tol * float(ops.max(ops.abs(weights))):
                break
        return weights, steps

    def predict(self, x: Any) -> Tensor:
        """Predictions for rows `x`, shape ``(n,)``."""
        if not hasattr(self, "coef_"):
            raise ValueError("Lasso: call fit before predict")
        return as_tensor(np.asarray(x, "float64")) @ self.coef_ + self.intercept_

    def score(self, x: Any, y: Any) -> float:
        """The coefficient of determination, 1 for perfect predictions."""
        y = as_tensor(np.asarray(y, "float64").reshape(-1))
        residual = ops.sum(ops.square(y - self.predict(x)))
        return float(1.0 - residual / ops.sum(ops.square(y - ops.mean(y))))


def _largest_eigenvalue(gram: Tensor) -> float:
    """An upper bound of the largest eigenvalue: the largest sum of absolute values of a row."""
    return float(ops.max(ops.sum(ops.abs(gram), axis=1)))
