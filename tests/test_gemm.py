"""The matrix product of every instruction set against float64 NumPy, one layout at a time.

What one OpCase cannot reach: it switches the instruction set, and puts the output into the middle
of a larger buffer whose surroundings must not change.
"""

import numpy as np
import pytest

from weft import _C

SIZES = [1, 2, 3, 5, 6, 7, 8, 13, 14, 15, 16, 17, 29, 31, 32, 33, 43, 63, 64, 65, 113]
SENTINEL = 12345.0


def laid_out(values, layout, offset):
    """The same values in another layout: rows or columns contiguous, or neither, with gaps."""
    m, n = values.shape
    pad = 3 if offset else 0
    if layout == "rows":
        view = np.empty((m, n + pad), values.dtype)[:, pad:]
    elif layout == "columns":
        view = np.empty((n, m + pad), values.dtype).T[pad:, :]
    else:
        view = np.empty((m, 2 * (n + pad)), values.dtype)[:, ::2][:, pad:]
    view[...] = values
    return view


def check_product(rng, m, n, k, dtype, layouts, offset, accumulate=False):
    x = laid_out(rng.standard_normal((m, k)).astype(dtype), layouts[0], offset)
    y = laid_out(rng.standard_normal((k, n)).astype(dtype), layouts[1], offset)
    margin = 1 + offset
    buffer = np.full((m + 2 * margin, n + 2 * margin + 5), SENTINEL, dtype)
    inside = (slice(margin, margin + m), slice(margin, margin + n))
    start = rng.standard_normal((m, n)).astype(dtype)
    if accumulate:
        buffer[inside] = start
    out = _C.from_numpy(buffer[inside])
    _C.matmul_into(_C.from_numpy(x), _C.from_numpy(y), out, accumulate)

    x64, y64 = x.astype(np.float64), y.astype(np.float64)
    expected = x64 @ y64 + (start if accumulate else 0)
    # The bound the header states, with one more operation for the accumulation.
    bound = (k + 1) * np.finfo(dtype).eps * (np.abs(x64) @ np.abs(y64) + np.abs(expected))
    error = np.abs(buffer[inside] - expected)
    assert (error <= bound).all(), (m, n, k, layouts, offset, error.max())
    buffer[inside] = SENTINEL
    assert (buffer == SENTINEL).all(), ("wrote outside", m, n, k, layouts, offset)


LAYOUTS = [(a, b) for a in ("rows", "columns", "strided") for b in ("rows", "columns", "strided")]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layouts", LAYOUTS, ids="-".join)
def test_tile_edges(isa, dtype, layouts):
    rng = np.random.default_rng(len(isa) + 10 * LAYOUTS.index(layouts))
    for case in range(120):
        m, n, k = rng.choice(SIZES, 3)
        check_product(rng, m, n, k, dtype, layouts, case % 4, accumulate=case % 3 == 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layouts", LAYOUTS[:2] + LAYOUTS[3:5], ids="-".join)
def test_block_edges(isa, dtype, layouts):
    """Sizes around the cache blocks: several passes over K, several blocks of columns."""
    rng = np.random.default_rng(7)
    for m, n, k in [
        (1, 515, 300),
        (300, 1, 700),
        (45, 33, 1025),
        (61, 519, 129),
        (90, 1030, 259),
        (7, 70, 1300),
        (128, 128, 512),
        (57, 300, 2049),
        (31, 333, 1037),
        (64, 130, 4100),
        (16, 256, 1024),
        (300, 11, 517),
    ]:
        check_product(rng, m, n, k, dtype, layouts, 1, accumulate=True)
        check_product(rng, m, n, k, dtype, layouts, 0)


@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("has_bias", [False, True])
def test_epilogue(isa, has_bias, activation):
    rng = np.random.default_rng(3)
    for m, n, k in [
        (1, 10, 20),
        (5, 1, 9),
        (33, 17, 64),
        (50, 40, 600),
        (128, 10, 128),
        (128, 3, 70),
        (30, 33, 500),
        (31, 133, 2300),
    ]:
        for x_layout, w_layout in LAYOUTS:
            x = laid_out(rng.standard_normal((m, k)), x_layout, 1)
            w = laid_out(rng.standard_normal((k, n)), w_layout, 1)
            bias = rng.standard_normal(n)
            y = _C.linear(
                _C.from_numpy(x),
                _C.from_numpy(w),
                _C.from_numpy(bias) if has_bias else None,
                activation,
            ).numpy()
            expected = x @ w + (bias if has_bias else 0)
            if activation == "relu":
                expected = np.maximum(expected, 0)
            np.testing.assert_allclose(y, expected, rtol=0, atol=k * 1e-14)


def test_relu_keeps_nan(isa):
    x = np.array([[np.nan, 1.0], [-1.0, 0.0]], np.float32)
    w = np.eye(2, 17, dtype=np.float32)
    y = _C.linear(_C.from_numpy(x), _C.from_numpy(w), None, "relu").numpy()
    assert np.isnan(y[0]).all()
    assert (y[1] == 0).all()


@pytest.mark.parametrize("layouts", LAYOUTS[:2] + LAYOUTS[3:5], ids="-".join)
def test_threads_do_not_change_bits(isa, layouts):
    rng = np.random.default_rng(5)
    before = _C.num_threads()
    try:
        for m, n, k in [
            (300, 300, 300),
            (33, 1025, 300),
            (32, 700, 300),
            (700, 1, 900),
            (1, 900, 700),
        ]:
            x = _C.from_numpy(laid_out(rng.standard_normal((m, k)).astype("f"), layouts[0], 1))
            y = _C.from_numpy(laid_out(rng.standard_normal((k, n)).astype("f"), layouts[1], 1))
            results = []
            for threads in (1, 2, 3):
                _C.set_num_threads(threads)
                results.append(_C.matmul(x, y).numpy().tobytes())
            assert results[0] == results[1] == results[2]
    finally:
        _C.set_num_threads(before)
