"""Comparisons with PyTorch on a GPU, at small sizes on sim, and the tool that runs all parts."""

import ast
import importlib.util
import json
import pathlib
import re
import sys
import time

import numpy as np
import pytest

import weft
from weft.bench.gpu import measure, report
from weft.bench.gpu.__main__ import goals, main, run
from weft.bench.gpu.milestones import MILESTONES, Goal
from weft.bench.gpu.work import Input, Work, own_forward, peer_forward
from weft.testing.opcase import cases

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # for benchmarks
TINY = 1 / 128
WORKS = list({work.name: work for work in measure.works(TINY)}.values())  # some shrink alike


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where its dataclasses look
    spec.loader.exec_module(module)
    return module


gpu_check = load(ROOT / "tools" / "gpu_check.py")


@pytest.fixture
def torch(monkeypatch):
    """PyTorch on the CPU, whose events are the CPU's clock, where otherwise its GPU is."""

    class Event:
        def record(self):
            self.at = time.perf_counter()

        def synchronize(self):
            pass

        def elapsed_time(self, end):
            return (end.at - self.at) * 1e3

    def clock(work, module):
        return measure.Clock(work, Event, "elapsed_time", lambda: None)

    monkeypatch.setattr(measure, "PEER_DEVICE", "cpu")
    monkeypatch.setattr(measure, "peer_clock", clock)
    return pytest.importorskip("torch")


# --- the comparisons ------------------------------------------------------------------------------


@pytest.mark.parametrize("work", WORKS, ids=lambda w: w.name)
def test_both_libraries_compute_the_same(work, torch):
    assert measure.check(work, "sim", torch) <= work.tolerance


def doubled(factor, shape=(4, 4)):
    return Work(
        "doubled", "bandwidth", "elementwise", [Input((4, 4))],
        own_forward(lambda x: x * 2.0),
        peer_forward(lambda torch, x: (x * factor).reshape(shape)), 128.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    "work", [doubled(2.001), doubled(float("nan")), doubled(2.0, (16,))], ids=["", "nan", "shape"]
)
def test_a_difference_is_found(work, torch):
    with pytest.raises(AssertionError, match="doubled: "):
        measure.check(work, "sim", torch)
    assert measure.check(doubled(2.0), "sim", torch) < 1e-6


def test_every_work_says_what_it_is_measured_by():
    full = list(measure.works(1.0))
    assert len({w.name for w in full}) == len(full) > 200
    units = set(measure.limit_works(1.0))
    for work in full:
        assert work.group in measure.GROUPS and work.milestone in MILESTONES, work.name
        assert work.unit in (None, *units), work.name
        assert (work.unit is None) == (work.flops == 0), work.name
        if work.moved:  # of training steps only the ratio is of interest
            assert work.moved >= sum(i.size for i in work.inputs), work.name
        else:
            assert work.group == "steps"
    assert {w.milestone for w in full} == set(MILESTONES)
    assert {w.group for w in full} == set(measure.GROUPS)
    assert max(i.size for w in WORKS for i in w.inputs) < 1 << 20


def test_both_libraries_round_alike_and_are_set_back(torch):
    before = torch.backends.cudnn.allow_tf32
    with measure.float32_products_as("tf32", torch):
        assert weft.matmul_precision() == "tf32"
        assert torch.backends.cuda.matmul.allow_tf32 and torch.backends.cudnn.allow_tf32
    with measure.float32_products_as("float32", torch):
        assert weft.matmul_precision() == "float32"
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before
    assert weft.matmul_precision() == "float32"


# --- limits ---------------------------------------------------------------------------------------


def test_each_unit_has_a_limit_of_its_own():
    found = measure.limits("sim", rounds=1, scale=TINY)
    assert set(found) == {"bytes", "float32", "tf32", "float16", "bfloat16"}
    for unit, limit in found.items():
        work = measure.limit_works(TINY)[unit]
        assert limit["per_second"] > 0 and limit["by"] == "weft" and limit["work"] == work.name
        assert ("copy" in work.name) if unit == "bytes" else work.unit == unit


