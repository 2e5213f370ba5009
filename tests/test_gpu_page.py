"""docs/how-a-gpu-runs-this.md says what the simulated device says today."""

import re
import runpy
from pathlib import Path

import pytest

from weft import _C

pytest.importorskip("sklearn")
pytestmark = [
    pytest.mark.sim_tool,
    pytest.mark.skipif(not _C.sim_can_watch(), reason="built with WEFT_SIM_CHECKED=OFF"),
]

DOCS = Path(__file__).parent.parent / "docs"
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]\d+)?")


def blocks(text):
    return {name: body for _, name, body, _ in MAKER["BLOCK"].findall(text)}


MAKER = runpy.run_path(str(DOCS / "make_gpu_page.py"), run_name="make_gpu_page")


def test_what_is_printed_is_what_is_seen():
    page = MAKER["PAGE"].read_text()
    written, seen = blocks(page), blocks(MAKER["filled"](page))
    assert set(written) == {"launches", "thread", "accesses", "mistake"}
    for name in written:
        # Line numbers and last digits may move; kernels, accesses and their order may not.
        kinds = [re.sub(r"\s+", " ", NUMBER.sub("#", t[name])).strip() for t in (written, seen)]
        assert kinds[0] == kinds[1], "run: python docs/make_gpu_page.py"
