"""Results too large for the caches are written past them (csrc/cpu/streaming.h), by other stores
than small ones: the same numbers must come out, for any number of threads."""

import numpy as np
import pytest

import weft
from weft import _C

# 13 to 14 MB per tensor: input and result together are beyond the limit. Rows that are folded into
# registers, rows as wide as them, wide rows, rows that no whole vectors divide; the last row of the
# folded ones is a short one.
SHAPES = [(1_100_003, 3), (52_001, 64), (13_003, 256), (13_001, 257), (3_500_011, 1)]


@pytest.fixture(params=[1, 2])
def threads(request):
    before = _C.num_threads()
    _C.set_num_threads(request.param)
    yield request.param
    _C.set_num_threads(before)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def batch_norm_in_float64(x, gamma, beta, dy, epsilon):
    x, dy = x.astype(np.float64), dy.astype(np.float64)
    mean, variance = x.mean(0), x.var(0)
    rstd = 1 / np.sqrt(variance + epsilon)
    normal = (x - mean) * rstd
    dgamma, dbeta = (dy * normal).sum(0), dy.sum(0)
    dx = gamma * rstd * (dy - (dbeta + normal * dgamma) / len(x))
    return gamma * normal + beta, mean, variance, dx, dgamma, dbeta


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_norm_of_large_tensors(shape, threads, rng):
    x = rng.normal(3, 2, shape).astype(np.float32)
    dy = rng.normal(0.5, 1, shape).astype(np.float32)
    gamma, beta = rng.normal(1, 1, (2, shape[1])).astype(np.float32)
    want = batch_norm_in_float64(x, gamma, beta, dy, 1e-3)
    leaves = [weft.Variable(a) for a in (x, gamma, beta)]
    y, mean, variance = weft.batch_norm(*leaves, epsilon=1e-3)
    y.backward(weft.asarray(dy))
    got = [y.detach(), mean.detach(), variance.detach(), *(leaf.grad for leaf in leaves)]
    names = "y", "mean", "variance", "dx", "dgamma", "dbeta"
    for name, a, b in zip(names, got, want, strict=True):
        # Sums: 32 float32 additions before float64 takes over, relative to the sum of magnitudes.
        scale = np.abs(dy).sum(0).max() if name in ("dgamma", "dbeta") else np.abs(b).max()
        assert np.abs(a.numpy() - b).max() <= 3e-6 * scale, name


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_large_results_are_those_of_their_parts(shape, threads, rng):
    """A part is small enough for ordinary stores."""
    x = rng.standard_normal(shape, dtype=np.float32)
    mean, variance, gamma, beta = rng.uniform(0.5, 2, (4, shape[1])).astype(np.float32)

    def normal(part):
        return weft.batch_normalization(part, mean, variance, offset=beta, scale=gamma).numpy()

    third = shape[0] // 3
    parts = [normal(x[:third]), normal(x[third : 2 * third]), normal(x[2 * third :])]
    assert np.array_equal(normal(x), np.concatenate(parts))


def layer_norm_in_float64(x, gamma, beta, dy, epsilon):
    x, dy = x.astype(np.float64), dy.astype(np.float64)
    rstd = 1 / np.sqrt(x.var(1, keepdims=True) + epsilon)
    normal = (x - x.mean(1, keepdims=True)) * rstd
    g = dy * gamma
    dx = rstd * (g - g.mean(1, keepdims=True) - normal * (g * normal).mean(1, keepdims=True))
    return gamma * normal + beta, dx, (dy * normal).sum(0), dy.sum(0)


# Rows that begin anywhere in a line, and rows shorter than the way to its end.
@pytest.mark.parametrize("shape", [(3301, 1000), (13_001, 257), (640_003, 5)], ids=str)
def test_layer_norm_of_large_tensors(shape, threads, rng):
    x = rng.normal(3, 2, shape).astype(np.float32)
    dy = rng.normal(0.5, 1, shape).astype(np.float32)
    gamma, beta = rng.normal(1, 1, (2, shape[1])).astype(np.float32)
    want = layer_norm_in_float64(x, gamma, beta, dy, 1e-2)
    leaves = [weft.Variable(a) for a in (x, gamma, beta)]
    y = weft.layer_norm(*leaves, epsilon=1e-2)
    y.backward(weft.asarray(dy))
    got = [y.detach(), *(leaf.grad for leaf in leaves)]
    for name, a, b in zip(("y", "dx", "dgamma", "dbeta"), got, want, strict=True):
        scale = np.abs(dy).sum(0).max() if name in ("dgamma", "dbeta") else np.abs(b).max()
        assert np.abs(a.numpy() - b).max() <= 5e-6 * scale, name
