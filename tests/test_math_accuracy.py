"""The error bounds that csrc/cpu/simd_*.h state, on every instruction set.

float32: bit patterns over all floats with a prime stride, against NumPy in float64.
float64: random bit patterns against the C library's long double functions.
"""

import numpy as np
import pytest

from weft import _C

STRIDE = 4093  # prime: about a million of the 2^32 patterns, all exponents and signs
SUBNORMAL = 2.0**-126


def all_floats():
    return np.arange(0, 2**32, STRIDE, dtype=np.uint64).astype(np.uint32).view(np.float32)


def run(name, *arrays):
    return getattr(_C, name)(*[_C.from_numpy(a) for a in arrays]).numpy()


def ulps(actual, wanted):
    """Distance in units of the last place of `wanted` rounded to float32."""
    rounded = wanted.astype(np.float32)
    same = (actual == rounded) | (np.isnan(actual) & np.isnan(wanted))
    unit = np.spacing(np.maximum(np.abs(rounded), np.float32(SUBNORMAL))).astype("float64")
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(actual.astype("float64") - wanted) / unit
    # Where float32 overflows, the largest number and infinity are neighbours.
    largest = float(np.finfo(np.float32).max)
    edge = np.isinf(actual) & np.isfinite(wanted) & (np.abs(wanted) > largest * (1 - 2**-22))
    distance = np.where(same | edge, 0.0, distance)
    return np.where(np.isnan(distance), np.inf, distance)


def ulps64(actual, wanted):
    """Distance in units of the last place of `wanted` (long double) rounded to float64."""
    rounded = wanted.astype(np.float64)
    unit = np.spacing(np.maximum(np.abs(rounded), 2.0**-1022))
    distance = np.abs(actual.astype(np.longdouble) - wanted) / unit
    same = (actual == rounded) | (np.isnan(actual) & np.isnan(rounded))
    return np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))


def erf(x):
    return pytest.importorskip("scipy.special").erf(x)


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1.0) / (1 + e)


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


BOUNDS = {
    # name: (reference, largest error in ULP)
    "exp": (np.exp, 1.1),
    "exp2": (np.exp2, 1.5),
    "expm1": (np.expm1, 2),
    "log": (np.log, 1.5),
    "log2": (np.log2, 2.5),
    "log10": (np.log10, 2.5),
    "log1p": (np.log1p, 2.5),
    "tanh": (np.tanh, 2.5),
    "sinh": (np.sinh, 3),
    "cosh": (np.cosh, 2.5),
    "sigmoid": (sigmoid, 2.5),
    "softplus": (softplus, 2.5),
    "erf": (erf, 2),
    "sin": (np.sin, 2.5),
    "cos": (np.cos, 2.5),
    "tan": (np.tan, 4),
    "arcsin": (np.arcsin, 2),
    "arccos": (np.arccos, 2),
    "arctan": (np.arctan, 2),
    "arcsinh": (np.arcsinh, 3),
    "arccosh": (np.arccosh, 3),
    "arctanh": (np.arctanh, 2.5),
    "sqrt": (np.sqrt, 0.5),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 1.5),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_float32_error_is_within_its_bound(name, isa):
    reference, bound = BOUNDS[name]
    x = all_floats()
    with np.errstate(all="ignore"):
        error = ulps(run(name, x), reference(x.astype("float64")))
    worst = int(np.argmax(error))
    assert error[worst] <= bound, f"{name}({x[worst]!r}): {error[worst]:.2f} ULP"


@pytest.mark.parametrize("name", ["log", "log2", "log10", "log1p"])
def test_logarithms_near_one_are_within_their_bounds(name, isa):
    # Where terms cancel and tables change from one entry to the next.
    first, last = np.array([0.5, 3.0], "float32").view(np.uint32)
    x = np.arange(first, last, 19, dtype=np.uint32).view(np.float32)
    reference, bound = BOUNDS[name]
    error = ulps(run(name, x), reference(x.astype("float64")))
    worst = int(np.argmax(error))
    assert error[worst] <= bound, f"{name}({x[worst]!r}): {error[worst]:.2f} ULP"


def gelu(x):
    return 0.5 * x * pytest.importorskip("scipy.special").erfc(-x * np.sqrt(0.5))


def gelu_tanh(x):
    return x * sigmoid(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))


@pytest.mark.parametrize("name, reference", [("gelu", gelu), ("gelu_tanh", gelu_tanh)])
def test_gelu_error_is_small_against_its_argument(name, reference, isa):
    # In the lower tail the error of x^2 in the exponent grows with x^2, while the result vanishes.
    x = all_floats()
    x = x[np.abs(x) < 50]
    actual, wanted = run(name, x).astype("float64"), reference(x.astype("float64"))
    allowed = 4 * 2.0**-23 * np.abs(wanted) * (1 + x.astype("float64") ** 2) + SUBNORMAL
    # Either relative, or below the last place of x itself.
    assert (np.abs(actual - wanted) <= np.maximum(allowed, 2.0**-24 * np.abs(x) * 1e-3)).all()
    for least, bound in ((-1, 6), (-2, 8)):
        near = x > least
        error = ulps(actual[near].astype("float32"), wanted[near])
        assert error.max() <= bound, x[near][int(np.argmax(error))]


def test_power_error_is_within_its_bound(isa):
    bits = np.random.default_rng(0).integers(0, 2**32, (2, 400_000), dtype=np.uint64)
    x, y = bits.astype(np.uint32).view(np.float32)
    y = np.where(np.arange(y.size) % 2 == 0, np.clip(y, -40, 40), y)
    y = np.where(np.arange(y.size) % 4 == 1, np.round(np.clip(y, -40, 40)), y)
    with np.errstate(all="ignore"):
        error = ulps(run("power", x, y.astype("float32")), np.power(x.astype("float64"), y))
    worst = int(np.argmax(error))
    assert error[worst] <= 1, f"{x[worst]!r} ** {y[worst]!r}: {error[worst]:.2f} ULP"


