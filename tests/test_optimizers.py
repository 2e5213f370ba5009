"""Optimizers against their formulas in float64 NumPy, PyTorch and Keras; schedules; errors."""

import copy
import pickle

import numpy as np
import pytest

import weft
from weft import optimizers
from weft.optimizers import schedules

# Each formula is a generator of the values of w after each step on the gradient function g.


def sgd(w, g, lr=0.01, momentum=0.0, nesterov=False):
    v = 0.0
    while True:
        v = momentum * v - lr * (grad := g(w))
        w = w + (momentum * v - lr * grad if nesterov else v)
        yield w


def rmsprop(w, g, lr=0.001, rho=0.9, epsilon=1e-7, momentum=0.0, centered=False):
    s = m = a = 0.0
    while True:
        grad = g(w)
        s, a = rho * s + (1 - rho) * grad**2, rho * a + (1 - rho) * grad
        m = momentum * m + lr * grad / np.sqrt(s - (a**2 if centered else 0) + epsilon)
        w = w - m
        yield w


def adam(w, g, lr=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False, weight_decay=0.0):
    m = v = top = 0.0
    t = 0
    while True:
        t, grad = t + 1, g(w)
        w = w - lr * weight_decay * w
        m, v = beta_1 * m + (1 - beta_1) * grad, beta_2 * v + (1 - beta_2) * grad**2
        top = np.maximum(top, v)
        rate = lr * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        w = w - rate * m / (np.sqrt(top if amsgrad else v) + epsilon)
        yield w


def adagrad(w, g, lr=0.001, start=0.1, epsilon=1e-7):
    total = start
    while True:
        total = total + (grad := g(w)) ** 2
        w = w - lr * grad / np.sqrt(total + epsilon)
        yield w


def adadelta(w, g, lr=0.001, rho=0.95, epsilon=1e-7):
    s = d = 0.0
    while True:
        s = rho * s + (1 - rho) * (grad := g(w)) ** 2
        step = np.sqrt(d + epsilon) / np.sqrt(s + epsilon) * grad
        d = rho * d + (1 - rho) * step**2
        w = w - lr * step
        yield w


