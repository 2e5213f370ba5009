"""Every kernel of the GPU's matrix product against float64 NumPy.

What one OpCase cannot reach: each variant on the same problems, outputs in the middle of a larger
buffer, accumulation, sums split along k, and what the precision of float32 products allows.
"""

import itertools
import warnings

import numpy as np
import pytest

import weft
from weft import _C, kernels, ops

EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "tf32": 2.0**-10, "float16": 2.0**-10}
EPS["bfloat16"] = 2.0**-7
SIMT = ["simt_32x32", "simt_64x64", "simt_128x128"]
SENTINEL = 113.0


def on_device(values, gpu, layout="rows", pad=0, unit=1, dtype=None):
    """The values as a view of a larger tensor: rows or columns contiguous, or neither.

    What is contiguous begins `pad` elements in, and the next at a multiple of `unit` elements.
    """
    if layout == "columns":
        rows = on_device(values.swapaxes(-1, -2), gpu, "rows", pad, unit, dtype)
        return ops.swapaxes(rows, -1, -2)
    *lead, m, n = values.shape
    step = 2 if layout == "strided" else 1
    width = -(-(step * n + pad) // unit) * unit
    big = np.full((*lead, m, width), SENTINEL, values.dtype)
    big[..., pad : pad + step * n : step] = values
    tensor = weft.tensor(big, device=gpu)
    tensor = tensor if dtype is None else tensor.astype(dtype)
    return tensor[..., pad : pad + step * n : step]


def bound(x, y, dtype, out_dtype, extra=0.0):
    """The error that rounding allows: of the factors, of k sums in float, and of the result."""
    k = x.shape[-1]
    factors = {"tf32": 2 * EPS["tf32"]}.get(dtype, 0.0)
    sums = (k + 2) * (EPS["float64"] if dtype == "float64" else EPS["float32"])
    scale = np.abs(x) @ np.abs(y) + extra
    return (factors + sums) * scale + EPS[out_dtype] * scale


def check(
    gpu, rng, m, n, k, dtype="float32", layouts=("rows", "rows"), pad=0, lead=((), ()), unit=1
):
    kind = "float32" if dtype in ("tf32", "bfloat16") else dtype
    stored = "bfloat16" if dtype == "bfloat16" else None
    x = rng.standard_normal((*lead[0], m, k)).astype(kind)
    y = rng.standard_normal((*lead[1], k, n)).astype(kind)
    x = on_device(x, gpu, layouts[0], pad, unit, stored)
    y = on_device(y, gpu, layouts[1], pad, unit, stored)
    result = x @ y
    assert result.device == gpu
    x64, y64 = (np.asarray(t.astype("float64").numpy()) for t in (x, y))
    error = np.abs(result.astype("float64").numpy() - x64 @ y64)
    allowed = bound(x64, y64, dtype, "float32" if dtype == "tf32" else dtype)
    allowed += 2.0**-24 * (dtype == "float16")  # its results may be subnormal
    assert error.shape == allowed.shape
    assert (error <= allowed).all(), (m, n, k, dtype, layouts, pad, error.max())


LAYOUTS = list(itertools.product(("rows", "columns"), repeat=2))


@pytest.mark.parametrize("layouts", [*LAYOUTS, ("strided", "rows")], ids="-".join)
@pytest.mark.parametrize("variant", SIMT)
def test_tiles_of_ordinary_units(variant, layouts, gpu):
    rng = np.random.default_rng(LAYOUTS.index(layouts) if layouts in LAYOUTS else 9)
    with kernels.matmul.use(variant):
        for m, n, k in rng.integers(1, 200, (4, 3)).tolist():
            for dtype in ("float32", "float64")[: 1 + (variant != "simt_128x128")]:
                check(gpu, rng, m, n, k, dtype, layouts, pad=m % 4)
        check(gpu, rng, 128, 64, 32, "float32", layouts)  # no edges


MMA = ["mma_64x64", "mma_128x128"]


@pytest.fixture
def tf32():
    """float32 products may be rounded to tf32."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        weft.set_matmul_precision("tf32")
    yield
    weft.set_matmul_precision("float32")


@pytest.mark.parametrize("layouts", LAYOUTS, ids="-".join)
@pytest.mark.parametrize("dtype", ["tf32", "float16", "bfloat16"])
@pytest.mark.parametrize("variant", MMA)
def test_tiles_of_tensor_cores(variant, dtype, layouts, gpu, tf32):
    rng = np.random.default_rng(LAYOUTS.index(layouts))
    with kernels.matmul.use(variant):
        for pad in (0, 1, 2, 8):
            m, n, k = rng.integers(1, 200, 3).tolist()
            check(gpu, rng, m, n, k, dtype, layouts, pad)
        check(gpu, rng, 64, 128, 192, dtype, layouts)  # no edges, 16-byte copies
        check(gpu, rng, 24, 40, 72, dtype, layouts, lead=((2, 1), (3,)))
        check(gpu, rng, 9, 17, 1100, dtype, layouts)  # split along k


WGMMA = ["wgmma_128x128", "wgmma_128x256"]


@pytest.fixture
def hopper(gpu):
    """A GPU that has wgmma and TMA: the simulated one is such."""
    [variant] = [v for v in kernels.matmul.variants(gpu) if v.name == WGMMA[0]]
    if variant.unavailable:
        pytest.skip(variant.unavailable)
    return gpu


@pytest.mark.parametrize("dtype", ["tf32", "float16", "bfloat16"])
@pytest.mark.parametrize("variant", WGMMA)
def test_tiles_of_hopper(variant, dtype, hopper, tf32):
    rng = np.random.default_rng(12)
    with kernels.matmul.use(variant):
        for layouts in LAYOUTS:
            for pad in (0, 8):
                m, n, k = rng.integers(1, 200, 3).tolist()
                check(hopper, rng, m, n, k, dtype, layouts, pad, unit=8)
            check(hopper, rng, 1, 3, 1, dtype, layouts, unit=8)
            check(hopper, rng, 128, 256, 128, dtype, layouts)  # no edges
            check(hopper, rng, 5, 9, 1100, dtype, layouts, unit=8)  # split along k
        # Blocks take several tiles each, and the ring goes round more than once.
        check(hopper, rng, 300, 700, 330, dtype, LAYOUTS[-1], unit=8)


@pytest.mark.parametrize("dtype", ["tf32", "float16"])
@pytest.mark.parametrize("variant", WGMMA)
def test_batches_of_hopper(variant, dtype, hopper, tf32):
    rng = np.random.default_rng(13)
    leads = [((3,), (3,)), ((2, 1), (3,)), ((), (4,)), ((2, 3), (2, 1)), ((2, 1, 3), (2, 1))]
    with kernels.matmul.use(variant):
        for lead in leads:
            for layouts in LAYOUTS:
                check(hopper, rng, 9, 24, 33, dtype, layouts, lead=lead, unit=8)
        # Batch axes in another order than in memory: as many coordinates of the copy engine.
        kind = "float32" if dtype == "tf32" else dtype
        x = rng.standard_normal((2, 3, 4, 5, 16)).astype(kind)
        y = rng.standard_normal((4, 2, 3, 7, 16)).astype(kind)
        result = ops.permute_dims(weft.tensor(x), (2, 0, 1, 3, 4)) @ ops.swapaxes(
            weft.tensor(y), -1, -2
        )
        x64 = x.astype("float64").transpose(2, 0, 1, 3, 4)
        y64 = y.astype("float64").swapaxes(-1, -2)
        error = np.abs(result.astype("float64").numpy() - x64 @ y64)
        assert (error <= bound(x64, y64, dtype, "tf32")).all()


@pytest.mark.parametrize("dtype", ["tf32", "float16", "bfloat16"])
@pytest.mark.parametrize("variant", WGMMA)
def test_epilogues_of_hopper(variant, dtype, hopper, tf32):
    """Bias, ReLU and accumulation; results in the middle of a larger buffer; sums of nothing."""
    rng = np.random.default_rng(14)
    kind = "float32" if dtype == "tf32" else dtype
    for m, n, k in [(37, 21, 40), (140, 270, 72), (20, 24, 1280), (5, 9, 0)]:
        x = on_device(rng.standard_normal((m, k)), hopper, "rows", 0, 8, kind)
        w = on_device(rng.standard_normal((k, n)), hopper, "columns", 0, 8, kind)
        b, c = (
            weft.tensor(rng.standard_normal(s), device=hopper).astype(kind)
            for s in ((n,), (m + 2, n + 3))
        )
        x64, w64, b64, c64 = (t.astype("float64").numpy() for t in (x, w, b, c))
        out = c[1:-1, 1:-2]
        with kernels.matmul.use(variant):
            y = ops.linear(x, w, b, activation="relu")
            _C.matmul_into(x._data, w._data, out._data, True)
        allowed = bound(x64, w64, dtype, kind, 4 + np.abs(c64[1:-1, 1:-2]))
        error = np.abs(y.astype("float64").numpy() - np.maximum(x64 @ w64 + b64, 0))
        assert (error <= allowed).all(), (m, n, k)
        c64[1:-1, 1:-2] += x64 @ w64
        error = np.abs(c.astype("float64").numpy() - c64)
        assert (error[1:-1, 1:-2] <= allowed).all(), (m, n, k)
        error[1:-1, 1:-2] = 0
        assert not error.any(), "the product was written outside of its place"


def test_what_the_copy_engine_cannot_read_is_left_to_other_kernels(hopper, tf32):
    x = weft.ones((40, 48), "float16", hopper)
    cases = [
        (x[:, 1:33], x[:32], "begin at multiples of 16 bytes"),
        (x[:, :32], x[:32, 4:], "begin at multiples of 16 bytes"),
        (weft.ones((40, 33), "float16", hopper), x[:33], "begin at multiples of 16 bytes"),
        (x[::-1, :32], x[:32], "strides"),
        (ops.broadcast_to(x[:1, :32], (9, 32)), x[:32], "strides"),
        (x.astype("float32")[:, 1:33], x.astype("float32")[:32], "begin at multiples of 16 bytes"),
    ]
    for a, b, why in cases:
        np.testing.assert_array_equal((a @ b).numpy(), float(b.shape[0]))
        for variant in WGMMA:
            with kernels.matmul.use(variant), pytest.raises(ValueError, match=f"{variant}.*{why}"):
                a @ b


watching = pytest.mark.skipif(not _C.sim_can_watch(), reason="built with WEFT_SIM_CHECKED=OFF")


@pytest.mark.sim_tool
@watching
def test_large_products_of_halves_are_left_to_hopper():
    with weft.device("sim"):
        x = weft.ones((256, 64), "bfloat16")
        for columns in (256, 250):  # rows of 250 halves do not begin at multiples of 16 bytes
            y = weft.ones((64, columns), "bfloat16")
            with weft.sim.counters() as counts:
                x @ y
            assert bool(counts.of("wgmma_kernel")) == (columns == 256)


@pytest.mark.sim_tool
@watching
def test_factors_of_tf32_are_turned_where_that_pays(tf32):
    with weft.device("sim"):
        for rows in (2048, 128):  # to turn y takes longer than to multiply 128 rows with it
            x, y = weft.ones((rows, 128)), weft.ones((128, 256))
            with weft.sim.counters() as counts:
                x @ y
            assert bool(counts.of("wgmma_kernel")) == (rows == 2048)
            assert bool(counts.of("transpose_kernel")) == (rows == 2048)


@pytest.mark.sim_tool
@watching
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("variant", WGMMA)
def test_results_of_hopper_are_written_in_whole_sectors(variant, dtype, tf32):
    with weft.device("sim"), kernels.matmul.use(variant):
        x = weft.ones((128, 32), dtype)
        y = ops.swapaxes(weft.ones((256, 32), dtype), 0, 1)
        with weft.sim.counters() as counts:
            x @ y
    written = counts.of("wgmma_kernel", "global", "store")
    assert written and all(line.coalescing == 1.0 for line in written)
    assert all(line.ways == 1.0 for line in counts.of("wgmma_kernel", "shared"))


@pytest.mark.sim_tool
@watching
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("dtype", ["tf32", "bfloat16"])
@pytest.mark.parametrize("variant", [*MMA, *WGMMA])
def test_tensor_core_kernels_are_not_reported(variant, dtype, seed, tf32):
    rng = np.random.default_rng(15)
    with weft.device("sim"), kernels.matmul.use(variant), weft.sim.check(seed=seed):
        check("sim", rng, 130, 270, 200, dtype, ("rows", "columns"), unit=8)
        check("sim", rng, 9, 17, 40, dtype, ("rows", "columns"), lead=((2, 1), (3,)), unit=8)
        check("sim", rng, 40, 140, 70, dtype, ("columns", "rows"), unit=8)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_vectors(dtype, gpu):
    rng = np.random.default_rng(3)
    with kernels.matmul.use("gemv"):
        for layouts in LAYOUTS:
            for length, k in [(1, 1), (5, 3), (9, 257), (40, 3000), (300, 70), (1, 5000)]:
                check(gpu, rng, length, 1, k, dtype, layouts, pad=k % 3)
                check(gpu, rng, 1, length, k, dtype, layouts, pad=k % 3)
        check(gpu, rng, 5, 1, 40, dtype, lead=((3, 2), (2,)))
        check(gpu, rng, 1, 6, 40, dtype, lead=((2,), (3, 1)))


@pytest.mark.parametrize("variant", ["automatic", "simt_32x32", "simt_64x64"])
def test_batches_are_broadcast(variant, gpu):
    rng = np.random.default_rng(4)
    with kernels.matmul.use(variant):
        for lead in [((3,), (3,)), ((2, 1), (1, 3)), ((), (4,)), ((2, 3), (3,)), ((1,), (1,))]:
            for layouts in LAYOUTS:
                check(gpu, rng, 9, 7, 33, lead=lead, layouts=layouts)


@pytest.mark.parametrize("m, n, k", [(3, 5, 2000), (40, 8, 1500), (33, 33, 1025)])
def test_long_sums_are_split_the_same_way_every_time(m, n, k, gpu):
    rng = np.random.default_rng(5)
    for lead in [((), ()), ((2,), (2,))]:
        check(gpu, rng, m, n, k, lead=lead)
    x, y = (weft.tensor(rng.standard_normal(s), device=gpu) for s in ((m, k), (k, n)))
    assert (x @ y).tolist() == (x @ y).tolist()


@pytest.mark.parametrize("k", [0, 1, 40, 1500])
@pytest.mark.parametrize("variant", ["automatic", "simt_32x32", "simt_64x64"])
def test_bias_activation_and_accumulation(variant, k, gpu):
    rng = np.random.default_rng(6)
    for m, n in [(37, 9), (5, 1), (1, 70)]:
        x, w, b = (rng.standard_normal(s) for s in ((m, k), (k, n), (n,)))
        x[0, :1] = np.nan  # a ReLU keeps it
        expected = np.maximum(x @ w + b, 0)
        with kernels.matmul.use(variant):
            y = ops.linear(*(weft.tensor(a, device=gpu) for a in (x, w, b)), activation="relu")
            np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12, atol=1e-11)

            buffer = weft.full((m + 2, n + 3), SENTINEL, "float64", gpu)
            inside = np.full((m + 2, n + 3), SENTINEL)
            out = buffer[1:-1, 1:-2]
            _C.matmul_into(
                weft.tensor(x, device=gpu)._data, weft.tensor(w, device=gpu)._data, out._data, True
            )
        inside[1:-1, 1:-2] += x @ w
        np.testing.assert_allclose(buffer.numpy(), inside, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_are_rounded_once(dtype, gpu):
    """Bias, activation and what is accumulated are added in float32."""
    rng = np.random.default_rng(10)
    for m, n, k in [(20, 30, 40), (20, 31, 1300), (1, 9, 40)]:
        x, w, b, c = (
            weft.tensor(rng.standard_normal(s).astype("float32"), device=gpu).astype(dtype)
            for s in ((m, k), (k, n), (n,), (m, n))
        )
        x64, w64, b64, c64 = (t.astype("float64").numpy() for t in (x, w, b, c))
        y = ops.linear(x, w, b, activation="relu")
        assert y.dtype == dtype
        expected = np.maximum(x64 @ w64 + b64, 0)
        error = np.abs(y.astype("float64").numpy() - expected)
        assert (error <= 0.51 * EPS[dtype] * np.abs(expected) + 1e-5 * np.sqrt(k)).all()
        _C.matmul_into(x._data, w._data, c._data, True)
        expected = x64 @ w64 + c64
        error = np.abs(c.astype("float64").numpy() - expected)
        assert (error <= 0.51 * EPS[dtype] * np.abs(expected) + 1e-5 * np.sqrt(k)).all()


def test_precision_changes_float32_on_a_gpu_and_nothing_else(gpu, tf32):
    rng = np.random.default_rng(11)
    x, y = (rng.standard_normal(s).astype("float32") for s in ((50, 60), (60, 70)))
    x64, y64 = x.astype("float64"), y.astype("float64")
    errors = {}
    for precision in ("float32", "tf32", "bfloat16"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            weft.set_matmul_precision(precision)
        result = weft.tensor(x, device=gpu) @ weft.tensor(y, device=gpu)
        assert result.dtype == "float32"
        errors[precision] = np.abs(result.numpy() - x64 @ y64).max()
        double = weft.tensor(x64, device=gpu) @ weft.tensor(y64, device=gpu)
        np.testing.assert_allclose(double.numpy(), x64 @ y64, rtol=0, atol=1e-12)
    scale = (np.abs(x64) @ np.abs(y64)).max()
    assert errors["float32"] < 60 * EPS["float32"] * scale
    assert errors["float32"] < errors["tf32"] < EPS["tf32"] * scale
    assert errors["tf32"] < errors["bfloat16"] < EPS["bfloat16"] * scale


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "uint32", "int64", "uint64"])
def test_integers_wrap_around(dtype, gpu):
    rng = np.random.default_rng(7)
    for m, n, k in [(1, 1, 1), (33, 40, 17), (3, 70, 5), (4, 4, 0)]:
        x = rng.integers(0, 2 if dtype == "bool" else 120, (2, m, k)).astype(dtype)
        y = rng.integers(0, 2 if dtype == "bool" else 120, (n, k)).astype(dtype)
        result = weft.tensor(x, device=gpu) @ weft.tensor(y, device=gpu).T
        np.testing.assert_array_equal(result.numpy(), x @ y.T)


def test_variants_are_listed_and_refuse_what_they_cannot_compute(gpu):
    names = [v.name for v in kernels.matmul.variants()]
    assert names[0] == "automatic" and len(set(names)) == len(names)
    assert [v.name for v in kernels.matmul.variants(gpu)] == names
    with pytest.raises(ValueError, match=r"variants: 'cpu' is no GPU"):
        kernels.matmul.variants("cpu")
    x = weft.ones((3, 3), device=gpu)
    with pytest.raises(ValueError, match=r"unknown variant 'simt_32x23'.*simt_32x32"):
        kernels.matmul.use("simt_32x23")
    with kernels.matmul.use("gemv"), pytest.raises(ValueError, match="neither factor is a vector"):
        x @ x
    with kernels.matmul.use("simt_128x128"):
        with pytest.raises(ValueError, match=r"simt_128x128.*float64.*no kernel for this dtype"):
            x.astype("float64") @ x.astype("float64")
        with pytest.raises(ValueError, match=r"int32.*no kernel for this dtype"):
            x.astype("int32") @ x.astype("int32")
    with kernels.matmul.use("mma_64x64"):
        with pytest.raises(ValueError, match=r"set_matmul_precision\('tf32'\) has to allow"):
            x @ x
        with pytest.raises(ValueError, match=r"float64.*no kernel for this dtype"):
            x.astype("float64") @ x.astype("float64")
    with kernels.matmul.use("wgmma_128x256"):
        with pytest.raises(ValueError, match=r"set_matmul_precision\('tf32'\) has to allow"):
            x @ x
        with pytest.raises(ValueError, match=r"float64.*no kernel for this dtype"):
            x.astype("float64") @ x.astype("float64")
    half, refused = x.astype("bfloat16"), r"bfloat16.*no kernel for this dtype"
    with kernels.matmul.use("simt_64x64"), pytest.raises(ValueError, match=refused):
        half @ half
    assert _C.matmul_variant() == "automatic"
    np.testing.assert_array_equal((x @ x).numpy(), 3.0)


def test_precision_is_named_and_the_cpu_says_that_it_keeps_float32():
    assert weft.matmul_precision() == "float32"
    with pytest.raises(ValueError, match=r"unknown precision 'tf23'.*'tf32'"):
        weft.set_matmul_precision("tf23")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        weft.set_matmul_precision("tf32")
    try:
        assert weft.matmul_precision() == "tf32"
        if not _C.device_count("cuda"):
            assert "CPU are still computed in float32" in str(caught[0].message)
        x = np.random.default_rng(8).standard_normal((20, 30)).astype("float32")
        before = weft.tensor(x) @ weft.tensor(x.T)
    finally:
        weft.set_matmul_precision("float32")
    assert before.tolist() == (weft.tensor(x) @ weft.tensor(x.T)).tolist()
