"""Losses: reductions, weights, shapes, names, labels; values against Keras."""

import numpy as np
import pytest

import weft
from weft import _C, losses

RNG = np.random.default_rng(0)
Y, P = RNG.normal(size=(6, 5)), RNG.normal(size=(6, 5))
BINARY, UNIT = (RNG.random((6, 5)) > 0.5) * 1.0, RNG.random((6, 5))
CLASSES = RNG.integers(0, 5, 6)
HOT = np.eye(5)[CLASSES]
SHARES = UNIT / UNIT.sum(1, keepdims=True)
WEIGHTS = np.array([0.5, 2.0, 0.0, 1.0, 3.0, 0.25])

CASES = {
    "MeanSquaredError": (Y, P),
    "MeanAbsoluteError": (Y, P),
    "MeanAbsolutePercentageError": (Y, P),
    "MeanSquaredLogarithmicError": (UNIT, SHARES),
    "Huber": (Y, P),
    "LogCosh": (Y, P),
    "Poisson": (UNIT, SHARES),
    "CosineSimilarity": (Y, P),
    "Hinge": (BINARY, P),
    "SquaredHinge": (BINARY, P),
    "CategoricalHinge": (HOT, P),
    "KLDivergence": (SHARES, SHARES[::-1].copy()),
    "BinaryCrossentropy": (BINARY, UNIT),
    "BinaryFocalCrossentropy": (BINARY, UNIT),
    "CategoricalCrossentropy": (HOT, UNIT),
    "CategoricalFocalCrossentropy": (HOT, UNIT),
    "SparseCategoricalCrossentropy": (CLASSES, UNIT),
}


@pytest.fixture(scope="module")
def keras():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "torch")
        return pytest.importorskip("keras")


@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight", None]
)
@pytest.mark.parametrize("name", CASES)
def test_values_agree_with_keras(keras, name, reduction):
    y, p = CASES[name]
    for weights in (None, WEIGHTS):
        mine = getattr(losses, name)(reduction=reduction)(y, p, weights)
        theirs = getattr(keras.losses, name)(reduction=reduction)(y, p, weights)
        # Keras computes in float32, weft here in float64.
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_gradients_in_float64(name):
    y, p = CASES[name]
    loss = getattr(losses, name)()
    x = weft.tensor(p, requires_grad=True)
    assert weft.autograd.gradcheck(lambda x: loss(y, x), [x])


@pytest.mark.parametrize("name", CASES)
def test_configurations_make_the_same_loss_again(name):
    y, p = CASES[name]
    loss = getattr(losses, name)(reduction="sum")
    again = type(loss).from_config(loss.get_config())
    assert again.reduction == "sum" and float(again(y, p)) == float(loss(y, p))


def test_reductions_by_hand():
    y, p, w = [[0.0], [0.0]], [[1.0], [2.0]], [1.0, 3.0]
    values = {"sum": 13.0, "mean": 6.5, "sum_over_batch_size": 6.5, "mean_with_sample_weight": 3.25}
    for reduction, expected in values.items():
        assert float(losses.MeanSquaredError(reduction=reduction)(y, p, w)) == expected
    assert losses.MeanSquaredError(reduction="none")(y, p, w).tolist() == [1.0, 12.0]


def test_targets_and_predictions_are_not_broadcast():
    for name, (y, p) in CASES.items():
        if y.ndim == 2:
            with pytest.raises(ValueError, match=r"\(5, 6\).*\(6, 5\)|\(6, 5\).*\(5, 6\)"):
                getattr(losses, name)()(y.T, p)
    with pytest.raises(ValueError, match=r"\(3,\).*\(3, 2\)"):
        losses.MeanSquaredError()(np.zeros(3), np.zeros((3, 2)))
    column = losses.MeanSquaredError()(np.array([1.0, 2.0]), np.array([[1.0], [3.0]]))
    assert float(column) == 0.5


def test_labels_that_are_no_classes_are_named():
    for from_logits in (True, False):
        loss = losses.SparseCategoricalCrossentropy(from_logits=from_logits)
        for label in (5, -2, 1.5, np.nan):
            y = np.zeros(6, type(label))
            y[4] = label
            with pytest.raises(ValueError, match=f"label {label:g} at row 4.*5 classes"):
                loss(y, UNIT)
    with pytest.raises(ValueError, match=r"position \(1, 2\)"):
        losses.sparse_categorical_crossentropy([[0, 0, 0], [0, 0, 9]], np.ones((2, 3, 2)))
    with pytest.raises(ValueError, match=r"one-hot rows.*categorical_crossentropy"):
        losses.sparse_categorical_crossentropy(HOT, UNIT)
    with pytest.raises(ValueError, match=r"sparse_categorical_crossentropy.*to_categorical"):
        losses.categorical_crossentropy(CLASSES, UNIT)


def test_ignored_class_counts_neither_in_sum_nor_in_mean():
    y = np.array([1, 255, 0])
    p = np.array([[0.2, 0.8], [0.5, 0.5], [0.6, 0.4]])
    loss = losses.SparseCategoricalCrossentropy(ignore_class=255)
    assert float(loss(y, p)) == pytest.approx(-(np.log(0.8) + np.log(0.6)) / 2)
    x = weft.tensor(p, requires_grad=True)
    loss(y, x).backward()
    assert x.grad.numpy()[1].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", CASES)
