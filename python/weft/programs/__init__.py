"""Recording a step and replaying it: `capture`, `Program`, and what the library tells a recording.

While a step is recorded it runs as always; the compiled recorder notes its launches. A replay runs
these launches without Python, over memory of the program's own. What Python decides is decided
once, so a step is recorded twice, and replayed only if both recordings agree.
"""

from weft.programs.capture import Captured, capture
from weft.programs.passes import default_passes, passes, set_default_passes
from weft.programs.program import PassReport, Program
from weft.programs.recording import on_host
from weft.programs.recordings import CaptureWarning

__all__ = [
    "CaptureWarning",
    "Captured",
    "PassReport",
    "Program",
    "capture",
    "default_passes",
    "on_host",
    "passes",
    "set_default_passes",
]
