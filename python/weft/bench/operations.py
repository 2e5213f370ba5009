"""Every operation's benchmark samples against NumPy and PyTorch."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import weft
from weft import _C
from weft.bench.timing import interleaved
from weft.limits import Limits
from weft.testing import check
from weft.testing.opcase import OpCase, Sample, arrays_in, cases, map_arrays


@dataclass
class Row:
    """One measurement. Times are the best of many calls, in seconds; a missing peer is None."""

    operation: str
    call: str
    direction: str  # "forward" or "forward+backward"
    threads: int
    weft: float
    numpy: float | None
    torch: float | None
    gflops: float
    gbytes: float
    share: float  # of the machine's measured limit, compute or memory, whichever is nearer

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def run(
    pattern: str, threads: int, limits: Limits, seconds: float, with_torch: bool
) -> Iterator[Row]:
    """Rows for all operations whose name contains `pattern`."""
    for case in cases():
        if pattern not in case.name:
            continue
        for call in map(_in_float32, case.bench):
            yield _measure(case, call, "forward", threads, limits, seconds, with_torch)
            if case.differentiable and with_torch and _torch_differentiates(case, call):
                yield _measure(case, call, "forward+backward", threads, limits, seconds, True)


def _measure(
    case: OpCase, call: Sample, direction: str, threads: int, limits: Limits, seconds: float,
    with_torch: bool,
) -> Row:  # fmt: skip
    backward = direction != "forward"
    contenders: dict[str, Callable[[], Any]] = {"weft": _weft_call(case, call, backward)}
    if case.reference is not None and not backward:
        contenders["numpy"] = _numpy_call(case, call)
    if with_torch and case.oracle is not None:
        contenders["torch"] = _torch_call(case, call, backward)
    _require_agreement(case, call, contenders)
    times = interleaved(contenders, seconds)
    flops, moved = cost_of(contenders["weft"])
    best = times["weft"].best
    return Row(
        case.name, repr(call), direction, threads, best,
        times["numpy"].best if "numpy" in times else None,
        times["torch"].best if "torch" in times else None,
        flops / best / 1e9, moved / best / 1e9,
        limits.share(flops, moved, best)[0],
    )  # fmt: skip


def _in_float32(call: Sample) -> Sample:
    """The sample as it is measured, and named in the table."""

    def narrow(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return x.astype("float32") if x.dtype.kind == "f" else x

    return Sample(
        map_arrays(narrow, call.args), {k: map_arrays(narrow, v) for k, v in call.kwargs.items()}
    )


def _weft_call(case: OpCase, call: Sample, backward: bool) -> Callable[[], Any]:
    args = check.to_tensors(call.args, "float32", "contiguous")
    kwargs = {k: check.to_tensors(v, "float32", "contiguous") for k, v in call.kwargs.items()}
    if not backward:
        return lambda: case.op(*args, **kwargs)
    leaves = [a for a in args if isinstance(a, weft.Tensor) and a.dtype.is_floating]
    for leaf in leaves:
        leaf.requires_grad = True
    with weft.no_grad():
        result = check.as_list(case.op(*args, **kwargs))[0]
    upstream = weft.tensor(_upstream(result.shape))

    def step() -> Any:
        for leaf in leaves:
            leaf.grad = None
        check.as_list(case.op(*args, **kwargs))[0].backward(upstream)
        return [leaf.grad for leaf in leaves]

    return step


def _numpy_call(case: OpCase, call: Sample) -> Callable[[], Any]:
    assert case.reference is not None
    # The tests widen the arguments to float64 first; NumPy is measured on what weft is given.
    reference = inspect.unwrap(case.reference)
    return lambda: reference(*call.args, **call.kwargs)


def _torch_call(case: OpCase, call: Sample, backward: bool) -> Callable[[], Any]:
    import torch

    assert case.oracle is not None
    oracle = case.oracle

    def convert(x: np.ndarray[Any, Any]) -> Any:
        tensor = torch.from_numpy(np.array(x))
        return tensor.requires_grad_() if backward and x.dtype.kind == "f" else tensor

    args = map_arrays(convert, call.args)
    kwargs = {k: map_arrays(convert, v) for k, v in call.kwargs.items()}
    if not backward:
        return lambda: oracle(*args, **kwargs)
    leaves = [a for a in args if isinstance(a, torch.Tensor) and a.requires_grad]
    upstream = torch.from_numpy(_upstream(check.as_list(oracle(*args, **kwargs))[0].shape))

    def step() -> Any:
        for leaf in leaves:
            leaf.grad = None
        check.as_list(oracle(*args, **kwargs))[0].backward(upstream)
        return [leaf.grad for leaf in leaves]

    return step


def _upstream(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """The gradient of the result: random, since ones make that of softmax vanish."""
    return np.asarray(np.random.default_rng(0).normal(size=tuple(shape)), "float32")


def _torch_differentiates(case: OpCase, call: Sample) -> bool:
    """Whether PyTorch has a gradient for all float arguments (not for running statistics)."""
    if case.oracle is None or not _floats(call):
        return False
    try:
        _torch_call(case, call, backward=True)()
    except RuntimeError:
        return False
    return True


def _require_agreement(
    case: OpCase, call: Sample, contenders: dict[str, Callable[[], Any]]
) -> None:
    """A fast wrong answer is worth nothing: results are compared before anything is timed."""
    results = {name: check.as_list(function()) for name, function in contenders.items()}
    for name, values in results.items():
        for mine, theirs in zip(results["weft"], values, strict=False):
            a, b = np.asarray(mine.detach().numpy()), np.asarray(_to_numpy(theirs))
            scale = np.abs(b[np.isfinite(b)]).max(initial=1e-30)
            if a.shape != b.shape or not np.allclose(
                a, b, rtol=1e-3, atol=1e-4 * scale, equal_nan=True
            ):
                raise AssertionError(f"{case.name}({call}): weft and {name} disagree")


def _to_numpy(value: Any) -> Any:
    return value.detach().numpy() if hasattr(value, "detach") else value


def cost_of(function: Callable[[], Any]) -> tuple[int, int]:
    """Operations and bytes of the launches of one call, as the contracts of csrc/ops count them."""
    _C.reset_launch_counters()
    function()
    _, flops, moved = _C.launch_counters()
    return flops, moved


def _floats(call: Sample) -> bool:
    values = itertools.chain(call.args, call.kwargs.values())
    return any(a.dtype.kind == "f" for v in values for a in arrays_in(v))
