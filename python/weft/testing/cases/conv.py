"""Cases of weft.ops.conv."""

from typing import Any

import numpy as np

from weft import ops
from weft.ops.window import padding_of, pair
from weft.testing.opcase import FLOATS, HALVES, Bad, OpCase, normal, sample


def convolve(
    x: Any,
    kernel: Any,
    bias: Any = None,
    strides: Any = 1,
    padding: Any = "valid",
    dilation_rate: Any = 1,
    groups: int = 1,
    data_format: str | None = "channels_last",
    activation: str | None = None,
) -> Any:
    """The definition of conv2d, one kernel element after the other."""
    if data_format == "channels_first":
        x = x.transpose(0, 2, 3, 1)
    (sh, sw), (dh, dw) = pair("", "", strides), pair("", "", dilation_rate)
    r_count, s_count, inputs, filters = kernel.shape
    extent = (r_count - 1) * dh + 1, (s_count - 1) * dw + 1
    top, bottom, left, right = padding_of("", padding, x.shape[1:3], extent, (sh, sw))
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    rows = (x.shape[1] - extent[0]) // sh + 1
    columns = (x.shape[2] - extent[1]) // sw + 1
    y = np.zeros((x.shape[0], rows, columns, filters))
    outputs = filters // groups
    for g in range(groups):
        mine = slice(g * outputs, (g + 1) * outputs)
        for r in range(r_count):
            for s in range(s_count):
                seen = x[:, r * dh :: sh, s * dw :: sw, g * inputs : (g + 1) * inputs]
                y[..., mine] += seen[:, :rows, :columns] @ kernel[r, s, :, mine]
    if bias is not None:
        y = y + bias
    if activation == "relu":
        y = np.maximum(y, 0)
    return y.transpose(0, 3, 1, 2) if data_format == "channels_first" else y


def depthwise(x: Any, kernel: Any, bias: Any = None, **options: Any) -> Any:
    """Depthwise convolution as a grouped one."""
    r, s, channels, multiplier = kernel.shape
    kernel = kernel.reshape(r, s, 1, channels * multiplier)
    return convolve(x, kernel, bias, groups=channels, **options)


def torch_conv2d(
    x: Any,
    kernel: Any,
    bias: Any = None,
    strides: Any = 1,
    padding: Any = "valid",
    dilation_rate: Any = 1,
    groups: int = 1,
    data_format: str | None = "channels_last",
    activation: str | None = None,
) -> Any:
    """The same through PyTorch, on an explicitly padded image."""
    import torch

    if data_format != "channels_first":
        x = x.permute(0, 3, 1, 2)
    step, dilation = pair("", "", strides), pair("", "", dilation_rate)
    extent = [(n - 1) * d + 1 for n, d in zip(kernel.shape[:2], dilation, strict=True)]
    top, bottom, left, right = padding_of("", padding, tuple(x.shape[2:]), tuple(extent), step)
    x = torch.nn.functional.pad(x, (left, right, top, bottom))
    y = torch.nn.functional.conv2d(
        x, kernel.permute(3, 2, 0, 1).contiguous(), bias, step, 0, dilation, groups
    )
    if activation == "relu":
        y = y.relu()
    return y if data_format == "channels_first" else y.permute(0, 2, 3, 1)


def torch_depthwise(x: Any, kernel: Any, bias: Any = None, **options: Any) -> Any:
    """Depthwise convolution as a grouped one, through PyTorch."""
    r, s, channels, multiplier = kernel.shape
    kernel = kernel.reshape(r, s, 1, channels * multiplier)
    return torch_conv2d(x, kernel, bias, groups=channels, **options)


def terms(x: Any, kernel: Any, *_: Any, **__: Any) -> int:
    """How many products make one output."""
    return max(int(np.prod(kernel.shape[:3])), 1)


def depthwise_terms(x: Any, kernel: Any, *_: Any, **__: Any) -> int:
    """How many products make one output of a depthwise convolution."""
    return max(int(np.prod(kernel.shape[:2])), 1)


