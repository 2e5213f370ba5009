"""Convolution and pooling on a GPU, where kernels choose by shape: the results of the CPU."""

import numpy as np
import pytest

import weft
from weft import _C

# x, (R, S), filters, strides, padding, dilation, groups; and which path of csrc/cuda it takes
SHAPES = {
    "narrow tile": ((2, 9, 10, 8), (3, 3), 12, (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "medium tile, k not split": ((2, 6, 5, 12), (1, 1), 68, (2, 1), (0, 0, 0, 0), (1, 1), 1),
    "large tile": ((1, 2, 50688, 4), (1, 1), 36, (2, 1), (0, 0, 0, 0), (1, 1), 1),
    "scalar loads": ((2, 8, 7, 3), (5, 4), 9, (2, 3), (2, 0, 1, 3), (1, 1), 1),
    "k split": ((1, 5, 5, 64), (3, 3), 40, (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "k split, scalar": ((1, 4, 4, 65), (3, 3), 7, (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "k split, phases of unlike depth": ((1, 7, 8, 4), (3, 2), 400, (2, 2), (1, 0, 1, 1), (1, 1), 1),
    "pixels split": ((2, 26, 24, 4), (3, 3), 8, (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "phases by dilation": ((1, 17, 14, 4), (5, 4), 36, (4, 3), (2, 2, 1, 3), (2, 1), 1),
    "more phases than a launch takes": (
        (1, 22, 20, 4),
        (10, 10),
        8,
        (10, 9),
        (1, 0, 0, 1),
        (1, 1),
        1,
    ),
    "steps wider than the window": ((1, 9, 9, 4), (2, 2), 4, (4, 4), (0, 0, 0, 0), (1, 1), 1),
    "groups": ((2, 7, 9, 16), (3, 3), 24, (2, 1), (1, 1, 1, 1), (2, 1), 4),
    "groups, scalar": ((2, 7, 9, 6), (3, 3), 9, (1, 2), (1, 1, 2, 2), (1, 1), 3),
    "depthwise": ((2, 9, 11, 36), (3, 3), 36, (1, 1), (1, 1, 1, 1), (1, 1), 36),
    "depthwise, scalar": ((2, 9, 11, 37), (3, 5), 37, (2, 1), (1, 1, 1, 1), (1, 2), 37),
    "depthwise, several filters": ((2, 9, 9, 5), (5, 4), 15, (2, 1), (2, 2, 1, 2), (1, 1), 5),
    "depthwise, pixels split": ((4, 33, 31, 24), (3, 3), 24, (1, 1), (1, 1, 1, 1), (1, 1), 24),
    "one channel": ((1, 6, 6, 1), (3, 3), 32, (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "no channels": ((1, 6, 6, 0), (3, 3), 8, (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "no filters": ((1, 6, 6, 8), (3, 3), 0, (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "no images": ((0, 6, 6, 8), (3, 3), 8, (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "no images, depthwise": ((0, 6, 6, 8), (3, 3), 8, (1, 1), (1, 1, 1, 1), (1, 1), 8),
}


def values(shape, dtype, device, aligned):
    """The same numbers on every device; not aligned: one element past a multiple of 16 bytes."""
    numbers = np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)
    if aligned:
        return weft.tensor(numbers, device=device)._data
    padded = np.concatenate([np.zeros(1, dtype), numbers.ravel()])
    return weft.tensor(padded, device=device)[1:].reshape(shape)._data


def convolutions(name, dtype, device, aligned=True):
    x_shape, window, filters, strides, padding, dilation, groups = SHAPES[name]
    w_shape = (*window, x_shape[3] // groups, filters)
    x, w, bias = (values(s, dtype, device, aligned) for s in (x_shape, w_shape, (filters,)))
    options = strides, padding, dilation, groups
    y = _C.conv2d(x, w, bias, *options, True)
    dy = values(tuple(y.shape), dtype, device, aligned)
    dx = _C.conv2d_backward_input(dy, w, x_shape, *options)
    dw = _C.conv2d_backward_weight(x, dy, w_shape, *options)
    return [weft.Tensor(t).numpy() for t in (y, dx, dw)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SHAPES)
def test_every_path_gives_the_results_of_the_cpu(name, dtype, gpu):
    (n, h, w, channels), window, filters, *_ = SHAPES[name]
    terms = max(n * h * w, window[0] * window[1] * max(channels, filters))
    expected = convolutions(name, dtype, "cpu")
    for mine, other in zip(convolutions(name, dtype, gpu), expected, strict=True):
        assert mine.shape == other.shape
        # Sums in another order: their error is that of a random walk.
        atol = (16 + terms**0.5) * np.finfo(dtype).eps * np.abs(other).max(initial=1)
        np.testing.assert_allclose(mine, other, rtol=0, atol=atol)


@pytest.mark.parametrize("name", ["k split", "groups", "depthwise"])
def test_addresses_that_no_vector_may_have(name, gpu):
    expected = convolutions(name, "float32", "cpu")
    for mine, other in zip(convolutions(name, "float32", gpu, False), expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-5 * np.abs(other).max())


@pytest.mark.parametrize("name", ["k split", "pixels split", "depthwise, pixels split"])
def test_results_have_the_same_bits_on_every_run(name, gpu):
    first, second = (convolutions(name, "float32", gpu) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


# x, window, strides, padding
POOLS = [
    ((2, 9, 8, 8), (3, 3), (2, 2), (1, 1, 1, 0)),
    ((1, 7, 7, 4), (3, 2), (1, 1), (1, 1, 0, 1)),
    ((1, 20, 20, 4), (18, 17), (1, 2), (5, 5, 3, 3)),  # indices are int32
    ((1, 5, 5, 3), (2, 2), (3, 3), (0, 0, 0, 0)),  # pixels that no window sees
    ((1, 4, 4, 4), (2, 2), (10**10, 10**10), (0, 0, 0, 0)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape, window, strides, padding", POOLS)
def test_pooling_with_ties_and_nan(shape, window, strides, padding, dtype, gpu):
    rng = np.random.default_rng(0)
    x = rng.integers(-3, 4, shape).astype(dtype)
    x[rng.random(shape) < 0.05] = np.nan

    def pool(device):
        options = window, strides, padding
        there = weft.tensor(x, device=device)._data
        finite = weft.tensor(np.nan_to_num(x), device=device)._data
        y, indices = _C.max_pool2d_with_indices(there, *options)
        dy = values(tuple(y.shape), dtype, device, True)
        results = [
            y,
            indices,
            _C.max_pool2d(there, *options),
            _C.max_pool2d_gather(there, indices, *options),
            _C.max_pool2d_backward(dy, indices, shape, *options),
            _C.average_pool2d(finite, *options),
            _C.average_pool2d_backward(dy, shape, *options),
        ]
        return [weft.Tensor(t).numpy() for t in results]

    mine, expected = pool(gpu), pool("cpu")
    for a, b in zip(mine[:4], expected[:4], strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(mine[4:], expected[4:], strict=True):
        atol = 8 * np.finfo(dtype).eps * np.abs(b).max()
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)
