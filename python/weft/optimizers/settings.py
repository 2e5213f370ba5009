"""Settings of an optimizer that are changed while it is in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weft.optimizers.checks import COMMON, check_common
from weft.programs.recording import note_change

_WITH_SLOTS = ("use_ema", "gradient_accumulation_steps")  # when they are on
_OF_SLOTS = ("initial_accumulator_value",)  # what slots begin with


class Settings:
    """Attributes that updates are prepared with, and prepared again when one is set."""

    name: str
    _slots: list[Any]
    _slot_fills: Callable[[], list[tuple[str, float]]]
    _index: Callable[[], None]

    def __setattr__(self, name: str, value: Any) -> None:
        before = self.__dict__.get(name, value)
        object.__setattr__(self, name, value)
        plain = not name.startswith("_") and name not in ("built", "name")
        if plain and before is not value and before != value and self.__dict__.get("built"):
            self._prepare_again(name, before)

    def _prepare_again(self, name: str, before: Any) -> None:
        """A setting of an optimizer in use is another now.

        Raises:
            ValueError: If it is impossible, or would need other slots; it stays what it was then.
        """
        value = self.__dict__[name]
        try:
            check_common(type(self).__name__, {key: getattr(self, key) for key in COMMON})
            switched = name in _WITH_SLOTS and bool(before) != bool(value)
            if switched or name in _OF_SLOTS or len(self._slot_fills()) != len(self._slots):
                raise ValueError(
                    f"{type(self).__name__}: {name} cannot be changed from {before!r} to {value!r} "
                    "any more, because the optimizer has its slots already; make a new optimizer "
                    "and compile again"
                )
            self._index()
        except Exception:
            self.__dict__[name] = before
            self._index()
            raise
        note_change(f"the setting {name!r} of {self.name!r}")
