"""The Python examples of README.md and docs/ run as printed, and its table is up to date."""

import importlib.util
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Pages that quote pieces of the library's own source rather than programs.
QUOTES = {"add-an-op.md"}

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = [
    pytest.param(match.group(1), id=f"{page.name}-{number}")
    for page in PAGES
    if page.exists() and page.name not in QUOTES
    for number, match in enumerate(BLOCK.finditer(page.read_text()))
]


def test_the_readme_has_an_example():
    assert any(str(p.id).startswith("README") for p in EXAMPLES)


@pytest.mark.parametrize("source", EXAMPLES)
def test_examples_run_as_printed(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(source, "example", "exec"), {"__name__": "__main__"})


def test_the_speed_tables_are_those_of_the_results(monkeypatch):
    path = ROOT / "tools" / "update_readme.py"
    monkeypatch.syspath_prepend(path.parent)  # as when it is run
    spec = importlib.util.spec_from_file_location("update_readme", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.updated() == (ROOT / "README.md").read_text(), f"run python {path.name}"


# Headers of csrc/ops that hold settings, checks or scalar maths: no operation with a contract.
WITHOUT_CONTRACT = {
    "activation", "conv2d_variant", "elementwise_chain", "functors", "functors_activation",
    "functors_arithmetic", "functors_comparison", "functors_math", "kernel_dtype",
    "matmul_variant", "one_device", "peak", "recurrent", "scalar", "variant", "window2d",
}  # fmt: skip
CONTRACTS = sorted((ROOT / "csrc" / "ops").glob("*.h"))


def test_headers_without_a_contract_exist():
    assert {header.stem for header in CONTRACTS} > WITHOUT_CONTRACT


@pytest.mark.parametrize(
    "header", [h for h in CONTRACTS if h.stem not in WITHOUT_CONTRACT], ids=str
)
def test_contracts_state_shapes_what_is_saved_cost_and_error(header):
    said = set(re.findall(r"^// (\w+): \S", header.read_text(), re.MULTILINE))
    assert said & {"Operands", "Shapes"}
    assert said >= {"Saves", "Cost", "Error"}