def test_a_limit_is_left_to_pytorch_where_weft_is_wrong(monkeypatch, capsys):
    def measured(work, *_):
        if work.unit == "tf32":
            raise AssertionError("they differ")
        return 4.0, 2.0, 0.0

    monkeypatch.setattr(measure, "measure", measured)
    monkeypatch.setattr(measure, "_of_peer", lambda *_: 1.0)
    found = measure.limits("sim", object(), 1, TINY)
    works = measure.limit_works(TINY)
    assert (
        found["tf32"]["per_second"] == works["tf32"].flops
        and "they differ" in capsys.readouterr().out
    )
    assert found["float16"]["per_second"] == works["float16"].flops / 2
    assert {limit["by"] for limit in found.values()} == {"PyTorch"}


def test_a_share_is_that_of_the_nearest_limit():
    rates = {"bytes": 100.0, "float32": 10.0, "bfloat16": 1000.0}
    limits = {unit: {"per_second": rate} for unit, rate in rates.items()}

    def share(unit, flops, moved):
        nothing = own_forward(lambda: None)
        work = Work("w", "matmul", "elementwise", [], nothing, nothing, moved, flops, unit)
        return measure.share(work, 2.0, limits)

    assert share("float32", 10.0, 50.0) == (0.5, "float32")
    assert share("bfloat16", 10.0, 50.0) == (0.25, "bytes")
    assert share("bfloat16", 1000.0, 50.0) == (0.5, "bfloat16")
    assert share(None, 0.0, 100.0) == (0.5, "bytes")
    assert measure.share(Work("w", "", "", [], own_forward, own_forward, 0.0), 1.0, limits) == (
        None,
        None,
    )


def test_goals():
    row = {"weft": 2e-6, "ratio": 0.9, "share": None}
    assert Goal("us", 3.0).reached(row) and not Goal("us", 1.0).reached(row)
    assert Goal("ratio", 0.9).reached(row) and not Goal("ratio", 0.91).reached(row)
    assert Goal("share", 0.5).reached(row) is None
    assert str(Goal("share", 0.86)) == "86 % of the limit" and str(Goal("us", 3.0)) == "3 us"


# --- the command and its files --------------------------------------------------------------------


def test_the_command_writes_rows_as_json_and_as_a_table(tmp_path, capsys):
    path = tmp_path / "sub" / "sim.json"
    command = ["--device", "sim", "--scale", str(TINY), "--rounds", "2", "--output", str(path)]
    assert main([*command, "--filter", "matmul 32x32x32 NN"]) == 0
    record = json.loads(path.read_text())
    assert record["machine"]["gpu"] == "weft simulated device"
    assert [row["limit"] is not None for row in record["rows"]] == [True] * len(record["rows"])
    kinds = {row["name"].split()[-1] for row in record["rows"]}
    assert kinds == {"float32", "tf32", "float16", "bfloat16"}
    for row in record["rows"]:
        assert row["weft"] > 0 and row["torch"] is None and row["ratio"] is None
        assert row["error"] is None and row["tflops"] > 0 and row["first"] is None
    text = path.with_suffix(".md").read_text()
    assert all(f"| {row['name']} |" in text for row in record["rows"])
    assert "**Not run on a GPU**" in text and "gpu-check" not in text
    assert f"{len(record['rows'])} comparisons" in capsys.readouterr().out

    # The limits of a file of the same device are taken, not measured again.
    record["limits"]["bytes"]["per_second"] = 1.0
    path.write_text(json.dumps(record))
    assert main([*command, "--filter", "copy", "--limits", str(path)]) == 0
    [row] = json.loads(path.read_text())["rows"]
    assert row["limit"] == "bytes" and row["share"] > 1e6
    other = {"machine": {"gpu": "another"}, "limits": record["limits"]}
    path.write_text(json.dumps(other))
    assert measure.known_limits(path, "sim") is None


