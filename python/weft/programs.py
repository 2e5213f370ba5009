"""Recording a step and replaying it: `capture`, `Program`, and what the library tells a recording.

While a step is recorded it runs as always; the compiled recorder notes its launches. A replay runs
these launches without Python, over memory of the program's own. What Python decides is decided
once, so a step is recorded twice, and replayed only if both recordings agree.
"""

from __future__ import annotations

import functools
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from weft import _C
from weft.autograd.recording import is_grad_enabled, user_line
from weft.device import current_device, is_gpu
from weft.tensor import Tensor, as_tensor

__all__ = ["CaptureWarning", "Captured", "Program", "capture", "on_host"]


class CaptureWarning(UserWarning):
    """A step cannot be recorded and runs eagerly; the message says what prevents it and where.

    Example:
        >>> import warnings, weft
        >>> warnings.simplefilter("error", weft.CaptureWarning)  # see the place in a traceback
        >>> warnings.simplefilter("default", weft.CaptureWarning)
    """


class _Active(threading.local):
    recording: _Recording | None = None


_active = _Active()


class _Recording:
    """What Python notes beside the compiled recorder."""

    def __init__(self) -> None:
        self.recorder = _C.Recorder(_layer_path, _place)
        self.hosts: list[Callable[[], Any]] = []
        self.gradients: list[tuple[Tensor, Tensor]] = []
        self.read_later: list[tuple[Any, int]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        _active.recording = self
        self.recorder.start()
        try:
            yield
        finally:
            self.recorder.stop()
            _active.recording = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.recorder.stop()
        _active.recording = None
        try:
            yield
        finally:
            _active.recording = self
            self.recorder.start()


def _layer_path() -> str:
    from weft.layers.calls import calls

    return "/".join(layer.name for layer in calls.stack)


_PLUMBING = ("weft.tensor", "weft.programs", "weft.autograd", "weft.variable", "contextlib")


def _place() -> str:
    """The line that did what cannot be recorded; if it is weft's, also the user's."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(_PLUMBING):
            break
        frame = frame.f_back
    line = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    if frame.f_globals.get("__name__", "").startswith("weft"):
        return f"{line}, called from {user_line()}"
    return line


# --- what the library tells ----------------------------------------------------------------------


def on_host(function: Callable[[], Any]) -> None:
    """Run `function` now, and in a replay at the same place between the launches.

    What it does is not recorded, so it may read values and decide. Tensors that it uses must be
    variables or results of the step: these hold the values of the running replay.

    Example:
        >>> import weft
        >>> @weft.capture
        ... def step(x):
        ...     total = x.sum()
        ...     weft.programs.on_host(lambda: print(float(total)))
        >>> for value in (1.0, 2.0, 3.0, 4.0):
        ...     step(weft.tensor([value]))
        1.0
        2.0
        3.0
        4.0
    """
    recording = _active.recording
    if recording is None:
        function()
        return
    recording.recorder.host_entry()
    recording.hosts.append(function)
    with recording.paused():
        function()


def note_gradient(leaf: Tensor, gradient: Tensor) -> None:
    """`leaf.grad` was set: replays set it too."""
    recording = _active.recording
    if recording is not None:
        recording.gradients.append((leaf, gradient))


class Changes:
    """Attributes of layers that were set: what was recorded before may be out of date."""

    count = 0
    last = ""  # the last one, in words


def note_attribute(owner: Any, name: str, value: Any) -> None:
    """An attribute is being set, which may change later steps, and which a replay would not do."""
    before = owner.__dict__.get(name, Changes)
    if before is value:
        return
    recording = _active.recording
    if before is not Changes or recording is not None:
        Changes.count += 1
        owned_by = owner.__dict__.get("name", type(owner).__name__)
        Changes.last = f"the attribute {name!r} of {owned_by!r}"
    if recording is not None:
        recording.recorder.give_up(
            f"the step sets {Changes.last} (keep what changes in a weft.Variable)"
        )


class Later(Tensor):
    """A result that is computed when somebody looks: in a replay, when its launches have run."""

    def __init__(self, result: Callable[[], Any]) -> None:  # it has no data of its own
        self.now = result

    @property
    def _data(self) -> Any:
        return as_tensor(self.now())._data

    def item(self) -> Any:
        """The value as a Python number."""
        value = self.now()
        return value.item() if hasattr(value, "item") else value


def later(arrays: Sequence[Any], result: Callable[[], Any]) -> Any:
    """``result()``, which reads raw `arrays`; while recording something that reads them later."""
    recording = _active.recording
    if recording is None:
        return result()
    recording.read_later.extend((a, a.version) for a in arrays)
    with recording.paused():
        value = result()
    if isinstance(value, dict):
        return {key: Later(functools.partial(_pick, result, key)) for key in value}
    return Later(result)


def _pick(result: Callable[[], Any], key: Any) -> Any:
    return result()[key]


# --- arguments and results -----------------------------------------------------------------------


def _flatten(value: Any, leaves: list[Tensor]) -> Any:
    """Append the tensors of a structure to `leaves`; gives what else is in it, as a key."""
    if isinstance(value, Tensor):
        leaves.append(value)
        return "with gradient" if value._requires_grad else Tensor
    if isinstance(value, np.ndarray):
        leaves.append(as_tensor(value))
        return np.ndarray
    if isinstance(value, dict):
        return (dict, *((k, _flatten(v, leaves)) for k, v in value.items()))
    if isinstance(value, (list, tuple)):
        return (type(value), *(_flatten(v, leaves) for v in value))
    return (type(value), value)


def _replace(value: Any, leaves: Iterator[Any]) -> Any:
    """The same structure with other tensors."""
    if isinstance(value, (Tensor, np.ndarray)):
        return next(leaves)
    if isinstance(value, dict):
        return {k: _replace(v, leaves) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_replace(v, leaves) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


class _Made:
    """A result in memory of the program."""

    def __init__(self, data: Any) -> None:
        self.data = data


def _mark(value: Any, recorder: Any) -> Any:
    """Results as a program keeps them."""
    if isinstance(value, Tensor) and not isinstance(value, Later):
        return _Made(value._data) if recorder.is_new(value._data) else value
    if isinstance(value, dict):
        return {k: _mark(v, recorder) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_mark(v, recorder) for v in value)
    return value


def _fresh(value: Any) -> Any:
    """Results as the caller gets them: with memory of their own."""
    kind = type(value)
    if kind is _Made:
        return Tensor(_C.copy(value.data))
    if kind is dict:
        return {k: _fresh(v) for k, v in value.items()}
    if kind is list or kind is tuple:
        return kind(_fresh(v) for v in value)
    return value


def _same(a: Any, b: Any) -> bool:
    """Whether two marked results agree in what Python computed."""
    if isinstance(a, (_Made, Later)) or isinstance(b, (_Made, Later)):
        return type(a) is type(b)
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    return a is b or (not isinstance(a, Tensor) and bool(a == b))


def _cut(value: Any) -> Any:
    """Results without history, which a replay could not give."""
    if isinstance(value, Tensor) and value._node is not None:
        value = Tensor(value._data)
        value._severed = ("capture", "gradients end there; call backward inside the function")
        return value
    if isinstance(value, dict):
        return {k: _cut(v) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_cut(v) for v in value)
    return value


# --- programs ------------------------------------------------------------------------------------


class Program:
    """A recorded step: its launches, in order, and the memory they work on.

    ``print(program)`` lists them; `profile` adds times.

    Attributes:
        bytes_before_planning: Memory of all intermediate results, each in its own place.
        bytes_planned: The same with memory used again as soon as a result is not needed any more.
        bytes_kept: Results and constants that stay for the caller or for later replays.

    Example:
        >>> import weft
        >>> double = weft.capture(lambda x: x * 2.0)
        >>> for _ in range(3):
        ...     y = double(weft.ones((4, 2)))
        >>> double.programs[0].launches[0][0], double.programs[0].launches[0][3]
        ('multiply', [((4, 2), weft.float32)])
    """

    def __init__(self, raw: Any, recording: _Recording, results: Any) -> None:
        self._raw = raw
        self._hosts = recording.hosts
        self._gradients = recording.gradients
        self._results = results
        self.bytes_before_planning: int = raw.bytes_before_planning
        self.bytes_planned: int = raw.bytes_planned
        self.bytes_kept: int = raw.bytes_kept

    def _replay(self, inputs: list[Any]) -> Any:
        at = self._raw.run(inputs)
        while at >= 0:
            self._hosts[at]()
            at = self._raw.go_on()
        for leaf, gradient in self._gradients:
            leaf.grad = gradient
        return _fresh(self._results)

    def _difference(self, other: Program) -> str:
        found: str = self._raw.difference(other._raw)
        if found:
            return found
        return "" if _same(self._results, other._results) else "returns other Python values"

    @property
    def launches(self) -> list[tuple[str, str, list[Any], list[Any], int, int]]:
        """For each launch: operation, layer, ``(shape, dtype)`` of its inputs and of its outputs,
        FLOPs, bytes.
        """
        launches: list[tuple[str, str, list[Any], list[Any], int, int]] = self._raw.launches()
        return launches

    def profile(self, repeat: int = 20) -> str:
        """The launches with their times: a table. Afterwards all values are as before."""
        if repeat < 1:
            raise ValueError(f"profile: repeat must be at least 1, got {repeat}")
        return self._table(self._raw.profile(repeat))

    def _table(self, seconds: list[float] | None) -> str:
        head = ["launch", "layer", "inputs", "outputs", "FLOPs", "bytes"]
        total = sum(seconds) if seconds else 0.0
        rows = []
        for i, (name, layer, inputs, outputs, flops, moved) in enumerate(self.launches):
            row = [name, layer, _shapes(inputs), _shapes(outputs), f"{flops:,}", f"{moved:,}"]
            if seconds:
                row += [f"{seconds[i] * 1e6:.2f}", f"{seconds[i] / total:.1%}"]
            rows.append(row)
        head += ["us", "share"] if seconds else []
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = [
            "  ".join(
                text.ljust(width) if k < 4 else text.rjust(width)
                for k, (text, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in [head, *rows]
        ]
        facts = (
            f"{len(rows)} launches; intermediate results {self.bytes_planned:,} bytes (planned; "
            f"{self.bytes_before_planning:,} one by one), kept {self.bytes_kept:,} bytes"
        )
        return "\n".join([*lines, facts])

    def __str__(self) -> str:
        return self._table(None)

    def __repr__(self) -> str:
        return f"<Program of {len(self.launches)} launches>"


def _shapes(operands: list[Any]) -> str:
    shown = [str(tuple(shape)).replace(" ", "") for shape, _ in operands[:4]]
    return " ".join(shown) + (f" +{len(operands) - 4}" if len(operands) > 4 else "")


class _Kind:
    """One kind of call: the same shapes, dtypes and flags."""

    program: Program | None = None  # recorded twice: may be replayed
    first: Program | None = None  # recorded once
    calls = 0
    version = 0
    recordings = 0  # since the last replay
    given_up = False


class Recordings:
    """The programs of one function.

    Args:
        name: What it is called in messages.
    """

    most = 64  # kinds of calls that are remembered
    patience = 6  # recordings without a replay between them

    def __init__(self, name: str) -> None:
        self.name = name
        self._kinds: dict[Any, _Kind] = {}
        self._lock = threading.Lock()
        self._said: set[str] = set()

    def __deepcopy__(self, memo: dict[int, Any]) -> Recordings:
        return Recordings(self.name)

    def __reduce__(self) -> Any:
        return (Recordings, (self.name,))

    @property
    def programs(self) -> list[Program]:
        """Those that are replayed."""
        return [kind.program for kind in self._kinds.values() if kind.program is not None]

    def call(
        self,
        function: Callable[..., Any],
        arguments: Any,
        flags: Any,
        required: bool,
        version: int = 0,
    ) -> Any:
        """``function(arguments)``: eagerly, while recording, or as a replay.

        Args:
            function: The step.
            arguments: A structure of tensors.
            flags: What else decides what the step does.
            required: Raise an error if it cannot be recorded.
            version: Recordings of another version are made again.
        """
        leaves: list[Tensor] = []
        structure = _flatten(arguments, leaves)
        raw = [leaf._data for leaf in leaves]
        try:
            kind = self._kinds.get(key := (flags, structure, _C.signature(raw)))
        except TypeError:  # an argument that is no key
            return function(arguments)
        # Within a recording the launches belong to it; a second thread computes for itself.
        if _C.is_recording() or not self._lock.acquire(blocking=False):
            return function(arguments)
        try:
            if kind is not None and kind.program is not None:
                if kind.version == version and kind.program._raw.is_current():
                    kind.recordings = 0
                    return kind.program._replay(raw)
                kind.program, kind.first = None, None
            return self._learn(function, arguments, leaves, key, required, version)
        finally:
            self._lock.release()

    def _learn(
        self,
        function: Callable[..., Any],
        arguments: Any,
        leaves: list[Tensor],
        key: Any,
        required: bool,
        version: int,
    ) -> Any:
        if (kind := self._kinds.get(key)) is None:
            while len(self._kinds) >= self.most:
                del self._kinds[next(iter(self._kinds))]
            kind = self._kinds[key] = _Kind()
        kind.calls += 1
        if kind.version != version:
            kind.first, kind.version = None, version
        if kind.given_up or kind.calls == 1:
            return function(arguments)
        for leaf in leaves:
            if leaf._requires_grad or is_gpu(leaf.device):
                kind.given_up = True
                reason = "an argument requires a gradient"
                if is_gpu(leaf.device):
                    reason = f"steps on {leaf.device!r} are not captured on this device yet"
                self.complain(reason, required)
                return function(arguments)
        kind.recordings += 1
        results, program, failure = self._record(function, arguments, leaves)
        if program is not None and kind.first is not None:
            failure = kind.first._difference(program)
        if not failure and kind.recordings > self.patience:
            failure = "tensors that it uses are replaced again and again"
        if failure:
            kind.given_up, kind.first = True, None
            self.complain(failure, required)
        elif kind.first is None:
            kind.first = program
        else:
            kind.first, kind.program = None, program
        return results

    def _record(
        self, function: Callable[..., Any], arguments: Any, leaves: list[Tensor]
    ) -> tuple[Any, Program | None, str]:
        recording = _Recording()
        recorder = recording.recorder
        inputs = [Tensor(recorder.input(leaf._data)) for leaf in leaves]
        with recording.running():
            results = function(_replace(arguments, iter(inputs)))
            for array, version in recording.read_later:
                if array.version != version:
                    recorder.give_up("a metric changes after the step asked for its result")
            marked = _mark(results, recorder)
            fresh = results
            with recording.paused():
                # The caller's results must not change at the next replay.
                fresh = _fresh(marked)
            del results
        raw = recorder.finish()
        if raw is None:
            return fresh, None, recorder.failure
        return fresh, Program(raw, recording, marked), ""

    def complain(self, failure: str, required: bool) -> None:
        """Say once why steps run eagerly, or raise it."""
        if required:
            raise RuntimeError(
                f"{self.name} cannot be recorded, which jit_compile=True asks for: {failure}"
            )
        message = f"{self.name} runs eagerly, because it cannot be recorded: {failure}"
        if message not in self._said:
            self._said.add(message)
            warnings.warn(message, CaptureWarning, stacklevel=2)


# --- capture -------------------------------------------------------------------------------------


# Attributes of layers and models that do not change what a step computes.
BOOKKEEPING = frozenset(
    {
        "stop_training",
        "history",
        "_accepted",
        "_losses",
        "_noisy",
        "_position",
        "_explain_loss",
        "_initial_epoch",
        "_float_dtype",
        "_recordings",
        "_metrics_found",
        "_symbolic_output",
        "_compile_arguments",
    }
)


class Captured:
    """What `capture` returns: a function that replays what it did before.

    Example:
        >>> import weft
        >>> double = weft.capture(lambda x: x * 2.0)
        >>> type(double).__name__, double.programs
        ('Captured', [])
    """

    def __init__(self, function: Callable[..., Any], required: bool) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._required = required
        self._recordings = Recordings(getattr(function, "__name__", type(function).__name__))

    @property
    def programs(self) -> list[Program]:
        """The recordings that are replayed, one for each kind of arguments."""
        return self._recordings.programs

    def _apply(self, arguments: tuple[Any, Any]) -> Any:
        args, kwargs = arguments
        return _cut(self._function(*args, **kwargs))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, or replay what it did."""
        flags = (is_grad_enabled(), current_device())
        return self._recordings.call(
            self._apply, (args, kwargs), flags, self._required, Changes.count
        )


def capture(function: Callable[..., Any] | None = None, *, required: bool = False) -> Any:
    """Make `function` faster by recording what it does and replaying it without Python.

    The first call with arguments of some shapes and dtypes runs as always; the next two are
    recorded; from then on calls with such arguments are replays, which give the same bits. Tensors
    that the function uses besides its arguments are used where they are: assign to them in place
    (`Variable.assign`). Python code in the function does not run in a replay, and Python numbers
    stay what they were (as an argument, each number is recorded for itself). A function that reads
    values (``.item()``, ``if tensor:``) or does something else at each call cannot be recorded: it
    runs eagerly, and a `CaptureWarning` says why and where. Results are new tensors without
    history: a gradient must be computed inside. Today steps on the CPU are recorded.

    Args:
        function: The function; may be left out, for use as a decorator with arguments.
        required: Raise a RuntimeError instead of running eagerly.

    Returns:
        A `Captured` function; its attribute `programs` has the recordings, which can be printed.

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
    """
    if function is None:
        return functools.partial(capture, required=required)
    return Captured(function, required)
