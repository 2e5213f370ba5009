"""Layers of attention against Keras, their masks, scores, configurations and messages."""

import numpy as np
import pytest

import weft
from weft import layers


def data(*shape, seed=0):
    return np.random.default_rng(seed + sum(shape)).normal(size=shape).astype("float32")


# How a layer is made and called, from a module that is weft or Keras; inputs without the batch.
CALLS = {
    "self": (lambda k: k.MultiHeadAttention(2, 3), [(4, 6)], lambda m, x: m(x, x)),
    "cross": (lambda k: k.MultiHeadAttention(2, 4), [(3, 6), (5, 7)], lambda m, q, v: m(q, v)),
    "key": (
        lambda k: k.MultiHeadAttention(3, 2, value_dim=4, output_shape=(2, 9), use_bias=False),
        [(3, 5), (4, 6), (4, 7)],
        lambda m, q, v, key: m(q, v, key),
    ),
    "causal": (
        lambda k: k.MultiHeadAttention(2, 3),
        [(5, 4), (7, 4)],
        lambda m, q, v: m(q, v, use_causal_mask=True),
    ),
    "window": (
        lambda k: k.MultiHeadAttention(2, 3, sliding_window=2, use_gate=True),
        [(6, 4)],
        lambda m, x: m(x, x, use_causal_mask=True),
    ),
    "one-of-two-axes": (
        lambda k: k.MultiHeadAttention(2, 3, attention_axes=2),
        [(2, 4, 6), (2, 5, 6)],
        lambda m, q, v: m(q, v),
    ),
    "two-axes": (
        lambda k: k.MultiHeadAttention(2, 3, attention_axes=(1, 2)),
        [(2, 4, 6), (3, 5, 6)],
        lambda m, q, v: m(q, v),
    ),
    "groups": (
        lambda k: k.GroupQueryAttention(3, 4, 2, sliding_window=3),
        [(6, 5)],
        lambda m, x: m(x, x),
    ),
    "groups-causal": (
        lambda k: k.GroupQueryAttention(3, 4, 1, use_gate=True),
        [(6, 5), (6, 5), (6, 7)],
        lambda m, q, v, key: m(q, v, key, use_causal_mask=True),
    ),
    "luong-causal": (
        lambda k: k.Attention(use_scale=True),
        [(4, 3), (5, 3)],
        lambda m, q, v: m([q, v], use_causal_mask=True),
    ),
}
calls = pytest.mark.parametrize("make, shapes, call", CALLS.values(), ids=CALLS)


def both(make, shapes, call):
    """The layer of Keras and weft's with its weights, with inputs."""
    keras = pytest.importorskip("keras")
    inputs = [data(2, *shape) for shape in shapes]
    oracle, layer = make(keras.layers), make(layers)
    call(oracle, *inputs)
    call(layer, *inputs)
    assert [w.shape for w in layer.weights] == [tuple(w.shape) for w in oracle.weights]
    names = [w.path.split("/")[1:] for w in layer.weights]
    assert names == [w.path.split("/")[1:] for w in oracle.weights]
    weights = [data(*w.shape, seed=i) if w.shape else w for i, w in enumerate(layer.weights)]
    weights = [np.asarray(w) for w in weights]
    oracle.set_weights(weights)
    layer.set_weights(weights)
    return keras, oracle, layer, inputs


@calls
def test_outputs_are_those_of_keras(make, shapes, call):
    keras, oracle, layer, inputs = both(make, shapes, call)
    expected = keras.ops.convert_to_numpy(call(oracle, *inputs))
    np.testing.assert_allclose(call(layer, *inputs), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", [n for n in CALLS if n != "luong-causal"])
def test_scores_are_those_of_keras_and_give_the_same_output(name):
    make, shapes, call = CALLS[name]
    keras, oracle, layer, inputs = both(make, shapes, call)

    class WithScores:
        def __init__(self, inner):
            self.inner = inner

        def __call__(self, *args, **kwargs):
            return self.inner(*args, **kwargs, return_attention_scores=True)

    y, scores = call(WithScores(layer), *inputs)
    expected = keras.ops.convert_to_numpy(call(WithScores(oracle), *inputs)[1])
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y, call(layer, *inputs), rtol=1e-5, atol=1e-5)


@calls
def test_configuration_round_trip_and_saved_weights(make, shapes, call, tmp_path):
    inputs = [data(2, *shape) for shape in shapes]
    symbols = [layers.Input(shape) for shape in shapes]
    layer = make(layers)
    model = weft.Model(symbols, call(layer, *symbols))
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    model.save(tmp_path / "model.weft")
    loaded = weft.models.load_model(tmp_path / "model.weft")
    np.testing.assert_array_equal(loaded.predict(inputs), model.predict(inputs))


