"""Attention on the tensor cores of a GPU: halves, and float32 that may be rounded to tf32."""

import math

import numpy as np
import pytest

import weft
from weft import _C, ops

# Of one rounding to what the tensor cores multiply.
EPS = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "tf32": 2.0**-11}

# N, T, S, heads, kv_heads, D, E, and what else is asked for. Blocks have 64 or 128 queries, tiles
# 32 or 64 keys, warps 16 or 32 queries; heads are padded to 32, 64 and 128 numbers.
SHAPES = {
    "one tile": (1, 64, 64, 1, 1, 64, 64, ()),
    "odd lengths": (1, 37, 71, 2, 2, 16, 16, ()),
    "several blocks": (1, 197, 130, 1, 1, 64, 64, ()),
    "causal": (2, 131, 131, 2, 2, 64, 64, ("causal",)),
    "causal, more queries": (1, 150, 70, 1, 1, 32, 32, ("causal",)),
    "causal, more keys": (1, 40, 150, 1, 1, 32, 32, ("causal",)),
    "one query": (2, 1, 90, 2, 2, 64, 64, ()),
    "one key": (1, 70, 1, 1, 1, 16, 16, ()),
    "padded heads": (1, 50, 45, 2, 2, 72, 72, ()),
    "largest heads": (1, 140, 100, 1, 1, 128, 128, ("causal",)),
    "other values": (1, 33, 40, 2, 2, 32, 104, ()),
    "smallest heads": (1, 20, 33, 2, 2, 8, 24, ()),
    "grouped queries": (2, 45, 70, 6, 2, 40, 40, ("causal",)),
    "masks": (2, 70, 75, 2, 2, 64, 64, ("mask",)),
    "masks of large heads": (1, 70, 75, 2, 2, 128, 128, ("mask",)),
    "masks of small heads": (1, 70, 75, 2, 2, 32, 32, ("mask", "causal")),
    "masks of keys": (2, 70, 75, 2, 2, 32, 64, ("keys",)),
    "bias": (2, 70, 75, 2, 2, 64, 64, ("bias",)),
    "bias of small heads": (1, 70, 75, 1, 1, 16, 16, ("bias", "causal")),
    "all of it": (2, 67, 75, 4, 2, 128, 80, ("bias", "mask", "causal")),
}


def example(shape, dtype):
    """Operands as float64 that `dtype` holds exactly, and options of dot_product_attention."""
    n, t, s, heads, kv_heads, d, e, extras = shape
    rng = np.random.default_rng(sum(shape[:7]))
    stored = "float32" if dtype == "tf32" else dtype

    def normal(*size):
        values = weft.tensor(rng.normal(size=size).astype("float32"), dtype=stored, device="cpu")
        return values.astype("float64").numpy()

    operands = [normal(n, t, heads, d), normal(n, s, kv_heads, d), normal(n, s, kv_heads, e)]
    options = {"is_causal": "causal" in extras}
    if "mask" in extras:
        options["mask"] = rng.random((n, heads, t, s)) < 0.7
        options["mask"][:, :, 1] = False  # a query that sees nothing
    if "keys" in extras:
        options["mask"] = np.arange(s) < np.array([s - 9, s // 2])[:, None, None, None]
    if "bias" in extras:
        options["bias"] = normal(heads, t, s)
    return operands, options


def reference(operands, options, dy=None):
    """The result in float64, and the gradients for dy; with each the sum of their terms' sizes."""
    q, k, v = operands
    group = q.shape[2] // k.shape[2]
    k, v = np.repeat(k, group, 2), np.repeat(v, group, 2)
    scale = 1 / math.sqrt(q.shape[-1])
    scores = np.einsum("nthd,nshd->nhts", q, k) * scale + options.get("bias", 0)
    seen = np.broadcast_to(options.get("mask", True), scores.shape)
    if options["is_causal"]:
        seen = seen & np.tril(np.ones(scores.shape[-2:], bool))
    top = np.max(np.where(seen, scores, -1e30), -1, keepdims=True)
    w = np.where(seen, np.exp(np.minimum(scores - top, 0)), 0)
    total = w.sum(-1, keepdims=True)
    w /= np.where(total == 0, 1, total)
    y = np.einsum("nhts,nshe->nthe", w, v)
    if dy is None:
        return y, np.einsum("nhts,nshe->nthe", w, abs(v))
    dw = np.einsum("nthe,nshe->nhts", dy, v)
    ds = w * (dw - (w * dw).sum(-1, keepdims=True))
    own = abs(dy * y).sum(-1).transpose(0, 2, 1)[..., None]  # y is rounded before sum(dy y)
    sizes = w * (abs(dw) + (w * abs(dw)).sum(-1, keepdims=True) + own)

    def slopes(ds, w, q, k, dy):
        dq = np.einsum("nhts,nshd->nthd", ds, k) * scale
        dk = np.einsum("nhts,nthd->nshd", ds, q) * scale
        dv = np.einsum("nhts,nthe->nshe", w, dy)
        dk, dv = (x.reshape(*x.shape[:2], -1, group, x.shape[3]).sum(3) for x in (dk, dv))
        return [dq, dk, dv]

    return slopes(ds, w, q, k, dy), slopes(sizes, w, abs(q), abs(k), abs(dy)), (ds, sizes)


def on(device, operands, dtype):
    stored = "float32" if dtype == "tf32" else dtype
    return [weft.tensor(x.astype("float32"), dtype=stored, device=device) for x in operands]


def options_on(device, options, dtype):
    found = dict(options)
    if "mask" in options:
        found["mask"] = weft.tensor(options["mask"], device=device)
    if "bias" in options:
        (found["bias"],) = on(device, [options["bias"]], dtype)
    return found


def require_close(found, expected, sizes, dtype, roundings=2):
    """Errors within `roundings` of every term and one of the result."""
    found = found.astype("float64").numpy()
    assert found.shape == expected.shape
    allowed = EPS[dtype] * (roundings * sizes + abs(expected)) + 1e-6
    worst = np.max(abs(found - expected) / allowed, initial=0)
    assert worst <= 1, worst


@pytest.fixture
def tf32():
    before = weft.matmul_precision()
    weft.set_matmul_precision("tf32")
    yield
    weft.set_matmul_precision(before)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "tf32"])
