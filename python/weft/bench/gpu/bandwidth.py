"""Works whose time is that of reading and writing memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import weft
from weft import layers, ops
from weft.bench.gpu.work import (
    ITEM_BYTES,
    TOLERANCES,
    Array,
    Call,
    Input,
    Sizes,
    Work,
    own_backward,
    own_forward,
    peer_backward,
    peer_forward,
)

GROUP = "bandwidth"
RATE = 0.5  # of dropout


def works(sizes: Sizes) -> Iterator[Work]:
    """All of them."""
    yield from elementwise(sizes)
    yield from rows(sizes)
    yield from images(sizes)
    yield from losses_and_lookups(sizes)
    yield from updates(sizes)


def copying(sizes: Sizes) -> Work:
    """The copy whose rate is the limit of all of these."""
    n = sizes.count(64 << 20)
    return Work(
        f"copy {_count(n)}", GROUP, "elementwise", [Input((n,))],
        own_forward(ops.copy), peer_forward(lambda torch, x: x.clone()), 8.0 * n,
    )  # fmt: skip


def elementwise(sizes: Sizes) -> Iterator[Work]:
    """Large arrays, element by element."""
    yield copying(sizes)
    n = sizes.count(64 << 20)
    for dtype in ("float32", "bfloat16"):
        each, tolerance = float(ITEM_BYTES[dtype] * n), TOLERANCES[dtype]
        x = Input((n,), dtype)
        name = f"{_count(n)} {dtype}"
        yield Work(
            f"add {name}", GROUP, "elementwise", [x, x],
            own_forward(ops.add), peer_forward(lambda torch, a, b: a + b),
            3 * each, tolerance=tolerance,
        )  # fmt: skip
        yield Work(
            f"gelu {name}", GROUP, "elementwise", [x],
            own_forward(ops.gelu), peer_forward(_gelu), 2 * each, tolerance=tolerance,
        )  # fmt: skip
        yield Work(
            f"gelu backward {name}", GROUP, "elementwise", [x, x],
            own_backward(ops.gelu), peer_backward(_gelu), 3 * each, tolerance=tolerance,
        )  # fmt: skip
        # The masks are different random numbers: what both keep, and how they scale it, is alike.
        yield Work(
            f"dropout {name}", GROUP, "elementwise", [x],
            own_forward(lambda x: ops.dropout(x, RATE)),
            peer_forward(lambda torch, x: torch.nn.functional.dropout(x, RATE)),
            2 * each, tolerance=8 / np.sqrt(n), summary=_kept_and_scale,
        )  # fmt: skip


def _kept_and_scale(y: Array) -> Array:
    return np.asarray([np.mean(y != 0), np.sqrt(np.mean(np.square(y, dtype="float64")))])


def _gelu(torch: Any, x: Any) -> Any:
    return torch.nn.functional.gelu(x)


def rows(sizes: Sizes) -> Iterator[Work]:
    """Matrices: softmax, norms, sums and transposition of rows of several lengths."""
    m = sizes.length(8192)
    shapes = [(m, sizes.length(1024), "float32"), (m, sizes.length(4096), "float32")]
    shapes += [(m, sizes.length(16384), "float32"), (m, sizes.length(4096), "bfloat16")]
    for m, n, dtype in shapes:
        x, weight = Input((m, n), dtype), Input((n,), dtype)
        each, tolerance = float(x.size), TOLERANCES[dtype]
        forward, backward = "softmax and norms forward", "softmax and norms backward"
        name = f"{m}x{n} {dtype}"
        yield Work(
            f"softmax {name}", GROUP, forward, [x], own_forward(ops.softmax),
            peer_forward(_softmax), 2 * each, tolerance=tolerance,
        )  # fmt: skip
        yield Work(
            f"softmax backward {name}", GROUP, backward, [x, x], own_backward(ops.softmax),
            peer_backward(_softmax), 3 * each, tolerance=tolerance,
        )  # fmt: skip
        yield Work(
            f"layer_norm {name}", GROUP, forward, [x, weight, weight],
            own_forward(ops.layer_norm), peer_forward(_layer_norm), 2 * each, tolerance=tolerance,
        )  # fmt: skip
        yield Work(
            f"layer_norm backward {name}", GROUP, backward, [x, weight, weight, x],
            own_backward(ops.layer_norm, (0, 1, 2)), peer_backward(_layer_norm, (0, 1, 2)),
            # PyTorch's kernel of the CPU sums the gradients of the weights in bfloat16.
            3 * each, tolerance=3 * tolerance,
        )  # fmt: skip
        yield Work(
            f"rms_norm {name}", GROUP, forward, [x], _own_rms_norm,
            peer_forward(lambda torch, x: torch.nn.functional.rms_norm(x, x.shape[-1:], eps=1e-3)),
            2 * each, tolerance=tolerance,
        )  # fmt: skip
        yield from _reductions(m, n, dtype)


def _reductions(m: int, n: int, dtype: str) -> Iterator[Work]:
    x, milestone = Input((m, n), dtype), "reductions, pooling, gathers"
    each, tolerance = float(x.size), TOLERANCES[dtype]
    for axis in (0, 1):
        yield Work(
            f"sum over axis {axis} {m}x{n} {dtype}", GROUP, milestone, [x],
            own_forward(_sum_over(axis)), peer_forward(_peer_sum_over(axis)), each,
            tolerance=tolerance,
        )  # fmt: skip
    yield Work(
        f"transpose {m}x{n} {dtype}", GROUP, milestone, [x],
        own_forward(lambda x: ops.copy(ops.transpose(x))),
        peer_forward(lambda torch, x: x.t().contiguous()), 2 * each, tolerance=tolerance,
    )  # fmt: skip


def _sum_over(axis: int) -> Callable[..., Any]:
    return lambda x: ops.sum(x, axis)


def _peer_sum_over(axis: int) -> Callable[..., Any]:
    return lambda torch, x: x.sum(axis)


def _softmax(torch: Any, x: Any) -> Any:
    return torch.softmax(x, -1)


def _layer_norm(torch: Any, x: Any, gamma: Any, beta: Any) -> Any:
    return torch.nn.functional.layer_norm(x, x.shape[-1:], gamma, beta, eps=1e-3)


def _own_rms_norm(x: Any) -> Call:
    layer = layers.RMSNormalization(epsilon=1e-3, dtype=str(x.dtype))
    layer.build(x.shape)
    return lambda: layer(x)


def images(sizes: Sizes) -> Iterator[Work]:
    """Batch norm and pooling, channels last on both sides."""
    batch, side, c = sizes.length(64, 2), sizes.length(112, 8), sizes.length(64, 8)
    for dtype in ("float32", "bfloat16"):
        x, weight = Input((batch, side, side, c), dtype), Input((c,))
        each, tolerance = float(x.size), TOLERANCES[dtype]
        name = f"{batch}x{side}x{side}x{c} {dtype}"
        # Both read x once for the statistics and once to apply them.
        yield Work(
            f"batch_norm {name}", GROUP, "softmax and norms forward", [x, weight, weight],
            own_forward(_own_batch_norm), peer_forward(_batch_norm), 3 * each, tolerance=tolerance,
        )  # fmt: skip
        yield Work(
            f"batch_norm backward {name}", GROUP, "softmax and norms backward",
            [x, weight, weight, x], own_backward(_own_batch_norm, (0, 1, 2)),
            peer_backward(_batch_norm, (0, 1, 2)), 5 * each, tolerance=tolerance,
        )  # fmt: skip
        pooled = Input((batch, side // 2, side // 2, c), dtype)
        small, milestone = float(pooled.size), "reductions, pooling, gathers"
        yield Work(
            f"max_pool2d 2x2 {name}", GROUP, milestone, [x], own_forward(_own_pool),
            peer_forward(_pool), each + small, tolerance=tolerance,
        )  # fmt: skip
        # The places of the maxima are saved beside the result, in 32 bits each.
        places = 4.0 * small / ITEM_BYTES[dtype]
        yield Work(
            f"max_pool2d 2x2 backward {name}", GROUP, milestone, [x, pooled],
            own_backward(_own_pool), peer_backward(_pool), each + small + places,
            tolerance=tolerance,
        )  # fmt: skip


def _own_batch_norm(x: Any, gamma: Any, beta: Any) -> Any:
    return ops.batch_norm(x, gamma, beta)[0]


def _batch_norm(torch: Any, x: Any, gamma: Any, beta: Any) -> Any:
    y = torch.nn.functional.batch_norm(
        x.permute(0, 3, 1, 2), None, None, gamma, beta, training=True, eps=1e-3
    )
    return y.permute(0, 2, 3, 1)


def _own_pool(x: Any) -> Any:
    return ops.max_pool2d(x, 2)


def _pool(torch: Any, x: Any) -> Any:
    return torch.nn.functional.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def losses_and_lookups(sizes: Sizes) -> Iterator[Work]:
    """Cross-entropy of class numbers, and rows of a table read and added to."""
    batch, classes = sizes.length(4096), sizes.length(32768)
    for dtype in ("float32", "bfloat16"):
        x, labels = Input((batch, classes), dtype), Input((batch,), "int64", classes)
        name, tolerance = f"{batch}x{classes} {dtype}", TOLERANCES[dtype]
        yield Work(
            f"cross-entropy {name}", GROUP, "cross-entropy", [x, labels],
            own_forward(_own_cross_entropy), peer_forward(_cross_entropy),
            float(x.size + labels.size), tolerance=tolerance,
        )  # fmt: skip
        yield Work(
            f"cross-entropy forward and backward {name}", GROUP, "cross-entropy", [x, labels],
            _own_cross_entropy_step, _cross_entropy_step, 2.0 * x.size + labels.size,
            tolerance=tolerance,
        )  # fmt: skip
    count, width = sizes.length(32768), sizes.length(1024)
    table, places = Input((count, width)), Input((count,), "int64", count)
    milestone = "reductions, pooling, gathers"
    yield Work(
        f"embedding gather {count} of {count}x{width}", GROUP, milestone, [table, places],
        own_forward(_own_lookup), peer_forward(_lookup), 2.0 * table.size + places.size,
    )  # fmt: skip
    yield Work(
        f"embedding scatter {count} of {count}x{width}", GROUP, milestone,
        [table, places, table], own_backward(_own_lookup), peer_backward(_lookup),
        2.0 * table.size + places.size,
    )  # fmt: skip


def _own_cross_entropy(x: Any, labels: Any) -> Any:
    return ops.sparse_categorical_crossentropy(labels, x, from_logits=True)


def _cross_entropy(torch: Any, x: Any, labels: Any) -> Any:
    return torch.nn.functional.cross_entropy(x, labels, reduction="none")


def _own_cross_entropy_step(x: Any, labels: Any) -> Call:
    x.requires_grad = True
    loss = weft.losses.SparseCategoricalCrossentropy(from_logits=True)
    return lambda: weft.grad(loss(labels, x), x)


def _cross_entropy_step(torch: Any, x: Any, labels: Any) -> Call:
    x.requires_grad_()

    def step() -> Any:
        loss = torch.nn.functional.cross_entropy(x, labels)
        return torch.autograd.grad(loss, x)[0]

    return step


def _own_lookup(table: Any, places: Any) -> Any:
    return ops.take(table, places, axis=0)


def _lookup(torch: Any, table: Any, places: Any) -> Any:
    return torch.nn.functional.embedding(places, table)


def updates(sizes: Sizes) -> Iterator[Work]:
    """Adam and AdamW on many variables at once, against PyTorch's fused ones."""
    shapes = [(sizes.length(1024), sizes.length(1024)), (sizes.length(1024),)] * 48
    gradients = [Input(shape) for shape in shapes]
    # Read gradient, variable and two moments; write all but the gradient.
    moved = 7.0 * sum(g.size for g in gradients)
    for name in ("Adam", "AdamW"):
        yield Work(
            f"{name} {len(shapes)} tensors, {_count(int(moved) // 28)} numbers", GROUP,
            "Adam of many tensors", gradients, _own_update(name), _update(name), moved,
            tolerance=1e-3, calls=3, rotates=False,
        )  # fmt: skip


