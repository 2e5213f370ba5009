"""Models train on a GPU as on the CPU: layers, optimizers, `fit`, saving, what waits for what."""

import numpy as np
import pytest

import weft
from weft import _C, placement
from weft.training.compile_utils import Average

L = weft.layers

# The sums of a step run in another order on a GPU: float32 results differ in the last digits, and
# Adam's quotients carry that into the weights.
LOSS = {"rtol": 1e-4, "atol": 1e-5}


def digits(n):
    data = pytest.importorskip("sklearn.datasets").load_digits()
    return (data.images[:n, ..., None] / 16).astype("float32"), data.target[:n]


def mlp():
    return weft.Sequential(
        [
            weft.Input((8, 8, 1)),
            L.Flatten(),
            L.Dense(32, activation="relu"),
            L.Dropout(0.2),
            L.Dense(10, activation="softmax"),
        ]
    )


def lenet():
    return weft.Sequential(
        [
            weft.Input((8, 8, 1)),
            L.Conv2D(6, 3, padding="same", activation="relu"),
            L.MaxPooling2D(),
            L.Conv2D(16, 3, activation="relu"),
            L.Flatten(),
            L.Dense(32, activation="relu"),
            L.Dense(10, activation="softmax"),
        ]
    )


def train(model, device, n=256, epochs=2, **options):
    weft.utils.set_random_seed(3)
    x, y = digits(n + 64)
    with weft.device(device):
        model = model()
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(
            x[:n], y[:n], epochs=epochs, verbose=0, validation_data=(x[n:], y[n:]), **options
        )
    return model, history.history


@pytest.mark.parametrize("model", [mlp, lenet])
def test_training_gives_the_losses_of_the_cpu(model, gpu, tmp_path):
    here, expected = train(model, "cpu")
    there, found = train(model, gpu)
    assert {v.device for v in there.variables} == {gpu}
    assert found.keys() == expected.keys()
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(found[name], expected[name], **LOSS)
    np.testing.assert_allclose(found["accuracy"], expected["accuracy"], atol=0.01)
    assert found["loss"][-1] < found["loss"][0]

    # Evaluating, predicting, saving and loading need no further word about the device.
    x, y = digits(100)
    predictions = there.predict(x, verbose=0)
    assert type(predictions) is np.ndarray
    np.testing.assert_allclose(predictions, here.predict(x, verbose=0), rtol=1e-2, atol=1e-4)
    np.testing.assert_allclose(
        there.evaluate(x, y, verbose=0), here.evaluate(x, y, verbose=0), rtol=1e-3, atol=1e-3
    )
    there.save(tmp_path / "model.weft")
    with weft.device("cpu"):
        loaded = weft.models.load_model(tmp_path / "model.weft")
        np.testing.assert_allclose(loaded.predict(x, verbose=0), predictions, atol=1e-6)
        there.load_weights(tmp_path / "model.weft")
        loaded.to(gpu).fit(x, y, verbose=0)
    assert loaded.optimizer.iterations.device == gpu
    assert int(loaded.optimizer.iterations) == int(there.optimizer.iterations) + 4


def test_a_cnn_learns_the_digits(gpu):
    _, history = train(lenet, gpu, n=1500, epochs=6, batch_size=32)
    assert history["val_accuracy"][-1] > 0.8


def test_weights_and_masks_are_those_of_the_cpu(gpu):
    def start(device):
        weft.utils.set_random_seed(11)
        with weft.device(device):
            layers = [
                L.Dense(7, kernel_initializer=name)
                for name in ("glorot_uniform", "he_normal", "orthogonal")
            ]
            for layer in layers:
                layer.build((None, 5))
            weights = [layer.kernel.numpy() for layer in layers]
            masks = [L.Dropout(0.5)(weft.ones((33, 7)), training=True).numpy() for _ in range(3)]
        return weights + masks

    for mine, other in zip(start(gpu), start("cpu"), strict=True):
        np.testing.assert_array_equal(mine, other)


# --- layers and optimizers -----------------------------------------------------------------------

