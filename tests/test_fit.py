"""`fit` and its relatives against loops written in NumPy, and against Keras where installed."""

import functools
import io
import math
import operator
import os
import sys

import numpy as np
import pytest

import weft
from weft import layers


def data(n=50, m=4, k=3, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, m))
    return x.astype(dtype), np.sin(x @ rng.normal(size=(m, k))).astype(dtype)


def network(m=4, k=3, hidden=6, dtype="float64", seed=0, last=None, **options):
    rng = np.random.default_rng(seed)
    model = weft.Sequential(
        [
            weft.Input((m,)),
            layers.Dense(hidden, activation="tanh", dtype=dtype, name="hidden"),
            layers.Dense(k, activation=last, dtype=dtype, name="out"),
        ]
    )
    model.set_weights([rng.normal(size=w.shape) * 0.5 for w in model.get_weights()])
    model.compile(**{"optimizer": weft.optimizers.SGD(0.1), "loss": "mse", **options})
    return model


def numpy_epochs(weights, x, y, epochs, size, rate, momentum=0.0, sample_weight=None):
    """Losses per epoch and final weights of the same training, in float64."""
    w1, b1, w2, b2 = (np.array(w, "float64") for w in weights)
    velocity = [np.zeros_like(w) for w in (w1, b1, w2, b2)]
    losses = []
    for _ in range(epochs):
        total = 0.0
        for start in range(0, len(x), size):
            xs, ys = x[start : start + size], y[start : start + size]
            h = np.tanh(xs @ w1 + b1)
            error = h @ w2 + b2 - ys
            weight = np.ones(len(xs))
            if sample_weight is not None:
                weight = sample_weight[start : start + size]
            total += (weight[:, None] * error**2).mean() * len(xs)
            d = 2 * error * weight[:, None] / error.size
            dh = d @ w2.T * (1 - h**2)
            gradients = [xs.T @ dh, dh.sum(0), h.T @ d, d.sum(0)]
            for i, (w, g) in enumerate(zip((w1, b1, w2, b2), gradients, strict=True)):
                velocity[i] = momentum * velocity[i] - rate * g
                w += velocity[i]
        losses.append(total / len(x))
    return losses, [w1, b1, w2, b2]


@pytest.mark.parametrize("size", [7, 25, 50, 64])
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 2e-5)])
def test_losses_and_weights_are_those_of_numpy(size, dtype, tolerance):
    x, y = data()
    model = network(dtype=dtype, optimizer=weft.optimizers.SGD(0.1, momentum=0.9))
    start = model.get_weights()
    history = model.fit(x, y, batch_size=size, epochs=4, shuffle=False, verbose=0)
    losses, weights = numpy_epochs(start, x, y, 4, size, 0.1, 0.9)
    np.testing.assert_allclose(history.history["loss"], losses, rtol=tolerance * 50)
    for found, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * 10)


def test_sample_weights_are_those_of_numpy():
    x, y = data()
    weight = np.linspace(0, 2, len(x))
    model = network()
    start = model.get_weights()
    history = model.fit(x, y, sample_weight=weight, batch_size=20, shuffle=False, verbose=0)
    losses, _ = numpy_epochs(start, x, y, 1, 20, 0.1, sample_weight=weight)
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-10)


