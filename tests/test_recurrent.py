"""Recurrent layers: masks on their way, states that are kept, wrappers, errors, recorded steps."""

import warnings

import numpy as np
import pytest

import weft
from weft import layers


def sequences(rows=4, steps=6, features=3, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, steps, features)).astype("float32")


KINDS = {"simple_rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


# --- the kernel and the cell say the same --------------------------------------------------------


@every_kind
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"go_backwards": True},
        {"return_sequences": True, "return_state": True},
        {"return_sequences": True, "zero_output_for_mask": True},
        {"zero_output_for_mask": True, "go_backwards": True},
        {"use_bias": False},
    ],
    ids=lambda options: "-".join(options) or "plain",
)
@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
@pytest.mark.parametrize("started", [False, True], ids=["", "initial state"])
def test_the_kernel_computes_what_the_cell_computes(kind, options, masked, started):
    x, rng = sequences(), np.random.default_rng(1)
    mask = rng.random(x.shape[:2]) < 0.6
    mask[0], mask[1, :2], mask[2, -2:] = False, False, False
    call = {"mask": weft.tensor(mask)} if masked else {}
    fused, stepwise = kind(5, **options), kind(5, unroll=True, **options)
    if started:
        count = len(fused.state_size)
        call["initial_state"] = [weft.tensor(rng.normal(size=(4, 5))) for _ in range(count)]
    fused(x)
    stepwise(x)
    stepwise.set_weights(fused.get_weights())
    weft_x = weft.tensor(x)
    results = []
    for layer in (fused, stepwise):
        parts = layer(weft_x, **call)
        parts = list(parts) if isinstance(parts, tuple) else [parts]
        loss = sum((p * p).sum() for p in parts)
        results.append([p.numpy() for p in parts] + [g.numpy() for g in weft.grad(
            loss, layer.trainable_variables)])  # fmt: skip
    for a, b in zip(*results, strict=True):
        # The same sums in another order, over 8 terms and 6 steps.
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@every_kind
@pytest.mark.parametrize("threads", [1, 2])
def test_weights_larger_than_the_cache(kind, threads):
    """These are shared by several tiles of sequences, and their gradient is one large product."""
    rng = np.random.default_rng(0)
    x = weft.tensor(rng.normal(size=(75, 3, 5)))
    target = weft.tensor(rng.normal(size=(75, 300)))
    results, weights = [], None
    before = weft.num_threads()
    weft.set_num_threads(threads)
    try:
        for unroll in (False, True):
            layer = kind(300, unroll=unroll, dtype="float64")
            layer.build((None, 3, 5))
            if weights is not None:
                layer.set_weights(weights)
            weights = layer.get_weights()
            x.requires_grad = True
            grads = weft.grad((layer(x) * target).sum(), [x, *layer.trainable_variables])
            results.append([layer(x).numpy(), *(g.numpy() for g in grads)])
    finally:
        weft.set_num_threads(before)
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11)


@every_kind
def test_dropout_is_the_same_in_all_steps_and_off_outside_of_training(kind):
    layer = kind(3, dropout=0.5, return_sequences=True, activation="linear", use_bias=False)
    x = np.ones((8, 4, 6), "float32")
    np.testing.assert_array_equal(layer(x).numpy(), layer(x).numpy())
    layer.cell.recurrent_kernel.assign(weft.zeros(layer.cell.recurrent_kernel.shape))
    if kind is layers.SimpleRNN:
        y = layer(x, training=True).numpy()
        for t in range(1, 4):
            np.testing.assert_array_equal(y[:, t], y[:, 0])
        assert not np.allclose(y[0], y[1])


def test_a_seed_gives_the_same_dropout():
    x = sequences()
    a, b = (layers.GRU(4, dropout=0.4, recurrent_dropout=0.3, seed=3) for _ in range(2))
    b.build(x.shape)
    a.build(x.shape)
    b.set_weights(a.get_weights())
    np.testing.assert_array_equal(a(x, training=True).numpy(), b(x, training=True).numpy())


def test_regularizers_constraints_and_frozen_weights_reach_the_cell():
    layer = layers.LSTM(3, kernel_regularizer="l2", recurrent_constraint="unit_norm")
    layer(sequences())
    assert len(layer.losses) == 1
    assert layer.cell.recurrent_kernel.constraint is not None
    layer.trainable = False
    assert layer.trainable_variables == [] and len(layer.weights) == 3


def test_the_forget_gate_begins_open():
    layer = layers.LSTM(2)
    layer.build((None, 4, 3))
    assert layer.cell.bias.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


