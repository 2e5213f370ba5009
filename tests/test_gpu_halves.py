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


# channels, kernel, groups
CONVOLUTIONS = {
    "one group": (16, (3, 3, 16, 24), 1),
    "groups": (16, (3, 3, 4, 24), 4),
    "depthwise": (16, (3, 3, 1, 16), 16),
    "depthwise, several filters": (6, (3, 3, 1, 18), 6),
}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_and_their_gradients_without_casts(gpu, name, dtype):
    channels, shape, groups = CONVOLUTIONS[name]
    random = np.random.default_rng(0)
    x, w, b = (
        weft.tensor(random.normal(size=s).astype("float32")).astype(dtype)
        for s in ((2, 6, 6, channels), shape, shape[3:])
    )
    x.requires_grad = w.requires_grad = True

    def convolve(x):
        return ops.conv2d(x, w, b, padding="same", groups=groups, activation="relu")

    def slopes(dy):
        return weft.grad([convolve(x)], [x, w], [dy])

    assert kernels_of(convolve, x.detach()) == ["conv2d_forward"]
    kernels = kernels_of(slopes, convolve(x).detach())
    assert {"conv2d_backward_input", "conv2d_backward_weight"} <= set(kernels)
    assert "cast" not in kernels


def test_casts_would_be_seen(gpu):
    assert "cast" in kernels_of(ops.cumsum, example("bfloat16"))