LAYERS = {
    "dense": (lambda: L.Dense(5, activation="tanh"), (4, 6)),
    "conv": (lambda: L.Conv2D(3, 3, padding="same"), (2, 6, 6, 2)),
    "batch_norm": (lambda: L.BatchNormalization(), (4, 3, 3, 2)),
    "layer_norm": (lambda: L.LayerNormalization(), (4, 6)),
    "dropout": (lambda: L.Dropout(0.4, seed=5), (20, 6)),
    "max_pool": (lambda: L.MaxPooling2D(), (2, 6, 6, 2)),
    "average_pool": (lambda: L.AveragePooling2D(), (2, 6, 6, 2)),
    "softmax": (lambda: L.Softmax(), (4, 6)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_and_its_gradients_are_those_of_the_cpu(name, gpu):
    make, shape = LAYERS[name]
    values = np.random.default_rng(0).normal(size=shape).astype("float32")

    def run(device):
        weft.utils.set_random_seed(1)
        with weft.device(device):
            layer = make()
            x = weft.tensor(values, requires_grad=True)
            y = layer(x, training=True)
            (y * y * 0.5).sum().backward()
            assert {v.device for v in layer.variables} <= {device}
            return [y, x.grad, *(v.grad for v in layer.trainable_variables), *layer.variables]

    for mine, other in zip(run(gpu), run("cpu"), strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=2e-5, atol=2e-5)


OPTIMIZERS = {
    "SGD": {"momentum": 0.9, "nesterov": True},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "Adam": {"amsgrad": True},
    "AdamW": {"weight_decay": 0.1},
    "Adagrad": {},
    "Adadelta": {},
    "Adamax": {},
    "Nadam": {},
    "Ftrl": {"l1_regularization_strength": 0.01},
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(
    "common",
    [{}, {"global_clipnorm": 0.5}, {"gradient_accumulation_steps": 2}, {"use_ema": True}],
    ids=["plain", "clipped", "accumulated", "averaged"],
)
def test_optimizers_take_the_steps_of_the_cpu(name, common, gpu):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=(5, 3)), rng.normal(size=(4, 5, 3))

    def run(device):
        variable = weft.Variable(start.astype("float32")).move_to(device)
        kind = getattr(weft.optimizers, name)
        optimizer = kind(learning_rate=0.05, **OPTIMIZERS[name], **common)
        for gradient in gradients.astype("float32"):
            optimizer.apply([gradient], [variable])  # arrays beside variables go to them
        assert {v.device for v in optimizer.variables} == {device}
        return [variable, *optimizer.variables]

    for mine, other in zip(run(gpu), run("cpu"), strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=2e-5, atol=2e-6)


METRICS = {
    "AUC": {},
    "Precision": {"thresholds": [0.2, 0.6]},
    "Recall": {"top_k": 2},
    "MeanIoU": {"num_classes": 3, "sparse_y_pred": False, "sparse_y_true": False},
    "F1Score": {},
    "CategoricalAccuracy": {},
    "TopKCategoricalAccuracy": {"k": 2},
    "CategoricalCrossentropy": {},
    "MeanSquaredError": {},
    "CosineSimilarity": {},
    "R2Score": {},
    "KLDivergence": {},
}


@pytest.mark.parametrize("name", METRICS)
def test_metrics_count_where_the_data_are(name, gpu):
    rng = np.random.default_rng(0)
    scores = rng.random((30, 3)).astype("float32")
    scores /= scores.sum(1, keepdims=True)
    truth, weight = np.eye(3, dtype="float32")[rng.integers(0, 3, 30)], rng.random(30)

    def count(made_on, device):
        with weft.device(made_on):
            metric = getattr(weft.metrics, name)(**METRICS[name])
        with weft.device("cpu"):
            for _ in range(2):  # the arrays go to the predictions
                args = (truth, weft.tensor(scores, device=device))
                metric.update_state(*args, sample_weight=weight)
            return np.asarray(metric.result())

    expected = count("cpu", "cpu")
    for made_on in ("cpu", gpu):
        np.testing.assert_allclose(count(made_on, gpu), expected, rtol=1e-5, atol=1e-6)


# --- what follows the model ----------------------------------------------------------------------


def small(device="cpu"):
    with weft.device(device):
        model = weft.Sequential(
            [weft.Input((4,)), L.Dense(8, activation="relu"), L.Dense(3, activation="softmax")]
        )
        model.compile(
            weft.optimizers.Adam(weft.optimizers.schedules.ExponentialDecay(0.01, 10, 0.9)),
            "sparse_categorical_crossentropy",
            metrics=["accuracy", weft.metrics.SparseCategoricalCrossentropy()],
            weighted_metrics=["accuracy"],
        )
    return model


def data(n=64):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 4)).astype("float32"), rng.integers(0, 3, n)


@pytest.mark.parametrize(
    "options",
    [
        {"class_weight": {0: 2.0, 1: 0.5}},
        {"sample_weight": np.linspace(0, 2, 64)},
        {"validation_split": 0.25},
        {"shuffle": "batch"},
    ],
    ids=lambda o: next(iter(o)),
)
def test_weights_of_rows_and_splits_follow(options, gpu):
    x, y = data()

    def run(device):
        weft.utils.set_random_seed(2)
        return small(device).fit(x, y, epochs=2, batch_size=16, verbose=0, **options).history

    expected, found = run("cpu"), run(gpu)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, err_msg=name, **LOSS)


