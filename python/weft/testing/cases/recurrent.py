"""Cases of weft.ops.recurrent."""

from collections.abc import Callable
from typing import Any

import numpy as np

from weft import ops
from weft.testing.opcase import FLOATS, HALVES, Bad, OpCase, Sample, normal, rng, sample


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def _over_steps(
    step: Callable[..., Any], x: Any, states: Any, mask: Any, go_backwards: bool, sequences: bool
) -> list[Any]:
    """Outputs and states of ``step(x_t, *states)``, in NumPy."""
    outputs = []
    for t in range(x.shape[1])[:: -1 if go_backwards else 1]:
        new = step(x[:, t], *states)
        if mask is not None:
            new = [np.where(mask[:, t, None], n, s) for n, s in zip(new, states, strict=True)]
        states = new
        outputs.append(states[0])
    empty = np.zeros((x.shape[0], 0, states[0].shape[1]))
    y = np.stack(outputs, axis=1) if outputs else empty
    return [y if sequences else states[0], *states]


def _kernels(features: int, units: int, gates: int, seed: int = 0) -> tuple[Any, Any]:
    """Weights small enough that the gates are not saturated."""
    width = gates * units
    return normal(features, width, seed=seed) * 0.5, normal(units, width, seed=seed + 1) * 0.5


def _mask(rows: int, steps: int) -> Any:
    """Any steps, also at the beginning, at the end, and all of a sequence."""
    mask = rng(rows + steps).random((rows, steps)) < 0.6
    mask[0] = False
    mask[-1, -2:] = False
    return mask


def _samples(gates: int, bias_rows: int = 0, states: int = 1, **options: Any) -> list[Sample]:
    """What every kind of network is tried on: N, T, F and U odd and even, and all options."""

    def bias(units: int) -> Any:
        return normal(*[bias_rows] * (bias_rows > 0), gates * units, seed=7)

    def start(rows: int, units: int) -> Any:
        found = [normal(rows, units, seed=9 + k) * 0.5 for k in range(states)]
        return found if states > 1 else found[0]

    return [
        sample(normal(2, 3, 4), *_kernels(4, 5, gates), bias(5), **options),
        sample(normal(3, 4, 2), *_kernels(2, 3, gates), **options),
        sample(normal(2, 3, 2), *_kernels(2, 3, gates), bias(3), start(2, 3), **options),
        sample(normal(2, 4, 3), *_kernels(3, 2, gates), bias(2), return_sequences=False, **options),
        sample(normal(2, 3, 2), *_kernels(2, 2, gates), bias(2), go_backwards=True, **options),
        sample(
            normal(4, 5, 2),
            *_kernels(2, 3, gates),
            bias(3),
            start(4, 3),
            mask=_mask(4, 5),
            **options,
        ),
        sample(
            normal(3, 4, 2),
            *_kernels(2, 3, gates),
            mask=_mask(3, 4),
            go_backwards=True,
            return_sequences=False,
            **options,
        ),
        sample(normal(1, 1, 1), *_kernels(1, 1, gates), **options),
        sample(normal(0, 3, 2), *_kernels(2, 3, gates), bias(3), **options),
        sample(normal(2, 0, 2), *_kernels(2, 3, gates), bias(3), start(2, 3), **options),
        sample(normal(33, 3, 5), *_kernels(5, 19, gates), bias(19), **options),
        sample(normal(16, 2, 40), *_kernels(40, 32, gates), bias(32), mask=_mask(16, 2), **options),
    ]


def _bad(op: Callable[..., Any], gates: int) -> list[Bad]:
    x, (kernel, recurrent) = np.ones((2, 3, 4)), _kernels(4, 5, gates)
    return [
        Bad(sample(np.ones((2, 4)), kernel, recurrent), ValueError, r"steps, features.*\(2, 4\)"),
        Bad(sample(x, kernel[:3], recurrent), ValueError, r"\(2, 3, 4\).*4 features.*needs 3"),
        Bad(sample(x, kernel, recurrent[:4]), ValueError, r"recurrent kernel.*units.*\(4, "),
        Bad(sample(x, kernel, recurrent, np.ones(3)), ValueError, r"bias.*\(3,\)"),
        Bad(
            sample(x, kernel, recurrent, mask=np.ones((2, 4), bool)),
            ValueError,
            r"mask.*\(2, 4\).*\(2, 3\)",
        ),
        Bad(sample(x, kernel, recurrent, mask=np.ones((2, 3), "int32")), TypeError, "bool.*int32"),
        Bad(
            sample(*(a.astype("int32") for a in (x, kernel, recurrent))), TypeError, "floats.*int32"
        ),
    ]


# Rounding errors of a step go into the next, so terms count for every step.
def _terms(x: Any, kernel: Any, recurrent_kernel: Any, *_: Any, **__: Any) -> int:
    return int((kernel.shape[0] + recurrent_kernel.shape[0]) * max(x.shape[1], 1))


def _lstm(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
) -> list[Any]:
    units = recurrent_kernel.shape[0]

    def step(x_t: Any, h: Any, c: Any) -> Any:
        z = x_t @ kernel + h @ recurrent_kernel + (0 if bias is None else bias)
        i, f, g, o = np.split(z, 4, axis=1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        return [_sigmoid(o) * np.tanh(c), c]

    start = [np.zeros((x.shape[0], units))] * 2 if initial_state is None else initial_state
    return _over_steps(step, x, start, mask, go_backwards, return_sequences)


def _torch_lstm(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
) -> list[Any]:
    import torch

    units = recurrent_kernel.shape[0]
    states = initial_state or [torch.zeros(x.shape[0], units, dtype=x.dtype)] * 2
    none = torch.zeros(4 * units, dtype=x.dtype)
    outputs = []
    for t in range(x.shape[1])[:: -1 if go_backwards else 1]:
        biases = (none if bias is None else bias, none)
        new = torch.lstm_cell(x[:, t], tuple(states), kernel.T, recurrent_kernel.T, *biases)
        if mask is not None:
            kept = mask[:, t, None]
            new = [torch.where(kept, n, s) for n, s in zip(new, states, strict=True)]
        states = new
        outputs.append(states[0])
    empty = torch.zeros(x.shape[0], 0, units, dtype=x.dtype)
    y = torch.stack(outputs, 1) if outputs else empty
    return [y if return_sequences else states[0], *states]


CASES = [
    OpCase(
        ops.lstm,
        _samples(4, states=2),
        _lstm,
        dtypes=FLOATS + HALVES,
        oracle=_torch_lstm,
        reduction=_terms,
        bad=[
            *_bad(ops.lstm, 4),
            Bad(
                sample(np.ones((2, 3, 4)), *_kernels(4, 5, 4), None, np.ones((2, 5))),
                ValueError,
                "list of two tensors",
            ),
            Bad(
                sample(
                    np.ones((2, 3, 4)), *_kernels(4, 5, 4), None, [np.ones((2, 5)), np.ones((3, 5))]
                ),
                ValueError,
                r"state c.*\(3, 5\).*\(2, 5\)",
            ),
        ],
        bench=[
            sample(normal(128, 28, 28), *_kernels(28, 128, 4), normal(512)),
            sample(normal(32, 50, 128), *_kernels(128, 128, 4), normal(512)),
        ],
    ),
]
