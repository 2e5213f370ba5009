"""Lasso against scikit-learn and the conditions that every solution satisfies."""

import numpy as np
import pytest

import weft


def problem(rows=60, features=8, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features))
    weights = np.where(np.arange(features) < 3, rng.normal(size=features) * 3, 0.0)
    return x, x @ weights + 0.5 + 0.1 * rng.normal(size=rows)


@pytest.mark.parametrize("alpha", [0.0, 0.05, 0.5, 100.0])
def test_solution_satisfies_the_optimality_conditions(alpha):
    x, y = problem()
    model = weft.linear_model.Lasso(alpha).fit(x, y)
    w = model.coef_.numpy()
    slope = x.T @ (y - x @ w - model.intercept_) / len(x)
    np.testing.assert_allclose(slope[w != 0], alpha * np.sign(w[w != 0]), atol=1e-6)
    assert (np.abs(slope[w == 0]) <= alpha + 1e-6).all()
    assert (alpha != 100.0) or (w == 0).all()


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_agrees_with_scikit_learn(fit_intercept):
    sklearn = pytest.importorskip("sklearn.linear_model")
    x, y = problem(seed=1)
    expected = sklearn.Lasso(0.1, fit_intercept=fit_intercept, tol=1e-10, max_iter=100_000).fit(
        x, y
    )
    model = weft.linear_model.Lasso(0.1, fit_intercept=fit_intercept).fit(x, y)
    np.testing.assert_allclose(model.coef_.numpy(), expected.coef_, atol=1e-6)
    assert model.intercept_ == pytest.approx(expected.intercept_, abs=1e-6)
    assert model.score(x, y) == pytest.approx(expected.score(x, y), abs=1e-6)


def test_wrong_use_is_explained():
    with pytest.raises(ValueError, match=r"alpha.*-1"):
        weft.linear_model.Lasso(-1)
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(2,\)"):
        weft.linear_model.Lasso().fit(np.ones((3, 2)), np.ones(2))
    with pytest.raises(ValueError, match="fit before"):
        weft.linear_model.Lasso().predict([[1.0]])
