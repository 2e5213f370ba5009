"""LossScaleOptimizer: what it skips, how its factor moves, and that it keeps small gradients."""

import numpy as np
import pytest

import weft


def make(scale=4.0, growth=3, **inner):
    w = weft.Variable([1.0, 2.0])
    optimizer = weft.optimizers.LossScaleOptimizer(
        weft.optimizers.SGD(0.5, **inner), initial_scale=scale, dynamic_growth_steps=growth
    )
    return w, optimizer


def test_gradients_are_divided_by_the_factor():
    w, optimizer = make()
    optimizer.apply([weft.tensor([4.0, 8.0])], [w])
    assert w.tolist() == [0.5, 1.0]
    assert float(optimizer.scale_loss(weft.tensor(3.0))) == 12.0


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_step_with_an_infinite_gradient_is_skipped_and_the_factor_halved(bad):
    w, optimizer = make()
    optimizer.apply([weft.tensor([bad, 1.0])], [w])
    assert w.tolist() == [1.0, 2.0]
    assert float(optimizer.dynamic_scale) == 2.0
    assert int(optimizer.iterations) == 0


def test_the_factor_doubles_after_enough_good_steps_in_a_row():
    w, optimizer = make(growth=3)
    good, bad = weft.tensor([0.0, 0.0]), weft.tensor([np.inf, 0.0])
    for gradient in (good, good, bad, good, good):
        optimizer.apply([gradient], [w])
    assert float(optimizer.dynamic_scale) == 2.0
    optimizer.apply([good], [w])
    assert float(optimizer.dynamic_scale) == 4.0
    assert int(optimizer.step_counter) == 0
    assert int(optimizer.iterations) == 5


def test_large_finite_gradients_are_no_reason_to_skip():
    w, optimizer = make(scale=1.0)
    optimizer.apply([weft.tensor([1e30, -1e30])], [w])
    np.testing.assert_allclose(w.numpy(), [-0.5e30, 0.5e30], rtol=1e-6)


def test_it_follows_keras():
    keras = pytest.importorskip("keras")
    theirs_w = keras.Variable(np.array([1.0, 2.0], "float32"))
    theirs = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.1), initial_scale=8.0, dynamic_growth_steps=2
    )
    w = weft.Variable([1.0, 2.0])
    ours = weft.optimizers.LossScaleOptimizer(
        weft.optimizers.Adam(0.1), initial_scale=8.0, dynamic_growth_steps=2
    )
    for values in ([8.0, -4.0], [np.inf, 1.0], [1.0, 2.0], [3.0, 4.0], [5.0, -6.0]):
        gradient = np.array(values, "float32")
        theirs.apply([keras.ops.convert_to_tensor(gradient)], [theirs_w])
        ours.apply([weft.tensor(gradient)], [w])
        np.testing.assert_allclose(
            w.numpy(), keras.ops.convert_to_numpy(theirs_w), rtol=1e-5, atol=1e-6
        )
        assert float(ours.dynamic_scale) == float(theirs.dynamic_scale)


def test_a_float16_model_trains_saves_and_goes_on(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 8)).astype("float32")
    y = (x[:, 0] > 0).astype("int64")
    with_policy = {"dtype": "mixed_float16"}
    model = weft.Sequential(
        [
            weft.Input((8,)),
            weft.layers.Dense(16, activation="relu", **with_policy),
            weft.layers.Dense(2, dtype="float32"),
        ],
        name="half",
    )
    model.dtype_policy = weft.dtype_policies.DTypePolicy("mixed_float16")
    model.compile("adam", weft.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert isinstance(model.optimizer, weft.optimizers.LossScaleOptimizer)
    losses = model.fit(x, y, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    model.save(tmp_path / "model.weft")
    again = weft.saving.load_model(tmp_path / "model.weft")
    assert isinstance(again.optimizer, weft.optimizers.LossScaleOptimizer)
    assert float(again.optimizer.dynamic_scale) == float(model.optimizer.dynamic_scale)
    assert int(again.optimizer.iterations) == int(model.optimizer.iterations)


def test_wrong_arguments_are_named():
    with pytest.raises(TypeError, match="inner_optimizer must be an optimizer"):
        weft.optimizers.LossScaleOptimizer("nonsense")
    with pytest.raises(ValueError, match="initial_scale must be a number above 0"):
        weft.optimizers.LossScaleOptimizer(weft.optimizers.SGD(), initial_scale=0)
    with pytest.raises(ValueError, match="dynamic_growth_steps"):
        weft.optimizers.LossScaleOptimizer(weft.optimizers.SGD(), dynamic_growth_steps=0)
