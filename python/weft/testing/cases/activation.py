"""Cases of weft.ops.activation and weft.ops.rectifier."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from weft import ops
from weft.testing.cases.elementwise import SHAPES, in_float64
from weft.testing.opcase import FLOATS, HALVES, Bad, OpCase, Sample, normal, sample

# Special values beyond 200 elements, as in cases/elementwise.py, but without numbers whose
# cube or exponential overflows in the reference alone.
EDGES = np.tile([0.0, np.nan, 100.0, -100.0, 30.0, -30.0, 3.5, 6.5], 31)


def erf(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=["float64"])(x)


def erfc(x: Any) -> Any:
    return np.vectorize(math.erfc, otypes=["float64"])(x)


def sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1.0) / (1 + e)


def softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def gelu(x: Any, approximate: bool = False) -> Any:
    if approximate:
        return x * sigmoid(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    return 0.5 * x * erfc(-x / np.sqrt(2))


def relu(x: Any, negative_slope: Any = 0.0, max_value: Any = None, threshold: Any = 0.0) -> Any:
    top = np.inf if max_value is None else max_value
    below = (x - threshold) * negative_slope if negative_slope else 0.0
    return np.where(np.isnan(x), x, np.where(x > threshold, np.minimum(x, top), below))


def selu(x: Any) -> Any:
    alpha, scale = 1.6732632423543772848, 1.0507009873554804934
    return scale * np.where(x > 0, x, alpha * np.expm1(x))


def torch_activation(name: str, **fixed: Any) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        import torch

        return getattr(torch.nn.functional, name)(*args, **kwargs, **fixed)

    return function


def calls(**kwargs: Any) -> list[Sample]:
    return [sample(normal(*s), **kwargs) for s in SHAPES] + [sample(EDGES, **kwargs)]


def activation(
    op: Callable[..., Any],
    reference: Callable[..., Any],
    oracle: str = "",
    samples: list[Sample] | None = None,
    **facts: Any,
) -> OpCase:
    return OpCase(
        op,
        samples or calls(),
        reference,
        dtypes=FLOATS + HALVES,
        oracle=torch_activation(oracle) if oracle else None,
        bench=[sample(normal(256, 256))],
        **facts,
    )


CASES = [
    activation(
        ops.relu,
        relu,
        samples=[
            *calls(),
            sample(normal(3, 5), negative_slope=0.25),
            sample(normal(3, 5), max_value=0.5),
            sample(EDGES, max_value=0.5),
            sample(normal(3, 5), threshold=0.3125),
            sample(normal(3, 5), negative_slope=0.5, max_value=0.75, threshold=0.25),
        ],
        bad=[Bad(sample(np.ones(3), negative_slope=-1.0), ValueError, "negative_slope")],
        ulps=2,
    ),
    activation(ops.relu6, lambda x: np.clip(x, 0, 6), "relu6", ulps=0),
    activation(
        ops.leaky_relu,
        lambda x, negative_slope=0.2: np.where(x > 0, x, negative_slope * x),
        samples=calls() + calls(negative_slope=0.5),
        ulps=1,
    ),
    activation(
        ops.elu,
        lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x)),
        "elu",
        samples=calls() + calls(alpha=0.5),
    ),
    activation(ops.selu, selu, "selu"),
    activation(ops.hard_sigmoid, lambda x: np.clip(x + 3, 0, 6) / 6, "hardsigmoid"),
    activation(
        ops.step,
        lambda x: np.where(np.isnan(x), x, (x > 0).astype("float64")),
        differentiable=False,
        ulps=0,
    ),
    activation(ops.sigmoid, sigmoid, "sigmoid"),
    activation(ops.tanh, in_float64(np.tanh), "tanh"),
    activation(ops.softplus, softplus),
    activation(ops.log_sigmoid, lambda x: -softplus(-x), "logsigmoid"),
    activation(ops.softsign, lambda x: x / (1 + np.abs(x)), "softsign"),
    activation(ops.silu, lambda x: x * sigmoid(x), "silu"),
    activation(ops.mish, lambda x: x * np.tanh(softplus(x)), "mish", ulps=6),
    activation(
        ops.gelu,
        gelu,
        samples=[sample(normal(*s)) for s in SHAPES]
        + [sample(normal(*s), approximate=True) for s in SHAPES],
        ulps=24,
        reason="the rounding of x / sqrt(2) is amplified by x^2 in the lower tail",
    ),
    activation(ops.exponential, np.exp),
]
