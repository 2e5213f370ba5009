"""Convolution and pooling on a GPU, where kernels choose by shape: the results of the CPU."""

import warnings

import numpy as np
import pytest

import weft
from weft import _C, kernels

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


# What only tensor cores distinguish: how many channels and filters a copy takes.
TENSOR_CORE_SHAPES = {
    name: shape
    for name, shape in SHAPES.items()
    if name != "large tile" and (shape[-1] < 5 or name == "depthwise, several filters")
} | {
    "16-byte copies": ((2, 7, 9, 16), (3, 2), 24, (2, 1), (1, 1, 0, 2), (1, 2), 1),
    "several steps of k, no edges": ((1, 8, 8, 64), (1, 1), 64, (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "copies of words": ((2, 5, 7, 6), (3, 3), 10, (1, 2), (2, 1, 1, 0), (1, 1), 1),
    "16-byte copies of x alone": ((1, 6, 9, 8), (3, 3), 21, (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "several tiles": ((3, 9, 11, 24), (3, 3), 136, (2, 2), (1, 1, 1, 1), (1, 1), 1),
    "groups, 16-byte copies": ((2, 7, 9, 48), (3, 3), 72, (2, 1), (1, 1, 1, 1), (1, 1), 3),
    "groups, k split": ((1, 5, 5, 96), (3, 3), 32, (1, 1), (1, 1, 1, 1), (1, 1), 2),
    "groups, pixels split": ((2, 24, 23, 12), (3, 3), 8, (1, 1), (1, 1, 1, 1), (1, 1), 2),
}
# What factors are rounded to; bfloat16 as a precision is float32 in memory.
EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "tf32": 2.0**-10, "float32": 2.0**-23}
EPS["tf32, cut"] = 2.0**-9  # as wgmma does it to what the simulated copy engine has not rounded


@pytest.fixture
def precision():
    """Sets what float32 products may be computed in; takes it back in the end."""

    def choose(name):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            weft.set_matmul_precision(name)

    yield choose
    weft.set_matmul_precision("float32")


def rounded_convolutions(shape, dtype, device, relu=True, of_weights=None):
    """Forward and both gradients, what they should be, and the sums of their terms' magnitudes.

    `of_weights` is the variant for the gradient of the weights, if it is not that of the others.
    """
    x_shape, window, filters, *options = shape
    w_shape = (*window, x_shape[3] // options[-1], filters)
    there = [values(s, "float32", device, True) for s in (x_shape, w_shape, (filters,))]
    x, w, bias = (_C.cast(t, dtype) for t in there)
    y = _C.conv2d(x, w, bias, *options, relu)
    dy = _C.cast(values(tuple(y.shape), "float32", device, True), dtype)
    dx = _C.conv2d_backward_input(dy, w, x_shape, *options)
    with kernels.conv2d.use(of_weights or _C.conv2d_variant()):
        dw = _C.conv2d_backward_weight(x, dy, w_shape, *options)
    assert {str(t.dtype) for t in (y, dx, dw)} == {dtype}
    results = [weft.Tensor(_C.cast(t, "float64")).numpy() for t in (y, dx, dw)]

    exact = [weft.Tensor(_C.cast(t, "float64")).numpy() for t in (x, w, bias, dy)]
    both = []
    for factors in (exact, [np.abs(a) for a in exact]):
        x, w, bias, dy = (weft.tensor(a, device="cpu")._data for a in factors)
        both.append(
            [
                weft.Tensor(t).numpy()
                for t in (
                    _C.conv2d(x, w, bias, *options, relu),
                    _C.conv2d_backward_input(dy, w, x_shape, *options),
                    _C.conv2d_backward_weight(x, dy, w_shape, *options),
                )
            ]
        )
    return results, *both


def check_rounded(shape, dtype, device, factor=None, of_weights=None):
    """The error is that of rounding the factors, of float32 sums, and of rounding the result."""
    (n, h, w, channels), window, filters, *_ = shape
    terms = max(n * h * w, window[0] * window[1] * max(channels, filters))
    results = rounded_convolutions(shape, dtype, device, of_weights=of_weights)
    for mine, exact, scale in zip(*results, strict=True):
        assert mine.shape == exact.shape
        allowed = (terms + 2) * EPS["float32"] * scale + 0.51 * EPS[dtype] * np.abs(exact)
        if factor is not None:
            allowed += EPS[factor] * 1.01 * scale
        allowed += 2.0**-24 * (dtype == "float16")  # its results may be subnormal
        assert (np.abs(mine - exact) <= allowed).all(), (dtype, np.abs(mine - exact).max())


# The large tile where the small one has shown that the indices are right: every kind of copy.
LARGE_TILES = [
    *("scalar loads", "k split", "phases by dilation", "copies of words", "several tiles"),
    *("groups, scalar", "groups, 16-byte copies"),
]


@pytest.mark.parametrize(
    "name, variant",
    [(name, "mma_64x64") for name in TENSOR_CORE_SHAPES]
    + [(name, "mma_128x128") for name in LARGE_TILES],
)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "tf32"])
def test_tensor_cores_round_factors_and_results_alone(name, dtype, variant, gpu, precision):
    with kernels.conv2d.use(variant):
        if dtype == "tf32":
            precision("tf32")
            check_rounded(TENSOR_CORE_SHAPES[name], "float32", gpu, "tf32")
        else:
            check_rounded(TENSOR_CORE_SHAPES[name], dtype, gpu)


# What boxes distinguish: how they cover pixels and channels, and from where on they step.
BOXES = {
    "full boxes": ((2, 8, 8, 64), (3, 3), 128, (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "edges on all sides": ((3, 9, 11, 24), (3, 2), 40, (1, 1), (1, 2, 1, 0), (1, 1), 1),
    "stride 2": ((2, 13, 15, 72), (3, 3), 16, (2, 2), (1, 1, 1, 1), (1, 1), 1),
    "unlike strides, dilated": ((1, 17, 14, 16), (5, 4), 24, (3, 2), (2, 2, 1, 3), (2, 1), 1),
    "steps wider than the window": ((1, 9, 9, 16), (2, 2), 16, (4, 3), (0, 0, 0, 0), (1, 1), 1),
    "k split": ((1, 3, 5, 1032), (1, 1), 24, (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "pixels split": ((17, 9, 8, 16), (1, 1), 16, (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "more images than pixels": ((70, 2, 3, 16), (2, 3), 16, (1, 1), (1, 0, 1, 1), (1, 1), 1),
    "several tiles": ((3, 7, 13, 24), (2, 2), 264, (1, 1), (0, 1, 0, 1), (1, 1), 1),
    "groups": ((2, 7, 9, 192), (3, 2), 192, (2, 1), (1, 1, 0, 1), (1, 2), 3),
    "wide groups": ((1, 5, 6, 128), (2, 2), 384, (1, 1), (0, 1, 1, 0), (1, 1), 2),
}


@pytest.mark.parametrize(
    "name, variant",
    [(name, "wgmma_128x128") for name in BOXES]
    + [(name, "wgmma_128x256") for name in ("stride 2", "k split", "several tiles", "groups")],
)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "tf32"])
def test_boxes_of_images_for_warpgroups(name, dtype, variant, gpu, precision):
    with kernels.conv2d.use(variant):
        if dtype == "tf32":
            precision("tf32")
            check_rounded(BOXES[name], "float32", gpu, "tf32, cut", "mma_64x64")
        else:
            check_rounded(BOXES[name], dtype, gpu)


@pytest.mark.parametrize("variant", ["wgmma_128x128", "wgmma_128x256"])
def test_gradients_of_weights_take_groups_of_any_size(variant, gpu):
    for channels, filters, groups in [(48, 80, 2), (144, 24, 3), (16, 528, 2)]:
        shape = ((3, 9, 8, channels), (3, 3), filters, (2, 1), (1, 1, 1, 1), (1, 1), groups)
        check_rounded(shape, "float16", gpu, of_weights=variant)


def test_boxes_with_results_of_another_type(gpu, precision):
    precision("bfloat16")
    for name in ("edges on all sides", "k split", "pixels split"):
        with kernels.conv2d.use("wgmma_128x128"):
            check_rounded(BOXES[name], "float32", gpu, "bfloat16")


def test_infinities_beyond_a_window_stay_there(gpu):
    x = np.ones((3, 7, 9, 16), "float32")
    x[:, -1], x[:, :, 0, 3] = np.inf, np.nan
    images, w = weft.tensor(x).astype("bfloat16"), weft.ones((3, 3, 16, 8), dtype="bfloat16")
    images.requires_grad = w.requires_grad = True
    finite = []
    for variant in ("simt", "wgmma_128x128"):
        with kernels.conv2d.use(variant):
            y = weft.ops.conv2d(images, w)
            found = y, *weft.grad([y], [images, w], [weft.ones(y.shape, dtype="bfloat16")])
        finite.append([np.isfinite(t.astype("float32").numpy()) for t in found])
    for expected, mine in zip(*finite, strict=True):
        assert np.array_equal(mine, expected)
    assert 0 < finite[1][2].mean() < 1


@pytest.mark.parametrize("variant", ["wgmma_128x128", "wgmma_128x256"])
def test_infinities_of_a_group_stay_there(variant, gpu):
    x, w = np.ones((1, 4, 4, 192), "float32"), np.ones((2, 2, 64, 192), "float32")
    x[..., 64], w[:, :, 5, 130] = np.inf, np.nan  # groups 1 and 2
    images, weights = (weft.tensor(a, device=gpu).astype("bfloat16") for a in (x, w))
    images.requires_grad = weights.requires_grad = True
    with kernels.conv2d.use(variant):
        y = weft.ops.conv2d(images, weights, groups=3)
        found = y, *weft.grad([y], [images, weights], [weft.ones(y.shape, dtype="bfloat16")])
    y, dx, dw = (np.isfinite(t.astype("float32").numpy()) for t in found)
    assert y[..., :64].all() and not y[..., 64:128].any()
    assert y[..., 128:].any((0, 1, 2)).sum() == 63
    assert dx[..., :128].all() and not dx[..., 133].any() and dx.mean() == 191 / 192
    assert dw[..., :64].all() and dw[..., 128:].all()
    assert not dw[:, :, 0, 64:128].any() and dw[:, :, 1:, 64:128].all()


def test_what_boxes_refuse(gpu, precision):
    def convolve(channels=16, filters=16, strides=1, groups=1, dtype="float16"):
        x = weft.ones((1, 12, 12, channels), dtype=dtype)
        w = weft.ones((2, 2, channels // groups, filters), dtype=dtype)
        x.requires_grad = w.requires_grad = True
        return weft.ops.conv2d(x, w, strides=strides, groups=groups)

    with kernels.conv2d.use("wgmma_128x128"):
        for match, options in {
            "groups have to fill the boxes": {"groups": 2},
            "multiples of 16 bytes": {"channels": 12},
            "rows of weights that begin at multiples": {"filters": 20},
            "at most 8 pixels": {"strides": 9},
            "no kernel for float64": {"dtype": "float64"},
            "set_matmul_precision": {"dtype": "float32"},
        }.items():
            with pytest.raises(ValueError, match=match):
                convolve(**options)
        precision("tf32")
        y = convolve(dtype="float32")
        with pytest.raises(ValueError, match="sums over pixels"):
            y.backward(weft.ones(y.shape))


@pytest.mark.parametrize("name", ["groups", "groups, scalar", "depthwise", "one channel"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_without_tensor_cores(name, dtype, gpu):
    with kernels.conv2d.use("simt"):
        check_rounded(SHAPES[name], dtype, gpu)


DEPTHWISE_OF_HALVES = {name: shape for name, shape in SHAPES.items() if "depthwise" in name} | {
    "16-byte copies": ((2, 9, 11, 40), (3, 4), 40, (2, 1), (1, 1, 2, 1), (1, 2), 40),
    "one channel, few filters": ((2, 5, 7, 1), (3, 3), 3, (1, 2), (1, 1, 1, 1), (1, 1), 1),
}


@pytest.mark.parametrize("name", DEPTHWISE_OF_HALVES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_depthwise_halves_are_summed_in_float32(name, dtype, gpu):
    check_rounded(DEPTHWISE_OF_HALVES[name], dtype, gpu)


@pytest.mark.parametrize("name", ["groups", "depthwise", "depthwise, pixels split"])
def test_halves_at_addresses_that_no_vector_may_have(name, gpu):
    aligned, others = (convolutions(name, "float16", gpu, a) for a in (True, False))
    assert all(np.array_equal(a, b) for a, b in zip(aligned, others, strict=True))


def test_precision_of_float32(gpu, precision):
    shape, errors = TENSOR_CORE_SHAPES["several tiles"], {}

    def plain():  # groups of one channel, and ordinary units by name, keep float32
        with kernels.conv2d.use("simt"):
            named = rounded_convolutions(shape, "float32", gpu)[0]
        return named + rounded_convolutions(SHAPES["depthwise"], "float32", gpu)[0]

    expected = plain()
    for name in ("float32", "tf32", "bfloat16"):
        precision(name)
        check_rounded(shape, "float32", gpu, name)
        check_rounded(SHAPES["groups"], "float32", gpu, name)
        results, exact, _ = rounded_convolutions(shape, "float32", gpu)
        errors[name] = [np.abs(a - b).max() for a, b in zip(results, exact, strict=True)]
        assert all(np.array_equal(a, b) for a, b in zip(plain(), expected, strict=True))
    for i in range(3):
        assert 8 * errors["float32"][i] < errors["tf32"][i] < errors["bfloat16"][i] / 2


@pytest.mark.parametrize("dtype", ["float16", "tf32"])
def test_tensor_cores_give_the_same_bits_on_every_run(dtype, gpu, precision):
    precision("tf32")
    for name in ("k split", "pixels split"):
        stored = dtype if dtype == "float16" else "float32"
        first, second = (rounded_convolutions(SHAPES[name], stored, gpu)[0] for _ in range(2))
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_nan_goes_through_a_relu(gpu):
    x = np.ones((1, 4, 4, 8), "float32")
    x[0, 1, 1, 3] = np.nan
    w = weft.ones((3, 3, 8, 4), dtype="bfloat16", device=gpu)
    y = weft.ops.conv2d(weft.tensor(x, device=gpu).astype("bfloat16"), w, activation="relu")
    assert np.isnan(y.astype("float32").numpy()).all()


def test_variants_are_listed_and_refuse_what_they_cannot_compute(gpu, precision):
    names = [v.name for v in kernels.conv2d.variants()]
    assert names[0] == "automatic" and len(set(names)) == len(names) > 1
    with pytest.raises(ValueError, match=r"conv2d: unknown variant 'simd'.*'simt'"):
        kernels.conv2d.use("simd")
    x, w = weft.ones((1, 4, 4, 4), device=gpu), weft.ones((2, 2, 4, 4), device=gpu)
    with kernels.conv2d.use("mma_64x64"):
        with pytest.raises(ValueError, match=r"set_matmul_precision\('tf32'\) has to allow"):
            weft.ops.conv2d(x, w)
        with pytest.raises(ValueError, match="no kernel for float64"):
            weft.ops.conv2d(x.astype("float64"), w.astype("float64"))
        precision("tf32")
        assert (weft.ops.conv2d(x, w).numpy() == 16).all()
    assert _C.conv2d_variant() == "automatic"


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
