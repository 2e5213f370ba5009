"""`weft.minimize`: the parameters at which a function is smallest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from weft.autograd import enable_grad, grad
from weft.lookup import find
from weft.tensor import Tensor, as_tensor
from weft.variable import Variable


@dataclass
class Minimum:
    """What `minimize` found.

    Attributes:
        x: The parameters after the last step.
        value: The function there.
        steps: How many steps were made.
        history: The function before each step.

    Example:
        >>> import weft
        >>> found = weft.minimize(lambda x: weft.ops.sum(x * x), [1.0, -2.0])
        >>> found.value < found.history[0], len(found.history) == found.steps
        (True, True)

    Follows scipy.optimize.OptimizeResult.
    """

    x: Tensor
    value: float
    steps: int
    history: list[float]


def minimize(
    fn: Callable[[Tensor], Tensor],
    x0: Any,
    optimizer: Any = "adam",
    learning_rate: float | None = None,
    steps: int = 1000,
) -> Minimum:
    """Walk from `x0` towards a minimum of `fn`.

    Args:
        fn: A function of one tensor of the shape of `x0`, written in weft's operations, that gives
            a single number.
        x0: Where to start; integers become float32.
        optimizer: Name of an optimizer, or an optimizer of its own for this call.
        learning_rate: Its learning rate; the optimizer's default if None.
        steps: How many steps to make.

    Returns:
        A `Minimum` with the parameters ``x`` and the ``value`` there.

    Raises:
        ValueError: If `fn` gives more than one number, or a value that is not finite.

    Example:
        >>> import weft
        >>> found = weft.minimize(lambda w: (w - 3.0) ** 2, 0.0, "sgd", 0.1, steps=100)
        >>> round(float(found.x), 4)
        3.0

    Follows scipy.optimize.minimize, with first-order methods.
    """
    from weft.optimizers import TABLE

    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 0:
        raise ValueError(f"minimize: steps must be an integer of at least 0, got {steps!r}")
    chosen = find(optimizer, TABLE, "optimizer")
    if learning_rate is not None:
        chosen.learning_rate = learning_rate
    start = as_tensor(x0)
    x = Variable(start if start.dtype.is_floating else start.astype("float32"), name="x")
    history = []
    for step in range(steps):
        with enable_grad():
            value = fn(x)
        if value.size != 1:
            raise ValueError(
                f"minimize: the function must give one number, it gave shape {value.shape}"
            )
        history.append(float(value))
        if not abs(history[-1]) < float("inf"):
            raise ValueError(
                f"minimize: the function is {history[-1]} at step {step}; a smaller learning_rate "
                f"than {float(chosen.learning_rate):g} may help"
            )
        chosen.apply([grad(value, x)], [x])
    return Minimum(x.detach(), float(fn(x)), steps, history)
