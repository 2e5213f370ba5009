"""Attention beyond its OpCase: dropout, blocks of many keys, memory, composed gradients."""

import numpy as np
import pytest

import weft
from weft import _C, ops
from weft.autograd import gradcheck


def operands(n, t, s, h, g, d, e, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    shapes = [(n, t, h, d), (n, s, g, d), (n, s, g, e)]
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def gradients(arrays, device="cpu", **options):
    with weft.device(device):
        tensors = [weft.tensor(a, requires_grad=True) for a in arrays]
        y = ops.dot_product_attention(*tensors, **options)
        factors = ops.sin(ops.reshape(ops.arange(y.size, dtype=y.dtype), y.shape))
        (y * factors).sum().backward()
    return [y.numpy(), *(t.grad.numpy() for t in tensors)]


SIZES = [
    (2, 65, 300, 4, 2, 24, 40),
    (1, 300, 130, 2, 1, 40, 24),
    (3, 13, 257, 1, 1, 8, 8),
    (1, 200, 600, 2, 2, 16, 16),
]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_gradients_of_many_blocks_equal_those_of_products_and_a_softmax(sizes, causal, isa):
    arrays = operands(*sizes)
    fused = gradients(arrays, is_causal=causal)
    composed = gradients(arrays, is_causal=causal, flash_attention=False)
    for a, b in zip(fused, composed, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * np.abs(b).max())


@pytest.mark.parametrize("sizes", [(1, 70, 130, 2, 1, 24, 100), (1, 65, 64, 1, 1, 72, 8)], ids=str)
def test_gradients_on_the_simulated_device_equal_those_on_the_cpu(sizes):
    mask = np.random.default_rng(1).random((sizes[1], sizes[2])) < 0.7
    for dtype, tolerance in (("float32", 2e-6), ("float64", 1e-13)):
        arrays = operands(*sizes, dtype=dtype)
        here = gradients(arrays, mask=mask, is_causal=True)
        there = gradients(arrays, "sim", mask=mask, is_causal=True)
        for a, b in zip(here, there, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(a).max() * 4)


def test_a_query_that_sees_nothing_gets_zeros_and_no_gradient():
    arrays = operands(1, 3, 4, 1, 1, 2, 2)
    for fused in (True, False):
        mask = np.array([[True] * 4, [False] * 4, [True, False, False, True]])
        y, dq, dk, dv = gradients(arrays, mask=mask, flash_attention=fused)
        assert (y[:, 1] == 0).all() and (dq[:, 1] == 0).all()
        assert all(np.isfinite(g).all() for g in (y, dq, dk, dv))
        assert (y[:, 0] != 0).all()


def weights_after_dropout(rate, seed, t=40, s=50, device="cpu"):
    """The weights times s: with equal scores and the identity as values they are what remains."""
    with weft.device(device):
        zeros = weft.zeros((2, t, 3, 4))
        value = weft.tensor(np.broadcast_to(np.eye(s, dtype="f4")[None, :, None], (2, s, 3, s)))
        keys = weft.zeros((2, s, 3, 4))
        return ops.dot_product_attention(zeros, keys, value, dropout=rate, seed=seed).numpy() * s


def test_dropout_keeps_the_stated_share_and_scales_it():
    kept = weights_after_dropout(0.25, seed=3)
    share, deviation = (kept != 0).mean(), np.sqrt(0.25 * 0.75 / kept.size)
    assert abs(share - 0.75) < 6 * deviation
    np.testing.assert_allclose(kept[kept != 0], 1 / 0.75, rtol=1e-5)
    np.testing.assert_array_equal(kept, weights_after_dropout(0.25, seed=3))
    assert (kept != weights_after_dropout(0.25, seed=4)).any()
    # No two rows, heads or samples share their fate.
    rows = (kept != 0).transpose(0, 2, 1, 3).reshape(-1, kept.shape[-1])
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_dropout_draws_the_same_on_every_device_and_instruction_set(isa):
    rate = 0.5
    for s in (50, 63, 300):
        here = weights_after_dropout(rate, 7, 5, s)
        np.testing.assert_allclose(here, weights_after_dropout(rate, 7, 5, s, "sim"), rtol=1e-6)


def test_a_generator_moves_on_and_is_left_where_the_next_call_begins():
    generator = weft.random.Generator(5)
    first, second = (weights_after_dropout(0.5, generator, 4, 6) for _ in range(2))
    assert (first != second).any()


@pytest.mark.parametrize("device", ["cpu", "sim"])
def test_gradients_with_dropout_equal_finite_differences(device):
    def function(q, k, v):
        with weft.device(device):
            return ops.dot_product_attention(q, k, v, dropout=0.4, seed=2, is_causal=True)

    with weft.device(device):
        assert gradcheck(function, operands(1, 5, 7, 2, 1, 3, 2))


def test_gradients_of_gradients_with_dropout_say_what_to_do():
    q, k, v = (weft.tensor(a, requires_grad=True) for a in operands(1, 2, 2, 1, 1, 2, 2))
    y = ops.dot_product_attention(q, k, v, dropout=0.5, seed=0)
    with pytest.raises(NotImplementedError, match="flash_attention=False"):
        weft.autograd.grad([y.sum()], [q], create_graph=True)


def test_no_memory_of_the_size_of_the_weights():
    t = 2048
    arrays = [weft.tensor(a, requires_grad=True) for a in operands(1, t, t, 1, 1, 8, 8, "float32")]
    _C.reset_peak_memory()
    before = _C.memory_statistics()["allocated"]
    ops.dot_product_attention(*arrays).sum().backward()
    assert _C.memory_statistics()["peak"] - before < t * t  # a quarter of the weights' bytes


def test_gradient_of_a_bias_has_its_shape_and_dtype():
    q, k, v = operands(2, 3, 4, 2, 2, 3, 3, "float32")
    for shape in [(3, 4), (2, 1, 1), (2, 2, 3, 4), (1, 1, 3, 1)]:
        bias = weft.tensor(np.zeros(shape, "float64"), requires_grad=True)
        ops.dot_product_attention(q, k, v, bias=bias).sum().backward()
        assert bias.grad.shape == shape and bias.grad.dtype == "float64"
