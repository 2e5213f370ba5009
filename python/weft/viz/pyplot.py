"""matplotlib, imported when a picture is drawn."""

from __future__ import annotations

import os
import sys
from typing import Any


def pyplot() -> Any:
    """matplotlib's pyplot, drawing to files when there is no display.

    Raises:
        ImportError: Without matplotlib.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install weft[plot]") from error
    display = {"DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND"} & set(os.environ)
    if sys.platform == "linux" and not display and "matplotlib.pyplot" not in sys.modules:
        matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt
