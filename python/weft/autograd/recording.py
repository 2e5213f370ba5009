"""Recording operations for reverse-mode differentiation.

A `Function` computes on raw arrays (`_C.Tensor`) and, when a gradient will be needed, leaves a
node: edges to where its inputs came from, and what its `backward` saved. What runs for every
operation, `Function.apply` and the nodes, is in csrc/bindings/autograd.cpp; the walk over the
nodes is in `weft.autograd.engine`.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from typing import Any, ClassVar

from weft import _C


class _RecordingMode:
    """Context manager and decorator that switches recording on or off for this thread."""

    recording: ClassVar[bool]

    def __enter__(self) -> None:
        self._outer = getattr(self, "_outer", [])
        self._outer.append(_C.set_grad_enabled(self.recording))

    def __exit__(self, *exception: object) -> None:
        _C.set_grad_enabled(self._outer.pop())

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with type(self)():
                return function(*args, **kwargs)

        return wrapped


class no_grad(_RecordingMode):
    """Do not record operations for gradients, inside a ``with`` block or a decorated function.

    Example:
        >>> import weft
        >>> x = weft.tensor([1.0], requires_grad=True)
        >>> with weft.no_grad():
        ...     y = x * 2
        >>> y.requires_grad
        False

    Follows torch.no_grad.
    """

    recording = False


class enable_grad(_RecordingMode):
    """Record operations for gradients even inside `no_grad`.

    Example:
        >>> import weft
        >>> x = weft.tensor([1.0], requires_grad=True)
        >>> with weft.no_grad(), weft.enable_grad():
        ...     y = x * 2
        >>> y.requires_grad
        True

    Follows torch.enable_grad.
    """

    recording = True


def is_grad_enabled() -> bool:
    """Whether operations of the calling thread are recorded for gradients.

    Returns:
        True or False.

    Example:
        >>> import weft
        >>> with weft.no_grad():
        ...     weft.is_grad_enabled()
        False

    Follows torch.is_grad_enabled.
    """
    return _C.is_grad_enabled()


class Node(_C.NodeBase):
    """One recorded operation; the `ctx` of `Function.forward` and `Function.backward`.

    Made by `Function.apply`, see csrc/bindings/autograd.cpp; `forward` may set attributes.

    Attributes:
        function: The operation.
        sequence: Its number among all operations that were recorded.
        needs_grad: For each argument of `apply`, whether its gradient is wanted.
        edges: For each argument, where its gradient goes: ``(node, output)``, ``(leaf, None)``,
            or None.
        num_outputs: How many arrays `Function.forward` returned.
        hooks: Functions to call with the gradient of an output, by its number; or None.
        saved: The tensors and numbers that `forward` kept with `save`. Raises RuntimeError if one
            was changed in place since, or if the graph was freed.
    """

    function: type[Function]
    sequence: int
    needs_grad: tuple[bool, ...]
    edges: tuple[tuple[Any, int | None] | None, ...]
    num_outputs: int
    hooks: dict[int, list[Callable[[Tensor], Tensor | None]]] | None
    saved: tuple[Any, ...]
    kept: list[Any]


class Function(_C.FunctionBase):
    """An operation with its gradient.

    A subclass defines two static methods. ``forward(ctx, *args)`` gets the arguments of `apply`
    with tensors unwrapped to raw arrays, computes, calls ``ctx.save(...)`` for what `backward`
    needs (and may set attributes on `ctx`), and returns one raw array or a tuple of them.
    ``backward(ctx, *grads)`` gets a tensor per output (None for an output nobody used) and returns
    one gradient per argument of `apply` (None for arguments without one; a single gradient may be
    returned bare). ``ctx.needs_grad[i]`` tells which are wanted.

    An operation without gradient sets `not_differentiable` to the reason. One whose result shares
    the memory of an input sets `returns_view`, so that stale views are noticed.

    Where one raw function does all that `forward` does but save, it is the `kernel`, which is
    called directly when nothing is recorded. With `saves`, one of "nothing", "arguments" (all of
    them) and "result", no `forward` is needed.

    ``apply(*args)`` computes, and records a node when a gradient will be needed. ``of(*operands)``
    first makes tensors of what is neither a tensor nor a number beside one.

    Raises:
        NotImplementedError: When applied, if the class defines no `forward`; in the backward pass,
            if it defines no `backward`.

    Example:
        >>> import weft
        >>> class Double(weft.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         return weft._C.multiply(x, 2.0)
        ...     @staticmethod
        ...     def backward(ctx, dy):
        ...         return dy * 2.0
        >>> x = weft.tensor([3.0], requires_grad=True)
        >>> Double.apply(x).sum().backward()
        >>> x.grad.tolist()
        [2.0]

    Follows torch.autograd.Function.
    """

    name: ClassVar[str] = "function"
    not_differentiable: ClassVar[str | None] = None
    returns_view: ClassVar[bool] = False
    kernel: ClassVar[Callable[..., Any] | None] = None
    saves: ClassVar[str | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__.strip("_")).lower()
        if "forward" in cls.__dict__ and "kernel" not in cls.__dict__:
            cls.kernel = cls.saves = None
        # Bound here once: to bind a class method takes as long as to record an operation.
        cls.apply, cls.of = super().apply, super().of  # type: ignore[method-assign]

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        """Compute on raw arrays."""
        raise NotImplementedError

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Gradients with respect to the arguments."""
        raise NotImplementedError


# --- in-place changes ----------------------------------------------------------------------------

_last_write: dict[int, str] = {}


def user_line() -> str:
    """``file:line`` of the innermost frame outside of weft, for messages."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("weft"):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def note_in_place(target: Tensor, op: str) -> None:
    """Check that `target` may be changed in place, and remember where that happens.

    Raises:
        RuntimeError: While recording, if it is a leaf that requires a gradient or a recorded view.
    """
    if target.requires_grad and _C.is_grad_enabled():
        if target._node is None:
            raise RuntimeError(
                f"{op}: in-place change of a leaf tensor that requires a gradient; write "
                "y = x + ... instead, or change it inside weft.no_grad()"
            )
        if target._view_version is not None:
            raise RuntimeError(
                f"{op}: in-place change of a view whose history is recorded; copy it first "
                "(x = x + 0) or change it inside weft.no_grad()"
            )
    if len(_last_write) > 1000:
        _last_write.clear()
    _last_write[target._data.storage_id] = f"{op} at {user_line()}"


def overwritten_message(op: str, array: Any) -> str:
    """Why a saved tensor cannot be used any more."""
    where = _last_write.get(array.storage_id)
    return (
        f"{op}: a tensor of shape {array.shape} that it saved for its gradient was changed "
        f"in-place afterwards{f' by {where}' if where else ''}; use an operation that makes a new "
        "tensor (y = y + 1 instead of y += 1) or copy the tensor before changing it"
    )


def stale_view_message(op: str, array: Any) -> str:
    """Why a view cannot be an operand any more."""
    where = _last_write.get(array.storage_id)
    return (
        f"{op}: its operand is a view of a tensor that was changed in-place after the view was "
        f"taken{f' by {where}' if where else ''}, so gradients through it would be wrong; take the "
        "view again after the change"
    )


# At the end: the tensor module needs what is defined above, and all others need tensors.
from weft.tensor import Tensor  # noqa: E402