def adamax(w, g, lr=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    m = u = 0.0
    t = 0
    while True:
        t, grad = t + 1, g(w)
        m, u = beta_1 * m + (1 - beta_1) * grad, np.maximum(beta_2 * u, abs(grad))
        w = w - lr * m / ((1 - beta_1**t) * (u + epsilon))
        yield w


def nadam(w, g, lr=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    m = v = 0.0
    product, t = 1.0, 0
    while True:
        t, grad = t + 1, g(w)
        mu, after = (beta_1 * (1 - 0.5 * 0.96**i) for i in (t, t + 1))
        product *= mu
        m, v = beta_1 * m + (1 - beta_1) * grad, beta_2 * v + (1 - beta_2) * grad**2
        mean = after * m / (1 - product * after) + (1 - mu) * grad / (1 - product)
        w = w - lr * mean / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
        yield w


def ftrl(w, g, lr=0.001, start=0.1, power=-0.5, l1=0.0, l2=0.0, shrinkage=0.0, beta=0.0):
    n, z = start, 0.0
    while True:
        grad = g(w)
        new = n + grad**2
        z = z + grad + 2 * shrinkage * w - (new**-power - n**-power) / lr * w
        n = new
        w = (np.clip(z, -l1, l1) - z) / (n**-power / lr + 2 * l2 + beta / lr)
        yield w


FTRL = {
    "learning_rate_power": -0.7,
    "initial_accumulator_value": 0.2,
    "l1_regularization_strength": 0.5,
    "l2_regularization_strength": 0.1,
    "l2_shrinkage_regularization_strength": 0.05,
    "beta": 0.3,
}
FTRL_NAMES = dict(zip(FTRL, ("power", "start", "l1", "l2", "shrinkage", "beta"), strict=True))
RULES = [
    (optimizers.SGD, {}, sgd),
    (optimizers.SGD, {"momentum": 0.9}, sgd),
    (optimizers.SGD, {"momentum": 0.9, "nesterov": True}, sgd),
    (optimizers.RMSprop, {}, rmsprop),
    (optimizers.RMSprop, {"momentum": 0.5}, rmsprop),
    (optimizers.RMSprop, {"centered": True}, rmsprop),
    (optimizers.RMSprop, {"momentum": 0.5, "centered": True, "epsilon": 1e-3}, rmsprop),
    (optimizers.Adam, {}, adam),
    (optimizers.Adam, {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3}, adam),
    (optimizers.Adam, {"amsgrad": True, "beta_2": 0.7}, adam),
    (optimizers.AdamW, {"weight_decay": 0.02}, adam),
    (optimizers.Adagrad, {"initial_accumulator_value": 0.3}, adagrad),
    (optimizers.Adadelta, {"rho": 0.9}, adadelta),
    (optimizers.Adamax, {}, adamax),
    (optimizers.Nadam, {}, nadam),
    (optimizers.Ftrl, {}, ftrl),
    (optimizers.Ftrl, FTRL, ftrl),
]
SIZES = [(), (1,), (7,), (3, 5), (33,), (0,), (2, 8, 4)]


def starts(dtype):
    rng = np.random.default_rng(3)
    return [np.asarray(rng.normal(size=s)).astype(dtype) for s in SIZES]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind, options, formula", RULES)
def test_twenty_steps_follow_the_formula(isa, kind, options, formula, dtype):
    """Vectors, tails and empty variables of one optimizer, in one call for all."""
    optimizer = kind(learning_rate=0.05, **options)
    variables = [weft.Variable(s) for s in starts(dtype)]
    named = {FTRL_NAMES.get(k, k): v for k, v in options.items()}
    walks = [formula(s.astype("float64"), lambda w: 0.7 * w + 0.1, lr=0.05, **named)
             for s in starts(dtype)]  # fmt: skip
    for _ in range(20):
        optimizer.apply([weft.tensor(0.7 * v.numpy() + 0.1, dtype) for v in variables], variables)
        expected = [next(walk) for walk in walks]
    # In float32 each of 20 steps rounds w, and 1 - beta_2 loses four digits.
    rtol, atol = (1e-11, 1e-12) if dtype == "float64" else (2e-5, 2e-6)
    for variable, value in zip(variables, expected, strict=True):
        np.testing.assert_allclose(variable.numpy(), value, rtol=rtol, atol=atol)
    assert int(optimizer.iterations) == 20


def test_hundreds_of_variables_and_mixed_dtypes_in_one_step():
    values = [np.full(i % 5 + 1, i, "float32" if i % 3 else "float64") for i in range(200)]
    variables = [weft.Variable(v) for v in values]
    optimizers.SGD(1.0, clipnorm=1.0).apply([weft.ones_like(v) * 3.0 for v in variables], variables)
    for v, value in zip(variables, values, strict=True):
        np.testing.assert_allclose(v.numpy(), value - 1 / np.sqrt(len(value)), rtol=1e-6)


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"clipvalue": 0.5}, [[0.5, -0.5], [0.5]]),
        ({"clipnorm": 1.0}, [[0.6, -0.8], [1.0]]),
        ({"global_clipnorm": 6.5}, [[1.5, -2.0], [6.0]]),
        ({"loss_scale_factor": 2.0}, [[1.5, -2.0], [6.0]]),
        ({"loss_scale_factor": 2.0, "clipnorm": 1.0}, [[0.6, -0.8], [1.0]]),
    ],
)
def test_clipping(options, expected):
    variables = [weft.Variable(np.zeros(2)), weft.Variable(np.zeros(1))]
    optimizers.SGD(1.0, **options).apply([weft.tensor([3.0, -4.0]), weft.tensor([12.0])], variables)
    for v, e in zip(variables, expected, strict=True):
        np.testing.assert_allclose(v.numpy(), -np.array(e), rtol=1e-12)


def test_a_gradient_that_is_not_finite_is_not_hidden_by_clipping():
    for options in ({"clipnorm": 1.0}, {"global_clipnorm": 1.0}, {"clipvalue": 1.0}):
        v = weft.Variable(np.zeros(2))
        optimizers.SGD(1.0, **options).apply([weft.tensor([np.nan, 1.0], "float64")], [v])
        assert np.isnan(v.numpy()[0]), options


