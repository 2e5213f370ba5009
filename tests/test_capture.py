"""Recorded steps give the same bits as eager ones, and notice when they cannot."""

import gc
import os
import re
import warnings

import numpy as np
import pytest
from capture_steps import assert_same, both, classes, dense_model, steps

import weft
from weft import layers, optimizers

OPTIMIZERS = [
    "SGD", "RMSprop", "Adam", "AdamW", "Adagrad", "Adadelta", "Adamax", "Nadam", "Ftrl",
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_silent_fallback():
    with warnings.catch_warnings():
        warnings.simplefilter("error", weft.CaptureWarning)
        yield


def replays(model, name="train_on_batch"):
    return len(model.programs.get(name, []))


# --- the same bits -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(name, everywhere):
    model = both(lambda jit: dense_model(jit, getattr(optimizers, name)(0.05)), steps)
    assert replays(model) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"clipnorm": 0.1},
        {"clipvalue": 0.01},
        {"global_clipnorm": 0.1},
        {"weight_decay": 0.01},
        {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 3},
        {"gradient_accumulation_steps": 3},
        {"loss_scale_factor": 64.0},
        {"momentum": 0.9, "nesterov": True},
        {"learning_rate": optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)},
        {"learning_rate": lambda: 0.03},
    ],
    ids=lambda options: "-".join(options),
)
def test_options_of_optimizers(options, everywhere):
    model = both(
        lambda jit: dense_model(jit, optimizers.SGD(**{"learning_rate": 0.1, **options})), steps
    )
    assert replays(model) == 1


@pytest.mark.parametrize(
    "inner",
    [
        lambda: [layers.Dropout(0.4)],
        lambda: [layers.Dropout(0.4, seed=3), layers.GaussianNoise(0.1)],
        lambda: [layers.BatchNormalization(), layers.ReLU()],
        lambda: [layers.LayerNormalization(), layers.ActivityRegularization(l2=0.01)],
        lambda: [layers.Dense(8, kernel_regularizer="l2", kernel_constraint="max_norm")],
        lambda: [layers.Dense(8, activation="gelu", dtype="mixed_bfloat16")],
    ],
    ids=["dropout", "seeded", "batch norm", "layer norm", "regularized", "mixed"],
)
def test_layers(inner, everywhere):
    model = both(lambda jit: dense_model(jit, inner=inner()), steps)
    assert replays(model) == 1


def test_convolution_pooling_and_embedding(everywhere):
    def build(jit):
        weft.random.seed(1)
        pixels, words = weft.Input((8, 8, 1)), weft.Input((4,), dtype="int32")
        a = layers.Conv2D(4, 3, activation="relu")(pixels)
        a = layers.Flatten()(layers.MaxPooling2D()(a))
        b = layers.Flatten()(layers.Embedding(10, 3)(words))
        both_parts = layers.Concatenate()([a, b])
        model = weft.Model(
            [pixels, words],
            [layers.Dense(1, name="p")(both_parts), layers.Dense(2, name="q")(both_parts)],
        )
        model.compile("adam", ["mse", "mae"], metrics=[["mae"], ["mse"]], jit_compile=jit)
        return model

    def train(model):
        rng = np.random.default_rng(0)
        x = [rng.random((12, 8, 8, 1), "float32"), rng.integers(0, 10, (12, 4))]
        y = [rng.random((12, 1), "float32"), rng.random((12, 2), "float32")]
        history = model.fit(x, y, batch_size=4, epochs=4, verbose=0).history
        return history, [p.tolist() for p in model.predict(x, verbose=0)]

    model = both(build, train)
    assert replays(model, "train_step") == 1


@pytest.mark.parametrize("weights", ["class_weight", "sample_weight"])
def test_weights_of_rows(weights):
    x, y = classes(22)
    given = {0: 2.0, 1: 0.5} if weights == "class_weight" else np.linspace(0, 1, 22)

    def train(model):
        return model.fit(x, y, batch_size=8, epochs=5, verbose=0, **{weights: given}).history

    model = both(lambda jit: dense_model(jit, weighted_metrics=["accuracy"]), train)
    assert replays(model, "train_step") == 2  # whole batches, and the last one of an epoch


def test_fit_with_validation_last_batch_and_callbacks(everywhere):
    x, y = classes(45)

    class Rates(weft.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 0.1 / (epoch + 1)

    def train(model):
        seen = []
        tell = weft.callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: seen.append(logs))
        history = model.fit(
            x,
            y,
            batch_size=10,
            epochs=6,
            validation_split=0.2,
            callbacks=[Rates(), tell],
            verbose=0,
        )
        return history.history, seen, model.evaluate(x, y, verbose=0)

    model = both(dense_model, train)
    assert replays(model, "train_step") == 2
    assert replays(model, "test_step") >= 1


