"""Shipped kernels move only sectors they use, and meet no bank conflicts, where they claim to.

Sizes are multiples of the tiles, so that every request is a full one: a request over the end of a
row is no fault of the kernel's layout.
"""

import numpy as np
import pytest

import weft
from weft import _C, ops

pytestmark = [
    pytest.mark.sim_tool,
    pytest.mark.skipif(not _C.sim_can_watch(), reason="built with WEFT_SIM_CHECKED=OFF"),
]


def on_sim(*shape, dtype="float32"):
    values = np.random.default_rng(0).normal(size=shape).astype("float32")
    return weft.tensor(values, dtype=dtype, device="sim")


def counts_of(function):
    function()  # what a first call sets up is not counted
    with weft.sim.counters() as counts:
        function()
    return counts


def require_coalesced(counts, kernel=""):
    lines = counts.of(kernel, memory="global")
    assert lines
    for line in lines:
        assert line.sectors == line.ideal_sectors, line


def require_conflict_free(counts, kernel=""):
    for line in counts.of(kernel, memory="shared"):
        assert line.ways == 1.0, line


LAYOUTS = {
    "nn": lambda a, b: (a, b),
    "tn": lambda a, b: (weft.transpose(a), b),
    "nt": lambda a, b: (a, weft.transpose(b)),
    "tt": lambda a, b: (weft.transpose(a), weft.transpose(b)),
}


