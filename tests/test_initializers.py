"""Initializers, regularizers and constraints: distributions, seeds, values against Keras."""

import numpy as np
import pytest

import weft
from weft import constraints, initializers, regularizers

SHAPE = (60, 50)


@pytest.mark.parametrize(
    "name, deviation, limit",
    [
        ("GlorotUniform", np.sqrt(2 / 110), np.sqrt(6 / 110)),
        ("GlorotNormal", np.sqrt(2 / 110), 2.3 * np.sqrt(2 / 110)),
        ("HeUniform", np.sqrt(2 / 60), np.sqrt(6 / 60)),
        ("HeNormal", np.sqrt(2 / 60), 2.3 * np.sqrt(2 / 60)),
        ("LecunUniform", np.sqrt(1 / 60), np.sqrt(3 / 60)),
        ("LecunNormal", np.sqrt(1 / 60), 2.3 * np.sqrt(1 / 60)),
        ("RandomNormal", 0.05, 0.3),
        ("RandomUniform", 0.1 / np.sqrt(12), 0.05),
        ("TruncatedNormal", 0.05 * 0.8796, 0.1),
    ],
)
def test_random_initializers_have_their_mean_spread_and_limits(name, deviation, limit):
    values = getattr(initializers, name)(seed=1)(SHAPE).numpy()
    # 3000 values: five standard errors of the mean and of the deviation.
    assert abs(values.mean()) < 5 * deviation / np.sqrt(3000)
    assert values.std() == pytest.approx(deviation, rel=5 / np.sqrt(6000))
    assert np.abs(values).max() <= limit


def test_seeds():
    draw = initializers.HeNormal
    assert draw(seed=3)((4,)).tolist() == draw(seed=3)((4,)).tolist()
    assert draw(seed=3)((4,)).tolist() != draw(seed=4)((4,)).tolist()
    unseeded = draw()
    assert unseeded((4,)).tolist() != unseeded((4,)).tolist()
    weft.random.seed(5)
    first = unseeded((4,)).tolist()
    weft.random.seed(5)
    assert unseeded((4,)).tolist() == first


def test_fans():
    assert initializers.compute_fans((3, 3, 8, 16)) == (72, 144)
    assert initializers.compute_fans((5,)) == (5, 5)
    assert initializers.compute_fans(()) == (1, 1)


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3), (2, 3, 4)])
def test_orthogonal(shape):
    q = initializers.Orthogonal(gain=2.0, seed=0)(shape, "float64").numpy().reshape(-1, shape[-1])
    product = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-12)


def test_constants():
    assert initializers.Identity(2.0)((2, 3)).tolist() == [[2, 0, 0], [0, 2, 0]]
    assert initializers.Constant([1.0, 2.0])((2, 2)).tolist() == [[1, 2], [1, 2]]
    assert initializers.get("ones")((2,), "float64").dtype == "float64"
    assert initializers.get(lambda shape, dtype=None: weft.zeros(shape))((2,)).tolist() == [0, 0]


@pytest.mark.parametrize("name", ["glorot_uniform", "RandomNormal", "orthogonal", "zeros"])
def test_configuration(name):
    made = initializers.get(name)
    assert type(type(made).from_config(made.get_config())) is type(made)


W = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


@pytest.mark.parametrize(
    "module, name, options",
    [
        ("regularizers", "L1", {"l1": 0.1}),
        ("regularizers", "L2", {"l2": 0.1}),
        ("regularizers", "L1L2", {"l1": 0.1, "l2": 0.2}),
        ("regularizers", "OrthogonalRegularizer", {"factor": 0.3}),
        ("regularizers", "OrthogonalRegularizer", {"factor": 0.3, "mode": "columns"}),
        ("constraints", "MaxNorm", {"max_value": 1.0}),
        ("constraints", "NonNeg", {}),
        ("constraints", "UnitNorm", {"axis": 1}),
        ("constraints", "MinMaxNorm", {"min_value": 1.5, "max_value": 2.0, "rate": 0.7}),
    ],
)
def test_regularizers_and_constraints_agree_with_keras(monkeypatch, module, name, options):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    mine = getattr(getattr(weft, module), name)(**options)
    theirs = getattr(getattr(keras, module), name)(**options)
    expected = keras.ops.convert_to_numpy(theirs(keras.ops.convert_to_tensor(W)))
    np.testing.assert_allclose(mine(W).numpy(), expected, rtol=1e-5, atol=1e-6)
    assert mine.get_config() == pytest.approx(theirs.get_config())


def test_gradients_of_penalties():
    x = weft.tensor(W.astype("float64"), requires_grad=True)
    for make in (regularizers.L1, regularizers.L2, regularizers.OrthogonalRegularizer):
        assert weft.autograd.gradcheck(make(0.3), [x])


@pytest.mark.parametrize(
    "use, match",
    [
        (lambda: initializers.get("glorot_unifrm"), "did you mean 'glorot_uniform'"),
        (lambda: initializers.VarianceScaling(scale=-1), "scale.*-1"),
        (lambda: initializers.VarianceScaling(mode="fan"), "mode 'fan'"),
        (lambda: initializers.Orthogonal()((3,)), r"two axes.*\(3,\)"),
        (lambda: initializers.Identity()((3,)), r"matrix.*\(3,\)"),
        (lambda: initializers.HeNormal(seed="x"), "seed.*'x'"),
        (lambda: regularizers.L2(-1), "l2.*-1"),
        (lambda: regularizers.OrthogonalRegularizer(mode="row"), "mode.*'row'"),
        (lambda: constraints.get("max_nrm"), "did you mean 'max_norm'"),
    ],
)
def test_mistakes_are_answered(use, match):
    with pytest.raises(ValueError, match=match):
        use()
