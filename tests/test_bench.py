"""`python -m weft.bench`: its arguments, and the picture of the roofline."""

import json
import sys

import pytest

import weft
from weft.bench import roofline
from weft.bench.__main__ import main
from weft.bench.representative import works
from weft.bench.roofline import Point, Roofs

ROOFS = Roofs(flops=1e11, bandwidths={"L1": 2e11, "L2": 1e11, "L3": 8e10, "memory": 2e10})


@pytest.fixture(autouse=True)
def restore_threads():
    threads = weft.num_threads()
    torch = sys.modules.get("torch")
    torch_threads = torch.get_num_threads() if torch else None
    yield
    weft.set_num_threads(threads)
    if torch:
        torch.set_num_threads(torch_threads)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--roofline", "--threads", "1", "2"], "draws one number of threads"),
        (["--threads", "0"], "--threads must be at least 1"),
        (["--seconds", "0"], "--seconds must be positive"),
        (["--roofline", "--isa", "avx2"], "--isa compares libraries"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_all_libraries_are_kept_to_one_instruction_set(tmp_path):
    path = tmp_path / "rows.json"
    short = ["--threads", "1", "--filter", "relu6", "--seconds", "0.001"]
    main(["--isa", "avx2", *short, "--output", str(path)])
    record = json.loads(path.read_text())
    assert record["machine"]["isa"] == "avx2" and record["rows"]
    facts = {"date", "system", "processor", "cores", "caches", "virtual", "load", "versions"}
    assert facts <= set(record["machine"])


def test_a_filter_that_nothing_passes_is_an_error(tmp_path):
    with pytest.raises(SystemExit, match="no kernel has a name that contains 'fft'"):
        main(["--roofline", "--filter", "fft", "--output", str(tmp_path / "picture.png")])
    assert not list(tmp_path.iterdir())


def test_the_roofline_is_drawn_with_its_table(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "folder" / "picture.png"
    main(["--roofline", "--filter", "64 x 64", "--seconds", "0.001", "--output", str(path)])
    assert path.read_bytes().startswith(b"\x89PNG")
    table = path.with_suffix(".md").read_text()
    assert table in capsys.readouterr().out
    assert "| 1 | matmul 64 x 64 x 64 | 11 |" in table
    assert "1 thread," in table
    assert "GFLOP/s of multiply-adds in float32" in table


def test_without_matplotlib_nothing_is_measured(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(roofline, "measure", lambda *_: pytest.fail("measured"))
    with pytest.raises(ImportError, match=r"pip install weft\[plot\]"):
        main(["--roofline"])


def test_points_that_lie_on_each_other_can_be_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    from weft.bench.roofline_picture import draw

    points = [Point(f"matmul {i}", "product", 1000, 100, 1e-8, None) for i in range(12)]
    only_memory = Roofs(1e11, {"memory": 2e10})  # where the system tells nothing of caches
    for number, roofs in enumerate((ROOFS, only_memory)):
        path = tmp_path / f"{number}.png"
        draw(points, roofs, "title", path)
        assert path.read_bytes().startswith(b"\x89PNG")


def test_every_family_has_a_colour():
    from weft.bench.roofline_picture import _COLOURS

    assert {work.family for work in works()} == set(_COLOURS)
    names = [work.name for work in works()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("work", list(works()), ids=lambda work: work.name)
def test_both_libraries_compute_the_same(work):
    pytest.importorskip("torch")
    assert set(roofline.contenders(work, with_torch=True)) == {"weft", "torch"}
    assert weft.conv_precision() == "default"


def test_the_share_is_of_what_memory_allows():
    bound_by_memory = Point("add", "elementwise", 100, 1000, 1e-7, None)
    assert bound_by_memory.intensity == 0.1
    assert ROOFS.share(bound_by_memory) == pytest.approx(0.5)
    bound_by_compute = Point("matmul", "product", 1000, 10, 1e-7, 2e-7)
    assert ROOFS.share(bound_by_compute) == pytest.approx(0.1)
    table = roofline.table([bound_by_memory, bound_by_compute], ROOFS).splitlines()
    assert table[2] == "| 1 | add | 0.1 | 0.1 us | 1.0 | 10.0 | 50% | - | - |"
    assert table[3] == "| 2 | matmul | 100 | 0.1 us | 10.0 | 0.1 | 10% | 0.2 us | 2.00 |"


def test_caches_are_those_that_linux_names(tmp_path):
    for index, (level, kind, size) in enumerate(
        [
            ("1", "Data", "48K"),
            ("1", "Instruction", "32K"),
            ("2", "Unified", "2048K"),
            ("3", "Unified", "16384K"),
        ]
    ):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        facts = {"level": level, "type": kind, "size": size}
        for name, text in facts.items():
            (folder / name).write_text(text + "\n")
    assert list(roofline.caches(tmp_path)) == [
        ("L1", 48 << 10, True),
        ("L2", 2 << 20, True),
        ("L3", 16 << 20, False),
    ]
    assert list(roofline.caches(tmp_path / "nothing")) == []
