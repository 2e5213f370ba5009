"""Every script of examples/ runs as a reader would run it, and reaches what it should."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

import weft

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"
MNIST = pytest.mark.skipif("WEFT_DATA" not in os.environ, reason="WEFT_DATA names no folder")

# Fewer epochs than by default, where that is enough to see that a script learns; and the least
# that the number after the last match of a pattern has to be.
RUNS = [
    pytest.param("xor.py", (), r"0 xor 1 = (\S+)", 0.9),
    pytest.param("linear_regression_by_hand.py", (), r"by weft: +y = (\S+) x", 2.9),
    pytest.param("custom_training_loop.py", ("--epochs", "4"), r"test accuracy: (\S+)", 0.92),
    pytest.param("digits_cnn.py", ("--epochs", "2"), r"test accuracy: (\S+)", 0.94),
    pytest.param("mnist_mlp.py", ("--epochs", "1"), r"test accuracy: (\S+)", 0.94, marks=MNIST),
    pytest.param(
        "mnist_cnn.py",
        ("--epochs", "1"),
        r"test accuracy: (\S+)",
        0.98,
        marks=[MNIST, pytest.mark.slow],
    ),
]


def test_no_example_is_left_out():
    assert sorted(run.values[0] for run in RUNS) == sorted(p.name for p in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("script, options, pattern, least", RUNS)
def test_examples_reach_what_they_should(tmp_path, script, options, pattern, least):
    package = pathlib.Path(weft.__file__).parent.parent
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / script), *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(package), "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr
    reached = re.findall(pattern, result.stdout)
    assert reached and float(reached[-1]) >= least, result.stdout
