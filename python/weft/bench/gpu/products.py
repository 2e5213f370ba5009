"""Works that are matrix products: matmul against cuBLAS, conv2d against cuDNN, attention."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from weft import ops
from weft.bench.gpu.work import (
    TOLERANCES,
    Call,
    Input,
    Sizes,
    Work,
    own_backward,
    own_forward,
    peer_backward,
    peer_forward,
)

KINDS = ("float32", "tf32", "float16", "bfloat16")  # arithmetic; tf32 is that of float32 tensors


def works(sizes: Sizes) -> Iterator[Work]:
    """All of them."""
    yield from large_products(sizes)
    yield from other_products(sizes)
    yield from convolutions(sizes)
    yield from attentions(sizes)


def _stored(kind: str) -> str:
    return "float32" if kind == "tf32" else kind


def _milestone(kind: str, small: bool) -> str:
    if kind in ("float32", "tf32"):
        return f"matmul {kind}"
    return "matmul of halves, small and odd" if small else "matmul of halves"


# --- matmul ---------------------------------------------------------------------------------------


def product(
    m: int, n: int, k: int, kind: str, layout: str = "NN", small: bool = False, batch: int = 0
) -> Work:
    """A product of (m, k) and (k, n); T in `layout` is a factor whose columns are contiguous."""
    dtype, lead = _stored(kind), (batch,) if batch else ()
    first = (m, k) if layout[0] == "N" else (k, m)
    second = (k, n) if layout[1] == "N" else (n, k)
    inputs = [Input((*lead, *first), dtype), Input((*lead, *second), dtype)]
    times = max(batch, 1)
    name = "x".join(map(str, (*lead, m, n, k)))
    return Work(
        f"matmul {name} {layout} {kind}", "matmul", _milestone(kind, small), inputs,
        own_forward(_own_product(layout)), peer_forward(_product(layout)),
        float(inputs[0].size + inputs[1].size + Input((times, m, n), dtype).size),
        2.0 * times * m * n * k, kind, TOLERANCES[kind],
        "tf32" if kind == "tf32" else "float32",
    )  # fmt: skip


def _own_product(layout: str) -> Callable[..., Any]:
    def function(a: Any, b: Any) -> Any:
        a = a if layout[0] == "N" else ops.swapaxes(a, -1, -2)
        b = b if layout[1] == "N" else ops.swapaxes(b, -1, -2)
        return ops.matmul(a, b)

    return function


def _product(layout: str) -> Callable[..., Any]:
    def function(torch: Any, a: Any, b: Any) -> Any:
        return (a if layout[0] == "N" else a.mT) @ (b if layout[1] == "N" else b.mT)

    return function


def largest(sizes: Sizes, kind: str) -> Work:
    """The product whose rate is the limit of arithmetic of a kind."""
    n = sizes.length(8192, 32)
    return product(n, n, n, kind)


def large_products(sizes: Sizes) -> Iterator[Work]:
    """Square ones, in all transpositions at one size."""
    for kind in KINDS:
        for full in (1024, 4096):
            n = sizes.length(full, 32)
            yield product(n, n, n, kind, small=full == 1024)
        yield largest(sizes, kind)
        n = sizes.length(4096, 32)
        for layout in ("NT", "TN", "TT"):
            yield product(n, n, n, kind, layout)


def other_products(sizes: Sizes) -> Iterator[Work]:
    """Few rows, sizes that no tile divides, long sums, batches."""
    n = sizes.length(4096, 32)
    for kind in KINDS:
        for full in (1, 16, 128, 512):
            yield product(min(full, n), n, n, kind, small=True)
        for full in (1000, 2047):
            odd = sizes.length(full, 24) | (full & 1)
            for layout in ("NN", "NT", "TN", "TT"):
                yield product(odd, odd, odd, kind, layout, small=True)
        long = sizes.length(65536, 256)
        yield product(sizes.length(256), sizes.length(256), long, kind, small=True)
        side = sizes.length(512, 16)
        yield product(side, side, side, kind, small=True, batch=sizes.length(64, 3))


# --- conv2d ---------------------------------------------------------------------------------------


def convolutions(sizes: Sizes) -> Iterator[Work]:
    """3 x 3, 1 x 1, strided and first layers: forward and both gradients; depthwise."""
    batch = sizes.length(128, 2)
    shapes = [(56, 64, 64, 3, 1), (28, 128, 128, 3, 1), (14, 256, 256, 3, 1)]
    shapes += [(28, 512, 128, 1, 1), (56, 64, 128, 3, 2), (224, 3, 64, 7, 2)]
    for kind in KINDS:
        for side, c, k, r, stride in shapes:
            side = sizes.length(side, 6)
            side += side % stride
            c = c if c == 3 else sizes.length(c, 16)
            yield from _convolution(kind, batch, side, c, sizes.length(k, 16), r, stride)
    for kind in ("float32", "float16", "bfloat16"):
        side, c = sizes.length(56, 6), sizes.length(128, 16)
        yield from _convolution(kind, batch, side, c, c, 3, 1, groups=c)


def _convolution(
    kind: str, batch: int, side: int, c: int, k: int, r: int, stride: int, groups: int = 1
) -> Iterator[Work]:
    dtype, out = _stored(kind), side // stride
    x, y = Input((batch, side, side, c), dtype), Input((batch, out, out, k), dtype)
    w = Input((r, r, c // groups, k), dtype)
    own = _own_conv2d(r, stride, groups)
    title = f"conv2d {r}x{r}" if groups == 1 else f"depthwise conv2d {r}x{r}"
    name = f"{batch}x{side}x{side}x{c} to {k}{f' by {stride}' if stride > 1 else ''} {kind}"
    milestone = "conv2d float32" if kind == "float32" else "conv2d on tensor cores"
    directions: dict[str, int | None] = {"": None, " by weights": 1, " by inputs": 0}
    if c == 3:  # nobody asks for the gradient of pictures
        del directions[" by inputs"]
    for direction, wanted in directions.items():
        prepare = own_forward(own) if wanted is None else own_backward(own, (wanted,))
        yield Work(
            f"{title}{direction} {name}", "conv2d",
            milestone if groups == 1 else "conv2d depthwise",
            [x, w] if wanted is None else [x, w, y], prepare,
            _peer_conv2d(stride, groups, wanted), float(x.size + w.size + y.size),
            2.0 * batch * out * out * k * r * r * (c // groups),
            kind if groups == 1 else "float32", TOLERANCES[kind],
            "tf32" if kind == "tf32" else "float32",
        )  # fmt: skip


def _own_conv2d(r: int, stride: int, groups: int) -> Callable[..., Any]:
    padding = (r - 1) // 2  # the same all around, as cuDNN has it
    return lambda x, w: ops.conv2d(x, w, strides=stride, padding=padding, groups=groups)


def _peer_conv2d(stride: int, groups: int, wanted: int | None) -> Callable[..., Call]:
    """Forward, or the gradient of x (0) or w (1), channels last as cuDNN wants them."""

    def prepare(torch: Any, x: Any, w: Any, *dy: Any) -> Call:
        # In cuDNN's order of axes once, not at each call.
        w = w.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
        padding = (w.shape[2] - 1) // 2

        def forward() -> Any:
            images = x.permute(0, 3, 1, 2)
            y = torch.nn.functional.conv2d(images, w, stride=stride, padding=padding, groups=groups)
            return y.permute(0, 2, 3, 1)

        if wanted is None:
            return forward
        leaf = (x, w)[wanted].requires_grad_()
        y = forward()

        def backward() -> Any:
            (gradient,) = torch.autograd.grad(y, [leaf], dy[0], retain_graph=True)
            return gradient if wanted == 0 else gradient.permute(2, 3, 1, 0)

        return backward

    return prepare


# --- attention ------------------------------------------------------------------------------------


def attentions(sizes: Sizes) -> Iterator[Work]:
    """Heads of 64 and 128 numbers, long and short sequences, causal or not."""
    shapes = [(4, 4096, 16, 128), (1, 16384, 16, 128), (16, 1024, 16, 64), (64, 197, 12, 64)]
    for kind in ("bfloat16", "float16"):
        for batch, length, heads, d in shapes:
            for causal in (False, True):
                if not (causal and length == 197):  # that of pictures sees all
                    yield from _attention(sizes, kind, batch, length, heads, d, causal)
    # In float32 whatever the precision of products is.
    yield from _attention(sizes, "float32", 4, 1024, 16, 64, True)


def _attention(
    sizes: Sizes, kind: str, batch: int, length: int, heads: int, d: int, causal: bool
) -> Iterator[Work]:
    batch, heads = sizes.length(batch, 1), sizes.length(heads, 2)
    length = sizes.length(length, 24) | (length & 1)
    x = Input((batch, length, heads, d), kind)
    own, peer = _own_attention(causal), _attention_peer(causal)
    # The weights are rounded to halves on their way: two roundings meet in a result. (PyTorch's
    # kernel of the CPU even sums the gradients of halves in halves.)
    # Two products forward; causal weights are half of them. Backward has five, of which one is the
    # weights once more.
    flops = 4.0 * batch * heads * length * length * d * (0.5 if causal else 1)
    name = f"{batch}x{length}x{heads}x{d}{' causal' if causal else ''} {kind}"
    yield Work(
        f"attention {name}", "attention", "attention forward", [x] * 3, own_forward(own),
        peer_forward(peer), 4.0 * x.size, flops, kind, 2 * TOLERANCES[kind],
    )  # fmt: skip
    yield Work(
        f"attention backward {name}", "attention", "attention backward", [x] * 4,
        own_backward(own, (0, 1, 2)), peer_backward(peer, (0, 1, 2)),
        8.0 * x.size, 2.5 * flops, kind, 2 * TOLERANCES[kind],
    )  # fmt: skip


def _own_attention(causal: bool) -> Callable[..., Any]:
    return lambda q, k, v: ops.dot_product_attention(q, k, v, is_causal=causal)


def _attention_peer(causal: bool) -> Callable[..., Any]:
    def function(torch: Any, *operands: Any) -> Any:
        # Heads second in shape alone: in memory they stay where PyTorch's fast kernels want them.
        q, k, v = (x.transpose(1, 2) for x in operands)
        attend = torch.nn.functional.scaled_dot_product_attention
        return attend(q, k, v, is_causal=causal).transpose(1, 2)

    return function