def test_sum_of_squares_has_the_same_bits_for_any_number_of_threads():
    x = weft.tensor(np.random.default_rng(0).normal(size=200_001).astype("float32"))
    before, found = weft.num_threads(), []
    for threads in (1, 3):
        weft.set_num_threads(threads)
        found.append(weft._C.sums_of_squares([x._data]).numpy()[0])
    weft.set_num_threads(before)
    assert found[0] == found[1]
    np.testing.assert_allclose(found[0], (x.numpy().astype("float64") ** 2).sum(), rtol=1e-6)


def test_accumulated_gradients_make_one_update_of_their_mean():
    v = weft.Variable([0.0])
    optimizer = optimizers.SGD(1.0, gradient_accumulation_steps=3)
    for gradient in (1.0, 2.0, 6.0, 3.0):
        optimizer.apply([weft.tensor([gradient])], [v])
    assert v.tolist() == [-3.0] and int(optimizer.iterations) == 1


def test_moving_averages():
    v = weft.Variable([0.0])
    optimizer = optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5)
    for _ in range(3):
        optimizer.apply([weft.tensor([1.0])], [v])
    optimizer.finalize_variable_values([v])
    assert v.tolist() == [-2.25]  # of -1, -2, -3


def test_weight_decay_leaves_out_excluded_variables():
    kernel, bias = weft.Variable([1.0], name="kernel"), weft.Variable([1.0], name="bias")
    optimizer = optimizers.SGD(0.5, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.apply([weft.tensor([0.0]), weft.tensor([0.0])], [kernel, bias])
    assert kernel.tolist() == [0.75] and bias.tolist() == [1.0]


def test_constraints_hold_after_a_step():
    v = weft.Variable([0.1])
    v.constraint = weft.constraints.NonNeg()
    optimizers.SGD(1.0).apply([weft.tensor([1.0])], [v])
    assert v.tolist() == [0.0]


@pytest.mark.parametrize("kind, options, _", RULES)
def test_copies_and_configurations_continue_alike(kind, options, _):
    v = weft.Variable([1.0, -2.0])
    optimizer = kind(learning_rate=0.1, **options)
    optimizer.apply([weft.tensor([0.3, -0.1])], [v])
    twins = [copy.deepcopy((v, optimizer)), pickle.loads(pickle.dumps((v, optimizer)))]
    fresh = kind.from_config(optimizer.get_config())
    restored = weft.Variable(v.numpy())
    fresh.build([restored])
    store = {}
    optimizer.save_own_variables(store)
    fresh.load_own_variables(store)
    for variable, other in [*twins, (restored, fresh)]:
        other.apply([weft.tensor([0.2, 0.2])], [variable])
    optimizer.apply([weft.tensor([0.2, 0.2])], [v])
    for variable, _other in [*twins, (restored, fresh)]:
        assert variable.tolist() == v.tolist()


@pytest.mark.parametrize("name, options", [("SGD", {"momentum": 0.9}), ("Adam", {}), ("AdamW", {})])
def test_agrees_with_pytorch(name, options):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=50), rng.normal(size=(10, 50))
    mine = weft.Variable(start)
    theirs = torch.tensor(start, requires_grad=True)
    extra = {} if name == "SGD" else {"epsilon": 1e-16}
    optimizer = getattr(optimizers, name)(0.1, **options, **extra)
    decay = {"weight_decay": 0.004} if name == "AdamW" else {}
    eps = {} if name == "SGD" else {"eps": 1e-16}
    oracle = getattr(torch.optim, name)([theirs], lr=0.1, **options, **eps, **decay)
    for g in gradients:
        optimizer.apply([weft.tensor(g)], [mine])
        theirs.grad = torch.tensor(g)
        oracle.step()
    np.testing.assert_allclose(mine.numpy(), theirs.detach().numpy(), rtol=1e-10)


# --- learning rates ------------------------------------------------------------------------------

