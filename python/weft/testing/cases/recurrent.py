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


def _long(rows: int, steps: int, features: int, units: int, gates: int, bias: Any) -> Sample:
    """For measurements. With weights as large as `_samples`' a long sequence is chaos: rounding
    grows from step to step, and float32 ends elsewhere than float64.
    """
    kernel, recurrent_kernel = _kernels(features, units, gates)
    return sample(
        normal(rows, steps, features),
        kernel / np.sqrt(features),
        recurrent_kernel / np.sqrt(units),
        bias * 0.1,
    )


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
    states: Any = initial_state or [torch.zeros(x.shape[0], units, dtype=x.dtype)] * 2
    none = torch.zeros(4 * units, dtype=x.dtype)
    outputs = []
    for t in range(x.shape[1])[:: -1 if go_backwards else 1]:
        biases = (none if bias is None else bias, none)
        new: Any = torch.lstm_cell(x[:, t], tuple(states), kernel.T, recurrent_kernel.T, *biases)
        if mask is not None:
            kept = mask[:, t, None]
            new = tuple(torch.where(kept, n, s) for n, s in zip(new, states, strict=True))
        states = new
        outputs.append(states[0])
    empty = torch.zeros(x.shape[0], 0, units, dtype=x.dtype)
    y = torch.stack(outputs, 1) if outputs else empty
    return [y if return_sequences else states[0], *states]


def _gru(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
    reset_after: bool = True,
) -> list[Any]:
    units = recurrent_kernel.shape[0]
    bias = np.zeros(3 * units) if bias is None else bias
    first, second = bias if bias.ndim == 2 else (bias, np.zeros(3 * units))

    def step(x_t: Any, h: Any) -> Any:
        xz, xr, xc = np.split(x_t @ kernel + first, 3, axis=1)
        hz, hr, hc = np.split(h @ recurrent_kernel + second, 3, axis=1)
        z, r = _sigmoid(xz + hz), _sigmoid(xr + hr)
        inner = r * hc if reset_after else (r * h) @ recurrent_kernel[:, 2 * units :]
        return [z * h + (1 - z) * np.tanh(xc + inner)]

    start = [np.zeros((x.shape[0], units)) if initial_state is None else initial_state]
    return _over_steps(step, x, start, mask, go_backwards, return_sequences)


def _torch_gru(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
    reset_after: bool = True,
) -> list[Any]:
    import torch

    units = recurrent_kernel.shape[0]
    h = torch.zeros(x.shape[0], units, dtype=x.dtype) if initial_state is None else initial_state
    none = torch.zeros(2, 3 * units, dtype=x.dtype)
    # PyTorch's gates are reset, update, candidate.
    order = [*range(units, 2 * units), *range(units), *range(2 * units, 3 * units)]
    biases = (none if bias is None else bias)[:, order]
    outputs = []
    for t in range(x.shape[1])[:: -1 if go_backwards else 1]:
        weights = kernel[:, order].T, recurrent_kernel[:, order].T
        new = torch.gru_cell(x[:, t], h, *weights, biases[0], biases[1])
        h = new if mask is None else torch.where(mask[:, t, None], new, h)
        outputs.append(h)
    empty = torch.zeros(x.shape[0], 0, units, dtype=x.dtype)
    y = torch.stack(outputs, 1) if outputs else empty
    return [y if return_sequences else h, h]


def _simple_rnn(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
    activation: str = "tanh",
) -> list[Any]:
    function: Any = {"tanh": np.tanh, "relu": lambda z: np.maximum(z, 0), "linear": lambda z: z}
    units = recurrent_kernel.shape[0]

    def step(x_t: Any, h: Any) -> Any:
        z = x_t @ kernel + h @ recurrent_kernel + (0 if bias is None else bias)
        return [function[activation](z)]

    start = [np.zeros((x.shape[0], units)) if initial_state is None else initial_state]
    return _over_steps(step, x, start, mask, go_backwards, return_sequences)


def _torch_simple_rnn(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
    activation: str = "tanh",
) -> list[Any]:
    import torch

    units = recurrent_kernel.shape[0]
    h = torch.zeros(x.shape[0], units, dtype=x.dtype) if initial_state is None else initial_state
    outputs = []
    for t in range(x.shape[1])[:: -1 if go_backwards else 1]:
        z = x[:, t] @ kernel + h @ recurrent_kernel + (0 if bias is None else bias)
        new = z if activation == "linear" else getattr(torch, activation)(z)
        h = new if mask is None else torch.where(mask[:, t, None], new, h)
        outputs.append(h)
    empty = torch.zeros(x.shape[0], 0, units, dtype=x.dtype)
    y = torch.stack(outputs, 1) if outputs else empty
    return [y if return_sequences else h, h]


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
            _long(128, 28, 28, 128, 4, normal(512)),
            _long(32, 50, 128, 128, 4, normal(512)),
        ],
    ),
    OpCase(
        ops.gru,
        _samples(3, bias_rows=2),
        _gru,
        dtypes=FLOATS + HALVES,
        oracle=_torch_gru,
        reduction=_terms,
        bad=[
            *_bad(ops.gru, 3),
            Bad(
                sample(np.ones((2, 3, 4)), *_kernels(4, 5, 3), np.ones(15)),
                ValueError,
                r"bias.*\(15,\).*\(2, 15\)",
            ),
        ],
        bench=[_long(128, 28, 28, 128, 3, normal(2, 384))],
    ),
    OpCase(
        ops.gru,
        _samples(3, reset_after=False),
        _gru,
        dtypes=FLOATS + HALVES,
        reduction=_terms,
        bad=[
            Bad(
                sample(np.ones((2, 3, 4)), *_kernels(4, 5, 3), np.ones((2, 15)), reset_after=False),
                ValueError,
                r"bias.*\(2, 15\).*\(15,\)",
            ),
        ],
        name="gru_reset_before",
    ),
    OpCase(
        ops.simple_rnn,
        [*_samples(1), *_samples(1, activation="relu")[:6], *_samples(1, activation="linear")[:6]],
        _simple_rnn,
        dtypes=FLOATS + HALVES,
        oracle=_torch_simple_rnn,
        reduction=_terms,
        bad=[
            *_bad(ops.simple_rnn, 1),
            Bad(
                sample(np.ones((2, 3, 4)), *_kernels(4, 5, 1), activation="elu"),
                ValueError,
                "activation.*tanh.*elu",
            ),
        ],
        bench=[_long(128, 28, 28, 128, 1, normal(128))],
    ),
]
