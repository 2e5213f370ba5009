"""Winograd's convolution and its gradients: against exact sums in float64, within the bound."""

import numpy as np
import pytest

import weft
from weft import _C

# Images, height, width, channels in and out, padding (top, bottom, left, right).
SHAPES = [
    (1, 16, 16, 16, 16, (1, 1, 1, 1)),
    (3, 13, 18, 33, 50, (1, 1, 1, 1)),  # tiles over the edge, channels that fill no vector
    (2, 14, 15, 64, 17, (0, 0, 0, 0)),
    (2, 11, 12, 40, 32, (2, 0, 0, 2)),  # the windows lean out on two sides
    (1, 24, 9, 20, 130, (0, 3, 1, 0)),
    (9, 8, 8, 160, 128, (1, 1, 1, 1)),  # more weights than one cache holds
]
BOUND = 2e-5  # of the largest result, as set_conv_precision promises


@pytest.fixture(autouse=True)
def default_precision():
    weft.set_conv_precision("default")
    yield
    weft.set_conv_precision("default")


def windows(x, padding):
    top, bottom, left, right = padding
    padded = np.pad(x.astype("float64"), ((0, 0), (top, bottom), (left, right), (0, 0)))
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))


def exact(x, w, padding):
    return np.einsum("npqcrs,rsck->npqk", windows(x, padding), w, optimize=True)


def exact_input_gradient(dy, w, padding, shape):
    N, H, W, C = shape
    top, bottom, left, right = padding
    dx = np.zeros((N, H + top + bottom, W + left + right, C))
    P, Q = dy.shape[1:3]
    for r in range(3):
        for s in range(3):
            dx[:, r : r + P, s : s + Q] += dy.astype("float64") @ w[r, s].T.astype("float64")
    return dx[:, top : top + H, left : left + W]


def exact_weight_gradient(x, dy, padding):
    return np.einsum("npqcrs,npqk->rsck", windows(x, padding), dy, optimize=True)


def random(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def raw(function, *arrays):
    arrays = [None if a is None else _C.from_numpy(a) for a in arrays]
    return function(*arrays)


def off(actual, expected):
    return np.abs(actual - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_forward_and_gradients(shape, isa):
    N, H, W, C, K, padding = shape
    x, w, bias = random((N, H, W, C), 0), random((3, 3, C, K), 1), random((K,), 2)
    geometry = (1, 1), padding, (1, 1), 1
    expected = exact(x, w, padding)
    y = raw(lambda x, w: _C.conv2d(x, w, None, *geometry), x, w).numpy()
    assert off(y, expected) < BOUND
    y = raw(lambda x, w, b: _C.conv2d(x, w, b, *geometry, True), x, w, bias).numpy()
    assert off(y, np.maximum(expected + bias, 0)) < BOUND
    dy = random(expected.shape, 3)
    dx = raw(lambda dy, w: _C.conv2d_backward_input(dy, w, x.shape, *geometry), dy, w).numpy()
    assert off(dx, exact_input_gradient(dy, w, padding, x.shape)) < BOUND
    dw = raw(lambda x, dy: _C.conv2d_backward_weight(x, dy, w.shape, *geometry), x, dy).numpy()
    assert off(dw, exact_weight_gradient(x, dy, padding)) < BOUND


def test_the_setting_decides_also_for_a_recorded_step():
    x, w = weft.tensor(random((2, 16, 16, 32), 0)), weft.tensor(random((3, 3, 32, 32), 1))

    def conv(x):
        return weft.ops.conv2d(x, w, padding="same")

    expected = exact(x.numpy(), w.numpy(), (1, 1, 1, 1))
    by_winograd = conv(x).numpy()
    recorded = weft.capture(conv)
    for _ in range(4):
        recorded(x)
    weft.set_conv_precision("highest")
    directly = conv(x).numpy()
    assert off(directly, expected) < 1e-6 < off(by_winograd, expected) < BOUND
    assert not np.array_equal(directly, by_winograd)
    np.testing.assert_array_equal(recorded(x).numpy(), directly)


def test_same_bits_with_any_number_of_threads():
    x, w = random((5, 20, 20, 48), 0), random((3, 3, 48, 40), 1)
    geometry = (1, 1), (1,) * 4, (1, 1), 1
    found = []
    before = _C.num_threads()
    for threads in (1, 2, 3):
        _C.set_num_threads(threads)
        y = raw(lambda x, w: _C.conv2d(x, w, None, *geometry), x, w).numpy()
        dw = raw(lambda x, dy: _C.conv2d_backward_weight(x, dy, w.shape, *geometry), x, y).numpy()
        found.append((y, dw))
    _C.set_num_threads(before)
    for other in found[1:]:
        for one, another in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, another)


def test_groups_and_slices_of_images():
    x, w = random((4, 12, 12, 64), 0), random((3, 3, 32, 64), 1)
    y = raw(lambda x, w: _C.conv2d(x, w, None, (1, 1), (1,) * 4, (1, 1), 2), x, w).numpy()
    for g in range(2):
        part = slice(32 * g, 32 * (g + 1))
        assert off(y[..., part], exact(x[..., part], w[..., part], (1, 1, 1, 1))) < BOUND


def test_weights_of_large_batches():
    """Sums over 16 000 tiles; and of groups, which are slices of dy and dw."""
    x, dy = random((64, 64, 64, 32), 0), random((64, 64, 64, 64), 1)
    dw = raw(
        lambda x, dy: _C.conv2d_backward_weight(x, dy, (3, 3, 16, 64), (1, 1), (1,) * 4, (1, 1), 2),
        x,
        dy,
    ).numpy()
    for g in range(2):
        some = slice(32 * g, 32 * g + 3)  # of the filters; all would take long in NumPy
        expected = exact_weight_gradient(x[..., 16 * g : 16 * g + 16], dy[..., some], (1,) * 4)
        assert off(dw[..., some], expected) < BOUND


def test_float64_is_exact():
    x, w = random((2, 12, 12, 32), 0).astype("float64"), random((3, 3, 32, 32), 1).astype("float64")
    y = raw(lambda x, w: _C.conv2d(x, w, None, (1, 1), (1,) * 4, (1, 1), 1), x, w).numpy()
    assert off(y, exact(x, w, (1, 1, 1, 1))) < 288 * 2.0**-53


def test_unknown_precision():
    with pytest.raises(ValueError, match="did you mean 'highest'"):
        weft.set_conv_precision("higest")