def test_both_libraries_are_timed_after_they_agreed(torch, tmp_path):
    names = ["softmax 64x8 float32", "add of 16 numbers, time of the CPU", "copy 4096"]
    chosen = [w for w in WORKS if w.name in names or "batch 32, against CUDA" in w.name]
    assert len(chosen) == 4
    wrong = doubled(2.5)
    limits = measure.limits("sim", torch, 1, TINY)
    record = run("sim", torch, [*chosen, wrong], 2, limits, tmp_path / "a.json")
    *rows, failed = record["rows"]
    for row in rows:
        assert row["ratio"] == pytest.approx(row["torch"] / row["weft"])
        assert row["error"] is None and 0 <= row["difference"] < 1e-3
        assert row["first"] in (True, False, None)
    assert sum(row["share"] is not None for row in rows) == 2  # of launches and steps there is none
    assert failed["weft"] is None and "differ" in failed["error"]
    assert json.loads((tmp_path / "a.json").read_text())["rows"] == record["rows"]


def test_there_is_a_call_for_each_set_of_inputs(torch):
    work = doubled(2.0)
    contenders = measure.prepare(work, "sim", torch, "cpu", 3)
    own, peer = contenders.own, contenders.peer
    assert len({id(call) for call in (*own, *peer)}) == 6
    np.testing.assert_array_equal(own[0]().numpy(), own[2]().numpy())
    assert measure.sets_of_inputs(work) == measure.MOST_COPIES
    large = [w for w in measure.works(1.0) if w.name == "copy 64M"]
    assert measure.sets_of_inputs(large[0]) == 1


def test_a_comparison_that_fails_is_a_row_that_says_so(capsys):
    def fails(*inputs):
        raise RuntimeError("the device said no\nat length")

    work = Work("w", "matmul", "elementwise", [Input((2,))], fails, fails, 8.0)
    row = measure.row(work, "sim", None, 2, {})
    assert row["error"].startswith("RuntimeError: the device said no") and row["weft"] is None
    assert "failed: RuntimeError: the device said no |" in report.markdown(
        {"machine": MACHINE, "rows": [row | {"first": None, "good": None}]}
    )


def test_check_runs_each_once(capsys):
    command = ["--device", "sim", "--scale", str(TINY), "--check", "--no-peer", "--filter"]
    assert main([*command, "softmax 64x8 "]) == 0
    assert "softmax 64x8 float32" in (out := capsys.readouterr().out) and " ran" in out
    with pytest.raises(SystemExit):
        main([*command, "no such work"])


MACHINE = {
    "gpu": "NVIDIA T",
    "driver": "580.1",
    "date": "2026-01-02",
    "versions": {"torch": "2.11"},
    "missing": {"keras": "tests skip parity"},
}


def example_row(name="matmul big", group="matmul", **values):
    row = {
        "name": name, "group": group, "milestone": "matmul float32", "weft": 2e-3, "torch": 1e-3,
        "ratio": 0.5, "tflops": 3.0, "gbytes": 40.0, "share": 0.25, "limit": "float32",
        "difference": 1e-6, "error": None, "first": False, "good": False,
    }  # fmt: skip
    return row | values


def test_the_page_holds_everything():
    limits = {"float32": {"per_second": 5e13, "work": "matmul huge", "by": "PyTorch"}}
    record = {
        "machine": MACHINE,
        "parts": {"ops": {"outcome": "passed", "seconds": 12.3, "output": ""},
                  "bench-matmul": {"outcome": "failed (1)", "seconds": 3.0, "output": "x"}},
        "limits": limits,
        "milestones": goals(),
        "rows": [example_row(), example_row("small", ratio=2.0, first=True)],
        "ladders": [{"ladder": "matmul", "rung": 1, "title": "naive", "seconds": 1e-3,
                     "tflops": 1.0, "gbytes": 2.0, "share": 0.1, "limit": "bytes", "error": 1e-7}],
    }  # fmt: skip
    text = report.markdown(record)
    for piece in (
        "NVIDIA T, driver 580.1, 2026-01-02", "torch 2.11", "1 of 2 parts passed",
        "| ops | passed | 12 |", "| bench-matmul | failed (1) | 3 |",
        "- keras is not installed: tests skip parity",
        "| float32 | 50.0 TFLOP/s | matmul huge | PyTorch |",
        "| matmul float32 | 0.7x torch: 1 of 2 | 0.92x torch: 0 of 2 | 1.00 | 0.50 |",
        "| matmul big | 2000.0 us | 0.50 | 3.00 | 40 | 25 % | float32 | - |",
        "| matmul 1 naive | 1000.0 us | 1.00 | 2 | 10 % | bytes | 1e-07 |",
    ):  # fmt: skip
        assert piece in text, piece
    assert "Not run" not in text


