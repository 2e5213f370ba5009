"""Mistakes in what is trained on: an error that says what to do, or a warning."""

import warnings

import numpy as np
import pytest

import weft
from weft import layers


def rows(n=32, m=4):
    return np.random.default_rng(0).normal(size=(n, m)).astype("float32")


def model_of(loss, units=3, activation="softmax", **options):
    model = weft.Sequential(
        [weft.Input((4,)), layers.Dense(units, activation=activation, name="out")]
    )
    model.compile("sgd", loss, **options)
    return model


def subclassed(loss, units=3, activation="softmax"):
    class Net(weft.Model):
        def __init__(self):
            super().__init__(name="net")
            self.out = layers.Dense(units, activation=activation, name="out")

        def call(self, x):
            return self.out(x)

    model = Net()
    model.compile("sgd", loss)
    return model


SPARSE, DENSE = "sparse_categorical_crossentropy", "categorical_crossentropy"


def with_value(value, where, shape=(32,), dtype="int64"):
    y = np.zeros(shape, dtype)
    y[where] = value
    return y


LABELS = [
    (SPARSE, with_value(5, 17), r"label 5 at y\[17\].*'out' has 3 units"),
    (SPARSE, with_value(-1, 4), r"label -1 at y\[4\]"),
    (SPARSE, np.arange(32) % 3 + 1, "start at 1"),
    (SPARSE, with_value(1.5, 3, dtype="float32"), r"y\[3\] is 1.5"),
    (SPARSE, np.eye(3)[np.arange(32) % 3], "one-hot.*categorical_crossentropy"),
    (SPARSE, np.zeros((32, 2), "int64"), r"one class number per prediction.*\(32, 2\)"),
    (DENSE, np.zeros(32, "int64"), "class numbers.*to_categorical"),
    (DENSE, np.zeros((32, 1), "int64"), "class numbers"),
    (DENSE, np.zeros((32, 4)), r"\(32, 4\).*\(None, 3\)"),
    ("mse", np.zeros(32), r"\(32,\).*\(None, 3\)"),
    ("mae", np.zeros((32, 2)), r"2 units"),
    ("huber", np.zeros((32, 1)), r"\(32, 1\).*\(None, 3\)"),
    ("mse", with_value(np.nan, (3, 1), (32, 3), "float32"), r"y \(targets\) holds nan.*row 3"),
    ("mse", np.array([["cat"] * 3] * 32), "text.*'cat'.*StringLookup"),
]


@pytest.mark.parametrize("build", [model_of, subclassed])
@pytest.mark.parametrize("loss, y, words", LABELS)
def test_targets_that_cannot_be_meant(build, loss, y, words):
    words = words.replace("'out'", "'(out|net)'")
    with pytest.raises((ValueError, TypeError), match=f"(?s){words}"):
        build(loss).fit(rows(), y, verbose=0)


@pytest.mark.parametrize("loss, y, words", LABELS[:12])
@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch", "evaluate"])
def test_targets_of_single_batches_are_checked(method, loss, y, words):
    options = {"verbose": 0} if method == "evaluate" else {}
    with pytest.raises((ValueError, TypeError), match=f"(?s){words}"):
        getattr(model_of(loss), method)(rows(), y, **options)


@pytest.mark.parametrize("loss, y, units, activation", [
    (SPARSE, np.arange(32) % 3, 3, "softmax"), (SPARSE, (np.arange(32) % 3)[:, None], 3, "softmax"),
    (SPARSE, (np.arange(32) % 3).astype("float32"), 3, "softmax"),
    (SPARSE, (np.arange(32) % 3).astype("uint8"), 3, "softmax"),
    (DENSE, np.eye(3)[np.arange(32) % 3], 3, "softmax"),
    (DENSE, np.full((32, 3), 1 / 3), 3, "softmax"),
    ("binary_crossentropy", np.arange(32) % 2, 1, "sigmoid"),
    ("binary_crossentropy", np.arange(32) % 2 == 0, 1, "sigmoid"),
    ("binary_crossentropy", np.full((32, 1), 0.3), 1, "sigmoid"),
    ("binary_crossentropy", np.ones((32, 3)), 3, "sigmoid"),
    ("mse", np.zeros(32), 1, None), ("mse", np.zeros((32, 1)), 1, None),
    ("hinge", np.ones((32, 1)), 1, "tanh"),
])  # fmt: skip
def test_targets_that_fit_pass_without_warning(loss, y, units, activation):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = model_of(loss, units, activation)
        model.fit(rows(), y, verbose=0)
        model.evaluate(rows(), y, verbose=0)
        model.train_on_batch(rows(), y)


@pytest.mark.parametrize("values, words", [
    ((-1.0, 1.0), r"\(y \+ 1\) / 2"), ((1.0, 2.0), "y - 1"), ((0.0, 255.0), "y / 255"),
])  # fmt: skip
def test_binary_labels_outside_0_and_1(values, words):
    y = np.resize(np.array(values, "float32"), 32)
    with pytest.raises(ValueError, match=f"(?s)from 0 to 1.*{words}"):
        model_of("binary_crossentropy", 1, "sigmoid").fit(rows(), y, verbose=0)


