"""Layers: one checker for all of them, then what is special about some."""

from __future__ import annotations

import os

import numpy as np
import pytest
from layer_cases import CASES, LayerCase

import weft

os.environ.setdefault("KERAS_BACKEND", "torch")


@pytest.fixture(autouse=True)
def seeded():
    weft.utils.set_random_seed(3)


def leaves(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


def disturbed(layer) -> None:
    """Weights away from zeros and ones, so that each matters; variances stay positive."""
    rng = np.random.default_rng(5)
    moved = [np.abs(w + 0.3 * rng.normal(size=w.shape)) + 0.1 for w in layer.get_weights()]
    layer.set_weights([m.astype(w.dtype) for m, w in zip(moved, layer.get_weights(), strict=True)])


def built(case: LayerCase, **options):
    layer = case.make(weft.layers)
    layer(case.inputs())
    disturbed(layer)
    return layer


def in_dtype(config, dtype):
    """A configuration with another dtype, also of the layers inside."""
    inner = {
        key: in_dtype(value, dtype) if isinstance(value, (dict, list)) else value
        for key, value in (config.items() if isinstance(config, dict) else enumerate(config))
    }
    if isinstance(config, list):
        return list(inner.values())
    return {**inner, "dtype": dtype} if "dtype" in config else inner


def batch_shapes(case: LayerCase, rows=None):
    shapes = [(rows, *shape) for shape in case.shapes]
    return shapes if isinstance(case.shape, list) else shapes[0]


all_cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@all_cases
def test_symbolic_shape_is_the_real_shape(case):
    y = built(case)(case.inputs())
    assert case.make(weft.layers).compute_output_shape(batch_shapes(case)) == (None, *y.shape[1:])
    assert case.make(weft.layers).compute_output_shape(batch_shapes(case, 3)) == y.shape


@all_cases
def test_configuration_and_weights_round_trip(case):
    layer = built(case)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    again(case.inputs())
    again.set_weights(layer.get_weights())
    x = case.inputs(rows=4)
    np.testing.assert_array_equal(again(x).numpy(), layer(x).numpy())


@all_cases
def test_weights_are_as_many_as_promised(case):
    layer = built(case)
    assert len(layer.weights) == case.weights
    assert layer.count_params() == sum(w.size for w in layer.get_weights())
    assert len(layer.trainable_weights) + len(layer.non_trainable_weights) == case.weights


@all_cases
def test_an_empty_batch_gives_an_empty_result(case):
    y = built(case)(case.inputs(rows=0))
    assert y.shape[0] == 0


@all_cases
def test_float64_stays_float64(case):
    layer = case.make(weft.layers)
    layer = type(layer).from_config(in_dtype(layer.get_config(), "float64"))
    y = layer(case.inputs(dtype="float64"))
    assert y.dtype == "float64"
    assert all(w.dtype in ("float64", "int64") for w in layer.weights)


@all_cases
@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_mixed_precision_computes_in_half_and_stores_float32(case, half):
    if case is CASES["relu-all"]:
        pytest.skip("jumps at its threshold, so rounding decides")
    reference = built(case)
    config = in_dtype(reference.get_config(), f"mixed_{half}")
    layer = type(reference).from_config(config)
    y = layer(case.inputs())
    layer.set_weights(reference.get_weights())
    y = layer(case.inputs())
    assert y.dtype == half
    assert all(w.dtype in ("float32", "int64") for w in layer.weights)
    expected = reference(case.inputs()).numpy()
    # Half precision has 8 (bfloat16) or 11 bits; sums have up to 54 terms.
    step = 2.0**-8 if half == "bfloat16" else 2.0**-11
    scale = np.abs(expected).max(initial=1.0)
    np.testing.assert_allclose(
        y.astype("float32").numpy(), expected, rtol=8 * step, atol=16 * step * scale
    )


@pytest.mark.parametrize(
    "case", [c for c in CASES.values() if c.trains], ids=[n for n, c in CASES.items() if c.trains]
)
def test_a_training_step_lowers_the_loss(case):
    layer, x = built(case), case.inputs()

    def loss():
        y = layer(x, training=True)
        return weft.mean(weft.square(y - 0.5)) + sum(layer.losses)

    before = loss()
    before.backward()
    grads = [v.grad for v in layer.trainable_variables]
    assert [g.shape for g in grads] == [v.shape for v in layer.trainable_variables]
    with weft.no_grad():
        for v, g in zip(layer.trainable_variables, grads, strict=True):
            v.assign_sub(g * 1e-2)
    assert float(loss()) < float(before)


@all_cases
def test_inside_a_functional_model(case):
    layer = built(case)
    kind = "int64" if case.integers else "float32"
    inputs = [weft.Input(shape, dtype=kind) for shape in case.shapes]
    outputs = layer(inputs if isinstance(case.shape, list) else inputs[0])
    model = weft.Model(inputs, outputs)
    x = case.inputs()
    assert outputs.shape == (None, *layer(x).shape[1:])
    np.testing.assert_array_equal(model(leaves(x)).numpy(), layer(x).numpy())


@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if case.keras and "dropout" not in name]
)
@pytest.mark.parametrize("training", [False, True])
def test_as_keras(name, training):
    keras = pytest.importorskip("keras")
    case = CASES[name]
    if training and name == "gaussian-noise":
        pytest.skip("random")
    layer, oracle = built(case), case.make(keras.layers)
    x = case.inputs()
    oracle(x)
    weights = layer.get_weights()
    assert [w.shape for w in weights] == [tuple(w.shape) for w in oracle.get_weights()]
    oracle.set_weights(weights)
    expected = oracle(x, training=training)
    y = layer(x, training=training)
    assert y.shape == tuple(expected.shape)
    expected = keras.ops.convert_to_numpy(expected)
    # float32 sums of up to 54 products, normalised values of order 1.
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-4, atol=1e-5)
    for own, theirs in zip(layer.get_weights(), oracle.get_weights(), strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-5, atol=1e-6)
    for own, theirs in zip(layer.losses, oracle.losses, strict=True):
        assert float(own) == pytest.approx(float(theirs), rel=1e-5)


