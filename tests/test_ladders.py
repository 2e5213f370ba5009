"""benchmarks/ladder: every rung agrees with NumPy, and the tables of the READMEs are true."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import weft
from weft import _C

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.ladder import report  # noqa: E402
from benchmarks.ladder.ladders import FOLDER, LADDERS  # noqa: E402

pytestmark = [
    pytest.mark.sim_tool,
    pytest.mark.skipif(
        not (hasattr(_C, "ladder_run") and _C.sim_can_watch()),
        reason="built with WEFT_LADDER=OFF or WEFT_SIM_CHECKED=OFF",
    ),
]

NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]\d+)?")
# Another compiler may merge an access or name a neighbouring line.
ALLOWED = 0.1


def tables(text):
    """Rows of rungs, without the tables of single lines, whose numbers are the compiler's."""
    return [row for row in text.splitlines() if re.match(r"\| (rung|\d+ )", row)]


@pytest.mark.parametrize("ladder", LADDERS.values(), ids=LADDERS)
def test_every_rung_agrees_and_the_readme_says_what_was_counted(ladder):
    fresh = report.generated(ladder)  # raises where a rung and NumPy differ
    written = (FOLDER / ladder.name / "README.md").read_text()
    mine, theirs = tables(fresh), tables(written)
    assert [NUMBER.sub("#", row) for row in mine] == [NUMBER.sub("#", row) for row in theirs]
    for row, other in zip(mine, theirs, strict=True):
        counts = [float(n) for n in NUMBER.findall(row.rsplit("|", 2)[0])]  # not the error
        expected = [float(n) for n in NUMBER.findall(other.rsplit("|", 2)[0])]
        assert counts == pytest.approx(expected, rel=ALLOWED), f"run --write: {row}"
    for rung in ladder.rungs():
        assert rung.idea in written, f"the README has another text for rung {rung.number}"


@pytest.mark.parametrize("ladder", LADDERS.values(), ids=LADDERS)
def test_files_and_registered_rungs_match(ladder):
    built = {number for name, number in _C.ladder_rungs() if name == ladder.name}
    assert built == {rung.number for rung in ladder.rungs() if rung.file}


def requests(lines):
    return sum(line.requests for line in lines)


def test_each_rung_on_tensor_cores_removes_what_its_idea_says():
    matmul = LADDERS["matmul"]
    sizes = (128, 128, 256)
    counts = {r.number: report.run(matmul, r, sizes, "sim").counts for r in matmul.rungs()[6:12]}
    accesses = {
        number: [requests(found.of(memory=m, operation="load")) for m in ("global", "shared")]
        for number, found in counts.items()
    }
    assert requests(counts[8].of(operation="barrier")) == sizes[2] / 16
    assert accesses[8] == accesses[7]
    # Half the bytes; and where ldmatrix gives four values, one of them was loaded before.
    assert accesses[9][0] == accesses[8][0] / 2 and accesses[9][1] == accesses[8][1] / 8
    assert all(c.ways == 1 for n in (9, 10, 11, 12) for c in counts[n].of(memory="shared"))
    assert accesses[10] == [accesses[9][0], 0]  # no fragments
    assert accesses[11][0] == 0 and not counts[11].of(memory="shared", operation="store")
    barriers = [requests(counts[n].of(operation="barrier")) for n in (10, 11, 12)]
    assert barriers == [sizes[2] / 64, sizes[2] / 64 + 1, 1]


def test_each_rung_removes_what_its_idea_says():
    matmul, reduce = LADDERS["matmul"], LADDERS["reduce"]
    counts = {
        r.number: report.run(matmul, r, (128, 128, 32), "sim").counts for r in matmul.rungs()[:6]
    }
    assert max(c.sectors for c in counts[1].of(memory="global")) == 32
    assert all(c.coalescing == 1 for c in counts[2].of(memory="global"))
    assert not counts[2].of(memory="shared") and counts[3].of(operation="barrier")
    assert max(c.ways for c in counts[4].of(memory="shared")) == 4
    assert all(c.ways == 1 for c in counts[5].of(memory="shared"))
    barriers = [requests(counts[n].of(operation="barrier")) for n in (5, 6)]
    assert barriers[1] == barriers[0] / 2
    divergent, dense, clean = (
        report.run(reduce, reduce.rungs()[n], (4096,), "sim").counts for n in (1, 2, 3)
    )
    ways = [max(c.ways for c in rung.of(memory="shared")) for rung in (divergent, dense, clean)]
    assert ways[0] == 1 and ways[1] > 3 and ways[2] == 1


@pytest.mark.parametrize("ladder", LADDERS.values(), ids=LADDERS)
def test_rungs_are_free_of_mistakes(ladder):
    arrays = ladder.inputs(ladder.small)
    rungs = [(rung, rung.inputs(arrays, "sim")) for rung in ladder.rungs() if rung.file]
    with weft.sim.check():
        for rung, inputs in rungs:
            rung.launch(*inputs)


def test_a_rung_refuses_what_it_does_not_multiply():
    x = weft.ones((128, 128), device="sim")
    for number, dtype in ((9, "float32"), (8, "bfloat16")):
        with pytest.raises(TypeError, match=f"matmul rung {number}.*{dtype}"):
            _C.ladder_run("matmul", number, [x.astype(dtype)._data] * 2, x._data)


def test_rungs_for_hopper_are_left_out_elsewhere(monkeypatch):
    matmul = LADDERS["matmul"]
    monkeypatch.setattr(type(matmul), "_is_available", lambda self, name, _: "wgmma" not in name)
    numbers = [rung.number for rung in matmul.rungs()]
    assert numbers == [*range(1, 10), 13, 14]


def test_the_command(tmp_path):
    command = [sys.executable, "-m", "benchmarks.ladder", "softmax", "--rung", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "3 warp per row" in done.stdout and "nothing was timed" in done.stdout


def test_sizes_that_do_not_suit_a_rung_are_said_so():
    matmul = LADDERS["matmul"]
    with pytest.raises(ValueError, match="multiples of 128"):
        report.run(matmul, matmul.rungs()[3], (64, 64, 64), "sim")
