"""The recordings of a function: one for each kind of arguments, learned and replayed."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from weft import _C
from weft.programs.passes import default_passes
from weft.programs.program import NOT_REPLAYED, Program
from weft.programs.recording import Recording, drawing
from weft.programs.results import Leaves, flatten_arguments, fresh, mark, replace
from weft.tensor import Tensor


class CaptureWarning(UserWarning):
    """A step cannot be recorded and runs eagerly; the message says what prevents it and where.

    Example:
        >>> import warnings, weft
        >>> warnings.simplefilter("error", weft.CaptureWarning)  # see the place in a traceback
        >>> warnings.simplefilter("default", weft.CaptureWarning)
    """


class _Kind:
    """One kind of call: the same shapes, dtypes and flags."""

    program: Program | None = None  # recorded twice: may be replayed
    first: Program | None = None  # recorded once
    calls = 0
    version = 0
    recordings = 0  # since the last replay
    given_up = False
    replayed = False  # the program, since it was recorded

    def start_again(self) -> None:
        """With an eager call, for what it works on was replaced: some of it may have to be made."""
        self.first, self.calls = None, 0


class Recordings:
    """The programs of one function.

    Args:
        name: What it is called in messages.
        passes: Passes over the recordings, None for `default_passes`.
    """

    most = 64  # kinds of calls that are remembered
    patience = 6  # recordings without a replay between them

    def __init__(self, name: str, passes: Sequence[str] | None = None) -> None:
        self.name = name
        self._passes = passes
        self._kinds: dict[Any, _Kind] = {}
        self._lock = threading.Lock()
        self._said: set[str] = set()
        self._replayed: Program | None = None  # by the last call

    def __deepcopy__(self, memo: dict[int, Any]) -> Recordings:
        return Recordings(self.name, self._passes)

    def __reduce__(self) -> Any:
        return (Recordings, (self.name, self._passes))

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
        self._replayed = None
        leaves = Leaves()
        structure = flatten_arguments(arguments, leaves)
        raw = [leaf._data for leaf in leaves]
        if leaves.has_arrays:  # in every call, as in a replay
            arguments = replace(arguments, iter(leaves))
        key = (flags, structure, _C.signature(raw))
        try:
            kind = self._kinds.get(key)
        except TypeError as error:
            failure = f"calls cannot be told apart by an argument ({error})"
        else:
            failure = ""
        if failure:
            self.complain(failure, required)
            return function(arguments)
        # Within a recording the launches belong to it; a second thread computes for itself.
        if _C.is_recording() or not self._lock.acquire(blocking=False):
            return function(arguments)
        try:
            if kind is not None and kind.program is not None:
                if kind.version == version and kind.program._raw.is_current():
                    kind.recordings = 0
                    results = kind.program._replay(raw)
                    if results is NOT_REPLAYED:
                        return function(arguments)
                    if not kind.replayed:
                        kind.replayed = True
                        self._say_why_no_graphs(kind.program)
                    self._replayed = kind.program
                    return results
                kind.program, kind.replayed = None, False
                kind.start_again()
            return self._learn(function, arguments, leaves, key, required, version)
        finally:
            self._lock.release()

    def replay_batches(self, reader: Any, rows: int, position: Any) -> None:
        """If the last call was a replay: the same on further batches, see `Program`."""
        if self._replayed is None or not self._lock.acquire(blocking=False):
            return
        try:
            self._replayed._replay_batches(reader, rows, position)
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
        if kind.version != version:
            kind.first, kind.version = None, version
        if kind.first is not None and not kind.first._raw.is_current():
            kind.start_again()
        if kind.given_up or kind.calls == 0:
            results = function(arguments)
            kind.calls += 1  # one that failed has not made what the first call makes
            return results
        for leaf in leaves:
            if leaf._requires_grad:
                kind.given_up = True
                self.complain("an argument requires a gradient", required)
                return function(arguments)
        kind.recordings += 1
        without_gradient = kind.first._leaves_without_gradient() if kind.first is not None else []
        results, program, failure = self._record(function, arguments, leaves)
        if program is None:
            kind.first = None
        if program is not None and kind.first is not None:
            program._without_gradient = without_gradient
            failure = kind.first._difference(program)
        if not failure and kind.recordings > self.patience:
            failure = "tensors that it uses are replaced again and again"
            if program is None:
                failure = drawing("NumPy's")
        if failure:
            kind.given_up, kind.first = True, None
            self.complain(failure, required)
        elif kind.first is None:
            kind.first = program
        elif program is not None:
            program._prepare(self._passes if self._passes is not None else default_passes())
            kind.first, kind.program = None, program
        return results

    def _record(
        self, function: Callable[..., Any], arguments: Any, leaves: list[Tensor]
    ) -> tuple[Any, Program | None, str]:
        recording = Recording()
        recorder = recording.recorder
        inputs = [Tensor(recorder.input(leaf._data)) for leaf in leaves]
        with recording.running():
            results = function(replace(arguments, iter(inputs)))
            recording.end_gradients()
            for array, version in recording.read_later:
                if array.version != version:
                    recorder.give_up("a metric changes after the step asked for its result")
            marked = mark(results, recorder)
            with recording.paused():
                # The caller's results must not change at the next replay.
                own = fresh(marked)
            del results
        raw = recorder.finish()
        if raw is None:
            return own, None, recorder.failure
        if recording.drew:
            alone = threading.active_count() == 1  # else it may have been another thread
            return own, None, drawing("NumPy's") if alone else ""
        return own, Program(raw, recording, marked), ""

    def complain(self, failure: str, required: bool) -> None:
        """Say once why steps run eagerly, or raise it."""
        if required:
            raise RuntimeError(
                f"{self.name} cannot be recorded, which jit_compile=True asks for: {failure}"
            )
        self._say_once(f"{self.name} runs eagerly, because it cannot be recorded: {failure}")

    def _say_why_no_graphs(self, program: Program) -> None:
        if program.why_no_graphs:
            self._say_once(
                f"{self.name} is replayed one launch after the other and not as a CUDA graph, "
                f"which is slower: {program.why_no_graphs}"
            )

    def _say_once(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            warnings.warn(message, CaptureWarning, stacklevel=3)