def test_constructors_take_keras_arguments_with_keras_defaults():
    """Names, order and defaults; what weft leaves out on purpose is listed."""
    import inspect

    keras = pytest.importorskip("keras")
    later = {
        "lora_rank", "lora_alpha", "quantization_config", "renorm", "renorm_clipping",
        "renorm_momentum", "synchronized", "sparse", "ragged",
        "gptq_unpacked_column_size", "input_tensor", "optional", "idf_weights",
        "pad_to_max_tokens", "encoding", "salt", "mask",
    }  # fmt: skip
    for name in weft.layers.__all__:
        own = getattr(weft.layers, name)
        if (
            not isinstance(own, type)
            or not hasattr(keras.layers, name)
            or name in ("Layer", "InputSpec")
        ):
            continue
        from weft.layers.arguments import parameters_of

        known = parameters_of(own)
        for p in inspect.signature(getattr(keras.layers, name).__init__).parameters.values():
            if p.name in ("self", "kwargs") or p.name in later:
                continue
            if (name, p.name) == ("Discretization", "epsilon"):
                continue  # the error of Keras's estimated quantiles; weft's are exact
            assert p.name in known, f"{name} has no argument {p.name}"
            default = inspect.signature(known[p.name].__init__).parameters[p.name].default
            if p.default is not inspect.Parameter.empty and not isinstance(p.default, tuple):
                same = str(default).lower() == str(p.default).lower()
                assert same or name in ("MaxPooling1D",), f"{name}.{p.name}: {default} {p.default}"


# --- the contract of Layer ------------------------------------------------------------------------


class Scale(weft.layers.Layer):
    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self._factor = factor

    def build(self, input_shape):
        self.shift = self.add_weight((input_shape[-1],), "zeros", name="shift")

    def call(self, x):
        return x * self._factor + self.shift