def test_a_model_can_move_between_fits(gpu):
    x, y = data()

    def run(*devices):
        weft.utils.set_random_seed(2)
        model = small()
        losses = []
        for device in devices:
            assert model.to(device) is model
            losses += model.fit(x, y, verbose=0, batch_size=16).history["loss"]
            assert {v.device for v in [*model.variables, *model.optimizer.variables]} == {device}
        return losses

    np.testing.assert_allclose(run(gpu, "cpu", gpu), run("cpu", "cpu", "cpu"), **LOSS)


def test_the_ways_into_a_model_take_data_from_anywhere(gpu):
    x, y = data(8)
    model = small().to(gpu)
    expected = model.predict(x, verbose=0)
    with weft.device("cpu"):
        assert model(x).device == gpu  # an array goes to the weights
        np.testing.assert_array_equal(model(x).numpy(), expected)
        np.testing.assert_array_equal(model.predict_on_batch(weft.tensor(x)), expected)
        np.testing.assert_array_equal(model.predict(weft.tensor(x).to(gpu), verbose=0), expected)
        batches = [(x, y), (weft.tensor(x), weft.tensor(y)), (weft.tensor(x, device=gpu), y)]
        losses = [model.test_on_batch(*batch)[0] for batch in batches]
        assert losses[0] == losses[1] == losses[2]
        model.fit(iter(batches), verbose=0)
        assert np.isfinite(model.train_on_batch(x, y)[0])
    with pytest.raises(ValueError, match=r"live on .*\.to\("):
        model(weft.tensor(x, device="cpu"))


def test_arrays_on_the_device_are_not_copied(gpu):
    x, y = (weft.tensor(a, device=gpu) for a in data())
    model, places = small(gpu), []

    class Watch(weft.callbacks.Callback):
        pass

    step = model.train_step
    model.train_step = lambda batch: (places.append(batch[0]._data.storage_id), step(batch))[1]
    model.fit(x, y, verbose=0, shuffle=False, batch_size=16)
    assert places == [x._data.storage_id] * 4


def test_an_unbuilt_model_goes_to_its_first_data(gpu):
    with weft.device("cpu"):
        model = weft.Sequential([L.Dense(3), L.BatchNormalization()])
        assert model(weft.ones((2, 4)).to(gpu)).device == gpu
    assert {v.device for v in model.variables} == {gpu}


def test_fit_reads_nothing_back_while_nobody_looks(gpu):
    x, y = data(320)
    model = small(gpu)
    options = {"verbose": 0, "batch_size": 4}
    model.fit(x, y, **options)

    def reads(rows):
        before = _C.values_read_back()
        model.fit(x[:rows], y[:rows], **options)
        return _C.values_read_back() - before

    few, many = reads(40), reads(320)
    # Besides what an epoch reads, only the losses are: 64 at a time.
    assert many - few <= 80 // Average.READ_EVERY + 1


def test_callbacks_that_look_at_batches_see_numbers(gpu):
    seen = []

    class Look(weft.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(dict(logs))

    x, y = data()
    small(gpu).fit(x, y, verbose=0, batch_size=16, callbacks=[Look()])
    assert len(seen) == 4
    assert all(isinstance(v, float) for logs in seen for v in logs.values())
    assert len({logs["loss"] for logs in seen}) == 4


def test_a_loss_that_is_not_finite_is_explained_with_its_batch(gpu):
    x, y = np.ones((40, 1), "float32"), np.ones((40, 1), "float32")
    model = weft.Sequential([weft.Input((1,)), L.Dense(1)]).to(gpu)
    model.compile(weft.optimizers.SGD(1e20), "mse")
    with pytest.raises(ValueError, match=r"not finite\) in epoch 1, batch \d+,.*learning rate"):
        model.fit(x, y, batch_size=2, verbose=0, epochs=3)


# --- going to a GPU without being told -----------------------------------------------------------


@pytest.fixture
def as_if_cuda(monkeypatch):
    """`fit` finds a GPU that it may move models to: the simulated one plays it."""
    monkeypatch.setattr(placement, "automatic_device", lambda: "sim")


def test_fit_moves_a_model_to_the_gpu_and_says_so_in_one_line(as_if_cuda, capsys):
    x, y = data()
    model = small()
    model.fit(x, y, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "training on sim" in line] == lines[:1]
    assert {v.device for v in model.variables} == {"sim"}
    model.fit(x, y, verbose=2)
    assert "training on" not in capsys.readouterr().out


def test_a_device_that_was_chosen_is_kept(as_if_cuda, capsys):
    x, y = data()
    model = small()
    with weft.device("cpu"):
        model.fit(x, y, verbose=2)
    other = small().to("cpu")
    other.fit(x, y, verbose=2)
    assert {v.device for v in [*model.variables, *other.variables]} == {"cpu"}
    assert "training on" not in capsys.readouterr().out


def test_models_stay_on_the_cpu_without_a_gpu():
    model = small()
    model.fit(*data(), verbose=0)
    kind = "cuda" if weft.cuda.is_available() else "cpu"
    assert {v.device.partition(":")[0] for v in model.variables} == {kind}