@pytest.mark.parametrize("name", SHAPES)
def test_forward(gpu, tf32, name, dtype):
    operands, options = example(SHAPES[name], dtype)
    expected, sizes = reference(operands, options)
    given = options_on(gpu, options, dtype)
    y = ops.dot_product_attention(*on(gpu, operands, dtype), **given)
    # tf32 also rounds queries and keys, by as much as scores of this size change weights.
    require_close(y, expected, sizes, dtype, roundings=8 if dtype == "tf32" else 2)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "tf32"])
@pytest.mark.parametrize("name", SHAPES)
def test_gradients(gpu, tf32, name, dtype):
    operands, options = example(SHAPES[name], dtype)
    y, _ = reference(operands, options)
    dy = np.sign(y) * (np.arange(y.size).reshape(y.shape) % 5 - 2)
    expected, sizes, of_scores = reference(operands, options, dy)
    given, more = on(gpu, operands, dtype), options_on(gpu, options, dtype)
    inputs = given + [more[name] for name in more if name == "bias"]
    for x in inputs:
        x.requires_grad = True
    found = weft.grad([ops.dot_product_attention(*given, **more)], inputs, on(gpu, [dy], dtype))
    for x, exact, size in zip(found, expected, sizes, strict=False):
        require_close(x, exact, size, dtype, roundings=8 if dtype == "tf32" else 3)
    if "bias" in more:
        exact, size = (x.sum(0) for x in of_scores)
        require_close(found[3], exact, size, dtype, roundings=8 if dtype == "tf32" else 3)


@pytest.mark.parametrize("dtype", ["float16", "tf32"])
def test_gradients_have_the_same_bits_every_time(gpu, tf32, dtype):
    operands, _ = example((1, 150, 150, 4, 2, 64, 64, ()), dtype)

    def gradients():
        given = on(gpu, operands, dtype)
        for x in given:
            x.requires_grad = True
        y = ops.dot_product_attention(*given, is_causal=True)
        return [x.numpy().tobytes() for x in weft.grad([y], given, [y.detach()])]

    assert gradients() == gradients()


def test_a_row_of_a_batch_of_heads_in_any_order(gpu):
    """Heads before steps, and slices: strides, not layouts."""
    operands, options = example((2, 70, 66, 2, 2, 64, 64, ()), "bfloat16")
    expected, sizes = reference(operands, options)
    q, k, v = (
        ops.swapaxes(x, 1, 2)
        for x in on(gpu, [np.ascontiguousarray(x.swapaxes(1, 2)) for x in operands], "bfloat16")
    )
    require_close(ops.dot_product_attention(q, k, v), expected, sizes, "bfloat16")
    both = ops.concatenate([k, v], -1)
    k, v = both[..., :64], both[..., 64:]
    require_close(ops.dot_product_attention(q, k, v), expected, sizes, "bfloat16")


def test_rows_that_begin_anywhere_take_the_ordinary_units(gpu):
    operands, options = example((1, 20, 33, 2, 2, 16, 16, ()), "float16")
    expected, sizes = reference(operands, options)
    shifted = [ops.concatenate([x[..., :1], x], -1)[..., 1:] for x in on(gpu, operands, "float16")]
    require_close(ops.dot_product_attention(*shifted), expected, sizes, "float16")


def test_float32_is_float32_unless_tf32_is_allowed(gpu):
    operands, options = example((1, 64, 64, 1, 1, 64, 64, ()), "tf32")
    expected, _ = reference(operands, options)
    given = on(gpu, operands, "tf32")
    errors = {}
    before = weft.matmul_precision()
    try:
        for precision in ("float32", "tf32"):
            weft.set_matmul_precision(precision)
            y = ops.dot_product_attention(*given).numpy()
            errors[precision] = np.max(abs(y - expected))
    finally:
        weft.set_matmul_precision(before)
    assert errors["float32"] < 1e-5
    assert 8 * errors["float32"] < errors["tf32"] < 1e-2