# --- make gpu-check -------------------------------------------------------------------------------


def test_parts_are_commands_that_exist():
    assert gpu_check.LIMIT < 8 * 60
    for name, part in gpu_check.PARTS.items():
        assert part.does and part.commands, name
        assert set(part.needs) <= {*gpu_check.MODULES, *gpu_check.PROGRAMS}, name
        for command in part.commands:
            if command[0] == "compute-sanitizer":
                assert "compute-sanitizer" in part.needs
                command = command[command.index("1") + 1 :]
            assert command[:2] == [sys.executable, "-m"], command
            assert command[2] in ("pip", "pytest", "weft.bench.gpu", "benchmarks.ladder")
            for word in command[3:]:
                if word.startswith("tests/"):
                    assert (ROOT / word).exists(), word
        assert (gpu_check.OUT in part.commands[0]) == bool(part.collects), name


def test_every_test_file_is_in_one_part():
    found = [
        word
        for name, part in gpu_check.PARTS.items()
        if not name.startswith(("memcheck", "racecheck"))
        for command in part.commands
        for word in command
        if word.startswith("tests/")
    ]
    assert sorted(found) == gpu_check.files("*")


def selections():
    """The tests that parts choose by words, each once."""
    found = set()
    for part in gpu_check.PARTS.values():
        for command in part.commands:
            if "-k" in command:
                at = command.index("-k")
                found.add((command[at - 1], command[at + 1]))
    return sorted(found)


@pytest.mark.parametrize("file, words", selections())
def test_words_choose_tests(file, words):
    source = (ROOT / file).read_text()
    tests = [n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)]
    devices = [n for n in tests if {a.arg for a in n.args.args} & {"gpu", "hopper"}]
    names = [n.name for n in devices if n.name.startswith("test_")]
    if file.endswith("test_gpu_ops.py"):
        names += [case.name for case in cases()]
    wanted = set(re.findall(r"\w+", words)) - {"and", "or", "cuda"}
    for word in wanted:
        assert any(word in name for name in names), word
    assert names and "cuda" in words


def test_what_the_parts_import_is_asked_for():
    own = {"weft", "benchmarks", "capture_steps", "layer_cases", "tests"}
    places = [*ROOT.glob("tests/*.py"), *ROOT.glob("benchmarks/ladder/*.py")]
    places += [*ROOT.glob("python/weft/bench/**/*.py"), *ROOT.glob("python/weft/testing/**/*.py")]
    found = set()
    for path in places:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module)
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "importorskip":
                found.add(node.args[0].value)
    roots = {name.partition(".")[0] for name in found} - own - set(sys.stdlib_module_names)
    roots -= {path.stem for path in (ROOT / "tools").glob("*.py")} | {"make_gpu_page"}
    assert roots <= set(gpu_check.MODULES), roots - set(gpu_check.MODULES)
    assert {"torch", "hypothesis", "numpy", "pytest"} <= roots


def test_what_is_missing_is_named_with_what_is_lost(monkeypatch):
    monkeypatch.setitem(gpu_check.MODULES, "no_such_module", "everything")
    monkeypatch.setitem(gpu_check.PROGRAMS, "no-such-program", "the rest")
    lacking = gpu_check.missing()
    assert lacking["no_such_module"] == "everything" and lacking["no-such-program"] == "the rest"
    assert "numpy" not in lacking and "pytest" not in lacking
    part = gpu_check.Part("nothing", [["false"]], ("no_such_module",))
    monkeypatch.setitem(gpu_check.PARTS, "p", part)
    outcome, measured = gpu_check.run_part("p", lacking)
    assert outcome["outcome"] == "left out: no_such_module not installed" and measured is None


WRITES = "import json, sys; json.dump({'rows': [1]}, open(sys.argv[1], 'w')); print('wrote it')"