def test_predict_gives_arrays_of_its_own(everywhere):
    model = dense_model("auto")
    parts = [model.predict_on_batch(classes(4, seed=i)[0]) for i in range(8)]
    kept = [p.copy() for p in parts]
    assert replays(model, "predict_step") == 1
    model.predict_on_batch(classes(4, seed=50)[0])
    assert_same(parts, kept)
    for i, part in enumerate(parts):
        with weft.no_grad():
            np.testing.assert_array_equal(part, model(classes(4, seed=i)[0]).numpy())


def test_set_weights_save_and_load_between_steps(tmp_path):
    path = os.fspath(tmp_path / "w.weights.h5")

    def train(model):
        steps(model, 4)
        model.save_weights(path)
        steps(model, 2)
        model.load_weights(path)
        losses = steps(model, 2)
        model.set_weights([w * 0.5 for w in model.get_weights()])
        return losses + steps(model, 2)

    assert replays(both(dense_model, train)) == 1


def test_freezing_and_attributes_between_steps():
    def train(model):
        result = steps(model, 5)
        model.layers[0].trainable = False
        result += steps(model, 5)
        model.layers[0].trainable = True
        result += steps(model, 2)
        model.layers[1].rate = 0.9
        return result + steps(model, 5)

    model = both(lambda jit: dense_model(jit, "sgd", inner=[layers.Dropout(0.1)]), train)
    assert replays(model) == 3


def test_own_train_step_in_the_style_of_keras():
    class Own(weft.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)
            self.tracker = weft.metrics.Mean(name="loss")
            self.hits = weft.metrics.SparseCategoricalAccuracy(name="hits")

        @property
        def metrics(self):
            return [self.tracker, self.hits]

        def call(self, x):
            return self.dense(x)

        def train_step(self, data):
            x, y = data
            with weft.GradientTape() as tape:
                scores = self(x, training=True)
                loss = weft.losses.SparseCategoricalCrossentropy(from_logits=True)(y, scores)
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
            self.tracker.update_state(loss)
            self.hits.update_state(y, scores)
            return {m.name: m.result() for m in self.metrics}

    def build(jit):
        weft.random.seed(2)
        model = Own()
        model.compile("adam", jit_compile=jit is not False)  # "auto" leaves own steps alone
        return model

    x, y = classes(24)
    model = both(build, lambda m: m.fit(x, y, batch_size=8, epochs=4, verbose=0).history)
    assert replays(model, "train_step") == 1


def test_one_optimizer_with_a_schedule_used_twice_in_a_step(everywhere):
    found = []
    for wrap in (weft.capture, lambda step: step):
        w = weft.Variable([1.0, -2.0])
        optimizer = optimizers.SGD(optimizers.schedules.ExponentialDecay(0.1, 1, 0.5))

        def step(x, w=w, optimizer=optimizer):
            for _ in range(2):
                optimizer.apply(weft.grad([(w * x).sum()], [w]), [w])
            return w * 1.0

        wrapped = wrap(step)
        found.append([wrapped(weft.tensor([1.0, 3.0])).tolist() for _ in range(6)])
    assert found[0] == found[1]


def test_backward_and_gradients_of_leaves():
    def run(capture):
        w = weft.Variable([[1.0], [2.0]])
        found = []

        def step(x):
            w.grad = None
            loss = ((x @ w) ** 2).sum()
            loss.backward()
            with weft.no_grad():
                w.assign_sub(w.grad * 0.1)
            return loss

        step = weft.capture(step) if capture else step
        for i in range(6):
            loss = step(weft.tensor([[1.0, 0.5], [0.2, float(i)]]))
            found.append((loss.item(), w.grad.tolist(), w.tolist(), w._data.version))
            w.grad = None
        return found, step

    recorded, step = run(True)
    assert len(step.programs) == 1
    assert recorded == run(False)[0]


# --- what a replay must notice -------------------------------------------------------------------


def test_wrong_labels_and_indices_raise_in_a_replay():
    x, y = classes()
    model = dense_model("auto", "sgd")
    steps(model, 5)
    before = model.get_weights()
    bad = y.copy()
    bad[7] = 9
    with pytest.raises(ValueError, match="label 9 at row 7"):
        model.train_on_batch(x, bad)
    assert_same(model.get_weights(), before)  # no update was made
    steps(model, 1)

    table = weft.Variable(np.arange(6.0, dtype="float32"))
    look = weft.capture(lambda i: weft.take(table, i))
    for _ in range(5):
        look(weft.tensor([1, 2]))
    assert len(look.programs) == 1
    with pytest.raises(IndexError, match="6"):
        look(weft.tensor([1, 6]))
    assert look(weft.tensor([5, 0])).tolist() == [5.0, 0.0]


