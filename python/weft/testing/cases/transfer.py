"""Cases of weft.ops.transfer."""

import numpy as np

from weft import ops
from weft.testing.opcase import FLOATS, HALVES, INTEGERS, Bad, OpCase, normal, sample

_SHAPES = [(), (0,), (1,), (7,), (2, 0, 3), (2, 3, 4, 5), (33, 65)]

CASES = [
    OpCase(
        ops.to_device,
        [sample(normal(*s), device) for s in _SHAPES for device in ("cpu", "sim")],
        lambda x, device: x,
        dtypes=FLOATS + HALVES,
        integer_dtypes=INTEGERS,
        ulps=0,
        bad=[Bad(sample(np.ones(3), "tpu"), ValueError, "tpu.*cpu")],
    ),
    OpCase(
        ops.convert_to_tensor,
        [sample(normal(*s)) for s in _SHAPES],
        lambda x: x,
        dtypes=FLOATS + HALVES,
        integer_dtypes=INTEGERS,
        ulps=0,
        covers=("convert_to_numpy",),
    ),
]
