"""Convolution and pooling: what the cases of test_ops.py do not show."""

import itertools

import numpy as np
import pytest

import weft
from weft import _C
from weft.testing.cases.conv import convolve
from weft.testing.opcase import normal


def gradient(function, x):
    """The gradient of ``function(x).sum()`` without further operations."""
    x = weft.tensor(x, requires_grad=True)
    y = function(x)
    y.backward(weft.tensor(np.ones(y.shape, x.dtype)))
    return x.grad.numpy()


def test_of_equal_maxima_the_first_gets_the_gradient(isa):
    for channels in (1, 3, 16, 70):
        x = np.zeros((1, 4, 4, channels), np.float32)
        expected = np.zeros_like(x)
        expected[:, ::2, ::2] = 1
        np.testing.assert_array_equal(gradient(lambda v: weft.ops.max_pool2d(v, 2), x), expected)


def test_of_equal_maxima_in_a_large_window_the_first_gets_the_gradient(isa):
    x = np.zeros((2, 20, 20, 5), np.float32)
    expected = np.zeros_like(x)
    expected[:, 0, 0] = 1
    np.testing.assert_array_equal(gradient(weft.ops.global_max_pool2d, x), expected)


def test_nan_is_the_maximum_wherever_it_stands(isa):
    for place in itertools.product(range(2), range(2)):
        x = np.zeros((1, 2, 2, 5), np.float32)
        x[0, place[0], place[1], 3] = np.nan
        y = weft.ops.max_pool2d(x, 2).numpy().reshape(5)
        assert np.isnan(y[3])
        assert not np.isnan(y[[0, 1, 2, 4]]).any()


def test_wrong_indices_write_nowhere_else():
    dy = weft.tensor(np.ones((1, 2, 2, 3), np.float32))._data
    for window in (2, 9):
        shape = (1, 2 * window, 2 * window, 3)
        indices = weft.tensor(np.full((1, 2, 2, 3), 255, np.uint8))._data
        arguments = (window, window), (window, window), (0, 0, 0, 0)
        dx = _C.max_pool2d_backward(dy, indices, shape, *arguments).numpy()
        np.testing.assert_array_equal(dx, 0)


def test_relu_keeps_nan(isa):
    x = np.full((1, 3, 3, 2), np.nan, np.float32)
    w = np.ones((2, 2, 2, 3), np.float32)
    assert np.isnan(weft.ops.conv2d(x, w, activation="relu").numpy()).all()


def random_case(rng):
    """A convolution of random shape, stride, dilation, padding and groups that fits."""
    r, s = rng.integers(1, 5, 2).tolist()
    strides, dilation = tuple(rng.integers(1, 4, 2).tolist()), tuple(rng.integers(1, 4, 2).tolist())
    pads = rng.integers(0, 4, 4).tolist()
    groups = int(rng.choice([1, 1, 2, 3]))
    inputs, outputs = int(rng.integers(1, 9)), int(rng.integers(1, 40))
    if rng.random() < 0.2:
        groups, inputs, outputs = int(rng.integers(1, 40)), 1, 1
    height = max(1, (r - 1) * dilation[0] + 1 - pads[0] - pads[1]) + int(rng.integers(0, 9))
    width = max(1, (s - 1) * dilation[1] + 1 - pads[2] - pads[3]) + int(rng.integers(0, 20))
    x = rng.standard_normal((int(rng.integers(1, 4)), height, width, groups * inputs))
    w = rng.standard_normal((r, s, inputs, groups * outputs))
    options = {
        "strides": strides,
        "dilation_rate": dilation,
        "padding": ((pads[0], pads[1]), (pads[2], pads[3])),
        "groups": groups,
    }
    return x, w, options


