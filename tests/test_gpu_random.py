"""Random numbers and optimizer steps on a GPU: those of the CPU."""

import numpy as np
import pytest

import weft
from weft import _C
from weft.random import Generator

SIZES = [1, 2, 3, 4, 5, 31, 32, 33, 63, 64, 100, 257, 5003]

DRAWS = {
    "uniform": lambda n, seed: weft.random.uniform((n,), -1.0, 3.0, seed=seed),
    "uniform64": lambda n, seed: weft.random.uniform((n,), 0.5, 0.7, dtype="float64", seed=seed),
    "normal": lambda n, seed: weft.random.normal((n,), 1.0, 2.0, seed=seed),
    "normal64": lambda n, seed: weft.random.normal((n,), 1.0, 2.0, dtype="float64", seed=seed),
    "truncated": lambda n, seed: weft.random.truncated_normal((n,), 0.1, 3.0, seed=seed),
    "truncated64": lambda n, seed: weft.random.truncated_normal((n,), dtype="float64", seed=seed),
    "half": lambda n, seed: weft.random.normal((n,), dtype="bfloat16", seed=seed),
    "randint": lambda n, seed: weft.random.randint((n,), -3, 11, seed=seed),
    # Three quarters of 2**64: a quarter of the words is refused and drawn again.
    "wide": lambda n, seed: weft.random.randint((n,), -(2**63), 2**62, dtype="int64", seed=seed),
    "bernoulli": lambda n, seed: weft.random.bernoulli((n,), 0.3, seed=seed),
    "permutation": lambda n, seed: weft.random.permutation(n, seed=seed),
    "shuffle": lambda n, seed: weft.random.shuffle(weft.arange(2 * n).reshape(n, 2), seed=seed),
    "categorical": lambda n, seed: weft.random.categorical([[0.0, 1.0, -1.0]] * 3, n, seed=seed),
    "dropout": lambda n, seed: weft.random.dropout(weft.ones(n) * 3, 0.4, seed=seed),
    "dropout64": lambda n, seed: weft.ops.dropout(weft.ones(n, dtype="float64"), 0.7, seed=seed),
}


def draw_on(device, name, sizes, seed):
    """What one generator gives for several draws after each other, and where it ends."""
    with weft.device(device):
        generator = Generator(seed)
        drawn = [DRAWS[name](n, generator) for n in sizes]
        return [x.numpy() for x in drawn], generator.get_state()


@pytest.mark.parametrize("name", DRAWS)
def test_same_bits_as_on_the_cpu(name, gpu):
    """Also of the normal distributions: their functions are rounded alike everywhere."""
    expected, end = draw_on("cpu", name, SIZES, 12345678901234567)
    actual, gpu_end = draw_on(gpu, name, SIZES, 12345678901234567)
    assert gpu_end == end
    for mine, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_what_is_drawn_lies_on_the_gpu(gpu):
    assert {DRAWS[name](3, None).device for name in DRAWS} == {gpu}


@pytest.mark.parametrize("classes", [1, 2, 31, 256, 257, 5000])
@pytest.mark.parametrize("samples", [1, 2, 77])
def test_categorical_with_many_classes(classes, samples, gpu):
    """Above 256 classes sums are rounded otherwise: a sample could move to the class beside."""
    logits = np.random.default_rng(classes).normal(size=(3, classes)) * 3
    logits[1, 0] = -np.inf
    on = {}
    for device in ("cpu", gpu):
        with weft.device(device):
            drawn = weft.random.categorical(weft.tensor(logits), samples, seed=5)
            on[device] = drawn.numpy()
    np.testing.assert_array_equal(on[gpu], on["cpu"])
    assert (on[gpu][1] > 0).all() or classes == 1


def test_gradient_of_dropout_uses_the_mask(gpu):
    x = weft.tensor(np.random.default_rng(0).normal(size=1001).astype("float32"))
    x.requires_grad = True
    y = weft.ops.dropout(x, 0.3, seed=1)
    y.backward(weft.ones(1001))
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy() == 0, y.numpy() == 0)
    kept = x.grad.numpy()[y.numpy() != 0]
    np.testing.assert_allclose(kept, 1 / 0.7, rtol=1e-7)


def test_dropout_of_an_unaligned_view(gpu):
    data = np.random.default_rng(0).normal(size=100).astype("float32")
    expected = weft.ops.dropout(weft.tensor(data, device="cpu")[1:], 0.5, seed=3)
    actual = weft.ops.dropout(weft.tensor(data)[1:], 0.5, seed=3)
    np.testing.assert_array_equal(actual.numpy(), expected.numpy())


