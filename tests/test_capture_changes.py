"""What changes between replays is seen by them, and what they give is not changed by later ones."""

import collections
import random
import re
import warnings

import numpy as np
import pytest
from capture_steps import assert_same, both, classes, dense_model, steps

import weft
from weft import layers, optimizers


@pytest.fixture(autouse=True)
def no_silent_fallback():
    with warnings.catch_warnings():
        warnings.simplefilter("error", weft.CaptureWarning)
        yield


def ones(*shape):
    return weft.ones(shape)


def recorded(function, *arguments):
    """`function`, captured, and recorded for these arguments."""
    captured = weft.capture(function, required=True)
    for _ in range(4):
        captured(*arguments)
    assert len(captured.programs) == 1
    return captured


# --- results -------------------------------------------------------------------------------------


def test_an_argument_that_is_returned_is_that_of_the_call(everywhere):
    step = recorded(lambda x: (x, x[1:], x * 2.0), ones(3))
    for value in (3.0, 4.0):
        x = weft.tensor([value, 1.0, value])
        whole, part, double = step(x)
        assert whole.tolist() == x.tolist()
        assert part.tolist() == [1.0, value]
        assert double.tolist() == (x * 2.0).tolist()


def test_gradients_that_are_kept_stay_what_they_were(everywhere):
    w = weft.Variable([1.0, 2.0])

    def step(x):
        w.grad = None
        (w * x).sum().backward()

    step, kept = weft.capture(step, required=True), []
    for i in range(7):
        step(weft.tensor([float(i), 1.0]))
        kept.append((w.grad, w.grad.numpy()))
    assert len(step.programs) == 1
    for i, (gradient, array) in enumerate(kept):
        assert gradient.tolist() == array.tolist() == [i, 1.0]


def test_gradients_add_up_where_nobody_forgets_them(everywhere):
    w = weft.Variable([1.0])
    step = weft.capture(lambda x: (w * x).sum().backward(), required=True)
    two = weft.tensor([2.0])
    for _ in range(5):
        w.grad = None
        step(two)
    assert len(step.programs) == 1
    step(two)
    step(two)
    assert w.grad.tolist() == [6.0]
    w.grad = None
    step(two)
    assert w.grad.tolist() == [2.0]


def test_gradients_that_the_step_forgets_are_forgotten_in_a_replay():
    w = weft.Variable([1.0])

    def step(x):
        (w * x).sum().backward()
        gradient = w.grad * 1.0
        w.grad = None
        return gradient

    step = recorded(step, ones(1))
    assert step(weft.tensor([3.0])).tolist() == [3.0]
    assert w.grad is None


# --- arguments -----------------------------------------------------------------------------------


def test_zero_and_minus_zero_are_two_arguments():
    step = recorded(lambda x, s: x * s, ones(2), 0.0)
    assert np.signbit(step(ones(2), -0.0).numpy()).all()
    assert not np.signbit(step(ones(2), 0.0).numpy()).any()


def test_arrays_are_tensors_in_every_call():
    step = weft.capture(lambda x: x / 3, required=True)
    x = np.arange(4)
    results = [step(x) for _ in range(5)]
    assert {type(r) for r in results} == {weft.Tensor}
    assert {str(r.dtype) for r in results} == {"float32"}


def test_variables_are_used_where_they_are(everywhere):
    def add(v, x):
        v.assign_add(x)
        return v * 1.0

    a, b = weft.Variable([1.0], trainable=False), weft.Variable([10.0])
    step = weft.capture(add, required=True)
    assert [step(a, ones(1)).item() for _ in range(5)] == [2.0, 3.0, 4.0, 5.0, 6.0]
    with weft.no_grad():
        assert [step(b, ones(1)).item() for _ in range(5)] == [11.0, 12.0, 13.0, 14.0, 15.0]
    assert a.tolist() == [6.0]
    assert len(step.programs) == 2


def test_arguments_that_are_no_keys_are_said():
    with pytest.warns(weft.CaptureWarning, match="unhashable type: 'set'"):
        assert weft.capture(lambda x, s: x * len(s))(ones(2), {1, 2}).tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="unhashable type: 'set'"):
        weft.capture(lambda x, s: x * len(s), required=True)(ones(2), {1, 2})


def test_an_argument_in_memory_that_the_step_writes_to(everywhere):
    w = weft.Variable([1.0, 2.0])

    def step(x):
        with weft.no_grad():
            w.assign_add(ones(2))
            return x * 2.0

    step = recorded(step, ones(2))
    w.assign([1.0, 2.0])
    assert step(w.detach()).tolist() == [4.0, 6.0]


