"""weft.sim.check(): planted mistakes are found where they are, correct kernels are left alone."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

import weft
from weft import _C

pytestmark = [
    pytest.mark.sim_tool,
    pytest.mark.skipif(not _C.sim_can_watch(), reason="built with WEFT_SIM_CHECKED=OFF"),
]

SOURCES = sorted((pathlib.Path(__file__).parents[1] / "csrc/cuda").glob("selftest_faults*.cu"))
SEEDS = [0, 1, 2, 3]


def marked_lines():
    """For each planted kernel the lines marked FAULT and OTHER, as "file.cu:41"."""
    planted = {}
    for source in SOURCES:
        marks = {"FAULT": set(), "OTHER": set()}
        for number, line in enumerate(source.read_text().splitlines(), 1):
            for mark, places in marks.items():
                if line.endswith(f"// {mark}"):
                    places.add(f"{source.name}:{number}")
            if name := re.match(r"WEFT_PLANTED\((\w+)\)", line):
                planted[name[1]] = marks
                marks = {"FAULT": set(), "OTHER": set()}
    return planted


MARKS = marked_lines()
FAULTS = [name for name in MARKS if not name.startswith("legal_")]
LEGAL = [name for name in MARKS if name.startswith("legal_")]

# What a report must say: its kind, and a thread that shows the mistake (None: any may be first).
EXPECTED = {
    "global_write_past_end": ("out of bounds", (40, 0, 0)),
    "global_read_before_begin": ("out of bounds", (0, 0, 0)),
    "host_pointer": ("out of bounds", None),
    "freed_memory": ("out of bounds", None),
    "uninitialised_global": ("uninitialised read", (5, 0, 0)),
    "uninitialised_shared": ("uninitialised read", (63, 0, 0)),
    "dynamic_shared_overrun": ("out of bounds", None),
    "static_shared_overrun": ("out of bounds", None),
    "misaligned_vector_load": ("misaligned access", None),
    "missing_syncthreads": ("race", None),
    "missing_syncthreads_at_the_end_of_a_loop": ("race", None),
    "missing_syncwarp": ("race", None),
    "plain_sum_between_blocks": ("race", (0, 0, 0)),
    "shift_in_place_without_barrier": ("race", None),
    "missing_threadfence": ("race", (0, 0, 0)),
    "plain_read_beside_atomics": ("race", None),
    "race_for_one_byte": ("race", None),
    "lane_outside_of_its_mask": ("misused synchronisation", None),
    "divergent_syncthreads": ("divergent barrier", None),
    "barrier_against_shuffle": ("deadlock", None),
    "named_barrier_that_never_completes": ("deadlock", None),
    "named_barrier_that_leaves_a_warp_out": ("race", None),
    "cp_async_without_wait": ("asynchronous copy", None),
    "cp_async_wait_without_barrier": ("race", None),
    "cp_async_waits_for_the_wrong_group": ("asynchronous copy", None),
    "cp_async_into_a_stage_in_use": ("race", None),
    "cp_async_never_waited_for": ("asynchronous copy", None),
    "cp_async_past_the_end": ("out of bounds", (31, 0, 0)),
    "bulk_load_without_wait": ("asynchronous copy", None),
    "ring_without_empty_barriers": (None, None),
    "mbarrier_that_never_completes": ("deadlock", None),
    "mbarrier_init_unseen": (None, None),
    "source_of_a_bulk_store_overwritten": ("asynchronous copy", None),
    "tensor_map_larger_than_its_tensor": ("out of bounds", (0, 0, 0)),
}


def run_planted(name, seed):
    with weft.sim.check(raise_errors=False, seed=seed) as findings:
        _C.sim_run_planted_fault(name)
    return findings


def test_every_planted_fault_has_an_expectation():
    assert set(FAULTS) == set(EXPECTED)
    assert len(FAULTS) >= 20
    assert set(_C.sim_planted_faults()) == set(MARKS)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", FAULTS)
def test_planted_faults_are_found(name, seed):
    kind, thread = EXPECTED[name]
    marks = MARKS[name]
    findings = run_planted(name, seed)
    assert findings, "nothing was found"
    # In another order the other side of a race may come second, and a copy may have landed.
    lines = marks["FAULT"] if seed == 0 else marks["FAULT"] | marks["OTHER"]
    matching = [f for f in findings if any(line in f.message for line in lines)]
    if kind is not None and not (seed and kind == "asynchronous copy"):
        matching = [f for f in matching if f.kind == kind]
    assert matching, f"expected {kind} at {lines}, found:\n{findings}"
    if thread is not None and seed == 0:
        assert thread in {f.thread for f in matching}, findings
    for finding in findings:
        known = marks["FAULT"] | marks["OTHER"]
        assert not finding.line or finding.line in known, f"a wrong place: {finding}"
        assert not finding.other_line or finding.other_line in known, f"a wrong place: {finding}"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", LEGAL)
def test_legal_patterns_are_not_reported(name, seed):
    assert run_planted(name, seed) == []


# These contain mistakes on purpose, to see how the runtime reports them.
DELIBERATE = {"faults", "faults_are_told_once", "fresh_memory_holds_nans"}
SELFTESTS = [name for name, _, _ in _C.gpu_selftest("sim") if name not in DELIBERATE]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SELFTESTS)
def test_building_blocks_are_not_reported(name, seed):
    with weft.sim.check(seed=seed):
        [(_, error, tolerance)] = _C.gpu_selftest("sim", name)
    assert error <= tolerance


def test_findings_raise_at_the_end_of_the_block():
    with pytest.raises(weft.sim.CheckError, match="race: reverse") as raised, weft.sim.check():
        _C.sim_run_planted_fault("missing_syncthreads")
    assert {f.kernel for f in raised.value.findings} == {"reverse_without_barrier"}


def test_the_device_is_usable_after_a_kernel_was_stopped():
    with weft.sim.check(raise_errors=False) as findings:
        _C.sim_run_planted_fault("global_write_past_end")
    assert findings
    with weft.device("sim"):
        np.testing.assert_array_equal((weft.ones((5,)) + 1).numpy(), 2)


def test_tensors_have_exact_bounds():
    """A kernel that runs past a tensor is stopped even where the allocator left room."""
    with weft.sim.check(), weft.device("sim"):
        for size in (1, 127, 128, 129):
            x = weft.tensor(np.arange(size, dtype="float32"))
            np.testing.assert_array_equal((x + x).numpy(), 2.0 * np.arange(size))


def test_an_error_inside_the_block_stays_itself():
    with pytest.raises(ZeroDivisionError), weft.sim.check():
        _ = 1 / 0


def test_checks_do_not_nest():
    with weft.sim.check(), pytest.raises(RuntimeError, match="one at a time"), weft.sim.check():
        pass
    with weft.sim.check() as findings:
        pass
    assert findings == []


@pytest.mark.parametrize("seed", ["x", -1, 0.5])
def test_a_bad_seed_is_refused_and_leaves_no_check_running(seed):
    with pytest.raises(ValueError, match="seed must be a whole number"), weft.sim.check(seed=seed):
        pass
    with weft.sim.check() as findings:
        pass
    assert findings == []


def test_the_environment_checks_a_whole_process():
    code = "from weft import _C; _C.sim_run_planted_fault({!r})"
    environment = {"WEFT_SIM_CHECK": "1", "PYTHONPATH": ":".join(p for p in sys.path if p)}

    def run(name):
        command = [sys.executable, "-c", code.format(name)]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    bad, good = run("missing_syncthreads"), run("legal_in_place")
    assert bad.returncode == 1 and "race" in bad.stderr
    assert good.returncode == 0 and good.stderr == ""