# --- optimizers --------------------------------------------------------------------------------

RULES = {
    "sgd": {},
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9, "nesterov": True},
    "rmsprop": {},
    "rmsprop momentum": {"momentum": 0.5},
    "rmsprop centered": {"centered": True, "momentum": 0.5},
    "rmsprop centered only": {"centered": True},
    "adam": {},
    "adam amsgrad": {"amsgrad": True},
    "adagrad": {},
    "adadelta": {"rho": 0.95},
    "adamax": {},
    "nadam": {},
    "ftrl": {"l1": 0.01, "l2": 0.1, "beta": 0.1, "l2_shrinkage": 0.01},
    "ftrl power": {"learning_rate_power": -0.7},
}
CONDITIONS = {
    "plain": {},
    "value": {"clip_value": 0.5, "weight_decay": 0.1},
    "norm": {"clip_norm": 1.0, "gradient_scale": 0.5},
    "global": {"global_clip_norm": 1.0, "weight_decay": 0.01},
}
# More tensors than one launch takes, whole chunks and parts of them, rows that are not aligned.
SHAPES = [(4096,), (4097,), (3,), (1,), (33, 65), (0, 4)] + [(7,)] * 30


def steps_on(device, rule, settings, dtype, steps=3):
    """All parameters and slots after some steps."""
    generator = np.random.default_rng(1)
    update = _C.UpdateSettings(rule.split()[0] if rule not in ("momentum", "nesterov") else "sgd")
    for name, value in settings.items():
        setattr(update, name, value)

    def move(array):
        return _C.to_device(_C.from_numpy(array), device)

    parameters = [move(generator.normal(size=s).astype(dtype)) for s in SHAPES]
    parameters[SHAPES.index((0, 4))] = _C.empty((0, 4), dtype, device)
    # A view that begins 4 or 8 bytes after a multiple of 16.
    parameters[4] = weft.Tensor(move(generator.normal(size=2146).astype(dtype)))[1:]._data
    parameters[4] = weft.Tensor(parameters[4]).reshape(33, 65)._data
    slots = [
        _C.full(p.shape, 0.1, dtype, device) for _ in range(update.slot_count) for p in parameters
    ]
    decayed = [i % 2 == 0 for i in range(len(parameters))]
    rate, count = move(np.array(0.01)), move(np.array(0))
    product = move(np.array(1.0))
    plan = _C.UpdatePlan(update, parameters, slots, decayed, rate, count, product)
    for _ in range(steps):
        plan.update([move(generator.normal(size=s).astype(dtype)) for s in SHAPES])
    return [t.numpy() for t in [*parameters, *slots, count, product]]


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("rule", RULES)
def test_optimizer_steps_agree_with_the_cpu(rule, condition, gpu):
    settings = RULES[rule] | CONDITIONS[condition]
    for dtype, tolerance in (("float32", 2e-6), ("float64", 1e-13)):
        expected = steps_on("cpu", rule, settings, dtype)
        for mine, other in zip(steps_on(gpu, rule, settings, dtype), expected, strict=True):
            # A few roundings per step, of numbers around 1: products are fused on some devices.
            np.testing.assert_allclose(mine, other, rtol=8 * tolerance, atol=8 * tolerance)


@pytest.mark.parametrize("n", [0, 1, 5, 4096, 16384, 16385, 100_001])
def test_sums_of_squares(n, gpu):
    data = np.random.default_rng(n).normal(size=n + 1).astype("float32")
    x = weft.tensor(data)[1:]._data
    got = _C.sums_of_squares([x, x]).numpy()
    expected = (data[1:].astype("float64") ** 2).sum()
    np.testing.assert_allclose(got, expected, rtol=1e-13)
    assert got[0] == got[1]


def test_norms_that_overflow_float32_do_not(gpu):
    x = weft.tensor(np.full(1000, 1e30, "float32"))._data
    np.testing.assert_allclose(_C.sums_of_squares([x]).numpy(), 1e63, rtol=1e-6)


def test_scaled_add(gpu):
    a, b = np.arange(5000.0), np.full(5000, np.nan)
    x, y = weft.tensor(a), weft.tensor(b)
    _C.scaled_add([x._data], [y._data], 0.0, 2.0)  # y is not read
    np.testing.assert_array_equal(y.numpy(), 2 * a)
    _C.scaled_add([x._data], [y._data], 0.5, 1.0)
    np.testing.assert_array_equal(y.numpy(), 2 * a)