def test_the_fused_mean_is_the_mean_of_the_rows(name):
    y, p = CASES[name]
    found = []
    for options in ({}, {"sample_weight": np.ones(6)}):
        x = weft.tensor(p, requires_grad=True)
        loss = getattr(losses, name)()(y, x, **options)
        (first,) = weft.grad([loss], [x], create_graph=True)
        x.grad = None
        loss.backward()
        found.append((loss.numpy(), first.numpy(), x.grad.numpy()))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found[0][1], found[0][2], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["CategoricalCrossentropy", "Huber", "BinaryCrossentropy"])
def test_second_derivatives_and_gradients_of_targets(name):
    y, p = CASES[name]
    loss = getattr(losses, name)()
    x, t = weft.tensor(p, requires_grad=True), weft.tensor(y * 0.8 + 0.1, requires_grad=True)
    assert weft.autograd.gradcheck(lambda x, t: loss(t, x), [x, t])
    assert weft.autograd.gradgradcheck(lambda x: loss(t.detach(), x), [x])


def test_huge_logits_give_finite_losses_and_gradients():
    x = weft.tensor([[1e4, -1e4], [3e38, -3e38]], requires_grad=True)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")([0, 0], x)
    loss.backward()
    assert float(loss) == 0.0 and np.isfinite(x.grad.numpy()).all()
    masked = losses.sparse_categorical_crossentropy([0], [[0.0, -np.inf]], from_logits=True)
    assert masked.tolist() == [0.0]


def test_a_nan_in_the_logits_is_not_lost():
    for x in ([[np.nan, 0.0, 1.0]], [[0.0, 1.0, np.nan]]):
        assert np.isnan(losses.sparse_categorical_crossentropy([1], x, from_logits=True).numpy())


def test_dtype_follows_the_predictions():
    assert losses.MeanSquaredError()(Y, P).dtype == "float64"
    assert losses.MeanSquaredError()(Y, P.astype("float32")).dtype == "float32"
    assert losses.MeanSquaredError()(Y, weft.tensor(P, "float16")).dtype == "float32"
    assert losses.MeanSquaredError(dtype="float64")(Y, P.astype("float32")).dtype == "float64"


@pytest.mark.parametrize(
    "use, match",
    [
        (lambda: losses.get("mean_square_error"), "did you mean 'mean_squared_error'"),
        (lambda: losses.SparseCategoricalCrossEntropy, "SparseCategoricalCrossentropy"),
        (lambda: losses.MeanSquaredError(reduction="avg"), "reduction 'avg'.*mean"),
        (lambda: losses.Huber(delta=0), "delta.*0"),
        (lambda: losses.BinaryCrossentropy(label_smoothing=2), "label_smoothing.*2"),
        (lambda: losses.MeanSquaredError()(Y, P, np.ones(4)), r"\(4,\).*\(6,\)"),
        (lambda: losses.get(3), "3"),
    ],
)
def test_mistakes_are_answered(use, match):
    with pytest.raises((ValueError, AttributeError), match=match):
        use()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "classes"), [(1, 1), (3, 5), (37, 10), (33, 32), (20, 300)])
@pytest.mark.parametrize("epsilon", [0.0, 1e-7])
@pytest.mark.parametrize("ignored", [None, 2])
def test_gradient_computed_with_the_loss(dtype, rows, classes, epsilon, ignored):
    rng = np.random.default_rng(rows)
    x = weft.tensor(rng.random((rows, classes)).astype(dtype) + 0.1)._data
    y = weft.tensor(rng.integers(0, classes, rows))._data
    options = (0.0, ignored, epsilon)
    mean, statistics, nothing = _C.softmax_cross_entropy(x, y, *options, True)
    fused, _, dx = _C.softmax_cross_entropy(x, y, *options, True, True)
    one = _C.full((), 1.0, dtype)
    alone = _C.softmax_cross_entropy_backward(one, x, y, statistics, *options)
    assert nothing is None
    assert fused.item() == mean.item()
    # The same arithmetic, which a compiler may contract differently: a few roundings of 1 / rows.
    tolerance = 4 * np.finfo(dtype).eps * (1 if epsilon == 0 else 10) / rows
    np.testing.assert_allclose(dx.numpy(), alone.numpy(), rtol=0, atol=tolerance)


def test_graph_of_a_mean_is_walked_twice_and_scaled():
    x = weft.tensor(np.linspace(-1, 1, 24, dtype="float32").reshape(6, 4), requires_grad=True)
    y = weft.tensor([0, 3, 1, 2, 2, 0])
    loss = weft.losses.SparseCategoricalCrossentropy(from_logits=True)
    rows = weft.softmax_cross_entropy(x, y)
    expected = weft.grad(rows.mean(), x).numpy()
    value = loss(y, x)
    value.backward(retain_graph=True)
    x.grad *= 0.0  # the gradient that was handed out is the caller's own
    value.backward()
    np.testing.assert_allclose(x.grad.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(weft.grad(loss(y, x) * 3.0, x).numpy(), 3 * expected, atol=1e-6)
    recorded = weft.grad(loss(y, x), x, create_graph=True)
    np.testing.assert_allclose(recorded.numpy(), expected, atol=1e-6)
    assert recorded.requires_grad
