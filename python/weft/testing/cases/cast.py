"""Cases of weft.ops.cast."""

import numpy as np

from weft import ops
from weft.testing.opcase import FLOATS, HALVES, INTEGERS, Bad, OpCase, normal, sample

_SHAPES = [(), (0,), (1,), (7,), (3, 5), (2, 0, 3), (2, 3, 4, 5), (33, 65)]

CASES = [
    OpCase(
        ops.cast,
        [sample(normal(*s), t) for s in _SHAPES for t in ("float32", "float64", "int32", "bool")],
        lambda x, dtype: x.astype(dtype),
        dtypes=FLOATS + HALVES,
        integer_dtypes=INTEGERS,
        oracle=lambda x, dtype: x.to(getattr(__import__("torch"), dtype)),
        bad=[Bad(sample(np.ones(3), "float33"), TypeError, "float33.*float32")],
    ),
    OpCase(
        ops.copy,
        [sample(normal(*s)) for s in _SHAPES],
        lambda x: x,
        dtypes=FLOATS + HALVES,
        integer_dtypes=INTEGERS,
        ulps=0,
    ),
]