def test_outcomes_of_parts(monkeypatch):
    def outcome(*commands, **options):
        monkeypatch.setitem(gpu_check.PARTS, "p", gpu_check.Part("", list(commands), **options))
        return gpu_check.run_part("p", {})

    python = [sys.executable, "-c"]
    done, measured = outcome([*python, WRITES, gpu_check.OUT], collects="rows")
    assert done["outcome"] == "passed" and "wrote it" in done["output"]
    assert measured == {"rows": [1]}
    done, measured = outcome([*python, "raise SystemExit(3)"], [*python, WRITES, gpu_check.OUT])
    assert done["outcome"] == "failed (3)" and measured is None
    done, _ = outcome(["no-such-program"])
    assert done["outcome"] == "failed (127)" and "no-such-program" in done["output"]
    monkeypatch.setattr(gpu_check, "LIMIT", 5)  # long enough for Python to start anywhere
    done, _ = outcome([*python, "print('begun', flush=True); import time; time.sleep(60)"])
    assert done["outcome"] == "did not end within 5 s" and done["seconds"] < 30
    assert "begun" in done["output"]


def test_parts_replace_what_they_said_before(tmp_path, monkeypatch):
    record = {"machine": MACHINE, "parts": {}}
    outcome = {"outcome": "passed", "seconds": 1.0, "output": ""}
    limits = {"bytes": {"per_second": 4e12, "work": "copy", "by": "weft"}}

    def measured(*rows):
        return {"rows": list(rows), "limits": limits, "milestones": goals()}

    other = example_row("softmax", "bandwidth", milestone="elementwise")
    gpu_check.merge(record, "bench-bandwidth", outcome, measured(other))
    gpu_check.merge(record, "bench-matmul", outcome, measured(example_row("old")))
    gpu_check.merge(record, "bench-matmul", outcome, measured(example_row("new")))
    gpu_check.merge(record, "build", outcome, None)
    assert [row["name"] for row in record["rows"]] == ["softmax", "new"]
    assert list(record["parts"]) == ["build", "bench-bandwidth", "bench-matmul"]
    rung = {"ladder": "matmul", "rung": 1, "title": "naive", "seconds": 1e-3, "tflops": 1.0,
            "gbytes": 2.0, "share": 0.1, "limit": "bytes", "error": 1e-7}  # fmt: skip
    gpu_check.merge(record, "ladder", outcome, {"ladders": [rung], "limits": limits})
    path = tmp_path / "gpu.json"
    gpu_check.report().write(record, path)
    assert json.loads(path.read_text()) == record
    text = path.with_suffix(".md").read_text()
    assert "| softmax |" in text and "| matmul 1 naive |" in text and "| old |" not in text


def test_ladders_give_their_times_as_numbers(monkeypatch, capsys):
    ladder_command = pytest.importorskip("benchmarks.ladder.__main__")
    from benchmarks.ladder.report import Outcome

    ladder = ladder_command.LADDERS["matmul"]
    monkeypatch.setattr(
        ladder_command.report, "run", lambda _, rung, *__: Outcome(rung, 1e-7, seconds=1e-3)
    )
    limits = {unit: {"per_second": 1e13} for unit in ("bytes", "float32", "tf32", "bfloat16")}
    rows = ladder_command.show_times(ladder, (64, 64, 64), [], "sim", limits)
    assert len(rows) == len(ladder.rungs())
    assert {row["limit"] for row in rows} == {"float32", "tf32", "bfloat16"}
    assert all(row["seconds"] == 1e-3 and row["tflops"] == 2 * 64**3 / 1e9 for row in rows)
    json.dumps(rows)


def test_the_page_in_the_repository_is_what_the_tool_writes():
    path = gpu_check.RESULTS.with_suffix(".md")
    assert path.read_text() == gpu_check.page(), "run python tools/gpu_check.py --page"
    if not gpu_check.RESULTS.exists():
        assert "Not run on a GPU" in path.read_text()
        assert all(f"| {name} |" in path.read_text() for name in gpu_check.PARTS)


def test_inputs_are_the_same_every_time():
    given = Input((3, 4), "int64", 5)
    first, second = (given.array(1) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.max() < 5 and given.size == 96 and Input((2, 2), "bfloat16").size == 8
