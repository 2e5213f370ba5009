"""`capture`: a function that replays what it did before."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from weft.autograd.recording import is_grad_enabled
from weft.device import current_device
from weft.programs.passes import check_passes
from weft.programs.program import Program
from weft.programs.recording import Changes
from weft.programs.recordings import Recordings
from weft.programs.results import cut


class Captured:
    """What `capture` returns: a function that replays what it did before.

    Example:
        >>> import weft
        >>> double = weft.capture(lambda x: x * 2.0)
        >>> type(double).__name__, double.programs
        ('Captured', [])
    """

    def __init__(
        self, function: Callable[..., Any], required: bool, passes: Sequence[str] | None
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._required = required
        self._recordings = Recordings(
            getattr(function, "__name__", type(function).__name__), check_passes(passes)
        )

    @property
    def programs(self) -> list[Program]:
        """The recordings that are replayed, one for each kind of arguments."""
        return self._recordings.programs

    def _apply(self, arguments: tuple[Any, Any]) -> Any:
        args, kwargs = arguments
        return cut(self._function(*args, **kwargs))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, or replay what it did."""
        flags = (is_grad_enabled(), current_device())
        return self._recordings.call(
            self._apply, (args, kwargs), flags, self._required, Changes.count
        )


def capture(
    function: Callable[..., Any] | None = None,
    *,
    required: bool = False,
    passes: Sequence[str] | None = None,
) -> Any:
    """Make `function` faster by recording what it does and replaying it without Python.

    The first call with arguments of some shapes and dtypes runs as always; the next two are
    recorded; from then on calls with such arguments are replays, which give the same bits. Tensors
    that the function uses besides its arguments are used where they are: assign to them in place
    (`Variable.assign`). Python code in the function does not run in a replay, and Python numbers
    stay what they were (as an argument, each number is recorded for itself). A function that reads
    values (``.item()``, ``if tensor:``) or does something else at each call cannot be recorded: it
    runs eagerly, and a `CaptureWarning` says why and where. Results are new tensors without
    history: a gradient must be computed inside. On a GPU the launches become CUDA graphs, each of
    which is queued in one call.

    Args:
        function: The function; may be left out, for use as a decorator with arguments.
        required: Raise a RuntimeError instead of running eagerly.
        passes: Names of the passes that rewrite the recording (`weft.programs.passes` lists them);
            by default those of `weft.programs.set_default_passes`, which are all.

    Returns:
        A `Captured` function; its attribute `programs` has the recordings, which can be printed.

    Raises:
        ValueError: If there is no pass of a name.
        RuntimeError: With `required`, when a call cannot be recorded.

    Example:
        >>> import weft
        >>> w = weft.Variable([1.0, 2.0])
        >>> optimizer = weft.optimizers.SGD(0.1)
        >>> @weft.capture
        ... def step(x):
        ...     loss = (w * x).sum()
        ...     optimizer.apply(weft.grad([loss], [w]), [w])
        ...     return loss
        >>> [round(float(step(weft.tensor([1.0, 1.0]))), 2) for _ in range(5)]
        [3.0, 2.8, 2.6, 2.4, 2.2]
        >>> len(step.programs)
        1

    Follows torch.compile and tf.function, which it does the work of without a compiler.
    """
    if function is None:
        return functools.partial(capture, required=required, passes=passes)
    return Captured(function, required, passes)