STEPS = [0, 1, 2, 5, 9, 10, 11, 25, 99, 100, 101]
SCHEDULES = [
    (schedules.ExponentialDecay(0.1, 10, 0.5), lambda t: 0.1 * 0.5 ** (t / 10)),
    (schedules.ExponentialDecay(0.1, 10, 0.5, staircase=True), lambda t: 0.1 * 0.5 ** (t // 10)),
    (schedules.InverseTimeDecay(0.1, 4, 0.5), lambda t: 0.1 / (1 + 0.5 * t / 4)),
    (
        schedules.PolynomialDecay(0.1, 10, 0.01, power=2.0, cycle=True),
        lambda t: 0.09 * (1 - t / (10 * max(1, -(-t // 10)))) ** 2 + 0.01,
    ),
    (
        schedules.PiecewiseConstantDecay([5, 10], [1.0, 0.5, 0.1]),
        lambda t: 1.0 if t <= 5 else 0.5 if t <= 10 else 0.1,
    ),
    (
        schedules.CosineDecay(0.1, 100, alpha=0.1),
        lambda t: 0.1 * (0.45 * (1 + np.cos(np.pi * min(t, 100) / 100)) + 0.1),
    ),
    (
        schedules.CosineDecayRestarts(0.1, 10, t_mul=1.0, m_mul=0.5),
        lambda t: 0.05 * 0.5 ** (t // 10) * (1 + np.cos(np.pi * (t % 10) / 10)),
    ),
]


@pytest.mark.parametrize("schedule, formula", SCHEDULES, ids=lambda s: type(s).__name__)
def test_schedules_follow_their_formulas(schedule, formula):
    clone = type(schedule).from_config(schedule.get_config())
    for step in STEPS:
        assert float(schedule(step)) == pytest.approx(formula(step), rel=1e-6)
        assert clone.value(step) == schedule.value(step)


def test_schedules_agree_with_keras(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    cases = [
        ("CosineDecay", (0.01, 50), {"warmup_target": 0.1, "warmup_steps": 5}),
        ("CosineDecayRestarts", (0.1, 7), {"t_mul": 1.5, "m_mul": 0.8, "alpha": 0.05}),
        ("PolynomialDecay", (0.1, 100, 0.01), {}),
    ]
    for name, args, options in cases:
        mine = getattr(schedules, name)(*args, **options)
        theirs = getattr(keras.optimizers.schedules, name)(*args, **options)
        for step in STEPS:
            assert float(mine(step)) == pytest.approx(float(theirs(step)), rel=1e-4), (name, step)


def test_the_learning_rate_can_be_set_and_scheduled():
    optimizer = optimizers.SGD(0.5)
    optimizer.learning_rate = 0.25
    assert float(optimizer.learning_rate) == 0.25
    optimizer.learning_rate = schedules.PiecewiseConstantDecay([0], [1.0, 0.5])
    v = weft.Variable([0.0])
    for _ in range(2):
        optimizer.apply([weft.tensor([1.0])], [v])
    assert v.tolist() == [-1.5]
    with pytest.raises(TypeError, match=r"PiecewiseConstantDecay.*0\.1"):
        optimizer.learning_rate = 0.1


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: optimizers.SGD(-0.1), "learning_rate.*-0.1"),
        (lambda: optimizers.SGD("fast"), "learning_rate.*fast"),
        (lambda: optimizers.SGD(momentum=1.5), "momentum.*1.5"),
        (lambda: optimizers.Adam(beta_1=1.2), "beta_1.*1.2"),
        (lambda: optimizers.Adam(clipnorm=-1.0), "clipnorm.*-1"),
        (lambda: optimizers.Adam(clipnorm=1.0, clipvalue=1.0), "clipnorm and clipvalue"),
        (lambda: optimizers.Adam(gradient_accumulation_steps=1), "gradient_accumulation_steps.*1"),
        (lambda: optimizers.Adam(learning_rat=0.1), "learning_rat'.*mean 'learning_rate'"),
        (lambda: optimizers.get("adm"), "adm.*mean 'Adam'"),
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), "decay_steps.*0"),
        (lambda: schedules.PiecewiseConstantDecay([1], [0.1]), "1 boundaries.*2 values.*1"),
    ],
)
def test_impossible_arguments_are_named(make, match):
    with pytest.raises((ValueError, TypeError), match=match):
        make()


def test_wrong_steps_are_explained():
    v = weft.Variable([1.0, 2.0], name="v")
    with pytest.raises(ValueError, match="lonely"):
        optimizers.SGD().apply([None], [weft.Variable(1.0, name="lonely")])
    with pytest.raises(ValueError, match=r"'v'.*\(3,\).*\(2,\)"):
        optimizers.SGD().apply([weft.zeros(3)], [v])
    optimizer = optimizers.SGD()
    optimizer.build([v])
    with pytest.raises(ValueError, match=r"another model.*'late'"):
        optimizer.apply([weft.zeros(1)], [weft.Variable([1.0], name="late")])
    with pytest.warns(UserWarning, match=r"no gradient for w;"):
        optimizers.SGD().apply(
            [weft.zeros(2), None], [weft.Variable([1.0, 2.0]), weft.Variable(1.0, name="w")]
        )


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizers.SGD(0.1, momentum=0.9, weight_decay=0.01),
        lambda: optimizers.RMSprop(0.01, centered=True),
        lambda: optimizers.Adam(0.01, clipnorm=1.0, amsgrad=True),
        lambda: optimizers.Adagrad(0.1),
        lambda: optimizers.Adadelta(1.0),
        lambda: optimizers.Adamax(0.01),
        lambda: optimizers.Nadam(0.01),
        lambda: optimizers.Ftrl(0.1),
        lambda: optimizers.Adam(0.01, use_ema=True),
        lambda: optimizers.SGD(0.1, gradient_accumulation_steps=2),
    ],
)
def test_halves_are_updated_in_float32_and_rounded_once(everywhere, half, make):
    rng = np.random.default_rng(0)
    first = rng.normal(size=(37,)).astype("float32")
    values, wide = (weft.Variable(first, dtype=d) for d in (half, "float32"))
    mixed, alone = make(), make()
    other = weft.Variable(first, dtype="float32")  # beside the halves in one update
    for _ in range(7):
        # The float32 twin starts each step from the rounded values, and keeps its own slots.
        wide.assign(weft.ops.cast(values, "float32"))
        gradient = rng.normal(size=(37,)).astype("float32")
        mixed.apply([weft.tensor(gradient).astype(half), weft.tensor(gradient)], [values, other])
        alone.apply([weft.tensor(gradient).astype(half).astype("float32")], [wide])
        np.testing.assert_array_equal(
            values.astype("float32").numpy(), wide.astype(half).astype("float32").numpy()
        )
    slots = [v for v in mixed.variables if v.shape == (37,)]
    assert {str(v.dtype) for v in slots} <= {"float32"} and values.dtype == half


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_moving_averages_of_halves_are_rounded_when_they_are_copied(half):
    optimizer = optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2)
    values = weft.Variable([1.0, 2.0], dtype=half)
    for _ in range(2):
        optimizer.apply([weft.tensor([1.0, 1.0], half)], [values])
    (average,) = [v for v in optimizer.variables if v.name.endswith("average")]
    assert average.dtype == "float32" and values.dtype == half
    np.testing.assert_array_equal(
        values.astype("float32").numpy(), average.astype(half).astype("float32").numpy()
    )
    assert values.numpy()[0] < 0.9


