"""Values that are not finite, and weights that cannot be meant, in everything that takes data."""

import warnings

import numpy as np
import pytest

import weft
from weft import layers

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(16, 4)).astype("float32"), RNG.normal(size=(16, 1)).astype("float32")


def with_nan(array, *where):
    changed = array.copy()
    changed[where] = np.nan
    return changed


def model(*middle, **options):
    net = weft.Sequential([weft.Input((4,)), layers.Dense(8), *middle, layers.Dense(1)])
    net.compile("adam", "mse", **options)
    return net


def weights(net):
    return [v.numpy().copy() for v in [*net.variables, *net.optimizer.variables]]


def assert_unchanged(net, before):
    for have, had in zip(weights(net), before, strict=False):
        np.testing.assert_array_equal(have, had)


@pytest.mark.parametrize("good_batches", [0, 1, 6])  # eagerly, recorded, replayed
@pytest.mark.parametrize("normalized", [False, True])
def test_train_on_batch_refuses_nan_before_a_weight_changes(good_batches, normalized):
    net = model(*([layers.BatchNormalization()] if normalized else []))
    for _ in range(good_batches):
        net.train_on_batch(X, Y)
    assert (good_batches < 3) or net.programs["train_on_batch"]
    before = weights(net)
    with pytest.raises(ValueError, match=r"x holds nan .* in row 3, column 2 .*every weight nan"):
        net.train_on_batch(with_nan(X, 3, 2), Y)
    with pytest.raises(ValueError, match=r"y \(targets\) holds nan .* in row 5"):
        net.train_on_batch(X, with_nan(Y, 5))
    assert_unchanged(net, before)
    losses = [net.train_on_batch(X, Y) for _ in range(5)]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    assert net.programs["train_on_batch"]  # a refused batch does not spoil the recording


@pytest.mark.parametrize("good_batches", [0, 6])
def test_train_on_batch_explains_a_loss_that_is_not_finite(good_batches):
    net = model()
    for _ in range(good_batches):
        net.train_on_batch(X, Y)
    before = weights(net)
    with pytest.raises(ValueError, match=r"the loss is inf .*not scaled") as caught:
        net.train_on_batch(X * np.float32(1e30), Y)
    assert "epoch" not in str(caught.value) and "TerminateOnNaN" not in str(caught.value)
    assert_unchanged(net, before)


def test_a_train_step_of_the_users_own_is_watched_too():
    class Own(weft.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            return self.dense(x)

        def train_step(self, data):
            return {"loss": float("nan")}

    net = Own()
    net.compile("sgd", "mse")
    net.build((None, 4))
    with pytest.raises(ValueError, match="the loss is nan"):
        net.train_on_batch(X, Y)


def test_missing_targets_are_left_to_a_loss_that_knows_them():
    def masked(y_true, y_pred):
        known = weft.ops.isfinite(y_true)
        return weft.where(known, weft.ops.square(weft.where(known, y_true, 0.0) - y_pred), 0.0)

    net = weft.Sequential([weft.Input((4,)), layers.Dense(1)])
    net.compile("sgd", masked)
    y = with_nan(Y, 5)
    for _ in range(5):
        assert np.isfinite(net.train_on_batch(X, y))
    assert np.isfinite(net.test_on_batch(X, y)) and np.isfinite(net.evaluate(X, y, verbose=0))


def test_evaluation_refuses_nan():
    net = model()
    for evaluate in (lambda x, y: net.evaluate(x, y, verbose=0), net.test_on_batch):
        with pytest.raises(ValueError, match=r"x holds nan .*the metrics would be nan"):
            evaluate(with_nan(X, 3, 2), Y)
        with pytest.raises(ValueError, match=r"y \(targets\) holds inf"):
            evaluate(X, np.where(np.arange(16)[:, None] == 2, np.inf, Y).astype("float32"))
        assert np.isfinite(evaluate(X, Y))


@pytest.mark.parametrize(
    "data, words",
    [
        ((with_nan(X, 3, 2), Y), "validation_data: x holds nan"),
        ((X, with_nan(Y, 3)), r"validation_data: y \(targets\) holds nan"),
        ((X, Y[:3]), "validation_data: the data do not belong together"),
        ((X, np.zeros((16, 3), "float32")), "validation_data: .*equal shapes"),
        ((X, [[1.0], [2.0, 3.0]] * 8), "validation_data: y is a nested list"),
        ((X,), "validation_data must be"),
    ],
)
def test_errors_in_validation_data_say_so(data, words):
    with pytest.raises(ValueError, match=words):
        model().fit(X, Y, validation_data=data, verbose=0)


SPARSE = "sparse_categorical_crossentropy"


def classifier(units=3, loss=SPARSE):
    activation = "sigmoid" if units == 1 else "softmax"
    net = weft.Sequential([weft.Input((4,)), layers.Dense(units, activation=activation)])
    net.compile("sgd", loss)
    return net


@pytest.mark.parametrize(
    "units, loss, class_weight, error, words",
    [
        (3, SPARSE, {0: -1.0}, ValueError, "class 0 .*got -1.0"),
        (3, SPARSE, {0: np.nan}, ValueError, "class 0 .*got nan"),
        (3, SPARSE, {2: "a"}, ValueError, "class 2 .*got 'a'"),
        (
            3,
            SPARSE,
            {"b": 1.0},
            TypeError,
            "'b' of type str is no class",
        ),
        (3, SPARSE, {3: 1.0}, ValueError, "3 is no class: .*0 to 2"),
        (1, "binary_crossentropy", {2: 1.0}, ValueError, "2 is no class: .*0 to 1"),
    ],
)
def test_class_weights_are_checked(units, loss, class_weight, error, words):
    y = np.arange(16) % 2
    for train in ("fit", "train_on_batch"):
        with pytest.raises(error, match=words):
            getattr(classifier(units, loss), train)(X, y, class_weight=class_weight)
    classifier(units, loss).fit(X, y, class_weight={0: 0.0, 1: 2.0}, verbose=0)


def test_negative_sample_weights_are_pointed_out():
    weight = np.ones(16, "float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model().fit(X, Y, sample_weight=weight, verbose=0)
    weight[7] = -1
    with pytest.warns(UserWarning, match="sample_weight is negative, first in row 7"):
        model().fit(X, Y, sample_weight=weight, verbose=0)


@pytest.mark.parametrize("value", ["abc", b"abc", None, {}, [], ["a", "b"], object()])
def test_what_is_no_data_is_refused_by_name(value):
    built = layers.Dense(2, name="built")
    built.build((None, 4))
    functional_input = weft.Input((4,))
    functional = weft.Model(functional_input, layers.Dense(2)(functional_input), name="graph")
    for layer in (layers.Dense(2, name="new"), built, model(), functional):
        with pytest.raises(TypeError, match=rf"layer '{layer.name}' .*must be a tensor.*, got "):
            layer(value)


def test_an_axis_that_the_input_lacks_is_named():
    for axis in (5, -3):
        net = weft.Sequential([weft.Input((10,)), layers.Dense(10)])
        with pytest.raises(ValueError, match=rf"axis {axis} is out of range .*\(None, 10\)"):
            net.add(layers.BatchNormalization(axis=axis, name="norm"))
            net(np.ones((2, 10), "float32"))