_SAMPLES = [
    # small enough for finite differences, second derivatives included
    sample(normal(1, 4, 3, 2), normal(2, 2, 2, 3)),
    sample(normal(2, 3, 3, 1), normal(2, 3, 1, 2), normal(2), padding="same"),
    sample(normal(1, 5, 4, 1), normal(3, 2, 1, 2), strides=2, padding="same"),
    sample(normal(1, 5, 4, 2), normal(2, 2, 1, 2), groups=2, dilation_rate=(2, 1)),
    sample(normal(1, 3, 4, 2), normal(1, 1, 2, 2), normal(2), strides=[2, 1]),
    sample(normal(1, 4, 4, 2, seed=3), normal(2, 2, 2, 2), normal(2), activation="relu"),
    sample(normal(1, 5, 5, 1), normal(3, 2, 1, 1), strides=(2, 3), dilation_rate=(3, 2), padding=2),
    # every tile height and masked tail
    sample(normal(2, 9, 17, 5), normal(3, 3, 5, 35), normal(35), padding="same"),
    sample(normal(3, 8, 7, 33), normal(1, 1, 33, 17)),
    sample(normal(1, 12, 15, 3), normal(5, 4, 3, 8), strides=(2, 3), padding=((2, 0), (1, 3))),
    sample(normal(1, 11, 10, 4), normal(3, 3, 4, 70), dilation_rate=(1, 3), padding="same"),
    sample(normal(2, 7, 9, 6), normal(3, 3, 2, 9), groups=3, padding=(1, 2), strides=(1, 2)),
    sample(normal(2, 7, 9, 4), normal(3, 2, 2, 6), groups=2, dilation_rate=2),
    sample(normal(2, 6, 6, 6), normal(3, 3, 1, 6), normal(6), groups=6, activation="relu"),
    sample(normal(1, 3, 6, 5), normal(2, 2, 3, 4), data_format="channels_first", padding="same"),
    # padding wider than the image; steps wider than the window
    sample(normal(1, 2, 2, 3), normal(3, 3, 3, 2), padding=4),
    sample(normal(1, 9, 9, 2), normal(2, 2, 2, 3), strides=4),
    sample(normal(1, 1, 1, 1), normal(1, 1, 1, 1)),
    # empty
    sample(normal(0, 5, 5, 2), normal(3, 3, 2, 4), normal(4), padding="same"),
    # weights that fill the cache more than once
    sample(normal(1, 5, 5, 200), normal(3, 3, 200, 96), padding="same"),
]

_DEPTHWISE_SAMPLES = [
    sample(normal(1, 4, 3, 2), normal(2, 2, 2, 1)),
    sample(normal(1, 4, 4, 2), normal(2, 2, 2, 2), padding="same"),
    sample(normal(1, 5, 5, 1), normal(3, 3, 1, 1), normal(1), strides=2, padding="same"),
    sample(normal(1, 5, 4, 2), normal(2, 2, 2, 1), dilation_rate=2),
    sample(normal(2, 9, 11, 37), normal(3, 3, 37, 1), normal(37), padding="same"),
    sample(normal(1, 8, 9, 70), normal(3, 3, 70, 1), strides=2, padding="same", activation="relu"),
    sample(normal(1, 9, 12, 19), normal(3, 3, 19, 1), dilation_rate=(2, 3), padding=2),
    sample(normal(2, 9, 9, 5), normal(5, 4, 5, 3), strides=(2, 1), padding="same"),
    sample(normal(2, 3, 7, 8), normal(3, 3, 3, 1), padding="same", data_format="channels_first"),
    sample(normal(1, 2, 2, 3), normal(3, 3, 3, 1), padding=3),
    sample(normal(0, 5, 5, 2), normal(3, 3, 2, 1)),
]

_x, _w = np.ones((1, 5, 5, 3)), np.ones((3, 3, 3, 2))

