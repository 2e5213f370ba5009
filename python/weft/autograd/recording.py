"""Recording operations for reverse-mode differentiation.

A `Function` computes on raw arrays (`_C.Tensor`) and, when a gradient will be needed, leaves a
node: edges to where its inputs came from, and what its `backward` saved. The walk over these nodes
is in `weft.autograd.engine`.
"""

from __future__ import annotations

import functools
import itertools
import re
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, ClassVar


class _State(threading.local):
    recording = True


_state = _State()


class _RecordingMode:
    """Context manager and decorator that switches recording on or off for this thread."""

    recording: ClassVar[bool]

    def __enter__(self) -> None:
        self._outer = getattr(self, "_outer", [])
        self._outer.append(_state.recording)
        _state.recording = self.recording

    def __exit__(self, *exception: object) -> None:
        _state.recording = self._outer.pop()

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
    """

    recording = True


def is_grad_enabled() -> bool:
    """Whether operations of the calling thread are recorded for gradients.

    Example:
        >>> import weft
        >>> with weft.no_grad():
        ...     weft.is_grad_enabled()
        False
    """
    return _state.recording


class _Unrecorded:
    """Stands in for a node while nothing is recorded: keeps nothing."""

    __slots__ = ()
    needs_grad = (False,) * 64

    def __setattr__(self, name: str, value: object) -> None:
        pass

    def save(self, *arrays: Any) -> None:
        """Keep nothing."""


_UNRECORDED = _Unrecorded()
_counter = itertools.count()


class Node:
    """One recorded operation; the `ctx` of `Function.forward` and `Function.backward`.

    Attributes:
        needs_grad: For each argument of `apply`, whether its gradient is wanted.
        edges: For each argument, where its gradient goes: ``(node, output)``, ``(leaf, None)``,
            or None.
        num_outputs: How many arrays `Function.forward` returned.
    """

    # Rarely set; on the class, so that making a node stays cheap.
    hooks: dict[int, list[Callable[[Tensor], Tensor | None]]] | None = None
    num_outputs = 1
    _saved: Sequence[Any] | None = ()
    _output_arrays: Sequence[Any] = ()
    _args: Sequence[Any] | None = None
    _raw: Sequence[Any] = ()

    def __init__(self, function: type[Function], args: Sequence[Any], raw: list[Any]) -> None:
        self.function = function
        self.sequence = next(_counter)
        self._args = args
        self._raw = raw
        self.needs_grad = needs_grad = [False] * len(raw)
        self.edges: list[tuple[Any, int | None] | None] = [None] * len(raw)
        for i, a in enumerate(args):
            if a is raw[i]:
                continue  # no tensor: those were unwrapped
            if a._view_version is not None and a._view_version != raw[i].version:
                raise RuntimeError(stale_view_message(function.name, raw[i]))
            if a._requires_grad:
                needs_grad[i] = True
                self.edges[i] = (a, None) if a._node is None else (a._node, a._index)

    def save(self, *arrays: Any) -> None:
        """Keep arrays (inputs or outputs of `forward`, or others; None too) for `backward`."""
        args, raw = self._args, self._raw
        assert args is not None, "ctx.save belongs into forward"
        kept: list[Any] = []
        for array in arrays:
            if array is None:
                kept.append(None)
                continue
            # An input is kept with its graph, so that second derivatives reach it.
            source = array
            for i, of_a in enumerate(raw):
                if of_a is array:
                    source = args[i]
                    break
            kept.append((source, array.version))
        self._saved = kept

    @property
    def saved(self) -> tuple[Any, ...]:
        """The tensors kept by `save`, in the same order.

        Raises:
            RuntimeError: If one was changed in place since, or if the graph was freed.
        """
        if self._saved is None:
            raise RuntimeError(
                f"{self.function.name}: the graph was walked before and its saved tensors were "
                "freed; to call backward a second time pass retain_graph=True the first time"
            )
        tensors: list[Any] = []
        for kept in self._saved:
            if kept is None:
                tensors.append(None)
                continue
            source, version = kept
            is_tensor = isinstance(source, Tensor)
            array = source._data if is_tensor else source
            if array.version != version:
                raise RuntimeError(overwritten_message(self.function.name, array))
            tensors.append(source if is_tensor else self._as_tensor(array))
        return tuple(tensors)

    def _as_tensor(self, array: Any) -> Tensor:
        for index, output in enumerate(self._output_arrays):
            if output is array:
                return self.wrap(index, array)
        return Tensor(array)

    def wrap(self, index: int, array: Any) -> Tensor:
        """The tensor of output number `index`."""
        result = Tensor(array)
        if array.dtype.is_floating:
            result._requires_grad = True
            result._node = self
            result._index = index
            if self.function.returns_view:
                result._view_version = array.version
        return result

    def finish(self, results: Sequence[Any]) -> None:
        """Note the outputs once `forward` has returned."""
        self.num_outputs = len(results)
        for kept in self._saved or ():
            if kept is not None:
                for r in results:
                    if r is kept[0]:
                        # Kept raw, not as a tensor: that would be a cycle of references.
                        self._output_arrays = results
        self._args = None
        self._raw = ()

    def free(self) -> None:
        """Forget what was saved; the graph cannot be walked again."""
        self._saved = None
        self._output_arrays = ()


class Function:
    """An operation with its gradient.

    A subclass defines two static methods. ``forward(ctx, *args)`` gets the arguments of `apply`
    with tensors unwrapped to raw arrays, computes, calls ``ctx.save(...)`` for what `backward`
    needs (and may set attributes on `ctx`), and returns one raw array or a tuple of them.
    ``backward(ctx, *grads)`` gets a tensor per output (None for an output nobody used) and returns
    one gradient per argument of `apply` (None for arguments without one; a single gradient may be
    returned bare). ``ctx.needs_grad[i]`` tells which are wanted.

    An operation without gradient sets `not_differentiable` to the reason. One whose result shares
    the memory of an input sets `returns_view`, so that stale views are noticed.

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
    """

    name: ClassVar[str] = "function"
    not_differentiable: ClassVar[str | None] = None
    returns_view: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__.strip("_")).lower()

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        """Compute on raw arrays."""
        raise NotImplementedError

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Gradients with respect to the arguments."""
        raise NotImplementedError

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Compute, and record a node when a gradient will be needed."""
        raw = []
        tracked = False
        severed = None
        for a in args:
            if isinstance(a, Tensor):
                raw.append(a._data)
                if a._requires_grad:
                    tracked = True
                elif a._severed is not None:
                    severed = a._severed
            else:
                raw.append(a)
        if tracked and _state.recording:
            if cls.not_differentiable is None:
                return cls._record(args, raw)
            severed = (cls.name, cls.not_differentiable)
        results = cls.forward(_UNRECORDED, *raw)
        if severed is None or not _state.recording:
            return tuple(map(Tensor, results)) if type(results) is tuple else Tensor(results)
        wrapped = tuple(map(Tensor, results if type(results) is tuple else (results,)))
        for result in wrapped:
            result._severed = severed
        return wrapped if type(results) is tuple else wrapped[0]

    @classmethod
    def _record(cls, args: Sequence[Any], raw: list[Any]) -> Any:
        node = Node(cls, args, raw)
        results = cls.forward(node, *raw)
        if type(results) is tuple:
            node.finish(results)
            return tuple(node.wrap(i, array) for i, array in enumerate(results))
        node.finish((results,))
        return node.wrap(0, results)


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
    if target.requires_grad and _state.recording:
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


# At the end: the tensor module needs what is defined above, and `apply` needs its class without
# the cost of an import at each call.
from weft.tensor import Tensor  # noqa: E402