@pytest.mark.parametrize("policy", ["float16", "bfloat16"])
def test_a_model_of_halves_trains(policy):
    before = weft.config.dtype_policy()
    weft.config.set_dtype_policy(policy)
    try:
        weft.utils.set_random_seed(0)
        model = weft.Sequential(
            [weft.Input((8,)), weft.layers.Dense(32, activation="relu"), weft.layers.Dense(1)]
        )
        model.compile(optimizers.Adam(0.01), "mse", metrics=["mae"])
    finally:
        weft.config.set_dtype_policy(before)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 8)).astype("float32")
    y = x[:, :1] - 0.5 * x[:, 1:2]
    losses = model.fit(x, y, epochs=12, verbose=0).history["loss"]
    assert losses[-1] < 0.1 * losses[0] and np.isfinite(losses).all()
    assert {str(v.dtype) for v in model.variables} == {policy}
    assert model.predict(x, verbose=0).shape == (256, 1)


def test_minimize_function_and_method():
    found = weft.minimize(lambda w: weft.sum((w - 2.0) ** 2), np.zeros(3), "sgd", 0.2, steps=60)
    np.testing.assert_allclose(found.x.numpy(), 2.0, rtol=1e-6)
    assert found.value < found.history[0] and found.steps == 60
    with pytest.raises(ValueError, match=r"\(3,\)"):
        weft.minimize(lambda w: w, np.zeros(3))
    with pytest.raises(ValueError, match="smaller learning_rate"):
        weft.minimize(lambda w: w**4.0, 3.0, "sgd", learning_rate=10.0)
