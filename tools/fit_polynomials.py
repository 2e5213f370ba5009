"""Fits the polynomials of csrc/cpu/simd_*.h and prints them as C++ constants.

Run: python tools/fit_polynomials.py   (needs mpmath and NumPy)

Every polynomial approximates a smooth remainder q, so that the leading terms of the function stay
exact and a near-minimax fit of q (Chebyshev interpolation) is a near-minimax fit of the function.
"""

import numpy as np
from mpmath import (
    acosh,
    asin,
    asinh,
    atan,
    atanh,
    chebyfit,
    cos,
    erf,
    erfc,
    exp,
    linspace,
    log,
    log1p,
    mp,
    mpf,
    sin,
    sqrt,
    tan,
)

mp.dps = 60
PIO4 = mp.pi / 4
LN2 = log(2)


def series_safe(f, at_zero):
    """f, with its limit where the quotient is 0 / 0."""
    return lambda x: mpf(at_zero) if abs(x) < mpf(10) ** -25 else f(mpf(x))


def log_quotient(z):
    """What an odd polynomial in s = sqrt(z) leaves of log((1 + s) / (1 - s))."""
    s = sqrt(z)
    return (log((1 + s) / (1 - s)) - 2 * s) / (s * z)


def odd_quotient(function):
    """What an odd polynomial leaves of (function(t)/t - 1) / t^2, in z = t^2."""
    return lambda z: (function(sqrt(z)) / sqrt(z) - 1) / z


R = LN2 / 2 * mpf("1.0005")
FITS = [
    # name, function of the polynomial's argument, its limit at 0, interval, float terms, doubles
    (
        "exp: (e^r - 1 - r) / r^2",
        lambda r: (exp(r) - 1 - r) / r**2,
        0.5,
        (-R, R),
        5,
        11,
    ),
    (
        "exp2: (2^r - 1) / r",
        lambda r: (2**r - 1) / r,
        LN2,
        (mpf(-0.5), mpf(0.5)),
        6,
        11,
    ),
    (
        "log: (log1p(f) - f + f^2/2) / f^3",
        lambda f: (log1p(f) - f + f**2 / 2) / f**3,
        mpf(1) / 3,
        (mpf(-0.25), mpf(0.5)),
        9,
        None,
    ),
    (
        "log: (log((1+s)/(1-s)) - 2s) / s^3, in z = s^2",
        log_quotient,
        mpf(2) / 3,
        (0, mpf(1) / 25),
        None,
        8,
    ),
    (
        "sin: (sin(r)/r - 1) / r^2, in z = r^2",
        lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z,
        -mpf(1) / 6,
        (0, (PIO4 * mpf("1.001")) ** 2),
        3,
        None,
    ),
    (
        "cos: (cos(r) - 1 + r^2/2) / r^4, in z = r^2",
        lambda z: (cos(sqrt(z)) - 1 + z / 2) / z**2,
        mpf(1) / 24,
        (0, (PIO4 * mpf("1.001")) ** 2),
        3,
        None,
    ),
    (
        "tan: (tan(r)/r - 1) / r^2, in z = r^2",
        lambda z: (tan(sqrt(z)) / sqrt(z) - 1) / z,
        mpf(1) / 3,
        (0, (PIO4 * mpf("1.001")) ** 2),
        6,
        None,
    ),
    (
        "erf: erf(x)/x - 1, in z = x^2, |x| < 0.93",
        lambda z: erf(sqrt(z)) / sqrt(z) - 1,
        2 / sqrt(mp.pi) - 1,
        (0, mpf("0.93") ** 2),
        6,
        None,
    ),
    (
        "erfc: (log(erfc(t)) + t) / t, 0.92 < t < 4.1",
        lambda t: (log(erfc(t)) + t) / t,
        1 - 2 / sqrt(mp.pi),
        (mpf("0.92"), mpf("4.1")),
        8,
        None,
    ),
    (
        "erfcx: erfc(t) exp(t^2) / v, in v = 1 / (1 + t/2), 0 <= t < 10.3",
        lambda v: erfc(2 / v - 2) * exp((2 / v - 2) ** 2) / v,
        0,
        (1 / (1 + mpf("5.15")), mpf(1)),
        9,
        None,
    ),
    ("atan, |t| <= 1", odd_quotient(atan), -mpf(1) / 3, (0, mpf(1)), 9, None),
    ("atan, |t| <= tan(pi/8)", odd_quotient(atan), -mpf(1) / 3, (0, mpf("0.1716")), None, 12),
    ("asin, |t| <= 1/2", odd_quotient(asin), mpf(1) / 6, (0, mpf(0.25)), 5, 13),
    ("atanh, |t| <= 1/2", odd_quotient(atanh), mpf(1) / 3, (0, mpf(0.25)), 6, 14),
    ("atanh, |t| <= 1/3", odd_quotient(atanh), mpf(1) / 3, (0, mpf(1) / 9), 4, None),
    ("asinh, |t| <= 1", odd_quotient(asinh), -mpf(1) / 6, (0, mpf(1)), 8, 20),
    (
        "acosh: (acosh(1 + t) / sqrt(2t) - 1) / t, 0 <= t <= 1",
        lambda t: (acosh(1 + t) / sqrt(2 * t) - 1) / t,
        -mpf(1) / 12,
        (0, mpf(1)),
        6,
        16,
    ),
]

for title, f, limit, interval, float_terms, double_terms in FITS:
    g = series_safe(f, limit)
    for kind, terms in (("float", float_terms), ("double", double_terms)):
        if terms is None:
            continue
        coefficients = chebyfit(g, list(interval), terms)
        worst = max(abs(mp.polyval(coefficients, x) - g(x)) for x in linspace(*interval, 401))
        digits, suffix = (9, "f") if kind == "float" else (17, "")
        print(f"// {title} ({kind}; largest error of q {mp.nstr(worst, 2)})")
        print(", ".join(mp.nstr(c, digits) + suffix for c in coefficients))


# --- the tables of csrc/cpu/simd_log_table.h -----------------------------------------------------


def table_of_log(base):
    """For each sixteenth of [1, 2): c close to 1/m, and -log(c), for m in [3/4, 3/2)."""
    for k in range(16):
        low, high = 1 + mpf(k) / 16, 1 + mpf(k + 1) / 16
        if k in (0, 15):  # around m = 1
            yield np.float32(1), np.float32(0)
            continue
        # Above 3/2 m is half as large. Of the floats around the middle's the one is taken whose
        # logarithm is nearly a float.
        middle = np.float32(float((2 if k < 8 else 4) / (low + high)))
        near = (middle.view(np.int32) + np.arange(-400, 401)).astype(np.int32).view(np.float32)
        entries = [(c, np.float32(float(-log(mpf(float(c)), base)))) for c in near]
        yield min(entries, key=lambda e: abs(mpf(float(e[1])) + log(mpf(float(e[0])), base)))


for base in (2, 10):
    scale = 1 / log(base)
    table = list(table_of_log(base))
    print(f"// log to base {base}: c, -log(c), log(1 + r) / r for -1/32 <= r <= 1/16")
    print(", ".join(float(c).hex() for c, _ in table))
    print(", ".join(float(t).hex() for _, t in table))
    g = series_safe(lambda r, scale=scale: scale * log1p(r) / r, scale)
    fitted = chebyfit(g, [mpf("-0.0316"), mpf("0.0626")], 5)
    print(", ".join(mp.nstr(c, 9) + "f" for c in fitted))