def test_an_ignored_class_is_no_mistake():
    loss = weft.losses.SparseCategoricalCrossentropy(ignore_class=-1)
    model_of(loss).fit(rows(), with_value(-1, 5), verbose=0)
    with pytest.raises(ValueError, match=r"y\[6\]"):
        model_of(loss).fit(rows(), with_value(-2, 6), verbose=0)


def test_labels_of_a_validation_set_and_of_batches_are_checked():
    model, good = model_of(SPARSE), np.zeros(32, "int64")
    with pytest.raises(ValueError, match=r"y\[17\]"):
        model.fit(rows(), good, validation_data=(rows(), with_value(9, 17)), verbose=0)
    with pytest.raises(ValueError, match=r"y\[17\]"):
        model.fit(iter([(rows(), with_value(9, 17))]), verbose=0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_inputs_that_are_not_finite(value):
    x = rows()
    x[7, 2] = value
    with pytest.raises(ValueError, match=r"(?s)x holds .*row 7, column 2"):
        model_of("mse").fit(x, np.zeros((32, 3)), verbose=0)
    with pytest.raises(ValueError, match="row 7"):
        model_of("mse").fit(iter([(x, np.zeros((32, 3)))]), verbose=0)
    model = model_of("mse")
    model.fit(x, np.zeros((32, 3)), verbose=0, callbacks=[weft.callbacks.TerminateOnNaN()])


def test_large_numbers_are_no_infinities():
    x = np.full((32, 4), 3e38, "float32")
    model = model_of("mse", activation=None)
    model.set_weights([np.zeros((4, 3)), np.zeros(3)])
    assert model.evaluate(x, np.zeros((32, 3)), verbose=0) == 0
    with pytest.raises(ValueError, match="not finite"):
        model.fit(x, np.ones((32, 3)), epochs=3, verbose=0)


def test_own_losses_and_steps_may_use_nan():
    def masked(y_true, y_pred):
        known = ~weft.isnan(y_true)
        return weft.mean(weft.where(known, weft.where(known, y_true, 0.0) - y_pred, 0.0) ** 2, -1)

    y = np.zeros((32, 3), "float32")
    y[4] = np.nan
    history = model_of(masked, activation=None).fit(rows(), y, verbose=0)
    assert np.isfinite(history.history["loss"][0])


# --- losses that explode -------------------------------------------------------------------------


def deep(rate):
    model = weft.Sequential(
        [
            weft.Input((4,)),
            layers.Dense(8, activation="relu", name="first"),
            layers.Dense(1, name="second"),
        ]
    )
    model.compile(weft.optimizers.SGD(rate), "mse")
    return model


def test_divergence_is_explained():
    with pytest.raises(ValueError) as error:
        deep(1e9).fit(rows(), rows().sum(1), batch_size=8, epochs=9, verbose=0)
    message = str(error.value)
    for fact in ("epoch 1", "batch", "step", "learning rate 1e+09", "inputs from", "largest weight",
                 "gradient norm", "TerminateOnNaN", "Likely cause: the learning rate"):  # fmt: skip
        assert fact in message, message


def test_unscaled_inputs_are_the_cause():
    x = rows() * 255
    with pytest.raises(ValueError, match=r"not scaled.*Standardizer"):
        deep(0.5).fit(x, x.sum(1), batch_size=8, epochs=50, verbose=0)


def test_the_first_layer_that_overflows_is_named():
    class Bad(layers.Layer):
        def call(self, x):
            return weft.log(x - x)

    model = weft.Sequential([weft.Input((4,)), layers.Dense(3), Bad(name="bad"), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="not finite: 'bad'"):
        model.fit(rows(), np.zeros(32), verbose=0)


def test_the_weights_that_gave_the_loss_are_kept():
    model = deep(1e9)
    with pytest.raises(ValueError):
        model.fit(rows(), rows().sum(1), batch_size=8, epochs=9, verbose=0)
    assert not any("call" in layer.__dict__ for layer in model.layers)  # the replay left no trace


def test_own_train_steps_are_watched_too():
    class Own(weft.Sequential):
        def train_step(self, data):
            return {"loss": weft.tensor(float("inf"))}

    model = Own([weft.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="the loss is inf"):
        model.fit(rows(), np.zeros(32), verbose=0)


# --- legal, but suspicious -----------------------------------------------------------------------


@pytest.mark.parametrize("y", [
    np.repeat([0, 1, 2], 20), np.eye(3)[np.repeat([0, 1, 2], 20)], np.repeat([0.0, 1.0], 30),
])  # fmt: skip
def test_sorted_classes_and_validation_split(y):
    loss = {1: SPARSE, 2: DENSE}[y.ndim]
    with pytest.warns(UserWarning, match="(?s)validation_split.*sorted by class.*stratif"):
        model_of(loss).fit(rows(60), y, validation_split=0.3, verbose=0)


@pytest.mark.parametrize("seed", range(10))
def test_shuffled_classes_are_not_suspicious(seed):
    rng = np.random.default_rng(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in (10, 32, 200):
            y = rng.permutation(np.arange(n) % 3)
            model_of(SPARSE).fit(rows(n), y, validation_split=0.2, verbose=0)
        model_of("mse", 1, None).fit(rows(60), np.arange(60.0), validation_split=0.2, verbose=0)


def test_activations_and_losses_of_functional_models():
    x = weft.Input((4,))
    hidden = layers.Dense(5, activation="relu")(x)
    two = weft.Model(x, [layers.Dense(3, name="a")(hidden), layers.Dense(1, name="b")(hidden)])
    with pytest.warns(UserWarning, match=r"'a' has no activation.*softmax"):
        two.compile("sgd", loss={"a": SPARSE, "b": "mse"})
    last = weft.Model(x, layers.Activation("softmax", name="end")(layers.Dense(3)(hidden)))
    with pytest.warns(UserWarning, match=r"'end' ends in softmax.*twice"):
        last.compile("sgd", weft.losses.CategoricalCrossentropy(from_logits=True))


def test_accuracy_of_a_regression():
    with pytest.warns(UserWarning, match="accuracy.*continuous.*regression"):
        model_of("mse", metrics=["accuracy"]).fit(rows(), rows(m=3), verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one_hot = np.eye(3)[np.arange(32) % 3]
        model_of("mse", metrics=["accuracy"]).fit(rows(), one_hot, verbose=0)
        model_of(DENSE, metrics=["accuracy"]).fit(rows(), one_hot * 0.9 + 0.03, verbose=0)


# --- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize("argument, value", [
    ("batch_size", 0), ("batch_size", 2.5), ("batch_size", "32"), ("epochs", -1), ("epochs", True),
    ("validation_split", 1.0), ("validation_split", -0.1), ("validation_split", "half"),
    ("verbose", 3), ("steps_per_epoch", 0), ("validation_freq", 0), ("initial_epoch", -1),
])  # fmt: skip
def test_impossible_arguments_of_fit(argument, value):
    with pytest.raises((ValueError, TypeError), match=rf"(?s){argument}.*{value}"):
        model_of("mse").fit(rows(), rows(m=3), **{"verbose": 0, argument: value})


@pytest.mark.parametrize("call, words", [
    (lambda m: m.fit(rows(), rows(m=3), epoch=3), "epochs"),
    (lambda m: m.evaluate(rows(), rows(m=3), batchsize=3), "batch_size"),
    (lambda m: m.predict(rows(), verbos=0), "verbose"),
    (lambda m: m.compile("sgd", "mse", metric=["mae"]), "metrics"),
    (lambda m: m.compile("sgd", "mean_square_error"), "mean_squared_error"),
    (lambda m: m.compile("sgd", "mse", metrics=["acuracy"]), "accuracy"),
])  # fmt: skip
def test_misspelt_names_are_answered_with_the_nearest(call, words):
    with pytest.raises((ValueError, TypeError), match=rf"did you mean.*{words}"):
        call(model_of("mse"))


@pytest.mark.parametrize("options, words", [
    ({"loss": ["mse", "mse"]}, "2 entries.*1 outputs"),
    ({"loss": {"ouput": "mse"}}, "'ouput'"),
    ({"loss": weft.losses.MeanSquaredError}, r"MeanSquaredError\(\)"),
    ({"loss": "mse", "metrics": [weft.metrics.MeanSquaredError]}, r"MeanSquaredError\(\)"),
    ({"loss": None}, "nothing to minimise"),
])  # fmt: skip
def test_losses_and_metrics_that_do_not_fit(options, words):
    model = model_of("mse")
    with pytest.raises(ValueError, match=words):
        model.compile("sgd", **options)
        model.fit(rows(), rows(m=3), verbose=0)


def test_order_of_calls():
    model = weft.Sequential([weft.Input((4,)), layers.Dense(3)])
    for method in ("fit", "evaluate", "train_on_batch", "test_on_batch"):
        with pytest.raises(ValueError, match=rf"{method}: call compile\(\)"):
            getattr(model, method)(rows(), rows(m=3))
    assert model.predict(rows(), verbose=0).shape == (32, 3)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="no targets"):
        model.fit(rows(), verbose=0)


@pytest.mark.parametrize("validation", [(rows(),) * 4, [rows()], (rows(),)])
def test_validation_data_of_the_wrong_form(validation):
    with pytest.raises(ValueError, match=r"validation_data must be \(x, y\)"):
        model_of("mse").fit(rows(), rows(m=3), validation_data=validation, verbose=0)