@pytest.mark.parametrize("seed", range(40))
def test_both_gradients_are_the_adjoint_of_the_convolution(seed, isa):
    """<conv(x, w), dy> = <x, dx> = <w, dw>, at any combination of the options."""
    rng = np.random.default_rng(seed)
    x, w, options = random_case(rng)
    y = convolve(x, w, **options)
    dy = rng.standard_normal(y.shape)
    pads = tuple(itertools.chain(*options["padding"]))
    geometry = (options["strides"], pads, options["dilation_rate"], options["groups"])
    raw_x, raw_w, raw_dy = (weft.tensor(a)._data for a in (x, w, dy))
    # A sum of random terms is small against its terms: compare with their size.
    scale = 1e-12 * np.linalg.norm(y) * np.linalg.norm(dy) + 1e-12
    dx = _C.conv2d_backward_input(raw_dy, raw_w, x.shape, *geometry).numpy()
    dw = _C.conv2d_backward_weight(raw_x, raw_dy, w.shape, *geometry).numpy()
    probe_x, probe_w = rng.standard_normal(x.shape), rng.standard_normal(w.shape)
    assert abs((convolve(probe_x, w, **options) * dy).sum() - (probe_x * dx).sum()) <= scale * 100
    assert abs((convolve(x, probe_w, **options) * dy).sum() - (probe_w * dw).sum()) <= scale * 100


@pytest.mark.parametrize("filters", [1, 2, 3, 5, 6, 8, 9])
@pytest.mark.parametrize("width, stride", [(12, 1), (30, 1), (26, 2), (13, 1)])
def test_few_filters(filters, width, stride, isa):
    """Several pixels are then computed as one, where their number divides the width."""
    rng = np.random.default_rng(filters * width)
    x, w = rng.standard_normal((3, 9, width, 4)), rng.standard_normal((3, 5, 4, filters))
    options = {"strides": (1, stride), "padding": ((1, 1), (2, 2))}
    y = convolve(x, w, **options)
    b, dy = rng.standard_normal(filters), rng.standard_normal(y.shape)
    for dtype in ("float32", "float64"):
        leaves = [weft.tensor(a, dtype, requires_grad=True) for a in (x, w, b)]
        result = weft.ops.conv2d(*leaves, **options, activation="relu")
        bound = 60 * np.finfo(dtype).eps * np.abs(y).max()
        np.testing.assert_allclose(result.numpy(), np.maximum(y + b, 0), rtol=0, atol=bound)
        plain = weft.ops.conv2d(*leaves[:2], **options)
        plain.backward(weft.tensor(dy, dtype))
        # y is linear in both: <dy, y(u, w)> = <dx, u> and <dy, y(x, v)> = <dw, v> for all u, v.
        u, v = rng.standard_normal(x.shape), rng.standard_normal(w.shape)
        for leaf, along, moved in (
            (leaves[0], u, convolve(u, w, **options)),
            (leaves[1], v, convolve(x, v, **options)),
        ):
            product = (leaf.grad.numpy().astype("float64") * along).sum()
            scale = np.abs(dy).sum() * np.abs(moved).max()
            assert abs(product - (dy * moved).sum()) <= 4 * np.finfo(dtype).eps * scale


def test_a_large_weight_gradient_does_not_depend_on_the_number_of_threads(isa):
    before = weft.num_threads()
    x = weft.tensor(normal(9, 14, 14, 96).astype("float32"))._data
    dy = weft.tensor(normal(9, 14, 14, 64).astype("float32"))._data
    results = []
    try:
        for threads in (1, 2, 3):
            weft.set_num_threads(threads)
            results.append(
                _C.conv2d_backward_weight(
                    x, dy, (3, 3, 96, 64), (1, 1), (1, 1, 1, 1), (1, 1), 1
                ).numpy()
            )
    finally:
        weft.set_num_threads(before)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_a_huge_stride_over_a_small_image_ends_at_once():
    x = weft.tensor(np.ones((1, 4, 4, 2), "float32"), requires_grad=True)
    w = weft.tensor(np.ones((3, 3, 2, 3), "float32"), requires_grad=True)
    y = weft.ops.conv2d(x, w, strides=10**10)
    y.sum().backward()
    assert y.shape == (1, 1, 1, 3)
    np.testing.assert_array_equal(x.grad.numpy()[0, :, :, 0], np.pad(np.full((3, 3), 3.0), (0, 1)))
