"""Models and steps that the tests of recorded steps share."""

import numpy as np

import weft
from weft import layers


def classes(rows=20, features=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((rows, features), dtype="float32"), rng.integers(0, 3, rows)


def dense_model(jit, optimizer="adam", inner=(), **options):
    weft.random.seed(11)
    model = weft.Sequential(
        [weft.Input((6,)), layers.Dense(8, "relu"), *inner, layers.Dense(3, "softmax")]
    )
    options = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], **options}
    model.compile(optimizer, jit_compile=jit, **options)
    return model


def state_of(model):
    variables = [*model.variables, *model.optimizer.variables]
    return [v.numpy().copy() for v in variables] + [weft.random.default_generator.get_state()]


def assert_same(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def both(build, train):
    """The same training recorded and eager; gives the recorded model."""
    found = []
    for jit in ("auto", False):
        model = build(jit)
        weft.random.seed(5)
        result = train(model)
        found.append((model, result, state_of(model)))
    (model, result, state), (eager, expected, eager_state) = found
    assert not eager.programs
    assert result == expected
    assert_same(state, eager_state)
    return model


def steps(model, count=8, **options):
    x, y = classes()
    return [model.train_on_batch(x, y, **options) for _ in range(count)]