# --- settings ------------------------------------------------------------------------------------


def test_precision_of_convolutions_belongs_to_the_recording():
    x = weft.random.normal((2, 20, 20, 32), seed=1)
    kernel = weft.random.normal((3, 3, 32, 32), seed=2)
    step = recorded(lambda x: weft.conv2d(x, kernel, padding="same"), x)
    fast = step(x).numpy()
    weft.set_conv_precision("highest")
    try:
        exact = weft.conv2d(x, kernel, padding="same").numpy()
        assert (exact != fast).any()  # Winograd's algorithm was used
        for _ in range(4):
            assert_same([step(x).numpy()], [exact])
    finally:
        weft.set_conv_precision("default")
    assert_same([step(x).numpy()], [fast])


def test_another_schedule_in_place_of_a_number(everywhere):
    found = []
    for wrap in (weft.capture, lambda step: step):
        w, optimizer = weft.Variable([1.0]), optimizers.SGD(0.5)

        def step(x, w=w, optimizer=optimizer):
            optimizer.apply(weft.grad([(w * x).sum()], [w]), [w])
            return w * 1.0

        wrapped = wrap(step)
        found.append([wrapped(ones(1)).tolist() for _ in range(5)])
        for rate in (0.1, 0.2):
            optimizer.learning_rate = optimizers.schedules.ExponentialDecay(rate, 1, 0.5)
            found[-1] += [wrapped(ones(1)).tolist() for _ in range(5)]
    assert found[0] == found[1]


CHANGES = {
    "momentum": (lambda: optimizers.SGD(0.1, momentum=0.9), 0.1),
    "nesterov": (lambda: optimizers.SGD(0.1, momentum=0.9), True),
    "clipnorm": (lambda: optimizers.SGD(0.1), 0.001),
    "weight_decay": (lambda: optimizers.AdamW(0.1), 0.5),
    "beta_1": (lambda: optimizers.Adam(0.1), 0.1),
    "rho": (lambda: optimizers.RMSprop(0.1), 0.1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_settings_of_an_optimizer_in_use(name, everywhere):
    make, value = CHANGES[name]

    def train(model):
        before = steps(model, 5)
        setattr(model.optimizer, name, value)
        return before + steps(model, 5)

    model = both(lambda jit: dense_model(jit, make()), train)
    assert model.programs["train_on_batch"]
    assert train(dense_model(False, make())) != steps(dense_model(False, make()), 10)


def test_impossible_settings_of_an_optimizer_in_use():
    w, optimizer = weft.Variable([1.0]), optimizers.SGD(0.1)
    optimizer.build([w])
    for name, value in (("momentum", 0.5), ("use_ema", True), ("clipnorm", -1.0)):
        before = getattr(optimizer, name)
        with pytest.raises(ValueError, match=name):
            setattr(optimizer, name, value)
        assert getattr(optimizer, name) == before
    optimizer.apply([weft.tensor([1.0])], [w])
    assert w.item() == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("layer", "of", "name", "value"),
    [
        (
            lambda: layers.Dense(8, kernel_regularizer=weft.regularizers.L2(0.01)),
            "kernel_regularizer",
            "l2",
            1.0,
        ),
        (
            lambda: layers.Dense(8, kernel_constraint=weft.constraints.MaxNorm(2.0)),
            "kernel_constraint",
            "max_value",
            0.01,
        ),
    ],
    ids=["regularizer", "constraint"],
)
def test_settings_of_regularizers_and_constraints(layer, of, name, value):
    def train(model):
        before = steps(model, 5)
        setattr(getattr(model.layers[1], of), name, value)
        return before + steps(model, 5)

    model = both(lambda jit: dense_model(jit, "sgd", inner=[layer()]), train)
    assert model.programs["train_on_batch"]


# --- what users keep in a model ------------------------------------------------------------------


class Blocks(weft.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [layers.Dense(6, "tanh") for _ in range(3)]
        self.scales = [1.0, 2.0]
        self.options = {"power": 1.0}
        self.settings = type("Settings", (), {})()
        self.settings.shift = 0.0
        self.seen = []

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return x * self.scales[0] * self.options["power"] + self.settings.shift


def built_layer():
    layer = layers.Dense(6)
    layer.build((None, 6))
    return layer


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.blocks.pop(),
        lambda m: m.blocks.append(built_layer()),
        lambda m: m.scales.__setitem__(0, 3.0),
        lambda m: m.options.update(power=0.5),
        lambda m: setattr(m.settings, "shift", 7.0),
    ],
    ids=["layer gone", "layer more", "list", "dict", "object"],
)
def test_containers_of_a_model(change):
    model, x = Blocks(), classes()[0]
    model.compile("sgd", "mse")
    for _ in range(5):
        before = model.predict_on_batch(x)
    assert model.programs["predict_step"]
    change(model)
    with weft.no_grad():
        expected = model(x).numpy()
    assert (before != expected).any()
    for _ in range(4):
        assert_same([model.predict_on_batch(x)], [expected])


