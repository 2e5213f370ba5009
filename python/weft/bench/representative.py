"""One or two calls of each family of kernels, in weft and in PyTorch: the points of a roofline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import weft
from weft import ops

Call = Callable[[], Any]
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Work:
    """The same work in both libraries.

    Attributes:
        name: Operation and sizes.
        family: What kind of kernel does it.
        shapes: Of the random float32 arrays that it gets.
        own: Gives weft's call for its tensors.
        peer: Gives PyTorch's call; gets the module and its tensors.
        tolerance: Allowed difference relative to the largest result.
    """

    name: str
    family: str
    shapes: Sequence[tuple[int, ...]]
    own: Callable[..., Call]
    peer: Callable[..., Call]
    tolerance: float = 1e-5


def works() -> Iterator[Work]:
    """All of them, one family after the other."""
    yield from _products()
    yield from _convolutions()
    yield from _windows_and_rows()
    yield from _elementwise()
    yield from _networks()


def _products() -> Iterator[Work]:
    for n in (64, 512, 2048):
        yield Work(f"matmul {n} x {n} x {n}", "product", [(n, n)] * 2, _matmul, _torch_matmul)
    yield Work(
        "dense 128 x 784 x 128, bias, relu", "product", [(128, 784), (784, 128), (128,)],
        lambda x, w, b: lambda: ops.linear(x, w, b, "relu"),
        lambda torch, x, w, b: lambda: torch.relu_(torch.addmm(b, x, w)),
    )  # fmt: skip
    yield Work(
        "dense gradient 784 x 32 x 128", "product", [(32, 784), (32, 128)],
        lambda x, g: lambda: ops.matmul(x.T, g),
        lambda torch, x, g: _torch_matmul(torch, x.t(), g),
    )  # fmt: skip


def _matmul(a: Any, b: Any) -> Call:
    return lambda: ops.matmul(a, b)


def _torch_matmul(torch: Any, a: Any, b: Any) -> Call:
    out = a.new_empty(a.shape[0], b.shape[1])
    return lambda: torch.mm(a, b, out=out)


def _convolutions() -> Iterator[Work]:
    shapes = [(8, 56, 56, 64), (3, 3, 64, 64)]
    yield Work("conv2d 3x3, 64 to 64, direct", "convolution", shapes, _direct, _torch_conv2d)
    yield Work(
        "conv2d 3x3, 64 to 64, Winograd (*)", "convolution", shapes, _conv2d, _torch_conv2d, 2e-5
    )
    yield Work(
        "conv2d 1x1, 256 to 64", "convolution", [(4, 56, 56, 256), (1, 1, 256, 64)],
        _conv2d, _torch_conv2d,
    )  # fmt: skip
    yield Work(
        "depthwise 3x3, 128", "convolution", [(16, 28, 28, 128), (3, 3, 128, 1)],
        lambda x, w: lambda: ops.depthwise_conv2d(x, w, padding="same"),
        lambda torch, x, w: _torch_conv2d(torch, x, w.permute(0, 1, 3, 2), groups=128),
    )  # fmt: skip


def _conv2d(x: Any, w: Any) -> Call:
    return lambda: ops.conv2d(x, w, padding="same")


def _direct(x: Any, w: Any) -> Call:
    def call() -> Any:
        weft.set_conv_precision("highest")
        try:
            return ops.conv2d(x, w, padding="same")
        finally:
            weft.set_conv_precision("default")

    return call


def _torch_conv2d(torch: Any, x: Any, w: Any, groups: int = 1) -> Call:
    # Channels last in memory, which is PyTorch's faster layout.
    x, w = x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1)
    w = w.contiguous(memory_format=torch.channels_last)
    padding = w.shape[-1] // 2
    convolve = torch.nn.functional.conv2d
    return lambda: convolve(x, w, padding=padding, groups=groups).permute(0, 2, 3, 1)


def _windows_and_rows() -> Iterator[Work]:
    yield Work(
        "max pool 2x2, 32x56x56x64", "windows and rows", [(32, 56, 56, 64)],
        lambda x: lambda: ops.max_pool2d(x, 2),
        lambda torch, x: lambda: torch.nn.functional.max_pool2d(
            x.permute(0, 3, 1, 2), 2
        ).permute(0, 2, 3, 1),
    )  # fmt: skip
    yield Work(
        "batch norm, training, 32x28x28x64", "windows and rows", [(32, 28, 28, 64), (64,), (64,)],
        lambda x, g, b: lambda: ops.batch_norm(x, g, b)[0],
        lambda torch, x, g, b: lambda: torch.nn.functional.batch_norm(
            x.permute(0, 3, 1, 2), None, None, g, b, training=True, eps=1e-3
        ).permute(0, 2, 3, 1),
    )  # fmt: skip
    rows = (4096, 1000)
    yield Work(
        "layer norm 4096 x 1000", "windows and rows", [rows, rows[1:], rows[1:]],
        lambda x, g, b: lambda: ops.layer_norm(x, g, b),
        lambda torch, x, g, b: lambda: torch.nn.functional.layer_norm(x, (1000,), g, b, 1e-3),
    )  # fmt: skip
    yield Work(
        "softmax 4096 x 1000", "windows and rows", [rows], lambda x: lambda: ops.softmax(x),
        lambda torch, x: lambda: torch.softmax(x, -1),
    )  # fmt: skip
    yield Work("cross-entropy 4096 x 1000", "windows and rows", [rows], _entropy, _torch_entropy)
    yield Work("sum 1024 x 1024", "windows and rows", [(1024, 1024)], _sum, _torch_sum, 1e-4)


def _labels() -> Array:
    return np.random.default_rng(1).integers(0, 1000, 4096)


def _entropy(x: Any) -> Call:
    labels = weft.tensor(_labels())
    return lambda: ops.softmax_cross_entropy(x, labels)


def _torch_entropy(torch: Any, x: Any) -> Call:
    labels = torch.from_numpy(_labels())
    return lambda: torch.nn.functional.cross_entropy(x, labels, reduction="none")


def _sum(x: Any) -> Call:
    return lambda: ops.sum(x)


def _torch_sum(torch: Any, x: Any) -> Call:
    return lambda: x.sum()


def _elementwise() -> Iterator[Work]:
    for size, where in (((128, 128), "in L2"), ((4096, 4096), "in memory")):
        yield Work(
            f"add {size[0]} x {size[1]}, {where}", "elementwise", [size] * 2,
            lambda a, b: lambda: ops.add(a, b), _torch_add,
        )  # fmt: skip
    yield Work(
        "exp 256 x 256", "elementwise", [(256, 256)], lambda x: lambda: ops.exp(x), _torch_exp
    )
    yield Work(
        "gelu 256 x 256", "elementwise", [(256, 256)],
        lambda x: lambda: ops.gelu(x, approximate=False),
        lambda torch, x: lambda: torch.nn.functional.gelu(x),
    )  # fmt: skip
    yield Work("Adam, 1M parameters", "elementwise", [(1024, 1024)] * 2, _adam, _torch_adam, 1e-4)


def _torch_add(torch: Any, a: Any, b: Any) -> Call:
    # A large result in new memory costs PyTorch several times the addition.
    out = torch.empty_like(a)
    return lambda: torch.add(a, b, out=out)


def _torch_exp(torch: Any, x: Any) -> Call:
    out = torch.empty_like(x)
    return lambda: torch.exp(x, out=out)


def _adam(weights: Any, gradient: Any) -> Call:
    variable = weft.Variable(weights)
    optimizer = weft.optimizers.Adam(1e-3, epsilon=1e-12)

    def step() -> Any:
        optimizer.apply([gradient], [variable])
        return variable

    return step


def _torch_adam(torch: Any, weights: Any, gradient: Any) -> Call:
    parameter = torch.nn.Parameter(weights.clone())
    parameter.grad = gradient
    optimizer = torch.optim.Adam([parameter], 1e-3, eps=1e-12, fused=True)

    def step() -> Any:
        optimizer.step()
        return parameter

    return step


def _networks() -> Iterator[Work]:
    yield Work(
        "LSTM 128, 28 steps, batch 128", "networks",
        [(128, 28, 128), (128, 512), (128, 512), (512,)],
        _lstm, _torch_lstm, 1e-4,
    )  # fmt: skip
    yield Work(
        "attention, 4 x 256 tokens, 8 heads of 64", "networks", [(4, 256, 8, 64)] * 3,
        lambda q, k, v: lambda: ops.dot_product_attention(q, k, v), _torch_attention, 1e-4,
    )  # fmt: skip


def _lstm(x: Any, w: Any, r: Any, b: Any) -> Call:
    w, r = 0.1 * w, 0.1 * r
    return lambda: ops.lstm(x, w, r, b)[0]


def _torch_lstm(torch: Any, x: Any, w: Any, r: Any, b: Any) -> Call:
    layer = torch.nn.LSTM(x.shape[2], r.shape[0], batch_first=True)
    values = (0.1 * w.t(), 0.1 * r.t(), b, torch.zeros_like(b))
    for parameter, value in zip(layer.parameters(), values, strict=True):
        parameter.data = value.contiguous()
    return lambda: layer(x)[0]


def _torch_attention(torch: Any, q: Any, k: Any, v: Any) -> Call:
    attend = torch.nn.functional.scaled_dot_product_attention
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return lambda: attend(q, k, v).transpose(1, 2)
