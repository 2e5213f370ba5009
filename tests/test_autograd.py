"""Recording and walking: leaves, history, hooks, freed graphs, in-place changes, tapes."""

import gc
import weakref

import numpy as np
import pytest

import weft
from weft.autograd import Function, gradcheck, gradgradcheck


def leaf(values, dtype="float64"):
    return weft.tensor(np.asarray(values, dtype), requires_grad=True)


# --- backward ------------------------------------------------------------------------------------


def test_gradients_of_a_diamond_are_added():
    x = leaf(3.0)
    a = x * x
    (a * a + a).backward()
    assert float(x.grad) == 4 * 27 + 6


def test_leaf_gradients_add_up_over_calls_and_can_be_cleared():
    x = leaf([1.0, 2.0])
    for _ in range(2):
        (x * x).sum().backward()
    assert x.grad.tolist() == [4.0, 8.0]
    x.grad = None
    (x * x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_two_leaves_never_share_the_memory_of_their_gradients():
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (a + b).sum().backward()
    assert not a.grad.shares_memory(b.grad)
    a.grad += 1.0
    assert b.grad.tolist() == [1.0, 1.0]


def test_a_graph_of_ten_thousand_nodes_needs_no_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(10_000):
        y = y + x * 0.5
    y.backward()
    assert float(x.grad) == 5001.0
    del y
    gc.collect()


def test_history_is_freed_with_its_result():
    x = leaf([1.0])
    y = weft.exp(x)
    node = weakref.ref(y._node)
    del y
    assert node() is None, "the graph holds itself in a cycle"


def test_non_scalar_outputs_need_a_gradient():
    x = leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match="scalar"):
        (x * x).backward()
    (x * x).backward(weft.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [2.0, 40.0]
    with pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
        (x * x).backward(weft.tensor([1.0, 1.0, 1.0]))


def test_second_walk_needs_retain_graph():
    x = leaf([1.0])
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match="retain_graph"):
        y.backward()
    assert x.grad.tolist() == [4.0]


def test_results_without_history_say_so():
    with pytest.raises(RuntimeError, match="requires a gradient"):
        weft.tensor(3.0).backward()
    x = leaf([1.0, 3.0])
    position = weft.argmax(x).astype("float64")
    with pytest.raises(RuntimeError, match="argmax"):
        (position * 2.0).backward()


def test_no_grad_detach_and_enable_grad():
    x = leaf([2.0])
    with weft.no_grad():
        assert not (x * 2).requires_grad
        with weft.enable_grad():
            assert (x * 2).requires_grad
    assert not (x.detach() * 2).requires_grad and x.detach().shares_memory(x)

    @weft.no_grad()
    def double(v):
        return v * 2

    assert not double(x).requires_grad


def test_integers_cannot_require_a_gradient():
    with pytest.raises(TypeError, match="float"):
        weft.tensor([1, 2], requires_grad=True)


# --- grad ----------------------------------------------------------------------------------------


def test_grad_leaves_the_leaves_alone_and_takes_intermediate_results():
    x = leaf([1.0, 2.0])
    y = x * x
    (dy,) = weft.grad([(y * 3.0).sum()], [y], retain_graph=True)
    assert dy.tolist() == [3.0, 3.0] and x.grad is None


def test_grad_of_unused_inputs():
    x, z = leaf([1.0]), leaf([1.0])
    with pytest.raises(RuntimeError, match="allow_unused"):
        weft.grad(x.sum(), z)
    assert weft.grad(x.sum(), z, allow_unused=True) is None


def test_gradients_of_gradients():
    x = leaf(2.0)
    (first,) = weft.grad([x**4], [x], create_graph=True)
    (second,) = weft.grad([first], [x], create_graph=True)
    third = weft.grad(second, x)
    assert [float(v) for v in (first, second, third)] == [32.0, 48.0, 48.0]


def test_value_and_grad():
    value, gradient = weft.value_and_grad(lambda w: (w * w).sum())(np.array([1.0, 2.0]))
    assert float(value) == 5.0 and gradient.tolist() == [2.0, 4.0]
    with pytest.raises(TypeError, match=r"value_and_grad: the function gave 1\.0 of type float"):
        weft.value_and_grad(lambda w: 1.0)(3.0)


# --- hooks ---------------------------------------------------------------------------------------


def test_hooks_see_and_replace_gradients():
    x = leaf([1.0, 2.0])
    y = x * 2.0
    seen = []
    remove = y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 10.0)
    y.retain_grad()
    y.sum().backward(retain_graph=True)
    assert seen == [[1.0, 1.0]]
    assert x.grad.tolist() == [20.0, 20.0] and y.grad.tolist() == [10.0, 10.0]
    remove()
    y.sum().backward()
    assert len(seen) == 1


def test_leaf_hooks_run_once_with_the_whole_gradient():
    x = leaf([1.0])
    calls = []
    x.register_hook(lambda g: calls.append(g.tolist()))
    (x * 2.0 + x * 3.0).sum().backward()
    assert calls == [[5.0]]


# --- in-place changes ----------------------------------------------------------------------------


def test_hooks_and_backwards_that_give_no_tensors_are_refused():
    x = weft.tensor([2.0], requires_grad=True)
    x.register_hook(lambda g: 3.0)
    with pytest.raises(TypeError, match="a hook returned a float; it gives a tensor, or None"):
        (x * x).sum().backward()

    class Wrong(Function):
        @staticmethod
        def forward(ctx, array):
            return array

        @staticmethod
        def backward(ctx, dy):
            return dy.numpy()

    y = weft.tensor([2.0], requires_grad=True)
    with pytest.raises(TypeError, match=r"backward returned a numpy.ndarray as gradient 0"):
        Wrong.apply(y).sum().backward()


