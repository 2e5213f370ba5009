"""`OpCase`: what is known about one operation, as data.

From one case come the forward test on every device, dtype, instruction set and memory layout, the
float64 gradient checks, the comparison with PyTorch, the error test, the benchmark and the row of
the coverage table (tests/test_ops.py, tests/test_gradients.py, weft.bench,
weft.testing.coverage).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FLOATS = ("float32", "float64")
HALVES = ("float16", "bfloat16")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")


@dataclass(frozen=True)
class Sample:
    """One call: positional arguments (NumPy arrays stand for tensors) and keywords.

    Example:
        >>> import numpy as np
        >>> from weft.testing import sample
        >>> sample(np.ones((2, 3)), axis=1)
        float64[2, 3], axis=1
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __repr__(self) -> str:
        parts = [_describe(a) for a in self.args]
        return ", ".join(parts + [f"{k}={_describe(v)}" for k, v in self.kwargs.items()])


def sample(*args: Any, **kwargs: Any) -> Sample:
    """A `Sample` of a call ``op(*args, **kwargs)``.

    Floating arrays are given in float64 and converted to the dtype under test; integer and boolean
    arrays keep their dtype unless the case lists integer dtypes and `cast` says otherwise.

    Example:
        >>> import numpy as np
        >>> from weft.testing import sample
        >>> sample(np.ones((2, 3)), axis=1).kwargs
        {'axis': 1}
    """
    return Sample(args, kwargs)


@dataclass(frozen=True)
class Bad:
    """A wrong call: the exception it raises, and a pattern its message must contain.

    What a GPU learns from values only is told later and without the place: `match_on_gpu`.
    """

    sample: Sample
    error: type[Exception] | tuple[type[Exception], ...]
    match: str
    match_on_gpu: str | None = None


@dataclass
class OpCase:
    """An operation and how to test it.

    Attributes:
        op: The public function.
        samples: Calls with odd, empty and broadcast shapes and the edge values of the operation.
        reference: The same function in NumPy; gets the arguments with floats in float64. None only
            together with `reason` (for example random operations, which have tests of their own).
        dtypes: Dtypes under test for floating arguments.
        integer_dtypes: Dtypes also tried with the samples' floating arguments rounded to integers.
        differentiable: Whether gradients exist; for False the operation's Function must declare
            `not_differentiable`.
        second_derivative: Whether gradients of gradients exist.
        oracle: The same function in PyTorch; gets torch tensors and the keywords.
        bad: Wrong calls.
        ulps: Allowed error in units of the last place of the result, beyond sqrt(reduction).
        reduction: Given the arguments, how many terms make one output element. The allowed error
            grows with its square root and is relative to the largest output element.
        reason: Why `reference` is None, or why `ulps` is above 8.
        bench: Calls with sizes from real networks, for weft.bench.
        covers: Further public names that this case stands for (aliases, methods).
        name: Name of the operation.

    Example:
        >>> import numpy as np, weft
        >>> from weft.testing import OpCase, sample
        >>> OpCase(weft.ops.square, [sample(np.ones(3))], np.square, ulps=0)
        square
    """

    op: Callable[..., Any]
    samples: Sequence[Sample] | Callable[[], Sequence[Sample]]
    reference: Callable[..., Any] | None
    dtypes: tuple[str, ...] = FLOATS
    integer_dtypes: tuple[str, ...] = ()
    differentiable: bool = True
    second_derivative: bool = True
    oracle: Callable[..., Any] | None = None
    bad: Sequence[Bad] = ()
    ulps: float = 4
    reduction: Callable[..., int] | None = None
    reason: str = ""
    bench: Sequence[Sample] = ()
    covers: tuple[str, ...] = ()
    name: str = field(default="")

    def __post_init__(self) -> None:
        self.name = self.name or self.op.__name__
        if self.reference is None and not self.reason:
            raise ValueError(f"case {self.name}: without a reference a reason is needed")
        if self.ulps > 8 and not self.reason:
            raise ValueError(f"case {self.name}: a tolerance of {self.ulps} ulps needs a reason")

    def all_samples(self) -> Sequence[Sample]:
        """The samples, made now if they are given as a function."""
        return self.samples() if callable(self.samples) else self.samples

    def __repr__(self) -> str:
        return self.name


def cases() -> list[OpCase]:
    """All cases: the `CASES` of every module in weft.testing.cases."""
    package = importlib.import_module("weft.testing.cases")
    found: list[OpCase] = []
    for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
        found.extend(importlib.import_module(f"weft.testing.cases.{module}").CASES)
    return found


# --- values and memory layouts -------------------------------------------------------------------


def rng(seed: int = 0) -> np.random.Generator:
    """A seeded generator for samples."""
    return np.random.default_rng(seed)


def normal(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Normal values that are exact in float16, bfloat16, float32 and float64 alike.

    Eight significant bits survive every conversion, so that a reference computed in float64 starts
    from the very values the operation sees.
    """
    return as_short(rng(seed + sum(shape)).normal(size=shape))


def uniform(
    *shape: int, low: float = 0.0, high: float = 1.0, seed: int = 0
) -> np.ndarray[Any, Any]:
    """Uniform values in [low, high], with few bits as in `normal`."""
    return as_short(rng(seed + sum(shape)).uniform(low, high, size=shape))


def as_short(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """`values` rounded to eight significant bits."""
    mantissa, exponent = np.frexp(np.asarray(values))
    return np.asarray(np.ldexp(np.round(mantissa * 256) / 256, exponent))


def distinct(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Different values at least 1/8 apart in random order: no ties, safe for finite differences."""
    count = int(np.prod(shape))
    return rng(seed).permutation(count).reshape(shape) / 8.0 - count / 16.0


def _contiguous(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.array(x, order="C")


def _transposed(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.array(x.T, order="C").T


def _sliced(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Every second element of a larger array, an offset from its start; garbage in between."""
    if x.ndim == 0:
        return x
    big = np.full([2 * n + 3 for n in x.shape], 113, x.dtype)
    view = big[tuple(slice(1, 1 + 2 * n, 2) for n in x.shape)]
    view[...] = x
    return view


def _reversed(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    flip = (slice(None, None, -1),) * x.ndim
    return np.array(x[flip], order="C")[flip]


LAYOUTS: dict[str, Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]] = {
    "contiguous": _contiguous,
    "transposed": _transposed,
    "sliced": _sliced,
    "reversed": _reversed,
}


def map_arrays(function: Callable[[np.ndarray[Any, Any]], Any], value: Any) -> Any:
    """`value` with `function` applied to every NumPy array in it (also inside lists and tuples)."""
    if isinstance(value, np.ndarray):
        return function(value)
    if isinstance(value, (list, tuple)):
        return type(value)(map_arrays(function, v) for v in value)
    return value


def arrays_in(value: Any) -> Iterator[np.ndarray[Any, Any]]:
    """The NumPy arrays in `value`, in order."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from arrays_in(v)


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, (list, tuple)) and any(isinstance(v, np.ndarray) for v in value):
        return f"[{', '.join(map(_describe, value))}]"
    return repr(value)