def test_own_layer_builds_on_first_call_and_keeps_its_arguments():
    layer = Scale(3.0, name="s")
    assert not layer.built
    assert layer([[1.0, 2.0]]).tolist() == [[3.0, 6.0]]
    assert layer.built and layer.shift.path == "s/shift"
    assert layer.get_config()["factor"] == 3.0
    assert Scale.from_config(layer.get_config())._factor == 3.0


def test_variables_in_lists_and_dictionaries_are_found():
    class Holder(weft.layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = []
            self.table = {"a": weft.Variable([1.0])}

    holder = Holder()
    holder.parts.append(weft.layers.Dense(2))
    holder.parts[0].build((None, 3))
    assert [v.shape for v in holder.variables] == [(1,), (3, 2), (2,)]


def test_frozen_layers_report_no_trainable_variables_and_thaw_again():
    model = weft.Sequential(
        [weft.Input((3,)), weft.layers.Dense(2), weft.layers.BatchNormalization()]
    )
    assert len(model.trainable_variables) == 4
    model.trainable = False
    assert model.trainable_variables == [] and len(model.non_trainable_variables) == 6
    assert not any(v.requires_grad for v in model.variables)
    model.layers[0].trainable = True
    assert model.trainable_variables == []  # the model around is frozen
    model.trainable = True
    assert len(model.trainable_variables) == 4
    assert len(model.weights) == 6


def test_training_flag_goes_from_outer_to_inner_calls():
    seen = []

    class Probe(weft.layers.Layer):
        def call(self, x, training=None):
            seen.append(training)
            return x

    class Outer(weft.layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = Probe()

        def call(self, x):
            return self.inner(x)

    Outer()(np.ones(2))
    Outer()(np.ones(2), training=True)
    Probe()(np.ones(2), training=True)
    model = weft.Sequential([Outer()])
    model.build((None, 2))
    assert not any(seen[3:])  # shape inference
    model(np.ones((2, 2)), training=True)
    model(np.ones((2, 2)))
    assert seen[:3] == [False, True, True] and seen[-2:] == [True, False]


def test_added_losses_are_those_of_the_last_call():
    class Penalty(weft.layers.Layer):
        def call(self, x):
            self.add_loss(weft.sum(x))
            return x

    model = weft.Sequential([Penalty(), weft.layers.Dense(1, kernel_regularizer="l2")])
    model(np.ones((2, 3)))
    model(np.full((2, 3), 2.0))
    assert len(model.losses) == 2
    assert float(model.losses[0]) == 12.0
    model.compute_output_shape((None, 3))
    assert len(model.losses) == 2


def test_shape_inference_leaves_weights_and_statistics_alone():
    layer = weft.layers.BatchNormalization()
    layer(np.ones((4, 3)), training=True)
    before = layer.get_weights()
    layer.compute_output_shape((None, 3))
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert all(v.device == "cpu" for v in layer.variables)


def test_shape_inference_takes_no_memory_and_no_random_numbers():
    state = weft.random.default_generator.get_state()
    before = weft._C.memory_statistics()["peak"]
    shape = weft.layers.Dense(2**20).compute_output_shape((None, 2**12))
    assert shape == (None, 2**20)
    assert weft.random.default_generator.get_state() == state
    assert weft._C.memory_statistics()["allocated"] <= before + 2**20


def test_shapes_of_calls_that_look_at_values_or_own_tensors():
    constant = weft.tensor([1.0, 2.0, 3.0])

    def looks(x):
        return x * constant if float(weft.sum(x)) >= 0 else -x

    assert weft.layers.Lambda(looks).compute_output_shape((None, 3)) == (None, 3)


def test_integers_are_computed_as_floats_of_the_layer():
    pixels = np.full((1, 4, 4, 1), 255, "uint8")
    for layer in (weft.layers.Conv2D(2, 3), weft.layers.Dense(2), weft.layers.Rescaling(1 / 255)):
        assert layer(pixels).dtype == "float32"
    assert weft.layers.Flatten()(pixels).dtype == "uint8"


def test_dropout_scales_what_is_left_and_seeds_repeat():
    x = np.ones((200, 50), "float32")
    y = weft.layers.Dropout(0.25, seed=1)(x, training=True).numpy()
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.02  # 4.6 standard deviations of 10 000 draws
    first, second = weft.layers.Dropout(0.5, seed=7), weft.layers.Dropout(0.5, seed=7)
    a = first(x, training=True).numpy()
    np.testing.assert_array_equal(a, second(x, training=True).numpy())
    assert (first(x, training=True).numpy() != a).any()
    assert (weft.layers.Dropout(1.0)(x, training=True).numpy() == 0).all()


def test_spatial_dropout_drops_whole_channels():
    y = weft.layers.SpatialDropout2D(0.5, seed=1)(np.ones((8, 4, 5, 6)), training=True).numpy()
    assert ((y == y[:, :1, :1]).all(axis=(1, 2))).all()
    assert 0 < (y == 0).mean() < 1


def test_normalization_adapts_and_refuses_before():
    x = np.random.default_rng(0).normal(3, 2, size=(50, 4))
    layer = weft.layers.Normalization()
    with pytest.raises(ValueError, match="adapt"):
        layer(x)
    layer.adapt(x)
    np.testing.assert_allclose(layer(x).numpy(), (x - x.mean(0)) / x.std(0), rtol=1e-4, atol=1e-5)
    back = weft.layers.Normalization(invert=True)
    back.adapt(x)
    np.testing.assert_allclose(back(layer(x)).numpy(), x, rtol=1e-4)


def test_string_lookup_learns_words_by_frequency():
    layer = weft.layers.StringLookup()
    layer.adapt(["b", "a", "b", "c", "b", "a"])
    assert layer.get_vocabulary() == ["[UNK]", "b", "a", "c"]
    assert layer([["a", "zebra"]]).tolist() == [[2, 0]]
    assert type(layer).from_config(layer.get_config())(["c"]).tolist() == [3]
    words = weft.layers.StringLookup(vocabulary=["b", "a"], invert=True)([2, 0, 1])
    assert list(words) == ["a", "[UNK]", "b"]
    hot = weft.layers.StringLookup(vocabulary=["b", "a"], output_mode="multi_hot")([["a", "a"]])
    assert hot.tolist() == [[0.0, 0.0, 1.0]]


def test_batch_norm_follows_the_data_only_in_training():
    layer = weft.layers.BatchNormalization(momentum=0.5)
    x = np.array([[1.0], [3.0]])
    layer(x)
    np.testing.assert_allclose(layer.get_weights()[2], [0.0])
    layer(x, training=True)
    np.testing.assert_allclose(layer.get_weights()[2], [1.0])
    layer.trainable = False
    layer(x, training=True)
    np.testing.assert_allclose(layer.get_weights()[2], [1.0])


# --- messages -------------------------------------------------------------------------------------

L = weft.layers
MESSAGES = {
    "units": (lambda: L.Dense(0), ValueError, ["Dense", "units", "0"]),
    "rate": (lambda: L.Dropout(1.5), ValueError, ["Dropout", "rate", "1.5"]),
    "p": (lambda: L.Dropout(p=0.5), TypeError, ["'p'", "did you mean 'rate'"]),
    "unit": (lambda: L.Dense(unit=3), TypeError, ["'unit'", "did you mean 'units'"]),
    "keyword": (lambda: L.Conv2D(3, 3, pading="same"), TypeError, ["pading", "'padding'"]),
    "padding": (lambda: L.Conv2D(3, 3, padding="smae"), ValueError, ["smae", "'same'"]),
    "kernel": (lambda: L.Conv2D(3, -1), ValueError, ["kernel_size", "-1"]),
    "groups": (lambda: L.Conv2D(3, 3, groups=2), ValueError, ["filters", "groups", "3", "2"]),
    "both": (lambda: L.Conv2D(3, 3, strides=2, dilation_rate=2), ValueError, ["dilation"]),
    "permute": (lambda: L.Permute((0, 1)), ValueError, ["dims", "(0, 1)"]),
    "slope": (lambda: L.LeakyReLU(-1), ValueError, ["negative_slope", "-1"]),
    "activation": (lambda: L.Dense(3, activation="rellu"), ValueError, ["rellu", "'relu'"]),
    "policy": (lambda: L.Dense(3, dtype="mixed_float17"), ValueError, ["mixed_float16"]),
    "name": (lambda: L.Densee, AttributeError, ["Densee", "'Dense'"]),
    "super": (
        lambda: type("Bad", (L.Layer,), {"__init__": lambda self: None})()([1.0]),
        RuntimeError, ["super().__init__()"],
    ),
    "no-call": (lambda: L.Layer()([1.0]), NotImplementedError, ["call"]),
    "features": (
        lambda: weft.Sequential([weft.Input((8,)), L.Dense(4, name="enc")], name="net")(
            np.ones((2, 7))
        ),
        ValueError, ["'net/enc'", "8 features", "(2, 7)", "Input((7,))"],
    ),
    "channels": (
        lambda: L.Conv2D(8, 3, name="edges")(np.zeros((4, 28, 28))),
        ValueError, ["edges", "4 axes", "3 axes", "channel", "[..., None]"],
    ),
    "other-width": (
        lambda: weft.Sequential([weft.Input((8,)), L.Dense(4), _built_dense(10)]),
        ValueError, ["dec", "10", "4", "(None, 4)"],
    ),
    "window": (
        lambda: weft.Sequential([weft.Input((4, 4, 1)), L.Conv2D(3, 7, name="wide")]),
        ValueError, ["wide", "4", "7"],
    ),
    "reshape": (lambda: L.Reshape((5, 5))(np.zeros((2, 24))), ValueError, ["24", "25"]),
    "embedding": (lambda: L.Embedding(3, 2, name="table")([[3]]), IndexError, ["table", "3"]),
    "negative": (lambda: L.Embedding(3, 2, name="table")([[-1]]), IndexError, ["table", "-1"]),
    "category": (lambda: L.CategoryEncoding(3)([[3]]), ValueError, ["3", "0 to 2"]),
    "lookup": (lambda: L.StringLookup()(["a"]), ValueError, ["adapt"]),
    "merge": (
        lambda: L.Add(name="join")([np.ones((1, 3)), np.ones((1, 4))]),
        ValueError, ["join", "(1, 3)", "(1, 4)"],
    ),
    "set_weights": (
        lambda: _built_dense(3).set_weights([np.ones((5, 4)), np.ones(4)]),
        ValueError, ["(5, 4)", "(3, 4)"],
    ),
    "unbuilt": (lambda: L.Dense(3).count_params(), ValueError, ["not built", "Input"]),
    "step": (
        lambda: weft.sum(L.Dense(1, activation="step")(np.ones((2, 2)))).backward(),
        RuntimeError, ["step", "gradient"],
    ),
}  # fmt: skip


def _built_dense(features):
    layer = weft.layers.Dense(4, name="dec")
    layer.build((None, features))
    return layer


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_name_the_culprit_and_the_way_out(name):
    call, kind, facts = MESSAGES[name]
    with pytest.raises(kind) as error:
        call()
    for fact in facts:
        assert fact in str(error.value), str(error.value)


@pytest.mark.parametrize("name", ["Dense", "Conv2D", "MaxPooling2D", "BatchNormalization"])
def test_layers_of_one_tensor_refuse_a_list(name):
    arguments = {"Dense": (2,), "Conv2D": (2, 1)}.get(name, ())
    layer, x = getattr(weft.layers, name)(*arguments), weft.ones((2, 4, 4, 3))
    for _ in range(2):
        with pytest.raises(ValueError, match="takes one tensor, got a list of 2"):
            layer([x, x])
        layer(x)