@pytest.mark.parametrize("dtype", ["bool", "float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("shape", "axes"), [((64, 96), (1, 0)), ((2, 64, 3, 32), (0, 2, 3, 1))], ids=str
)
def test_transposed_copies(shape, axes, dtype):
    x = on_sim(*shape, dtype=dtype)
    counts = counts_of(lambda: weft.copy(weft.transpose(x, axes)))
    require_coalesced(counts, "transpose_kernel")
    require_conflict_free(counts, "transpose_kernel")
    assert counts.of("transpose_kernel", memory="shared")


FLOAT32_VARIANTS = ["simt_32x32", "simt_64x64", "simt_128x128"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("variant", FLOAT32_VARIANTS)
def test_float32_products(variant, layout):
    a, b = LAYOUTS[layout](on_sim(128, 128), on_sim(128, 128))
    with weft.kernels.matmul.use(variant):
        counts = counts_of(lambda: ops.matmul(a, b))
    require_coalesced(counts, "simt_kernel")
    require_conflict_free(counts, "simt_kernel")
    assert counts.of("simt_kernel", memory="shared")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("variant", ["mma_64x64", "mma_128x128"])
def test_products_of_halves_on_tensor_cores(variant, dtype, layout):
    a, b = LAYOUTS[layout](on_sim(128, 128, dtype=dtype), on_sim(128, 128, dtype=dtype))
    with weft.kernels.matmul.use(variant):
        counts = counts_of(lambda: ops.matmul(a, b))
    require_coalesced(counts, "mma_kernel")
    require_conflict_free(counts, "mma_kernel")
    assert counts.of("mma_kernel", memory="shared")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("variant", ["wgmma_128x128", "wgmma_128x256"])
def test_products_by_warpgroups(variant, dtype, layout):
    shape = (256, 128) if layout[0] == "t" else (128, 256)
    a, b = LAYOUTS[layout](on_sim(*shape, dtype=dtype), on_sim(256, 256, dtype=dtype))
    before = weft.matmul_precision()
    weft.set_matmul_precision("tf32")
    try:
        with weft.kernels.matmul.use(variant):
            counts = counts_of(lambda: ops.matmul(a, b))
    finally:
        weft.set_matmul_precision(before)
    # The copy engine loads, in rows of 128 bytes with the swizzle that the tensor core undoes: no
    # thread reads global memory, and those that write it do so in whole sectors.
    assert not counts.of("wgmma_kernel", memory="global", operation="load")
    assert counts.of("wgmma_kernel", memory="global", operation="store")
    assert counts.of("wgmma_kernel", memory="shared")
    require_coalesced(counts, "wgmma_kernel")
    require_conflict_free(counts, "wgmma_kernel")


@pytest.mark.parametrize("columns", [32, 256, 1024, 4096, 8192])
def test_softmax_forward_and_backward(columns):
    x = on_sim(8, columns)
    x.requires_grad = True
    dy = on_sim(8, columns)

    def both():
        x.grad = None
        weft.ops.softmax(x).backward(dy)

    counts = counts_of(both)
    require_coalesced(counts)
    require_conflict_free(counts)


def test_softmax_of_halves():
    x = on_sim(8, 1024, dtype="bfloat16")
    counts = counts_of(lambda: ops.softmax(x))
    require_coalesced(counts, "rows_forward")
    assert all(line.bytes == 8 for line in counts.of("rows_forward", memory="global"))


def test_layer_norm_and_cross_entropy_rows():
    x, labels = on_sim(8, 1024), weft.tensor(np.arange(8), device="sim")
    one, zero = weft.ones((1024,), device="sim"), weft.zeros((1024,), device="sim")
    require_coalesced(counts_of(lambda: ops.layer_norm(x, one, zero)))
    counts = counts_of(lambda: ops.softmax_cross_entropy(x, labels))
    for line in counts.of(memory="global", operation="load"):
        if line.bytes == 16:  # rows; labels are one word each
            assert line.coalescing == 1.0, line


@pytest.mark.parametrize("channels, filters", [(16, 32), (64, 64)])
def test_convolution_reads_and_writes_whole_sectors(channels, filters):
    x, w = on_sim(2, 8, 8, channels), on_sim(3, 3, channels, filters)
    counts = counts_of(lambda: ops.conv2d(x, w, padding="same"))
    require_coalesced(counts, "correlate_kernel")
    require_conflict_free(counts, "correlate_kernel")
    assert counts.of("correlate_kernel", memory="shared")


def test_convolution_gradients():
    x, w = on_sim(2, 8, 8, 32), on_sim(3, 3, 32, 64)
    x.requires_grad = w.requires_grad = True
    dy = on_sim(2, 8, 8, 64)

    def both():
        x.grad = w.grad = None
        ops.conv2d(x, w, padding="same").backward(dy)

    counts = counts_of(both)
    for kernel in ("correlate_kernel", "weight_gradient_kernel"):
        require_coalesced(counts, kernel)
        require_conflict_free(counts, kernel)


def forward_and_backward(x, w, dy, **options):
    x.requires_grad = w.requires_grad = True

    def both():
        x.grad = w.grad = None
        ops.conv2d(x, w, padding="same", **options).backward(dy)

    return both


@pytest.mark.parametrize(
    "variant, channels, groups, dtype",
    [
        ("mma_64x64", 64, 1, "bfloat16"),
        ("mma_64x64", 64, 2, "float16"),
        ("mma_64x64", 64, 1, "float32"),
        ("mma_128x128", 128, 1, "float16"),
    ],
)
def test_convolutions_on_tensor_cores(variant, channels, dtype, groups):
    x, w, dy = (
        on_sim(*shape, dtype=dtype)
        for shape in (
            (2, 8, 8, channels * groups),
            (1, 2, channels, channels * groups),
            (2, 8, 8, channels * groups),
        )
    )
    before = weft.matmul_precision()
    weft.set_matmul_precision("tf32")
    try:
        with weft.kernels.conv2d.use(variant):
            counts = counts_of(forward_and_backward(x, w, dy, groups=groups))
    finally:
        weft.set_matmul_precision(before)
    for kernel in ("correlate_mma_kernel", "weight_gradient_mma_kernel"):
        require_coalesced(counts, kernel)
        require_conflict_free(counts, kernel)
        assert counts.of(kernel, memory="shared")


@pytest.mark.parametrize(
    "variant, filters", [("wgmma_128x128", 128), ("wgmma_128x256", 256), ("automatic", 128)]
)
def test_convolutions_by_warpgroups(variant, filters):
    x, w, dy = (
        on_sim(*shape, dtype="bfloat16")
        for shape in ((4, 8, 8, 128), (1, 2, 128, filters), (4, 8, 8, filters))
    )
    with weft.kernels.conv2d.use(variant):
        counts = counts_of(forward_and_backward(x, w, dy))
    for kernel in ("correlate_wgmma_kernel", "weight_gradient_wgmma_kernel"):
        # As for products of matrices: no thread reads global memory.
        assert not counts.of(kernel, memory="global", operation="load")
        assert counts.of(kernel, memory="global", operation="store")
        assert counts.of(kernel, memory="shared")
        require_coalesced(counts, kernel)
        require_conflict_free(counts, kernel)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_depthwise_convolutions(dtype):
    channels = 256 if dtype == "float16" else 128
    x, w, dy = (
        on_sim(*shape, dtype=dtype)
        for shape in ((2, 8, 8, channels), (3, 3, 1, channels), (2, 8, 8, channels))
    )
    counts = counts_of(forward_and_backward(x, w, dy, groups=channels))
    for kernel in ("forward", "backward_input", "backward_weight"):
        require_coalesced(counts, f"depthwise_{kernel}_kernel")
    require_conflict_free(counts, "depthwise_backward_weight_kernel")


@pytest.mark.parametrize("axis", [0, 1])
def test_sums(axis):
    x = on_sim(1024, 1024)
    loads = counts_of(lambda: ops.sum(x, axis)).of(memory="global", operation="load")
    assert sum(line.sectors * line.requests for line in loads) >= 1024 * 1024 * 4 / 32
    assert all(line.coalescing == 1.0 for line in loads)