# Adam adds its epsilon before the bias correction in Keras and weft, after it in PyTorch: one too
# small to matter makes both take the same step. Variables begin at zero, or the first steps would
# be lost in them.
_OPTIONS = {"Adam": {}, "AdamW": {"weight_decay": 0.1}}


def _own_update(name: str) -> Callable[..., Call]:
    def prepare(*gradients: Any) -> Call:
        variables = [weft.Variable(np.zeros(g.shape, "float32")) for g in gradients]
        optimizer = getattr(weft.optimizers, name)(1e-3, epsilon=1e-12, **_OPTIONS[name])

        def update() -> Any:
            optimizer.apply(gradients, variables)
            return variables

        return update

    return prepare


def _update(name: str) -> Callable[..., Call]:
    def prepare(torch: Any, *gradients: Any) -> Call:
        variables = [torch.zeros_like(g).requires_grad_() for g in gradients]
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.grad = gradient
        options = {"eps": 1e-12, "fused": True, **_OPTIONS[name]}
        optimizer = getattr(torch.optim, name)(variables, 1e-3, **options)

        def update() -> Any:
            optimizer.step()
            return variables

        return update

    return prepare


def _count(n: int) -> str:
    return f"{n / (1 << 20):.3g}M" if n >= 1 << 20 else str(n)
