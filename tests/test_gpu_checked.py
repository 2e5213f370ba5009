"""Every kernel that no OpCase reaches, once and small: CI runs this file under the checker of sim.

The variants of products and convolutions, attention in both directions, fused programs, and what
only long rows take. tools/check_kernels.py says which kernels no checked test launches.
"""

import itertools
import warnings

import numpy as np
import pytest

import weft
from weft import _C, kernels, ops

TENSOR_CORES = ["mma_64x64", "mma_128x128", "wgmma_128x128", "wgmma_128x256"]
# What factors are rounded to; wgmma cuts off what the simulated copy engine has not rounded.
EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "tf32": 2.0**-9}


@pytest.fixture(autouse=True)
def _tf32():
    """float32 products may be rounded to tf32."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        weft.set_matmul_precision("tf32")
    yield
    weft.set_matmul_precision("float32")


@pytest.fixture(params=TENSOR_CORES)
def variant(request, gpu):
    """A kernel of tensor cores that the device has."""
    (found,) = [v for v in kernels.matmul.variants(gpu) if v.name == request.param]
    if found.unavailable:
        pytest.skip(found.unavailable)
    return request.param


def random(seed, shape, dtype, device):
    values = np.random.default_rng(seed).standard_normal(shape).astype("float32")
    tensor = weft.tensor(values, device=device)
    return tensor if dtype == "tf32" else tensor.astype(dtype)


def exact(x):
    return x.astype("float64").numpy()


def require_close(found, expected, terms, dtype):
    """Sums of `terms` products of factors around 1, and the rounding of a result."""
    error = np.abs(exact(found) - expected).max()
    assert error <= EPS[dtype] * (4 + 2 * terms**0.5 + np.abs(expected).max()), error


@pytest.mark.parametrize("dtype", EPS)
def test_products_of_every_layout(variant, dtype, gpu):
    m, n, k = 40, 24, 72
    for turn_x, turn_y in itertools.product((False, True), repeat=2):
        x = random(1, (k, m) if turn_x else (m, k), dtype, gpu)
        y = random(2, (n, k) if turn_y else (k, n), dtype, gpu)
        x, y = (ops.swapaxes(t, 0, 1) if turn else t for t, turn in ((x, turn_x), (y, turn_y)))
        with kernels.matmul.use(variant):
            require_close(x @ y, exact(x) @ exact(y), k, dtype)


def convolve(x, w, dy, groups, of_weights):
    """Forward and both gradients, that of the weights by a kernel of its own."""
    options = ([1, 1], [0, 0, 0, 0], [1, 1], groups)
    results = [
        _C.conv2d(x._data, w._data, None, *options, False),
        _C.conv2d_backward_input(dy._data, w._data, x.shape, *options),
    ]
    with kernels.conv2d.use(of_weights):
        results.append(_C.conv2d_backward_weight(x._data, dy._data, w.shape, *options))
    return [weft.Tensor(result) for result in results]


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("groups", [1, 2])
def test_convolutions_and_their_gradients(variant, dtype, groups, gpu):
    x = random(1, (1, 4, 5, 64 * groups), dtype, gpu)
    w = random(2, (2, 2, 64, 64 * groups), dtype, gpu)
    dy = random(3, (1, 3, 4, 64 * groups), dtype, gpu)
    # wgmma has no gradients of tf32 weights.
    of_weights = "mma_64x64" if dtype == "tf32" and "wgmma" in variant else variant
    with kernels.conv2d.use(variant):
        found = convolve(x, w, dy, groups, of_weights)
    there = [weft.tensor(exact(t), device="cpu") for t in (x, w, dy)]
    for mine, other in zip(found, convolve(*there, groups, "automatic"), strict=True):
        require_close(mine, other.numpy(), 256, dtype)


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("dtype", EPS)
def test_attention_and_its_gradients(size, dtype, gpu):
    def attend(device, dtype):
        inputs = [random(i, (1, n, 1, size), dtype, device) for i, n in ((1, 35), (2, 70), (3, 70))]
        if device == "cpu":
            inputs = [t.astype("float64") for t in inputs]
        for t in inputs:
            t.requires_grad = True
        y = ops.dot_product_attention(*inputs)
        return [y, *weft.grad([y], inputs, [ops.ones_like(y)])]

    for mine, other in zip(attend(gpu, dtype), attend("cpu", dtype), strict=True):
        require_close(mine, exact(other), 4, dtype)


def test_dropout_in_attention(gpu):
    def attend(device):
        q, k, v = (random(i, (1, 9, 1, 16), "tf32", device).astype("float64") for i in range(3))
        return ops.dot_product_attention(q, k, v, dropout=0.5, seed=3).numpy()

    np.testing.assert_allclose(attend(gpu), attend("cpu"), rtol=1e-12, atol=1e-12)


def test_a_fused_program(gpu):
    x = random(1, (37, 5), "tf32", gpu)
    captured = weft.capture(lambda x: weft.tanh(x * 2.0 + 1.0) * x)
    for _ in range(4):
        y = captured(x)
    (program,) = captured.programs
    assert [launch[0] for launch in program.launches] == ["multiply + add + tanh + multiply"]
    np.testing.assert_allclose(y.numpy(), np.tanh(x.numpy() * 2 + 1) * x.numpy(), rtol=1e-5)


LONG = 8193  # a row that no block keeps in registers, nor any sorted tile in shared memory


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bfloat16"])
def test_sorting_long_rows(dtype, gpu):
    x = np.random.default_rng(1).integers(0, 200, (2, LONG)).astype("float32")
    there = weft.tensor(x, device=gpu).astype(dtype)
    np.testing.assert_array_equal(ops.sort(there).astype("float32").numpy(), np.sort(x))
    np.testing.assert_array_equal(ops.argsort(there).numpy(), np.argsort(x, kind="stable"))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_losses_of_many_classes(dtype, gpu):
    def losses(device):
        x = random(1, (2, LONG), "tf32", device).astype("float16").astype(dtype)
        x.requires_grad = True
        labels = weft.tensor(np.array([3, LONG - 1]), device=device)
        weights = ops.softmax(random(2, (2, LONG), "tf32", device))
        found = [
            ops.logsumexp(x, -1),
            ops.softmax_cross_entropy(x, labels),
            ops.softmax_cross_entropy(x, weights.astype(dtype)),
        ]
        return [*found, *weft.grad([sum(y.sum() for y in found)], [x])]

    for mine, other in zip(losses(gpu), losses("cpu"), strict=True):
        tolerance = 2e-3 if dtype == "float16" else 1e-5
        np.testing.assert_allclose(exact(mine), exact(other), rtol=tolerance, atol=tolerance)


def test_losses_of_many_rows(gpu):
    rows = 16 * 1024 + 3  # more than one block adds up
    x = np.random.default_rng(1).standard_normal((rows, 2)).astype("float32")
    labels = np.arange(rows) % 2
    loss = weft.losses.SparseCategoricalCrossentropy(from_logits=True)
    found = loss(weft.tensor(labels, device=gpu), weft.tensor(x, device=gpu))
    expected = np.logaddexp(x[:, 0], x[:, 1]) - x[np.arange(rows), labels]
    np.testing.assert_allclose(found.numpy(), expected.mean(), rtol=1e-6)


def test_what_the_gradient_of_pooling_gives_back(gpu):
    x = random(1, (1, 5, 6, 3), "tf32", gpu)
    x.requires_grad = True
    dy = ops.ones((1, 2, 3, 3), device=gpu)
    dy.requires_grad = True
    (dx,) = weft.grad([ops.max_pool2d(x, 2)], [x], [dy], create_graph=True)
    (again,) = weft.grad([dx], [dy], [x.detach()])
    np.testing.assert_array_equal(again.numpy(), ops.max_pool2d(x, 2).numpy())