def random_attention(device, dtype, rate, query, key, value):
    return ops.dot_product_attention(
        *on(device, [query, key, value], dtype), dropout=rate, is_causal=True, seed=3
    )


@pytest.mark.parametrize("dtype", ["float16", "tf32"])
@pytest.mark.parametrize("size", [32, 64, 128])
def test_dropout_drops_what_the_cpu_drops(gpu, tf32, size, dtype):
    operands, _ = example((2, 70, 77, 2, 2, size, size, ()), dtype)
    expected = random_attention("cpu", dtype, 0.4, *operands).astype("float64").numpy()
    found = random_attention(gpu, dtype, 0.4, *operands)
    require_close(found, expected, np.full(expected.shape, 4.0), dtype)


@pytest.mark.parametrize("dtype", ["float16", "tf32"])
@pytest.mark.parametrize("size", [32, 128])
def test_gradients_drop_what_the_forward_pass_drops(gpu, tf32, size, dtype):
    """The gradient of the values is linear in weights that the forward pass shows."""
    (query, key, _), _ = example((1, 70, 72, 1, 1, size, 72, ()), dtype)
    identity = np.eye(72)[None, :, None]
    weights = random_attention(gpu, dtype, 0.4, query, key, identity)
    kept = weights.astype("float64").numpy()[0, :, 0]
    assert 0.3 < np.mean(kept[np.tril(np.ones(kept.shape, bool))] == 0) < 0.5
    value, dy = (
        np.random.default_rng(i).integers(-2, 3, (1, n, 1, 72)) for i, n in ((0, 72), (1, 70))
    )
    given = on(gpu, [query, key, value], dtype)
    for x in given:
        x.requires_grad = True
    y = ops.dot_product_attention(*given, dropout=0.4, is_causal=True, seed=3)
    dq, dk, dv = weft.grad([y], given, on(gpu, [dy], dtype))
    exact = np.einsum("ts,te->se", kept, dy[0, :, 0])[None, :, None]
    sizes = np.einsum("ts,te->se", kept, abs(dy[0, :, 0]))[None, :, None]
    require_close(dv, exact, sizes, dtype, roundings=4)
    dw = dy[0, :, 0] @ value[0, :, 0].T
    slopes = kept * dw
    whole = reference([query, key, np.eye(72)[None, :, None]], {"is_causal": True})[0][0, :, 0]
    slopes = slopes - whole * slopes.sum(-1, keepdims=True)
    sizes = abs(kept * dw) + whole * (kept * abs(dw)).sum(-1, keepdims=True) * 2
    for found, other, equation in ((dq, key, "ts,sd->td"), (dk, query, "ts,td->sd")):
        exact = np.einsum(equation, slopes, other[0, :, 0]) / math.sqrt(size)
        allowed = np.einsum(equation, sizes, abs(other[0, :, 0])) / math.sqrt(size)
        require_close(found, exact[None, :, None], allowed[None, :, None], dtype, roundings=8)


def kernels_of(function, *arguments):
    step = weft.capture(function)
    for _ in range(3):
        step(*arguments)
    (program,) = step.programs
    return [launch[0] for launch in program.launches]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_are_not_cast(gpu, dtype):
    operands = on(gpu, example((1, 40, 40, 2, 2, 64, 64, ()), dtype)[0], dtype)
    assert kernels_of(ops.dot_product_attention, *operands) == ["attention"]
    for x in operands:
        x.requires_grad = True

    def gradients(dy):
        return weft.grad([ops.dot_product_attention(*operands)], operands, [dy])

    dy = operands[0].detach()
    assert kernels_of(gradients, dy) == ["attention", "attention_backward"]


needs_counters = pytest.mark.skipif(not _C.sim_can_watch(), reason="WEFT_SIM_CHECKED=OFF")


@pytest.mark.sim_tool
@needs_counters
@pytest.mark.parametrize("dtype", ["float16", "tf32"])
@pytest.mark.parametrize("size", [32, 64, 128])
def test_whole_sectors_without_bank_conflicts(tf32, size, dtype):
    shape = (1, 128, 128, 2, 2, size, size, ())
    operands = on("sim", example(shape, dtype)[0], dtype)
    for x in operands:
        x.requires_grad = True
    bias = weft.tensor(np.zeros((128, 128), "float32"), device="sim").astype(operands[0].dtype)
    mask = weft.tensor(np.ones((128, 128), bool), device="sim")
    bias.requires_grad = True
    with weft.sim.counters() as counts:
        y = ops.dot_product_attention(*operands, bias=bias, mask=mask, is_causal=True)
        weft.grad([y], [*operands, bias], [y.detach()])
    for kernel in ("mma_forward", "mma_query_gradients", "mma_key_gradients"):
        lines = counts.of(kernel)
        assert {line.memory for line in lines} >= {"global", "shared"}
        for line in counts.of(kernel, memory="global"):
            # Of a mask by key a request takes 16 bytes of each of two queries.
            of_mask = line.bytes == 1 and kernel == "mma_key_gradients"
            assert line.sectors <= (2 if of_mask else line.ideal_sectors), line
        for line in counts.of(kernel, memory="shared"):
            assert line.ways == 1.0, line
