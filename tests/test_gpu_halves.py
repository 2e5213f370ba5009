"""Halves stay halves on a GPU: no casts surround operations that memory bounds."""

import numpy as np
import pytest

import weft
from weft import ops

OPERATIONS = {
    "softmax": ops.softmax,
    "softmax along columns": lambda x: ops.softmax(x, 1),
    "log_softmax": ops.log_softmax,
    "logsumexp": lambda x: ops.logsumexp(x, -1),
    "layer_norm": ops.layer_norm,
    "batch_norm": lambda x: ops.batch_norm(x)[0],
    "max_pool2d": lambda x: ops.max_pool2d(x, 2),
    "average_pool2d": lambda x: ops.average_pool2d(x, 2),
    "dropout": lambda x: ops.dropout(x, 0.5),
    "sum": ops.sum,
    "mean": lambda x: ops.mean(x, (0, 1, 2)),
    "max": lambda x: ops.max(x, -1),
}
WITHOUT_SLOPE = {
    "argmax": lambda x: ops.argmax(x, -1),
    "argmin": lambda x: ops.argmin(x),
}


def example(dtype):
    values = np.random.default_rng(0).normal(size=(2, 6, 6, 16))
    return weft.tensor(values.astype("float32")).astype(dtype)


def kernels_of(function, x):
    """The kernels that a recorded call launches."""
    step = weft.capture(function)
    for _ in range(3):
        step(x)
    (program,) = step.programs
    return [launch[0] for launch in program.launches]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", [*OPERATIONS, *WITHOUT_SLOPE])
def test_forward_without_casts(gpu, name, dtype):
    kernels = kernels_of({**OPERATIONS, **WITHOUT_SLOPE}[name], example(dtype))
    assert kernels
    assert "cast" not in kernels


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "layer_norm", "batch_norm",
                                  "max_pool2d", "average_pool2d", "dropout"])  # fmt: skip
def test_backward_without_casts(gpu, name, dtype):
    x = example(dtype)
    x.requires_grad = True
    dy = OPERATIONS[name](x).detach()

    def slope(dy):
        return weft.grad([OPERATIONS[name](x)], [x], [dy])[0]

    kernels = kernels_of(slope, dy)
    assert any("backward" in kernel or "mask" in kernel for kernel in kernels)
    assert "cast" not in kernels


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_of_cross_entropy_only_the_losses_are_cast(gpu, dtype):
    labels = np.zeros((2, 6, 6), "int64")
    kernels = kernels_of(lambda x: ops.softmax_cross_entropy(x, labels), example(dtype))
    assert kernels == ["sparse_cross_entropy", "cast"]


def test_casts_would_be_seen(gpu):
    assert "cast" in kernels_of(ops.cumsum, example("bfloat16"))
