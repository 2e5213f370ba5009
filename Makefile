# Every command of the README. Each sets up what it needs: a virtual environment in .venv, the
# compiled module, example data.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# What the compiled module is made from: a change here rebuilds it (only what changed).
SOURCES := CMakeLists.txt pyproject.toml $(shell find csrc cmake benchmarks/ladder -name '*.cpp' -o -name '*.h' -o -name '*.cu' -o -name '*.cmake')
CXX_FILES := $(shell find csrc benchmarks/ladder -name '*.cpp' -o -name '*.h' -o -name '*.cu')

.PHONY: help demo test dev lint format bench stubs wheel sanitize accept gpu-check clean

help:
	@echo "make demo      train a CNN on real handwritten digits, write report/"
	@echo "make test      set everything up and run the tests"
	@echo "make dev       editable install with the developers' tools; run it again after C++ changes"
	@echo "make lint      ruff, mypy, clang-format, instruction-set check"
	@echo "make format    let ruff and clang-format rewrite the files"
	@echo "make bench     compare the kernels with NumPy and, if installed, PyTorch"
	@echo "make wheel     build sdist and wheel into dist/"
	@echo "make sanitize  run every case of every operation under the address and undefined-behaviour sanitizers"
	@echo "make gpu-check on a machine with an NVIDIA GPU: build, tests, memory checks, benchmarks"
	@echo "make accept    run the acceptance tests beside this repository, if they are there"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "scikit-build-core>=0.10" "pybind11>=3.0" "cmake>=3.24" ninja

# The editable install keeps its build folder, so that `make` after an edit compiles little. Build
# isolation would move pybind11 to a new path each time and with it recompile everything.
$(VENV)/built: $(BIN)/python $(SOURCES)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pip install --quiet --no-build-isolation --editable .
	@touch $@

$(VENV)/with-%: $(VENV)/built pyproject.toml
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pip install --quiet --no-build-isolation --editable ".[$*]"
	@touch $@

demo: $(VENV)/with-examples
	$(BIN)/python examples/digits_cnn.py

# Options of pytest: make test PYTEST="-n 4 -k conv2d"
test: $(VENV)/with-test
	$(BIN)/python -m pytest $(PYTEST)

dev: $(VENV)/with-test $(VENV)/with-dev $(VENV)/with-examples
	@echo "weft is installed in $(VENV) and follows your edits; after C++ changes run 'make dev' again"

lint: $(VENV)/with-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(CXX_FILES)
	$(BIN)/python tools/check_stubs.py
	$(BIN)/python tools/check_instruction_sets.py

format: $(VENV)/with-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CXX_FILES)

stubs: $(VENV)/with-dev
	$(BIN)/python tools/check_stubs.py --write

bench: $(VENV)/built
	$(BIN)/python -m weft.bench

wheel: $(VENV)/with-dev
	$(BIN)/python -m build

sanitize: $(VENV)/with-test
	$(BIN)/python tools/run_sanitizers.py

accept: $(VENV)/with-test
	$(BIN)/python tools/run_acceptance.py

# Runs where there is no network: with the Python and the packages of the machine, see the tool.
gpu-check:
	$(PYTHON) tools/gpu_check.py $(PART)

clean:
	rm -rf $(VENV) build dist report .mypy_cache .ruff_cache .pytest_cache .hypothesis