def test_changing_a_saved_tensor_is_noticed_and_both_sides_are_named():
    x = leaf([1.0, 2.0])
    y = weft.exp(x)
    y += 1.0
    with pytest.raises(RuntimeError, match=r"exp.*in-place.*add.*test_autograd\.py:\d+"):
        y.sum().backward()


def test_in_place_changes_of_results_are_differentiated():
    x = leaf([1.0, 2.0])
    y = x + 0.0
    y *= 3.0
    y -= 1.0
    y.sum().backward()
    assert y.tolist() == [2.0, 5.0] and x.grad.tolist() == [3.0, 3.0]


def test_leaves_that_require_gradients_are_changed_only_without_recording():
    x = leaf([1.0])
    with pytest.raises(RuntimeError, match="leaf"):
        x += 1.0
    with weft.no_grad():
        x += 1.0
    assert x.tolist() == [2.0]


def test_in_place_results_must_fit():
    x = weft.tensor([1.0, 2.0])
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(2,\)"):
        x += weft.tensor(np.ones((3, 2), "float32"))
    with pytest.raises(TypeError, match=r"float64.*float32"):
        x += weft.tensor(np.ones(2))
    n = weft.tensor([1, 2])
    with pytest.raises(TypeError, match=r"float32.*int64"):
        n += 0.5
    assert x.tolist() == [1.0, 2.0] and n.tolist() == [1, 2]


def test_stale_views_are_refused():
    x = leaf([1.0, 2.0])
    base = x * 1.0
    view = base[:1]
    base *= 2.0
    with pytest.raises(RuntimeError, match="view"):
        (view * 1.0).sum()


# --- Function ------------------------------------------------------------------------------------


class Power(Function):
    """x to an integer power, saving its input."""

    @staticmethod
    def forward(ctx, x, exponent):
        ctx.save(x)
        ctx.exponent = exponent
        return weft._C.power(x, exponent)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved
        if ctx.exponent == 0:
            return dy * 0.0, None
        return dy * float(ctx.exponent) * Power.apply(x, ctx.exponent - 1), None


def test_custom_functions_with_second_derivatives():
    x = np.array([0.5, -1.5, 2.0])
    assert gradcheck(lambda t: Power.apply(t, 3), [x])
    assert gradgradcheck(lambda t: Power.apply(t, 3), [x])


class WrongSine(Function):
    """sin with the sign of its gradient turned."""

    @staticmethod
    def forward(ctx, x):
        ctx.save(x)
        return weft._C.sin(x)

    @staticmethod
    def backward(ctx, dy):
        return dy * -weft.cos(ctx.saved[0])


def test_gradcheck_finds_a_wrong_gradient_and_names_the_place():
    with pytest.raises(ValueError, match=r"input 0, position \(0,\).*finite differences"):
        gradcheck(WrongSine.apply, [np.array([0.3, 0.7])])
    with pytest.raises(ValueError, match="float64"):
        gradcheck(weft.sin, [np.array([0.3], "float32")])


# --- GradientTape --------------------------------------------------------------------------------


def test_tape_keeps_the_structure_of_its_sources():
    a, b = weft.Variable(2.0), weft.Variable(3.0)
    with weft.GradientTape(persistent=True) as tape:
        y = a * a * b
    assert float(tape.gradient(y, a)) == 12.0
    assert [float(g) for g in tape.gradient(y, [a, b])] == [12.0, 4.0]
    named = tape.gradient(y, {"a": a, "b": b})
    assert float(named["a"]) == 12.0 and float(named["b"]) == 4.0


def test_tape_is_asked_once_unless_persistent():
    x = weft.Variable(2.0)
    with weft.GradientTape() as tape:
        y = x * x
    tape.gradient(y, x)
    with pytest.raises(RuntimeError, match="persistent"):
        tape.gradient(y, x)


def test_tape_watches_plain_tensors_and_gives_none_or_zero_for_others():
    x, other = weft.tensor(2.0), weft.Variable([1.0, 1.0])
    with weft.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * x
    assert float(tape.gradient(y, x)) == 4.0
    assert tape.gradient(y, other) is None
    assert tape.gradient(y, other, unconnected_gradients="zero").tolist() == [0.0, 0.0]


def test_nested_tapes_give_second_derivatives():
    x = weft.Variable(3.0)
    with weft.GradientTape() as outer:
        with weft.GradientTape() as inner:
            y = x * x * x
        first = inner.gradient(y, x)
    assert float(first) == 27.0 and float(outer.gradient(first, x)) == 18.0


def test_frozen_variables_take_no_part():
    frozen = weft.Variable(2.0, trainable=False)
    with weft.GradientTape() as tape:
        y = frozen * 3.0
    assert tape.gradient(y, frozen) is None


# --- NumPy functions -----------------------------------------------------------------------------


def test_numpy_functions_on_tensors_keep_the_history():
    x = leaf([0.5, -1.0])
    y = np.multiply(np.ones(2), np.exp(-x))
    assert isinstance(y, weft.Tensor)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), -np.exp([-0.5, 1.0]))
    assert isinstance(np.mean(x), weft.Tensor)