def test_a_list_that_grows_at_each_step_is_said_once():
    class Notes(Blocks):
        def call(self, x):
            self.seen.append(len(self.seen))
            return super().call(x)

    model, x = Notes(), classes()[0]
    model.compile("sgd", "mse")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(20):
            model.predict_on_batch(x)
    assert len(model.seen) >= 20
    assert len([w for w in said if w.category is weft.CaptureWarning]) == 1


def test_weights_that_come_later_are_trained_or_refused():
    model, x = weft.Sequential([weft.Input((6,)), layers.Dense(3)]), classes()[0]
    model.compile("sgd", "mse")
    for _ in range(5):
        model.train_on_batch(x, x[:, :3])
    model.add(layers.Dense(2))
    assert model.predict_on_batch(x).shape == (20, 2)
    with pytest.raises(ValueError, match="make a new optimizer"):
        model.train_on_batch(x, x[:, :2])
    model.compile("sgd", "mse")
    before = model.layers[-1].kernel.numpy().copy()
    model.train_on_batch(x, x[:, :2])
    assert (model.layers[-1].kernel.numpy() != before).any()


def test_a_model_that_moves_and_comes_back_is_recorded_again():
    def train(model):
        result = []
        for device in ("cpu", "sim", "cpu", "sim"):
            model.to(device)
            result += steps(model, 5)
        return result

    model = both(lambda jit: dense_model(jit, "adam"), train)
    assert model.programs["train_on_batch"]


# --- dice ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", [random.random, np.random.rand], ids=["python", "numpy"])
def test_steps_that_throw_dice_are_found(draw):
    def step(x):
        return x * 2.0 if draw() < 0.9 else x * 3.0

    random.seed(0)
    np.random.seed(0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        captured = weft.capture(step)
        found = [captured(ones(1)).item() for _ in range(200)]
    assert found.count(3.0) > 5
    messages = [str(w.message) for w in said if w.category is weft.CaptureWarning]
    assert len(messages) == 1
    assert re.search("draws .* random numbers|is another operation|other parameters", messages[0])


def test_the_host_may_throw_dice():
    thrown = []

    def step(x):
        weft.programs.on_host(lambda: thrown.append((random.random(), np.random.rand())))
        return x * 2.0

    recorded(step, ones(1))
    assert len(set(thrown)) == 4


# --- results -------------------------------------------------------------------------------------


def test_results_keep_their_type():
    Pair = collections.namedtuple("Pair", "total parts")
    x = weft.ones((2, 3))
    w = weft.Variable(np.ones(3, "float32"))

    @weft.capture
    def step(x):
        y = x * w
        return collections.OrderedDict(pair=Pair(y.sum(), [y, (y + 1.0,)]), number=3)

    for turn in range(4):
        w.assign(np.full(3, turn, "float32"))
        found = step(x)
        assert type(found) is collections.OrderedDict and list(found) == ["pair", "number"]
        assert type(found["pair"]) is Pair and float(found["pair"].total) == 6 * turn
        assert found["pair"].parts[1][0].tolist() == [[turn + 1.0] * 3] * 2
    assert len(step.programs) == 1


def test_an_object_as_result_is_named():
    class Result:
        def __init__(self, loss):
            self.loss = loss

    step = weft.capture(lambda x: Result(x * 2.0))
    with pytest.warns(weft.CaptureWarning, match="returns an object of Result.*return tensors"):
        found = [float(step(weft.tensor(float(i))).loss) for i in range(4)]
    assert found == [0.0, 2.0, 4.0, 6.0]


def test_a_model_without_trainable_weights_says_so_and_measures():
    x, y = np.ones((8, 2), "float32"), np.zeros((8, 1), "float32")
    model = weft.Sequential([weft.Input((2,)), weft.layers.Dense(1)])
    model.trainable = False
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.warns(UserWarning, match="no weight of the model is trainable"):
        losses = [float(model.train_on_batch(x, y)) for _ in range(4)]
    assert losses == [pytest.approx(float(model.evaluate(x, y, verbose=0)))] * 4
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