def pairs_of(dtype):
    """All exponents, ordinary numbers, small multiples of 1/8, and numbers of like size."""
    rng = np.random.default_rng(2)
    size = 100_000
    unsigned = "uint32" if dtype == "float32" else "uint64"
    x, y = rng.integers(0, np.iinfo(unsigned).max, (2, 4 * size), unsigned).view(dtype)
    x[:size], y[:size] = rng.uniform(-2, 2, (2, size))
    x[size : 2 * size], y[size : 2 * size] = rng.integers(-2000, 2000, (2, size)) / 8
    with np.errstate(all="ignore"):
        y[-size:] = x[-size:] * rng.uniform(-2, 2, size).astype(dtype)
    return x, y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, bound", [("arctan2", 2.5), ("hypot", 1.5)])
def test_error_of_two_arguments_is_within_its_bound(name, bound, dtype, isa):
    x, y = pairs_of(dtype)
    wide = "float64" if dtype == "float32" else "longdouble"
    with np.errstate(all="ignore"):
        wanted = getattr(np, name)(x.astype(wide), y.astype(wide))
        error = (ulps if dtype == "float32" else ulps64)(run(name, x, y), wanted)
    worst = int(np.argmax(error))
    assert error[worst] <= bound, f"{name}({x[worst]!r}, {y[worst]!r}): {error[worst]:.2f} ULP"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fmod_is_exact(dtype, isa):
    x, y = pairs_of(dtype)
    # Whole multiples, and their neighbours: where a rounded quotient is one too large.
    n = np.arange(1, x.size + 1) % 4095
    with np.errstate(all="ignore"):
        exact = (y * n).astype(dtype)
    x = np.concatenate([x, exact, np.nextafter(exact, np.zeros_like(exact))])
    y = np.concatenate([y, y, y])
    with np.errstate(all="ignore"):
        wanted = np.fmod(x, y)
    actual = run("fmod", x, y)
    np.testing.assert_array_equal(actual, wanted)
    np.testing.assert_array_equal(np.signbit(actual)[wanted == 0], np.signbit(x)[wanted == 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_angle_of_zeros_and_infinities_has_the_signs_of_numpy(dtype, isa):
    ends = np.array([0.0, -0.0, np.inf, -np.inf, 1.0, -1.0], dtype)
    y, x = (a.ravel() for a in np.meshgrid(ends, ends))
    actual, wanted = run("arctan2", y, x), np.arctan2(y, x)
    np.testing.assert_allclose(actual, wanted, rtol=4e-7 if dtype == "float32" else 1e-15)
    np.testing.assert_array_equal(np.signbit(actual), np.signbit(wanted))


SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, np.inf, -np.inf, np.nan, 1e-45]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["power", "arctan2", "hypot", "fmod", "floor_divide", "remainder"])
def test_special_values_of_two_arguments_are_those_of_numpy(name, dtype, isa):
    x, y = (a.ravel() for a in np.meshgrid(np.array(SPECIAL, dtype), np.array(SPECIAL, dtype)))
    with np.errstate(all="ignore"):
        wanted = getattr(np, name)(x, y)
    np.testing.assert_allclose(run(name, x, y), wanted, rtol=4e-7 if dtype == "float32" else 1e-15)


VECTORISED_IN_FLOAT64 = [
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "tanh", "sinh", "cosh", "sigmoid",
    "arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh",
]  # fmt: skip


@pytest.mark.parametrize("name", VECTORISED_IN_FLOAT64)
def test_float64_error_is_within_its_bound(name, isa):
    reference, bound = BOUNDS[name]
    bits = np.random.default_rng(1).integers(0, 2**64, 200_000, dtype=np.uint64)
    grids = [np.linspace(-40, 40, 50_001), np.linspace(-2, 2, 50_001)]
    x = np.concatenate([bits.view(np.float64), *grids, SPECIAL])
    with np.errstate(all="ignore"):
        error = ulps64(run(name, x), reference(x.astype(np.longdouble)))
    worst = int(np.argmax(error))
    assert error[worst] <= bound, f"{name}({x[worst]!r}): {float(error[worst]):.2f} ULP"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh"])
def test_inverse_functions_end_as_in_numpy(name, dtype, isa):
    """The ends of the domain, numbers beyond them, and the largest and smallest ones."""
    one, largest = np.array(1, dtype), np.finfo(dtype).max
    ends = [0, 1, np.nextafter(one, 0), np.nextafter(one, 2), 2, largest, np.inf, 1e-45, 1e-30]
    x = np.array([*ends, *[-e for e in ends], -0.0, np.nan], dtype)
    with np.errstate(all="ignore"):
        wanted = getattr(np, name)(x.astype("longdouble")).astype(dtype)
        actual = run(name, x)
    np.testing.assert_allclose(actual, wanted, rtol=4e-7 if dtype == "float32" else 1e-15)
    signed = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(actual[signed]), np.signbit(wanted[signed]))


@pytest.mark.parametrize("name", ["exp", "expm1", "log1p", "tanh", "sin", "tan", "erf", "sinh"])
def test_the_sign_of_zero_is_kept(name, isa):
    for dtype in ("float32", "float64"):
        zero = run(name, np.array([-0.0], dtype))
        assert np.signbit(zero).item() == (name != "exp")