def test_train_on_batch_and_fit_take_the_same_steps():
    x, y = data(n=40)
    fitted, stepped = network(), network()
    fitted.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for _ in range(2):
        for start in range(0, 40, 8):
            stepped.train_on_batch(x[start : start + 8], y[start : start + 8])
    for one, other in zip(fitted.get_weights(), stepped.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shuffle", [True, "batch"])
def test_bits_do_not_depend_on_the_number_of_threads(shuffle):
    def run(threads):
        before = weft.num_threads()
        weft.set_num_threads(threads)
        try:
            weft.utils.set_random_seed(7)
            model = weft.Sequential(
                [
                    weft.Input((64,)),
                    layers.Dense(256, activation="relu"),
                    layers.Dropout(0.3),
                    layers.Dense(3, activation="softmax"),
                ]
            )
            model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
            rng = np.random.default_rng(0)
            x, y = rng.normal(size=(300, 64)).astype("float32"), rng.integers(0, 3, 300)
            history = model.fit(
                x, y, epochs=2, batch_size=64, validation_split=0.2, shuffle=shuffle, verbose=0
            )
            return history.history, model.get_weights()
        finally:
            weft.set_num_threads(before)

    (history, weights), (others, other_weights) = run(1), run(2)
    assert history == others
    for one, other in zip(weights, other_weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_shuffling_sees_every_row_once():
    seen = []

    class Remember(weft.Sequential):
        def train_step(self, batch):
            seen.append(batch[0].numpy()[:, 0].tolist())
            return super().train_step(batch)

    x = np.arange(23, dtype="float32")[:, None]
    model = Remember([weft.Input((1,)), layers.Dense(1)])
    model.compile(weft.optimizers.SGD(0.0), "mse")
    model.fit(x, x, batch_size=5, epochs=2, verbose=0)
    first, second = (
        functools.reduce(operator.iadd, seen[:5], []),
        functools.reduce(operator.iadd, seen[5:], []),
    )
    assert sorted(first) == sorted(second) == x[:, 0].tolist()
    assert first != second != x[:, 0].tolist()
    assert [len(batch) for batch in seen[:5]] == [5, 5, 5, 5, 3]


def test_evaluate_and_predict_do_not_train():
    x, y = data()
    model = network(metrics=["mae"])
    before = model.get_weights()
    w1, b1, w2, b2 = before
    expected = np.tanh(x @ w1 + b1) @ w2 + b2
    np.testing.assert_allclose(model.predict(x, batch_size=8, verbose=0), expected, rtol=1e-12)
    loss, mae = model.evaluate(x, y, batch_size=8, verbose=0)
    assert loss == pytest.approx(((expected - y) ** 2).mean(), rel=1e-10)
    assert mae == pytest.approx(abs(expected - y).mean(), rel=1e-6)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_predictions_do_not_share_memory_with_the_model_or_the_data():
    model = weft.Sequential([weft.Input((3,)), layers.Activation("linear")])
    x = np.ones((2, 3), "float32")
    model.predict(x, verbose=0)[:] = 5
    assert (x == 1).all()


def test_layers_cannot_write_into_the_data_of_the_user():
    class Adds(layers.Layer):
        def call(self, x):
            x += 1
            return x

    x = np.zeros((4, 2), "float32")
    model = weft.Sequential([Adds(), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises((ValueError, RuntimeError)):
        model.fit(x, np.zeros((4, 1)), shuffle=False, verbose=0)
    assert (x == 0).all()


def two_outputs():
    a = weft.Input((3,), name="a")
    hidden = layers.Dense(4, activation="tanh", name="hidden")(a)
    outputs = [layers.Dense(2, name="left")(hidden), layers.Dense(1, name="right")(hidden)]
    return weft.Model(a, outputs)


def test_losses_of_several_outputs_add_up_with_their_weights():
    x, y = data(m=3, k=2, dtype="float32")
    z = x[:, :1]
    model = two_outputs()
    model.compile(
        weft.optimizers.SGD(0.0), loss={"left": "mse", "right": "mae"}, loss_weights=[0.5, 3.0]
    )
    logs = model.evaluate(x, [y, z], verbose=0, return_dict=True)
    left, right = model.predict(x, verbose=0)
    assert logs["left_loss"] == pytest.approx(((left - y) ** 2).mean(), rel=1e-5)
    assert logs["right_loss"] == pytest.approx(abs(right - z).mean(), rel=1e-5)
    assert logs["loss"] == pytest.approx(0.5 * logs["left_loss"] + 3 * logs["right_loss"], rel=1e-5)
    assert set(model.fit(x, [y, z], verbose=0).history) == set(logs)


def test_an_output_without_loss_is_left_alone():
    x, y = data(m=3, k=2, dtype="float32")
    model = two_outputs()
    model.compile("sgd", loss=["mse", None])
    before = model.get_layer("right").get_weights()
    with pytest.warns(UserWarning, match="right"):
        model.fit(x, [y, x[:, :1]], verbose=0)
    for one, other in zip(before, model.get_layer("right").get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_regularizers_and_added_losses_are_part_of_the_loss():
    x, y = data(dtype="float32")
    plain = network(dtype="float32")
    weights = plain.get_weights()
    rich = weft.Sequential(
        [
            weft.Input((4,)),
            layers.Dense(6, activation="tanh", kernel_regularizer=weft.regularizers.L2(0.1)),
            layers.Dense(3),
        ]
    )
    rich.set_weights(weights)
    rich.compile("sgd", "mse")
    penalty = 0.1 * (weights[0].astype("float64") ** 2).sum()
    expected = plain.evaluate(x, y, verbose=0) + penalty
    assert rich.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_metrics_among_the_attributes_are_logged_and_reset():
    class Own(weft.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)
            self.distance = weft.metrics.Mean(name="distance")

        def call(self, x):
            return self.dense(x)

        def train_step(self, batch):
            logs = super().train_step(batch)
            self.distance.update_state(2.0)
            return {**logs, "distance": self.distance.result()}

    model = Own()
    model.compile("sgd", "mse")
    x = np.ones((8, 2), "float32")
    history = model.fit(x, x[:, :1], epochs=2, batch_size=4, verbose=0)
    assert history.history["distance"] == [2.0, 2.0]


def test_frozen_and_thawed_layers():
    x, y = data()
    model = network()
    start = model.get_weights()
    model.get_layer("hidden").trainable = False
    model.compile(weft.optimizers.SGD(0.1), "mse")
    model.train_on_batch(x, y)
    frozen = [bool((a == b).all()) for a, b in zip(start, model.get_weights(), strict=True)]
    assert frozen == [True, True, False, False]


def test_options_that_would_do_nothing_are_refused():
    model = network()
    for option in ({"jit_compile": "always"}, {"steps_per_execution": 4}):
        with pytest.raises(ValueError, match=next(iter(option))):
            model.compile("sgd", "mse", **option)


# --- progress ------------------------------------------------------------------------------------


def test_plain_progress_has_no_control_codes(capsys):
    x, y = data()
    network().fit(x, y, epochs=2, validation_split=0.2, verbose=1)
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("Epoch")] == ["Epoch 1/2", "Epoch 2/2"]
    assert len(lines) == 4 and "samples/s" in lines[1] and "val_loss" in lines[1]
    assert not any(ord(c) < 32 and c != "\n" for c in text)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_is_drawn_on_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    x, y = data()
    network().fit(x, y, epochs=1, verbose=1)
    network().predict(x, verbose=1)
    text = terminal.getvalue()
    assert "Epoch 1/1" in text and "━" in text
    assert "2/2 - " in text and "loss: " in text
    assert "\x1b[?25h" in text  # the cursor is shown again


def test_the_terminal_is_given_back_after_an_error(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")

    class Stop(weft.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        network().fit(*data(), verbose=1, callbacks=[Stop()])
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h") > 0


def test_progress_numbers():
    from weft.training.progress import number_text, rate_text, time_text

    assert [time_text(s) for s in (0.84, 35, 125, 3725)] == ["0.8s", "35s", "2:05", "1:02:05"]
    assert number_text(0.12345) == "0.1235" and number_text(2e-5) == "2.0000e-05"
    assert number_text(math.nan) == "nan"
    assert rate_text(5, 10, 320, 2.0) == "80 samples/s"
    assert rate_text(5, None, None, 2.0) == "2 steps/s"


def test_progbar_averages_what_is_not_stateful(capsys):
    bar = weft.utils.Progbar(3, verbose=2, stateful_metrics=["lr"])
    for step in range(3):
        bar.add(1, [("loss", float(step)), ("lr", float(step))])
    assert "loss: 1.0000 - lr: 2.0000" in capsys.readouterr().out


# --- an independent implementation ---------------------------------------------------------------


def test_history_equals_keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")

    def run(k):
        model = k.Sequential(
            [k.Input((4,)), k.layers.Dense(6, activation="relu"), k.layers.Dense(3, "softmax")]
        )
        rng = np.random.default_rng(0)
        model.set_weights([rng.normal(size=w.shape).astype("f4") for w in model.get_weights()])
        model.compile(
            k.optimizers.Adam(0.02),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
            weighted_metrics=["accuracy"],
        )
        x = rng.normal(size=(50, 4)).astype("float32")
        y = rng.integers(0, 3, 50)
        history = model.fit(
            x,
            y,
            epochs=3,
            batch_size=16,
            shuffle=False,
            class_weight={0: 1.0, 1: 3.0},
            validation_split=0.3,
            verbose=0,
        )
        return history.history, model.predict(x, verbose=0)

    (own, predicted), (other, expected) = run(weft), run(keras)
    assert set(own) == set(other)
    for name, values in other.items():
        np.testing.assert_allclose(own[name], values, rtol=1e-4, err_msg=name)
    np.testing.assert_allclose(predicted, expected, rtol=1e-3, atol=1e-5)
