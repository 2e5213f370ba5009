"""Running an `OpCase`: conversion to a dtype and layout, and comparison with the reference."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from weft import ops
from weft.device import device as placement
from weft.tensor import Tensor, as_tensor
from weft.testing.opcase import LAYOUTS, OpCase, Sample, map_arrays

# Distance from 1 to the next number; smallest normal number.
_EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}
_TINY = {"float16": 2.0**-14, "bfloat16": 2.0**-126, "float32": 2.0**-126, "float64": 2.0**-1022}


def in_dtype(x: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    """A floating array in `dtype` (bfloat16: float32 values that bfloat16 holds exactly)."""
    if x.dtype.kind != "f":
        return x
    if dtype.startswith(("int", "uint")):
        limit = np.iinfo(dtype)
        finite = np.nan_to_num(np.round(x * 4), posinf=100, neginf=-100)
        return np.clip(finite, max(limit.min, -100), min(limit.max, 100)).astype(dtype)
    if dtype == "bfloat16":
        return as_tensor(x.astype("float32")).astype("bfloat16").numpy()
    with np.errstate(over="ignore"):  # what the dtype cannot hold becomes infinite on both sides
        return x.astype(dtype)


def to_tensors(value: Any, dtype: str, layout: str, device: str = "cpu") -> Any:
    """`value` with arrays turned into tensors of `dtype` and `layout` on `device`."""

    def convert(x: np.ndarray[Any, Any]) -> Tensor:
        if device != "cpu":
            tensor = as_tensor(in_dtype(x, dtype)).to(device)
            half = dtype == "bfloat16" and x.dtype.kind == "f"
            return in_layout(tensor.astype("bfloat16") if half else tensor, layout)
        tensor = as_tensor(LAYOUTS[layout](in_dtype(x, dtype)))
        if dtype == "bfloat16" and x.dtype.kind == "f":
            # The layout must survive the conversion: copy into a bfloat16 view of the same strides.
            return tensor.astype("bfloat16")
        return tensor

    return map_arrays(convert, value)


def in_layout(x: Tensor, layout: str) -> Tensor:
    """`x` in a memory layout of `LAYOUTS`, laid out by operations on its own device."""
    if layout == "transposed":
        return ops.transpose(ops.copy(ops.transpose(x)))
    if layout == "sliced" and x.ndim:
        big = ops.full([2 * n + 3 for n in x.shape], 113, x.dtype, x.device)
        view = big[tuple(slice(1, 1 + 2 * n, 2) for n in x.shape)]
        view[...] = x
        return view
    if layout == "reversed":
        flip = (slice(None, None, -1),) * x.ndim
        return ops.copy(x[flip])[flip]
    return x


def to_reference(value: Any, dtype: str) -> Any:
    """`value` with floating arrays rounded to `dtype`, then widened to float64."""

    def convert(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        narrowed = in_dtype(x, dtype)
        return narrowed.astype("float64") if narrowed.dtype.kind == "f" else narrowed

    return map_arrays(convert, value)


def run(
    case: OpCase, call: Sample, dtype: str, layout: str = "contiguous", device: str = "cpu"
) -> list[Tensor]:
    """The operation's results for one sample."""
    args = to_tensors(call.args, dtype, layout, device)
    kwargs = {k: to_tensors(v, dtype, layout, device) for k, v in call.kwargs.items()}
    with placement(device):
        return as_list(case.op(*args, **kwargs))


def expect(case: OpCase, call: Sample, dtype: str) -> list[np.ndarray[Any, Any]]:
    """The reference's results for one sample."""
    assert case.reference is not None
    args = to_reference(call.args, dtype)
    kwargs = {k: to_reference(v, dtype) for k, v in call.kwargs.items()}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        # NumPy warns about means of nothing and the like; that weft gives the same is the test.
        warnings.simplefilter("ignore", RuntimeWarning)
        return [np.asarray(r) for r in as_list(case.reference(*args, **kwargs))]


def as_list(result: Any) -> list[Any]:
    """The results of an operation that returns one tensor or several."""
    return list(result) if isinstance(result, (list, tuple)) else [result]


def compare(
    case: OpCase, call: Sample, actual: Sequence[Tensor], expected: Sequence[np.ndarray[Any, Any]]
) -> None:
    """Check shapes and values.

    Raises:
        AssertionError: With the first wrong position and both values.
    """
    assert len(actual) == len(expected), f"{len(actual)} results, expected {len(expected)}"
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape, f"{case.name}({call}): shape {a.shape}, expected {e.shape}"
        if not a.dtype.is_floating:
            np.testing.assert_array_equal(a.numpy(), e, err_msg=f"{case.name}({call})")
            continue
        values = a.numpy().astype("float64")
        eps, tiny = _EPS[a.dtype], _TINY[a.dtype]
        wanted = e.astype("float64")
        factor, scale = case.ulps, 0.0
        if case.reduction is not None:
            factor += np.sqrt(case.reduction(*call.args, **call.kwargs))
            scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0)
        largest = {"float16": 65504.0, "bfloat16": 3.3895e38, "float32": 3.4028e38}.get(a.dtype)
        if largest is not None:  # what the dtype cannot hold becomes infinite
            wanted = np.where(np.abs(wanted) > largest, np.copysign(np.inf, wanted), wanted)
        with np.errstate(invalid="ignore"):
            allowed = factor * eps * np.maximum(np.abs(wanted), scale) + 4 * tiny
            close = (np.abs(values - wanted) <= allowed) | (values == wanted)
        close |= np.isnan(values) & np.isnan(wanted)
        if not close.all():
            at = tuple(int(i) for i in np.argwhere(~close)[0])
            raise AssertionError(
                f"{case.name}({call}) in {a.dtype}: {int((~close).sum())} of {close.size} values "
                f"are wrong; at {at}: {values[at]!r}, expected {wanted[at]!r}"
            )