# --- masks ---------------------------------------------------------------------------------------


def test_a_mask_passes_through_layers_that_keep_steps():
    words = np.array([[1, 2, 0], [3, 0, 0]])
    embedded = layers.Embedding(5, 4, mask_zero=True)(words)
    y = layers.Dropout(0.5)(layers.Dense(3, activation="relu")(embedded))
    y = layers.LSTM(4, return_sequences=True)(layers.LayerNormalization()(y))
    assert y._mask.tolist() == [[True, True, False], [True, False, False]]
    assert layers.GRU(2)(y)._mask is None
    assert layers.GlobalAveragePooling1D()(y)._mask is None


def test_masked_steps_change_nothing():
    x = sequences()
    x[:, 4:] = 0
    for layer in (layers.LSTM(4), layers.GRU(4), layers.GlobalAveragePooling1D()):
        masked = weft.Sequential([weft.Input((6, 3)), layers.Masking(), layer])
        np.testing.assert_allclose(masked(x).numpy(), layer(x[:, :4]).numpy(), rtol=1e-5)


def test_a_mask_meets_another_when_tensors_are_merged():
    a = layers.Embedding(4, 2, mask_zero=True)(np.array([[1, 0, 0]]))
    b = layers.Embedding(4, 2, mask_zero=True)(np.array([[0, 2, 0]]))
    assert layers.Add()([a, b])._mask.tolist() == [[True, True, False]]
    assert layers.Concatenate(axis=1)([a, b])._mask.tolist() == [
        [True, False, False, False, True, False]
    ]
    assert layers.Add()([a, weft.ones((1, 3, 2))])._mask is None


def test_a_layer_without_masks_says_that_they_end_there():
    x = layers.Embedding(4, 2, mask_zero=True)(np.array([[1, 0, 0]]))
    with pytest.warns(UserWarning, match=r"'here'.*does not support masks"):
        y = layers.Flatten(name="here")(x)
    assert y._mask is None


def test_the_loss_and_metrics_leave_masked_steps_out():
    words, y = np.array([[1, 2, 0, 0], [3, 1, 2, 0]]), np.ones((2, 4, 1), "float32")
    model = weft.Sequential(
        [weft.Input((4,), dtype="int32"), layers.Embedding(4, 2, mask_zero=True), layers.Dense(1)]
    )
    model.compile("sgd", "mse", metrics=["mae"])
    loss, mae = model.evaluate(words, y, verbose=0)
    errors = (model.predict(words, verbose=0) - y)[words > 0]
    assert loss == pytest.approx(np.mean(errors**2), rel=1e-5)
    assert mae == pytest.approx(np.mean(np.abs(errors)), rel=1e-5)
    weighted = model.evaluate(words, y, sample_weight=np.array([2.0, 0.0]), verbose=0)[0]
    assert weighted == pytest.approx(2 * np.sum(errors[:2] ** 2) / 5, rel=1e-5)


def test_masks_survive_mixed_precision():
    embedding = layers.Embedding(4, 2, mask_zero=True, dtype="float32")
    y = layers.LSTM(3, return_sequences=True, dtype="mixed_float16")(embedding(np.array([[1, 0]])))
    assert y.dtype == "float16" and y._mask.tolist() == [[True, False]]


def test_batch_normalisation_counts_only_the_steps_that_are_there():
    keras = pytest.importorskip("keras")
    x, mask = sequences(), np.random.default_rng(2).random((4, 6)) < 0.6
    layer, oracle = layers.BatchNormalization(), keras.layers.BatchNormalization()
    y = layer(weft.tensor(x), training=True, mask=weft.tensor(mask)).numpy()
    expected = oracle(x, training=True, mask=keras.ops.convert_to_tensor(mask))
    np.testing.assert_allclose(y, keras.ops.convert_to_numpy(expected), rtol=1e-4, atol=1e-5)
    for own, theirs in zip(layer.get_weights(), oracle.get_weights(), strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-5, atol=1e-6)


# --- states --------------------------------------------------------------------------------------


@every_kind
def test_a_stateful_layer_continues_where_the_batch_before_ended(kind):
    x = sequences(steps=8)
    whole, layer = kind(3), kind(3, stateful=True)
    expected = whole(x).numpy()
    layer.build((4, 4, 3))
    layer.set_weights(whole.get_weights())
    for _ in range(2):
        layer(x[:, :4])
        np.testing.assert_allclose(layer(x[:, 4:]).numpy(), expected, rtol=1e-5, atol=1e-6)
        layer.reset_state()
    assert all(not s.numpy().any() for s in layer.states)
    assert len(layer.weights) == 3