def test_embedding_checks_negative_indices_in_a_replay():
    model = weft.Sequential([weft.Input((2,), dtype="int32"), layers.Embedding(5, 2)])
    for _ in range(5):
        model.predict_on_batch(np.array([[0, 4]], "int32"))
    assert replays(model, "predict_step") == 1
    with pytest.raises(IndexError, match="-3"):
        model.predict_on_batch(np.array([[0, -3]], "int32"))


def test_loss_that_is_not_finite_is_explained_before_the_update():
    x, y = classes(40)
    model = dense_model("auto", "sgd")
    model.fit(x, y, batch_size=8, epochs=3, verbose=0)
    before = model.get_weights()
    assert replays(model, "train_step") == 1

    class Spoil(weft.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.layers[0].kernel.assign(np.full((6, 8), np.nan, "float32"))

    with pytest.raises(ValueError, match="loss is nan"):
        model.fit(x, y, batch_size=8, epochs=1, verbose=0, callbacks=[Spoil()])
    assert_same(model.get_weights()[1:], before[1:])


def test_replaced_tensors_are_noticed():
    held = {"w": weft.Variable(2.0)}
    double = weft.capture(lambda x: x * held["w"])
    one = weft.tensor(1.0)
    assert [double(one).item() for _ in range(5)] == [2.0] * 5
    held["w"] = weft.Variable(3.0)
    gc.collect()
    assert [double(one).item() for _ in range(5)] == [3.0] * 5
    assert len(double.programs) == 1


def test_exception_in_the_middle_leaves_nothing_behind():
    fail = [False]

    def step(x):
        y = x + 1.0
        if fail[0]:
            raise KeyError("mine")
        return y

    step = weft.capture(step)
    one = weft.tensor(1.0)
    step(one)
    fail[0] = True
    with pytest.raises(KeyError, match="mine"):
        step(one)
    assert not weft._C.is_recording()
    fail[0] = False
    assert [step(one).item() for _ in range(4)] == [2.0] * 4
    assert len(step.programs) == 1


# --- what cannot be recorded ---------------------------------------------------------------------


def reads(x):
    return x * 2.0 if x.sum().item() > 0 else x


counter = [0]


def counts(x):
    counter[0] += 1
    return x + float(counter[0])


def draws(x):
    return x + np.random.default_rng().random(x.shape)


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (reads, r"item\(\) reads values.*test_capture\.py:\d+"),
        (lambda x: x if x.sum() > 0 else -x, "reads values"),
        (lambda x: weft.nonzero(x), "reads values"),
        (lambda x: x[x > 0], "reads values"),
        (lambda x: x + float(x.numpy().sum()), r"numpy\(\) reads values"),
        (counts, "change from call to call"),
        (draws, "change from call to call"),
    ],
    ids=["item", "bool", "nonzero", "mask", "numpy", "counter", "numpy random"],
)
def test_what_cannot_be_recorded_runs_eagerly_and_says_so(function, why):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        captured = weft.capture(function)
        for _ in range(6):
            captured(weft.tensor([1.0, 2.0]))
    messages = [str(w.message) for w in said if w.category is weft.CaptureWarning]
    assert len(messages) == 1
    assert re.search(why, messages[0])
    assert captured.programs == []
    with pytest.raises(RuntimeError, match="cannot be recorded"):
        strict = weft.capture(function, required=True)
        for _ in range(6):
            strict(weft.tensor([1.0, 2.0]))


def test_python_side_effects_of_layers_are_found():
    class Counting(layers.Layer):
        seen = 0

        def call(self, x):
            self.seen += 1
            return x * 2.0

    model = weft.Sequential([weft.Input((2,)), Counting(), layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((4, 2), "float32")
    with pytest.warns(weft.CaptureWarning, match="sets the attribute 'seen'"):
        for _ in range(6):
            model.train_on_batch(x, x[:, :1])
    assert model.layers[0].seen >= 6
    model.compile("sgd", "mse", jit_compile=True)
    with pytest.raises(RuntimeError, match="jit_compile=True"):
        for _ in range(6):
            model.train_on_batch(x, x[:, :1])


def test_metric_that_reads_values_stays_right():
    class Host(weft.metrics.Metric):
        def __init__(self):
            super().__init__(name="host")
            self.values = []

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.values.append(float(np.mean(y_pred.numpy())))

        def result(self):
            return float(np.sum(self.values))

        def reset_state(self):
            self.values = []

    model = dense_model("auto", metrics=[Host()])
    x, y = classes(32)
    with pytest.warns(weft.CaptureWarning, match="runs eagerly"):
        history = model.fit(x, y, batch_size=8, epochs=3, verbose=0).history
    assert history["host"][0] == pytest.approx(4 / 3)


def test_run_eagerly_and_options():
    model = dense_model("auto", run_eagerly=True)
    steps(model, 5)
    assert not model.programs
    with pytest.raises(ValueError, match="jit_compile"):
        dense_model("always")