def test_an_explicit_mask_of_any_dtype_hides_keys_and_joins_with_causality():
    keras, oracle, layer, (x,) = both(*CALLS["self"])
    mask = np.array([[1, 1, 0, 1], [1, 1, 0, 1], [1, 0, 1, 1], [1, 0, 0, 0]])
    for options in ({}, {"use_causal_mask": True}):
        expected = oracle(x, x, attention_mask=keras.ops.convert_to_tensor(mask), **options)
        expected = keras.ops.convert_to_numpy(expected)
        for given in (mask, mask.astype(bool), np.broadcast_to(mask, (2, 4, 4))):
            y = layer(x, x, attention_mask=given, **options)
            np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.MultiHeadAttention(2, 2, kernel_initializer="random_normal"),
        lambda: layers.GroupQueryAttention(2, 2, 1),
    ],
)
def test_padding_is_not_seen_and_the_mask_goes_on(make):
    ids = np.array([[1, 2, 3, 0, 0], [4, 0, 0, 0, 0]])
    embedding, layer = layers.Embedding(6, 4, mask_zero=True), make()
    x = embedding(ids)
    y = layer(x, x)
    for row, length in enumerate((3, 1)):
        short = weft.tensor(x.numpy()[row : row + 1, :length])
        np.testing.assert_allclose(y[row, :length], layer(short, short)[0], rtol=1e-5, atol=1e-6)
    # A masked query sees nothing: only the bias of the output is left.
    np.testing.assert_array_equal(y[1, 1:], np.broadcast_to(layer.output_dense.bias, (4, 4)))
    np.testing.assert_array_equal(y._mask, ids != 0)


def test_luong_attention_uses_both_masks():
    q, v = data(2, 3, 4), data(2, 5, 4)
    seen = np.array([[True] * 5, [True, True, False, False, False]])
    asked = np.array([[True, True, False], [True, False, False]])
    layer = layers.Attention()
    y = layer([q, v], mask=[weft.tensor(asked), weft.tensor(seen)]).numpy()
    np.testing.assert_allclose(y[1, :1], layer([q[1:], v[1:, :2]])[0, :1], rtol=1e-5)
    assert (y[~asked] == 0).all() and (y[asked] != 0).all()


@pytest.mark.parametrize("scores", [False, True])
def test_dropout_is_for_training_and_repeats_with_a_seed(scores):
    def outputs(training):
        weft.utils.set_random_seed(0)
        layer = layers.MultiHeadAttention(2, 4, dropout=0.5, seed=3)
        x = np.ones((2, 6, 4), "float32")
        y = [layer(x, x, training=training, return_attention_scores=scores) for _ in range(2)]
        return [(v[0] if scores else v).numpy() for v in y]

    first, second = outputs(True)
    assert (first != second).any()
    np.testing.assert_array_equal(first, outputs(True)[0])
    plain, again = outputs(False)
    np.testing.assert_array_equal(plain, again)


def test_a_transformer_learns_with_dropout_inside_replayed_steps():
    weft.utils.set_random_seed(1)
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 8, (256, 6))
    target = (ids == 3).any(1).astype("float32")[:, None]
    entry = layers.Input((6,), dtype="int32")
    x = layers.Embedding(8, 16)(entry)
    h = layers.MultiHeadAttention(2, 8, dropout=0.1)(x, x)
    x = layers.LayerNormalization()(layers.Add()([x, h]))
    model = weft.Model(entry, layers.Dense(1)(layers.GlobalAveragePooling1D()(x)))
    model.compile("adam", weft.losses.BinaryCrossentropy(from_logits=True), jit_compile=True)
    losses = model.fit(ids, target, epochs=15, batch_size=32, verbose=0).history["loss"]
    assert losses[-1] < 0.6 * losses[0]


def test_mixed_precision_computes_in_half():
    layer = layers.MultiHeadAttention(2, 4, dtype="mixed_float16")
    x = data(2, 5, 8)
    half = layer(x, x, use_causal_mask=True)
    assert half.dtype == "float16" and layer.weights[0].dtype == "float32"
    full = layers.MultiHeadAttention(2, 4)
    full(x, x)
    full.set_weights(layer.get_weights())
    np.testing.assert_allclose(half, full(x, x, use_causal_mask=True), atol=1e-2)


X = np.ones((2, 3, 4), "float32")
MESSAGES = {
    "heads": (lambda: layers.MultiHeadAttention(0, 2), "num_heads must be a positive integer"),
    "dropout": (lambda: layers.MultiHeadAttention(1, 2, dropout=1.5), "dropout must be a number"),
    "axes": (
        lambda: layers.MultiHeadAttention(1, 2, attention_axes=2)(X, X),
        r"multi_head_attention.*attention_axes \(2,\) must lie between",
    ),
    "key": (
        lambda: layers.MultiHeadAttention(1, 2, name="mine")(X, X, X[:, :2]),
        r"layer 'mine' .*key of shape \(2, 2, 4\) and value of shape \(2, 3, 4\)",
    ),
    "rank": (lambda: layers.MultiHeadAttention(1, 2)(X[0], X[0]), r"\(batch, steps, features\)"),
    "groups": (lambda: layers.GroupQueryAttention(2, 3, 2), "multiple of num_key_value_heads"),
    "mask": (
        lambda: layers.MultiHeadAttention(1, 2)(X, X, attention_mask=np.ones((5, 5))),
        r"mask of shape .* cannot be broadcast",
    ),
    "mode": (lambda: layers.Attention(score_mode="dots"), "did you mean 'dot'"),
    "inputs": (lambda: layers.Attention()(X), r"list \[query, value\].* got one tensor"),
    "equation": (lambda: layers.EinsumDense("ab->c", 3), "X,Y->Z"),
    "size": (
        lambda: layers.EinsumDense("abc,cd->abd", (5, 7))(X),
        "axis 'b' .* has size 3 in the input .* but 5 in the output",
    ),
    "quantization": (
        lambda: layers.EinsumDense("ab,bc->ac", 3, quantization_config={}),
        "no quantized layers",
    ),
}


@pytest.mark.parametrize("make, message", MESSAGES.values(), ids=MESSAGES)
def test_messages_name_the_culprit(make, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        make()