def test_a_stateful_layer_trains_and_knows_its_rows():
    x, y = sequences(), np.ones((4, 2), "float32")
    model = weft.Sequential(
        [weft.Input(batch_shape=(4, 6, 3)), layers.LSTM(3, stateful=True), layers.Dense(2)]
    )
    model.compile("adam", "mse")
    losses = [model.train_on_batch(x, y) for _ in range(10)]
    assert losses[-1] < losses[0]
    with pytest.raises(ValueError, match=r"batches of 4 rows.*\(3, 6, 3\)"):
        model(x[:3])
    with pytest.raises(ValueError, match="batch_shape"):
        weft.Sequential([weft.Input((6, 3)), layers.LSTM(3, stateful=True)])


def test_states_of_one_layer_start_another():
    source, target = weft.Input((4, 3)), weft.Input((5, 2))
    _, h, c = layers.LSTM(3, return_state=True)(source)
    decoded = layers.LSTM(3, return_sequences=True)(target, initial_state=[h, c])
    model = weft.Model([source, target], decoded)
    again = weft.models.clone_model(model)
    again.set_weights(model.get_weights())
    x = [sequences(2, 4, 3), sequences(2, 5, 2)]
    np.testing.assert_array_equal(model(x).numpy(), again(x).numpy())


# --- cells and wrappers --------------------------------------------------------------------------


class Decay(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")

    def call(self, inputs, states):
        new = inputs @ self.kernel + 0.5 * states[0]
        return new, [new]


def test_own_cells_alone_and_in_a_stack():
    x = sequences()
    layer = layers.RNN([Decay(3), layers.LSTMCell(2)], return_sequences=True, return_state=True)
    y, first, second = layer(x)
    assert (
        y.shape == (4, 6, 2)
        and first.shape == (4, 3)
        and [s.shape for s in second]
        == [
            (4, 2),
            (4, 2),
        ]
    )
    with weft.saving.custom_object_scope({"Decay": Decay}):
        again = layers.RNN.from_config(layer.get_config())
    again.build(x.shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x)[0].numpy(), y.numpy())


def test_what_is_no_cell_is_refused():
    with pytest.raises(ValueError, match="state_size"):
        layers.RNN(layers.Dense(3))
    with pytest.raises(ValueError, match="layer must be a layer"):
        layers.TimeDistributed(3)
    with pytest.raises(ValueError, match=r"go_backwards.*True forwards and True"):
        layers.Bidirectional(
            layers.GRU(2, go_backwards=True), backward_layer=layers.GRU(2, go_backwards=True)
        )
    with pytest.raises(ValueError, match="go_backwards"):
        layers.Bidirectional(layers.Dense(2))


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave", None])
def test_both_directions_and_their_states(mode):
    x = sequences()
    layer = layers.Bidirectional(layers.LSTM(3, return_state=True), merge_mode=mode)
    parts = layer(x)
    forward, backward = layer.forward_layer(x)[0], layer.backward_layer(x)[0]
    expected = {
        "concat": np.concatenate([forward.numpy(), backward.numpy()], -1),
        "sum": forward.numpy() + backward.numpy(),
        "mul": forward.numpy() * backward.numpy(),
        "ave": (forward.numpy() + backward.numpy()) / 2,
    }
    if mode is None:
        np.testing.assert_array_equal(parts[1].numpy(), backward.numpy())
    else:
        np.testing.assert_allclose(parts[0].numpy(), expected[mode], rtol=1e-6, atol=1e-6)
    assert len(parts) == 4 + (2 if mode is None else 1)
    started = layer(x, initial_state=[s.detach() for s in parts[-4:]])
    assert not np.allclose(started[0].numpy(), parts[0].numpy())


def test_time_distributed_batch_normalisation_counts_every_step():
    layer = layers.TimeDistributed(layers.BatchNormalization(momentum=0.5))
    x = sequences()
    y = layer(x, training=True).numpy()
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-5)  # each step has statistics of its own
    with pytest.raises(ValueError, match="at least 3 axes"):
        layers.TimeDistributed(layers.Dense(2))(weft.ones((2, 3)))


# --- errors --------------------------------------------------------------------------------------


