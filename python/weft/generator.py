"""`Generator`: a stream of random numbers, and the one that all share."""

from __future__ import annotations

import functools
import os
from typing import Any

import numpy as np

from weft import _C
from weft.device import current_device
from weft.programs.recording import beforehand


class Generator:
    """A stream of random numbers.

    Args:
        seed: An integer from 0 to 2**64 - 1; by default taken from the operating system.
        name: Its name, kept as it is.

    Raises:
        ValueError: If the seed is out of range.

    Example:
        >>> import weft
        >>> a, b = weft.random.Generator(7), weft.random.Generator(7)
        >>> weft.random.normal((3,), seed=a).tolist() == weft.random.normal((3,), seed=b).tolist()
        True

    Source: Salmon et al.: Parallel random numbers: as easy as 1, 2, 3, SC 2011 (Philox 4x32-10).
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        self.name = name
        # By device: an operand of the kernels, which advance the counter in it. That of `_home` is
        # up to date. They stay where they are, for recorded steps use them there.
        self._states = {"cpu": _C.from_numpy(np.zeros(2, "uint64"))}
        self._home = "cpu"
        self.seed(int.from_bytes(os.urandom(8), "little") if seed is None else seed)

    def seed(self, seed: int) -> None:
        """Start the stream of `seed` from its beginning."""
        self.set_state((seed, 0))

    def get_state(self) -> tuple[int, int]:
        """The seed and the counter, for `set_state`."""
        seed, counter = self._state.numpy().tolist()
        return seed, counter

    def set_state(self, state: tuple[int, int]) -> None:
        """Continue where `get_state` was called.

        Raises:
            ValueError: If one of the two numbers is out of range.
        """
        _C.copy_into(_raw_state(state, self._home), self._state)

    @property
    def _state(self) -> Any:
        return self._states[self._home]

    def state_on(self, device: str) -> Any:
        """The raw state on a device; the stream goes on there, with the same numbers."""
        beforehand((self, device), functools.partial(self._go_on, device))
        return self._state

    def _go_on(self, device: str) -> None:
        if self._home == device:
            return
        state = _C.to_device(self._state, device)
        if device in self._states:
            _C.copy_into(state, self._states[device])
        else:
            self._states[device] = state
        self._home = device

    def get_config(self) -> dict[str, Any]:
        """The seed, for `from_config`."""
        return {"seed": self.get_state()[0], "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Generator:
        """A generator at the beginning of the stream that `get_config` describes."""
        return cls(**config)

    def __repr__(self) -> str:
        seed, counter = self.get_state()
        return f"Generator(seed={seed}, counter={counter})"


def _raw_state(state: tuple[int, int], device: str) -> Any:
    for value in state:
        if not 0 <= int(value) < 2**64:
            raise ValueError(f"a generator's seed and counter are 64-bit numbers, got {value}")
    return _C.to_device(_C.from_numpy(np.array([int(v) for v in state], "uint64")), device)


default_generator = Generator()


def state_of(seed: Any, device: str | None = None) -> Any:
    """The raw state {seed, counter} that a `seed` argument stands for.

    Raises:
        TypeError: If it is neither None, an integer nor a generator.
    """
    device = device or current_device()
    if device == "meta":
        return _C.empty((2,), "uint64", "meta")  # shapes only: no numbers are used up
    if seed is None:
        return default_generator.state_on(device)
    if isinstance(seed, Generator):
        return seed.state_on(device)
    if isinstance(seed, (int, np.integer)):
        return _raw_state((int(seed), 0), device)
    raise TypeError(f"seed must be None, an integer or a Generator, got {type(seed).__name__}")
