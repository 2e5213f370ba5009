"""What is being recorded, and what the library tells it."""

from __future__ import annotations

import functools
import random
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from weft import _C
from weft.autograd.recording import user_line
from weft.tensor import Tensor, as_tensor


def drawing(whose: str) -> str:
    """Why a step that draws random numbers cannot be recorded."""
    return f"it draws {whose} random numbers, which a replay would not (weft.random's are drawn)"


def _numpy_dice() -> list[Any]:
    """The state of NumPy's global generator."""
    facts: Any = np.random.get_state(legacy=False)
    numbers = [facts.get("has_gauss"), *facts["state"].values()]
    return [n.tobytes() if isinstance(n, np.ndarray) else n for n in numbers]


class _Active(threading.local):
    recording: Recording | None = None


active = _Active()


class Recording:
    """What Python notes beside the compiled recorder."""

    def __init__(self) -> None:
        self.recorder = _C.Recorder(_layer_path, _place)
        self.hosts: list[Callable[[], Any]] = []
        self.beginnings: dict[Any, Callable[[], Any]] = {}
        self.endings: list[tuple[Callable[..., Any], Any]] = []
        self.leaves: dict[int, Tensor] = {}  # that got a gradient by `backward`
        self.gradients_after: list[tuple[Tensor, Any]] = []  # theirs when the step ends
        self.drew = False  # somebody from NumPy's global generator, while this was recorded
        self._dice: list[Any] = []
        self.read_later: list[tuple[Any, int]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """What this thread does meanwhile is recorded."""
        self._start()
        try:
            yield
        finally:
            self._stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What this thread does meanwhile is not recorded."""
        self._stop()
        try:
            yield
        finally:
            self._start()

    def _start(self) -> None:
        active.recording = self
        self.recorder.start()
        self._dice = _numpy_dice()
        if sys.getprofile() is None:
            sys.setprofile(self._watch)

    def _stop(self) -> None:
        if sys.getprofile() == self._watch:
            sys.setprofile(None)
        self.recorder.stop()
        active.recording = None
        self.drew |= self._dice != _numpy_dice()

    # Steps that throw dice: two recordings may by chance agree on what is rare.

    def _watch(self, frame: Any, event: str, called: Any) -> None:
        thrown = event == "c_call" and isinstance(getattr(called, "__self__", None), random.Random)
        if thrown:
            self.recorder.give_up(drawing("Python's"))

    def end_gradients(self) -> None:
        """Gradients that are left at leaves are results: whoever keeps them keeps copies."""
        for leaf in self.leaves.values():
            after: Any = leaf.grad
            if after is not None and self.recorder.is_new(after._data):
                after = Made(after._data)
                with self.paused():
                    leaf.grad = Tensor(_C.copy(after.data))
            self.gradients_after.append((leaf, after))


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


class Made:
    """A result in memory of the program."""

    def __init__(self, data: Any) -> None:
        self.data = data


def copies(made: tuple[Made, ...]) -> list[Any]:
    """Raw arrays of their own, for whoever keeps them."""
    return [_C.copy(array.data) for array in made]


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
    recording = active.recording
    if recording is None:
        function()
        return
    recording.recorder.host_entry()
    recording.hosts.append(function)
    with recording.paused():
        function()


def on_host_unless_finite(number: Tensor, function: Callable[[], Any]) -> None:
    """`on_host`, but a replay on the CPU skips it while `number` is finite: Python has no turn."""
    recording = active.recording
    if recording is None:
        function()
        return
    recording.recorder.host_entry_unless_finite(number._data)
    recording.hosts.append(function)
    with recording.paused():
        function()


def beforehand(key: Any, function: Callable[[], Any]) -> None:
    """Run `function` now, which is not recorded, and before each replay; once for each `key`."""
    recording = active.recording
    if recording is None:
        function()
    elif key not in recording.beginnings:
        recording.beginnings[key] = function
        with recording.paused():
            function()


def afterwards(function: Callable[..., Any], *arrays: Any) -> None:
    """``function(*arrays)`` now, and in a replay when all its launches are queued.

    It gets copies of the raw arrays there, which it may keep. Unlike `on_host` it does not cut the
    launches in two.
    """
    recording = active.recording
    if recording is None:
        function(*arrays)
        return
    made = tuple(Made(array) for array in arrays)
    recording.endings.append((function, made))
    with recording.paused():
        function(*copies(made))


def note_gradient(leaf: Tensor) -> None:
    """`leaf.grad` was set: replays set it too."""
    recording = active.recording
    if recording is not None:
        recording.leaves[id(leaf)] = leaf


class Changes:
    """Attributes of layers, metrics and optimizers that were set: what was recorded before may be
    out of date.
    """

    count = 0
    last = ""  # the last one, in words


def note_change(what: str) -> None:
    """Something was set that launches have as a number, and that a replay would not do."""
    Changes.count += 1
    Changes.last = what
    if active.recording is not None:
        active.recording.recorder.give_up(
            f"the step sets {what} (keep what changes in a weft.Variable)"
        )


def note_attribute(owner: Any, name: str, value: Any) -> None:
    """An attribute is being set, which may change later steps, and which a replay would not do."""
    before = owner.__dict__.get(name, Changes)
    if before is value:
        return
    if before is not Changes or active.recording is not None:
        owned_by = owner.__dict__.get("name", type(owner).__name__)
        note_change(f"the attribute {name!r} of {owned_by!r}")


class ReadLater:
    """A result that is an object which reads it: one serves all replays."""


class Later(Tensor, ReadLater):
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
    recording = active.recording
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