@every_kind
def test_wrong_calls_name_the_layer_the_shapes_and_the_way_out(kind):
    layer = kind(4, name="here")
    layer(sequences())
    with pytest.raises(ValueError, match=r"'here'.*3 axes.*2 axes"):
        kind(4, name="here")(weft.ones((4, 6)))
    with pytest.raises(ValueError, match=r"'here'.*3 features.*\(4, 6, 5\)"):
        layer(sequences(features=5))
    with pytest.raises(ValueError, match=r"'here'.*mask has shape \(4, 5\)"):
        layer(weft.tensor(sequences()), mask=np.ones((4, 5), bool))
    with pytest.raises(ValueError, match=r"'here'.*initial_state must hold"):
        layer(weft.tensor(sequences()), initial_state=[weft.ones((4, 4))] * 3)
    with pytest.raises(ValueError, match=r"'here'.*\(3, 4\).*\(4, 4\)"):
        states = [weft.ones((3, 4))] * len(layer.state_size)
        layer(weft.tensor(sequences()), initial_state=states)
    with pytest.raises(ValueError, match=r"units.*-1"):
        kind(-1)
    with pytest.raises(ValueError, match=r"dropout.*1.5"):
        kind(3, dropout=1.5)


@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
def test_cudnn_cannot_be_demanded(kind):
    with pytest.raises(ValueError, match="use_cudnn"):
        kind(3, use_cudnn=True)


# --- recorded steps ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: [layers.LSTM(5)],
        lambda: [layers.GRU(5, return_sequences=True, dropout=0.2), layers.SimpleRNN(3)],
        lambda: [layers.Masking(), layers.Bidirectional(layers.GRU(4, reset_after=False))],
        lambda: [layers.RNN([layers.LSTMCell(3, recurrent_dropout=0.3), layers.GRUCell(2)])],
    ],
    ids=["lstm", "dropout", "bidirectional", "cells"],
)
def test_recorded_steps_have_the_bits_of_eager_ones(make):
    x, y = sequences(), np.array([0, 1, 2, 1])
    x[1, 4:] = 0

    def train(jit):
        weft.utils.set_random_seed(3)
        model = weft.Sequential([weft.Input((6, 3)), *make(), layers.Dense(3)])
        loss = weft.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, jit_compile=jit)
        losses = [float(model.train_on_batch(x, y)) for _ in range(6)]
        return model, losses, [w.copy() for w in model.get_weights()]

    with warnings.catch_warnings():
        warnings.simplefilter("error", weft.CaptureWarning)
        model, losses, weights = train("auto")
        _, expected, eager = train(False)
    assert len(model.programs["train_on_batch"]) == 1
    assert losses == expected
    for a, b in zip(weights, eager, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_stateful_layer_is_recorded_with_its_states():
    x = sequences(steps=24)
    found = []
    for jit in ("auto", False):
        weft.utils.set_random_seed(3)
        model = weft.Sequential(
            [weft.Input(batch_shape=(4, 4, 3)), layers.GRU(5, stateful=True), layers.Dense(1)]
        )
        model.compile("adam", "mse", jit_compile=jit)
        steps = [x[:, 4 * i : 4 * i + 4] for i in range(6)]
        found.append([float(model.train_on_batch(s, np.ones((4, 1)))) for s in steps])
    assert found[0] == found[1]


# --- devices -------------------------------------------------------------------------------------


@every_kind
def test_recorded_steps_on_a_gpu(kind, gpu):
    x, y = sequences(rows=3, steps=3), np.array([0, 1, 2])
    found = []
    for jit in ("auto", False):
        weft.utils.set_random_seed(3)
        model = weft.Sequential([weft.Input((3, 3)), kind(4), layers.Dense(3)])
        loss = weft.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, jit_compile=jit)
        found.append([float(model.train_on_batch(x, y)) for _ in range(6)])
        kept = [weft.ones((n,)) for n in range(1, 200)]  # takes memory that a replay must not use
        found[-1] += [float(model.train_on_batch(x, y)) for _ in range(2)]
        assert all(float(k.sum()) == k.size for k in kept[:50])
        if jit:
            assert len(model.programs["train_on_batch"]) == 1
    assert found[0] == found[1]


@every_kind
def test_on_a_gpu_as_on_the_cpu(kind, gpu):
    x = sequences()
    with weft.device("cpu"):
        reference = kind(4, return_sequences=True, dropout=0.0)
        expected = reference(x).numpy()
    layer = kind(4, return_sequences=True)
    layer.build((None, 6, 3))
    layer.set_weights(reference.get_weights())
    y = layer(x)
    assert y.device == gpu
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-5, atol=1e-6)
