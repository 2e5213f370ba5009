"""The ``WEFT_SIM_*`` variables of the environment, checked before anything reads them.

The simulated device reads them when it is first used, deep inside of calls that cannot raise; a
word where a number belongs must not count as 0 there.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple


class _Variable(NamedTuple):
    pattern: str
    expected: str


# What each is for is in docs/simulated-device.md. An empty value counts as none.
_VARIABLES = {
    "WEFT_SIM_CHECK": _Variable(r"[01]", "0 or 1"),
    "WEFT_SIM_SEED": _Variable(r"\d{1,19}", "a whole number"),
    "WEFT_SIM_MEMORY": _Variable(r"\d+(\.\d+)?[kKmMgG]?", "bytes, such as 512M or 4G"),
    "WEFT_SIM_DEVICES": _Variable(r"\d{1,4}", "how many devices there are"),
    "WEFT_SIM_DRIVER": _Variable(r"\d{1,6}", "a CUDA version such as 12040, or 0 for no driver"),
}


def check_environment() -> None:
    """Refuses values that no part of the simulated device understands.

    Raises:
        ValueError: With the variable, its value and what was expected.
    """
    for name, variable in _VARIABLES.items():
        value = os.environ.get(name, "")
        if value and not re.fullmatch(variable.pattern, value):
            raise ValueError(f"{name} must be {variable.expected}, got {value!r}")
