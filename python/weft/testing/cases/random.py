"""Cases of weft.ops.dropout; tests/test_random.py tests what is random."""

import numpy as np

from weft import ops
from weft.testing.opcase import Bad, OpCase, normal, sample

_SAMPLES = [
    sample(normal(7), 0.5, seed=3),
    sample(normal(3, 5), 0.25, seed=4),
    sample(normal(3, 5), 0.0, seed=4),
    sample(normal(3, 5), 0.5, noise_shape=(3, 1), seed=5),
    sample(normal(0, 5), 0.5, seed=5),
]

CASES = [
    OpCase(
        ops.dropout,
        _SAMPLES,
        None,
        reason="random: tests/test_random.py compares the share of zeros and the scale",
        bad=[
            Bad(sample(np.ones(3), 1.0), ValueError, r"rate.*\[0, 1\).*1"),
            Bad(sample(np.ones(3), -0.1), ValueError, "rate"),
            Bad(sample(np.array([1, 2]), 0.5), TypeError, "floating.*int64"),
            Bad(sample(np.ones((2, 3)), 0.5, noise_shape=(2,)), ValueError, "noise_shape"),
            Bad(sample(np.ones(3), 0.5, seed="a"), TypeError, "seed"),
        ],
        bench=[sample(normal(128, 4096), 0.5, seed=1)],
    )
]
