"""Models: stacks, graphs, subclasses, their summaries and copies."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import weft

L = weft.layers


def summary_of(model, **options):
    lines = []
    model.summary(print_fn=lines.append, **options)
    return "\n".join(lines)


class Net(weft.Model):
    def __init__(self, width=8, **kwargs):
        super().__init__(**kwargs)
        self.hidden = [L.Dense(width, activation="relu"), L.Dense(4)]
        self.out = L.Dense(1)

    def call(self, x, training=False):
        for layer in self.hidden:
            x = layer(x)
        return self.out(x)


# --- Sequential -----------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", ["Input", "input_shape", "build", "data"])
def test_weights_exist_once_the_input_is_known(entry):
    first = L.Dense(4, **({"input_shape": (3,)} if entry == "input_shape" else {}))
    model = weft.Sequential([*([weft.Input((3,))] if entry == "Input" else []), first, L.Dense(2)])
    if entry == "build":
        model.build((None, 3))
    elif entry == "data":
        assert not model.built and model.weights == []
        with pytest.raises(AttributeError, match="Input"):
            model.input_shape  # noqa: B018
        model(np.ones((5, 3)))
    assert model.count_params() == 26
    assert model.input_shape == (None, 3) and model.output_shape == (None, 2)
    assert model.weights[0].path == f"{model.name}/{first.name}/kernel"


def test_layers_can_be_added_and_popped():
    model = weft.Sequential([weft.Input((3,)), L.Dense(4)])
    model.add(L.Dense(2))
    assert model.output_shape == (None, 2)
    assert model.pop().units == 2
    assert model.output_shape == (None, 4) and len(model.layers) == 1
    model.pop()
    with pytest.raises(ValueError, match="no layer"):
        model.pop()


def test_a_layer_that_does_not_fit_is_not_added():
    model = weft.Sequential([weft.Input((4, 4, 1))])
    with pytest.raises(ValueError, match="wide"):
        model.add(L.Conv2D(3, 7, name="wide"))
    assert model.layers == []
    model.add(L.Flatten())
    assert model.output_shape == (None, 16)


def test_models_inside_of_models():
    inner = weft.Sequential([weft.Input((3,)), L.Dense(4)])
    model = weft.Sequential([inner, L.Dense(2)])
    assert model.output_shape == (None, 2) and model.count_params() == 26
    again = weft.models.clone_model(model)
    assert again.count_params() == 26
    assert inner.layers[0].name in summary_of(model, expand_nested=True)


def test_unknown_sizes_stay_unknown():
    model = weft.Sequential([weft.Input((None, None, 3)), L.Conv2D(4, 3), L.GlobalMaxPooling2D()])
    assert model.layers[0].compute_output_shape((None, None, None, 3)) == (None, None, None, 4)
    assert model(np.ones((1, 9, 7, 3))).shape == (1, 4)
    assert "(None, None, None, 4)" in summary_of(model)
    with pytest.raises(ValueError, match="open"):
        weft.estimate(model)


@pytest.mark.parametrize(
    "make, facts",
    [
        (lambda: weft.Sequential([L.Dense]), ["class Dense", "layers.Dense("]),
        (lambda: weft.Sequential([3]), ["3", "int"]),
        (lambda: weft.Sequential([np.tanh]), ["Lambda"]),
        (lambda: weft.Sequential([L.Dense(2, name="a"), L.Dense(2, name="a")]), ["'a'", "twice"]),
        (lambda: weft.Sequential([L.Dense(2), weft.Input((2,))]), ["first"]),
        (lambda: weft.Sequential([L.Dense(2, name="out")]).get_layer("uot"), ["uot", "'out'"]),
        (lambda: weft.Sequential([L.Dense(2)]).get_layer(index=7), ["7", "1"]),
        (lambda: weft.Sequential([weft.Input((3,)), L.Dense(2)]).set_weights([]), ["2", "0"]),
    ],
)
def test_sequential_says_what_is_wrong(make, facts):
    with pytest.raises(ValueError) as error:
        make()
    for fact in facts:
        assert fact in str(error.value)


# --- functional and subclassed --------------------------------------------------------------------


def test_a_graph_with_shared_layers_and_arithmetic():
    a, b = weft.Input((3,), name="a"), weft.Input((3,), name="b")
    shared = L.Dense(4, name="shared")
    model = weft.Model([a, b], {"sum": 2 * shared(a) + shared(b), "part": shared(a)[:, :2]})
    x, y = np.ones((2, 3), "float32"), np.full((2, 3), 3.0, "float32")
    out = model([x, y])
    np.testing.assert_allclose(
        out["sum"].numpy(), 2 * shared(x).numpy() + shared(y).numpy(), rtol=1e-6
    )
    assert out["part"].shape == (2, 2) and model.count_params() == 16
    np.testing.assert_array_equal(model({"a": x, "b": y})["sum"].numpy(), out["sum"].numpy())
    again = weft.models.clone_model(model)
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again([x, y])["sum"].numpy(), out["sum"].numpy())
    assert set(model.output_shape) == {"sum", "part"}


def test_a_model_cut_out_of_a_model():
    x = weft.Input((3,))
    hidden = L.Dense(4)(x)
    whole = weft.Model(x, L.Dense(2)(hidden))
    part = weft.Model(whole.input, whole.layers[1](whole.input))
    tail = weft.Model(hidden, whole.output)
    data = np.ones((5, 3), "float32")
    np.testing.assert_allclose(tail(part(data)).numpy(), whole(data).numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    "make, facts",
    [
        (lambda a, b: weft.Model(a, L.Add()([a, b])), ["'right'", "['left']"]),
        (
            lambda a, b: weft.Model(a, L.Dense(1, name="t")(L.Dense(2, name="t")(a))),
            ["'t'", "unique"],
        ),
        (
            lambda a, b: weft.Model([a, b], L.Add()([a, b]))(np.ones((2, 3))),
            ["2 inputs", "1 input"],
        ),
        (lambda a, b: weft.Model(a, np.ones(3)), ["symbolic"]),
        (lambda a, b: weft.Model({"a": a}, a)({"c": np.ones((2, 3))}), ["'a'", "'c'"]),
    ],
)
def test_functional_says_what_is_wrong(make, facts):
    with pytest.raises(ValueError) as error:
        make(weft.Input((3,), name="left"), weft.Input((3,), name="right"))
    for fact in facts:
        assert fact in str(error.value)


def test_symbolic_tensors_refuse_to_be_values():
    x = weft.Input((3,))
    for use in (lambda: bool(x), lambda: np.asarray(x), lambda: list(x)):
        with pytest.raises(TypeError, match="no values"):
            use()


def test_subclassed_model_builds_from_data_or_shape():
    from_data, from_shape = Net(), Net()
    from_data(np.ones((2, 3)))
    from_shape.build((None, 3))
    for model in (from_data, from_shape):
        assert model.count_params() == 32 + 36 + 5
        assert model.output_shape == (None, 1)
        assert [layer.units for layer in model.layers] == [8, 4, 1]
    assert list(from_data.state_dict()) == [
        "hidden/0/kernel", "hidden/0/bias", "hidden/1/kernel", "hidden/1/bias", "out/kernel",
        "out/bias",
    ]  # fmt: skip
    from_shape.load_state_dict(from_data.state_dict())
    x = np.ones((2, 3))
    np.testing.assert_array_equal(from_shape(x).numpy(), from_data(x).numpy())


def test_pytorch_words():
    model = weft.Sequential([weft.Input((3,)), L.Dense(2)])
    weft.sum(model(np.ones((1, 3)))).backward()
    assert len(model.parameters()) == 2 and model.parameters()[0].grad is not None
    model.zero_grad()
    assert model.parameters()[0].grad is None


def test_clone_with_a_function():
    model = weft.Sequential([weft.Input((3,)), L.Dense(4, activation="relu")])

    def without_activation(layer):
        return L.Dense(**{**layer.get_config(), "activation": "linear"})

    copy = weft.models.clone_model(model, clone_function=without_activation)
    copy.set_weights(model.get_weights())
    x = np.ones((2, 3), "float32")
    np.testing.assert_allclose(weft.ops.relu(copy(x)).numpy(), model(x).numpy())


# --- cost and summary -----------------------------------------------------------------------------


def test_summary_works_before_data_and_counts_everything():
    model = weft.Sequential([weft.Input((28, 28, 1)), L.Conv2D(8, 3), L.Flatten(), L.Dense(10)])
    text = summary_of(model)
    for fact in ("conv2d", "(None, 26, 26, 8)", "80", "54,090", "FLOP", "54,170"):
        assert fact in text
    assert f"{2 * 26 * 26 * 8 * 9:,}" in text or f"{2 * 26 * 26 * 8 * 9 + 26 * 26 * 8:,}" in text
    assert "not built" in summary_of(weft.Sequential([L.Dense(3)]))


def test_summary_marks_what_is_frozen():
    model = weft.Sequential([weft.Input((3,)), L.Dense(4, name="base"), L.Dense(2, name="head")])
    model.layers[0].trainable = False
    text = summary_of(model)
    assert "base (Dense) [frozen]" in text and "Trainable params: 10" in text
    assert "Trained" in summary_of(model, show_trainable=True)
    assert "base" not in summary_of(model, layer_range=("head", "head"))
    with pytest.raises(ValueError, match="layer_range"):
        model.summary(layer_range=("nope", "head"))


def test_summary_of_every_kind_of_model_names_its_layers():
    net = Net()
    net.build((None, 3))
    x = weft.Input((3,), name="entry")
    graph = weft.Model(x, L.Dense(2, name="exit")(x))
    assert "73" in summary_of(net)
    assert "entry" in summary_of(graph) and "exit" in summary_of(graph)


def test_summary_prints_a_table(capsys):
    weft.Sequential([weft.Input((3,)), L.Dense(4)], name="tiny").summary()
    out = capsys.readouterr().out
    assert "tiny" in out and "Total params: 16" in out


def test_estimate_scales_with_the_batch_and_takes_no_memory():
    model = weft.Sequential([weft.Input((784,)), L.Dense(128, activation="relu"), L.Dense(10)])
    before = weft._C.memory_statistics()["allocated"]
    small, large = weft.estimate(model, 1), weft.estimate(model, 2**20)
    assert weft._C.memory_statistics()["allocated"] == before
    assert small.parameters == 101770 and small.parameter_bytes == 4 * 101770
    assert large.flops == 2**20 * small.flops
    assert large.activation_bytes == 2**20 * small.activation_bytes
    assert small.activation_bytes >= 4 * 138
    with pytest.raises(ValueError, match="batch_size"):
        weft.estimate(model, 0)


# --- names ----------------------------------------------------------------------------------------


def test_weft_answers_for_keras_and_explains_old_names():
    assert weft.keras is weft
    assert weft.models.Sequential is weft.Sequential
    with pytest.raises(AttributeError, match="Input"):
        weft.placeholder  # noqa: B018
    with pytest.raises(AttributeError, match="Sequential"):
        weft.Sequental  # noqa: B018
    with pytest.raises(AttributeError, match="count_params"):
        weft.Sequential().count_param  # noqa: B018


def test_parts_that_take_long_to_import_come_when_they_are_asked_for():
    late = {"weft.viz", "rich", "urllib.request", "html", "matplotlib"}
    code = f"import sys, weft; print(*{late} & {{*sys.modules}}, weft.viz.__name__)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert out.stdout.split() == [b"weft.viz"]


def test_layers_of_a_sequence_have_symbolic_outputs_for_feature_extraction():
    model = weft.Sequential(
        [weft.Input((4,)), weft.layers.Dense(3, activation="relu"), weft.layers.Dense(2)]
    )
    probe = weft.Model(model.inputs, model.layers[0].output)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    kernel, bias = model.layers[0].get_weights()
    np.testing.assert_allclose(probe(x).numpy(), np.maximum(x @ kernel + bias, 0), rtol=1e-5)
    whole = weft.Model(model.inputs, model.outputs[0])
    np.testing.assert_array_equal(whole(x).numpy(), model(x).numpy())
    model.add(weft.layers.Dense(1))
    assert model.outputs[0].shape == (None, 1)
    assert len(model.weights) == 6


def test_a_layer_outside_of_any_graph_has_no_output():
    with pytest.raises(AttributeError, match=r"lonely.*graph"):
        _ = weft.layers.Dense(2, name="lonely").output
