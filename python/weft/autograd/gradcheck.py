"""Compare gradients with finite differences, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.autograd.engine import grad
from weft.autograd.recording import enable_grad
from weft.tensor import Tensor, as_tensor

# A central difference of step h has error h^2 |f'''| / 6 + eps |f| / h; at h = 1e-6 in float64 both
# parts are near 1e-10 for functions of order one, and 1e-5 leaves room for those that are not.
_STEP = 1e-6
_RTOL = 1e-5
_ATOL = 1e-6


def gradcheck(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    step: float = _STEP,
    rtol: float = _RTOL,
    atol: float = _ATOL,
) -> bool:
    """Check the gradients of `function` against central differences.

    Args:
        function: Takes tensors, returns a tensor or a tuple of tensors.
        inputs: Arrays or tensors. Those of dtype float64 are differentiated.
        step: Half the distance of the two points of a difference.
        rtol: Allowed error relative to the numerical gradient.
        atol: Allowed absolute error.

    Returns:
        True, so that a test can assert it.

    Raises:
        ValueError: If no input is float64, or a gradient is wrong; the message names the input,
            the position and both values.

    Example:
        >>> import numpy as np, weft
        >>> weft.autograd.gradcheck(weft.sin, [np.array([0.3, 1.2])])
        True

    Follows torch.autograd.gradcheck.
    """
    leaves = [_leaf(x) for x in inputs]
    checked = [i for i, x in enumerate(leaves) if x.requires_grad]
    if not checked:
        raise ValueError("gradcheck: no input is float64; finite differences need that precision")
    with enable_grad():
        outputs = _as_tuple(function(*leaves))
    for position, output in enumerate(outputs):
        if not output.requires_grad:
            continue
        weights = np.random.default_rng(position).normal(size=output.shape)
        found = grad(
            output, [leaves[i] for i in checked], as_tensor(weights), retain_graph=True,
            allow_unused=True,
        )  # fmt: skip

        def weighted(*arrays: Any, position: int = position, w: np.ndarray = weights) -> float:
            result = _as_tuple(function(*arrays))[position]
            return float((result.numpy().astype("float64") * w).sum())

        for i, gradient in zip(checked, found, strict=True):
            expected = _numerical(weighted, leaves, i, step)
            actual = np.zeros_like(expected) if gradient is None else gradient.numpy()
            _compare(actual, expected, i, position, rtol, atol)
    return True


def gradgradcheck(function: Callable[..., Any], inputs: Sequence[Any], **tolerances: float) -> bool:
    """Check second derivatives: `gradcheck` of the gradients of `function`.

    Args:
        function: As for `gradcheck`.
        inputs: As for `gradcheck`.
        tolerances: `step`, `rtol` and `atol` of `gradcheck`.

    Returns:
        True.

    Raises:
        ValueError: As `gradcheck`.

    Example:
        >>> import numpy as np, weft
        >>> weft.autograd.gradgradcheck(weft.exp, [np.array([0.3, 1.2])])
        True

    Follows torch.autograd.gradgradcheck.
    """
    count = len(inputs)
    leaves = [_leaf(x) for x in inputs]
    outputs = _as_tuple(function(*leaves))
    seeds = [
        np.random.default_rng(i).normal(size=o.shape)
        for i, o in enumerate(outputs)
        if o.requires_grad
    ]

    def gradients(*args: Any) -> tuple[Tensor, ...]:
        xs = [x if x.requires_grad or x.dtype != "float64" else _leaf(x) for x in args[:count]]
        with enable_grad():
            results = [r for r in _as_tuple(function(*xs)) if r.requires_grad]
            found = grad(
                results, [x for x in xs if x.requires_grad], list(args[count:]), create_graph=True,
                allow_unused=True,
            )  # fmt: skip
        return tuple(g for g in found if g is not None)

    return gradcheck(gradients, [*inputs, *seeds], **tolerances)


def _leaf(x: Any) -> Tensor:
    tensor = Tensor.copy(as_tensor(x).detach())
    tensor.requires_grad = tensor.dtype == "float64"
    return tensor


def _as_tuple(result: Any) -> tuple[Any, ...]:
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def _numerical(
    weighted: Callable[..., float], leaves: Sequence[Tensor], which: int, step: float
) -> np.ndarray:
    values = leaves[which].numpy().copy()
    gradient = np.zeros_like(values)

    def at(array: np.ndarray) -> float:
        return weighted(
            *(as_tensor(array.copy()) if i == which else x for i, x in enumerate(leaves))
        )

    for index in np.ndindex(values.shape):
        kept = values[index]
        values[index] = kept + step
        upper = at(values)
        values[index] = kept - step
        lower = at(values)
        values[index] = kept
        gradient[index] = (upper - lower) / (2 * step)
    return gradient


def _compare(
    actual: np.ndarray, expected: np.ndarray, which: int, output: int, rtol: float, atol: float
) -> None:
    if actual.shape != expected.shape:
        raise ValueError(
            f"gradcheck: the gradient of input {which} has shape {actual.shape}, the input has "
            f"{expected.shape}"
        )
    # Relative to the largest entry as well: rounding of the sum is shared by all entries.
    scale = np.abs(expected).max(initial=0.0)
    wrong = ~(np.abs(actual - expected) <= atol * max(1.0, scale) + rtol * np.abs(expected))
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"gradcheck: output {output}, input {which}, position {at}: the gradient is "
            f"{actual[at]!r}, finite differences give {expected[at]!r} ({int(wrong.sum())} of "
            f"{wrong.size} entries are wrong)"
        )