CASES = [
    OpCase(
        ops.conv2d,
        _SAMPLES,
        convolve,
        dtypes=FLOATS + HALVES,
        oracle=torch_conv2d,
        reduction=terms,
        bad=[
            Bad(
                sample(_x, np.ones((3, 3, 4, 2))),
                ValueError,
                "3 channels but the kernel was built for 4",
            ),
            Bad(sample(np.ones((5, 5, 3)), _w), ValueError, "batch, height, width, channels"),
            Bad(sample(_x, np.ones((3, 3, 3))), ValueError, "channels / groups, filters"),
            Bad(sample(_x, np.ones((6, 3, 3, 2))), ValueError, "6 x 3.*larger than.*5 x 5"),
            Bad(sample(_x, _w, dilation_rate=3), ValueError, "7 x 7 .with dilation.*5 x 5"),
            Bad(sample(_x, np.ones((8, 8, 3, 2)), padding=1), ValueError, "padded.*7 x 7"),
            Bad(sample(_x, _w, np.ones(3)), ValueError, "bias.*one value per filter"),
            Bad(sample(_x, _w, strides=0), ValueError, "strides.*at least 1"),
            Bad(sample(_x, _w, strides=0, padding="same"), ValueError, "strides.*at least 1"),
            Bad(sample(_x, _w, strides=(1, 1, 1)), ValueError, "strides.*two integers"),
            Bad(sample(_x, _w, dilation_rate=0), ValueError, "dilation.*at least 1"),
            Bad(sample(_x, _w, padding="full"), ValueError, 'padding must be "valid", "same"'),
            Bad(sample(_x, _w, padding=-1), ValueError, "padding.*at least 0"),
            Bad(sample(_x, np.ones((3, 3, 1, 4)), groups=3), ValueError, "3 groups.*4 filters"),
            Bad(sample(_x, np.ones((3, 3, 1, 4)), groups=2), ValueError, "2 groups.*3 channels"),
            Bad(sample(_x, _w, groups=0), ValueError, "groups must be at least 1"),
            Bad(sample(_x, _w, activation="tanh"), ValueError, "activation.*tanh"),
            Bad(sample(_x, _w, data_format="NHWC"), ValueError, "data_format.*NHWC"),
            Bad(
                sample(np.ones((1, 5, 5, 3), "int64"), np.ones((3, 3, 3, 2), "int64")),
                TypeError,
                "floating-point",
            ),
        ],
        bench=[
            sample(normal(32, 28, 28, 32), normal(3, 3, 32, 64), padding="same"),
            sample(normal(32, 56, 56, 64), normal(3, 3, 64, 64), padding="same"),
            sample(normal(32, 14, 14, 256), normal(3, 3, 256, 256), padding="same"),
            sample(normal(32, 56, 56, 64), normal(1, 1, 64, 256)),
            sample(normal(32, 56, 56, 128), normal(3, 3, 128, 128), strides=2, padding="same"),
        ],
    ),
    OpCase(
        ops.depthwise_conv2d,
        _DEPTHWISE_SAMPLES,
        depthwise,
        dtypes=FLOATS + HALVES,
        oracle=torch_depthwise,
        reduction=depthwise_terms,
        bad=[
            Bad(
                sample(_x, np.ones((3, 3, 4, 1))),
                ValueError,
                "3 channels but the kernel was built for 4",
            ),
            Bad(sample(_x, np.ones((3, 3, 3))), ValueError, "multiplier"),
        ],
        bench=[sample(normal(32, 28, 28, 128), normal(3, 3, 128, 1), padding="same")],
    ),
    OpCase(
        ops.conv,
        [
            sample(normal(1, 4, 3, 2), normal(2, 2, 2, 3), padding="same", strides=2),
            sample(normal(2, 6, 5, 4), normal(3, 2, 2, 6)),
            sample(normal(2, 3, 6, 5), normal(2, 2, 3, 4), data_format="channels_first"),
            sample(normal(2, 4, 4, 3), normal(2, 2, 3, 0)),
            sample(normal(2, 4, 4, 0), normal(2, 2, 0, 3)),
        ],
        lambda x, kernel, **options: convolve(
            x,
            kernel,
            groups=x.shape[1 if options.get("data_format") else 3] // (kernel.shape[2] or 1) or 1,
            **options,
        ),
        reduction=terms,
        bad=[Bad(sample(_x, np.ones((3, 3, 2, 2))), ValueError, "conv2d: x has 3 channels")],
    ),
    OpCase(
        ops.depthwise_conv,
        [sample(normal(1, 4, 3, 2), normal(2, 2, 2, 2), padding="same", dilation_rate=2)],
        depthwise,
        reduction=depthwise_terms,
    ),
]
