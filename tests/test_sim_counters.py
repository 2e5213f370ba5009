"""weft.sim.counters() and weft.sim.trace(): what kernels access, and what one thread does."""

import numpy as np
import pytest

import weft
from weft import _C

pytestmark = [
    pytest.mark.sim_tool,
    pytest.mark.skipif(not _C.sim_can_watch(), reason="built with WEFT_SIM_CHECKED=OFF"),
]


def counts_of(function):
    with weft.sim.counters() as counts:
        function()
    return counts


def planted(name):
    return lambda: _C.sim_run_planted_fault(name)


def only(lines):
    assert len(lines) == 1, lines
    return lines[0]


def test_dense_elementwise_kernels_are_coalesced():
    with weft.device("sim"):
        x = weft.tensor(np.ones(4096, dtype="float32"))
        counts = counts_of(lambda: weft.tanh(x))
    load = only(counts.of("Tanh", "global", "load"))
    assert (load.bytes, load.requests, load.active_lanes) == (16, 32, 32.0)
    assert (load.sectors, load.ideal_sectors, load.coalescing) == (16.0, 16.0, 1.0)
    assert only(counts.of("Tanh", "global", "store")).coalescing == 1.0


def test_strides_cost_sectors():
    with weft.device("sim"):
        x = weft.tensor(np.ones((64, 64), dtype="float32"))
        columns = weft.transpose(x)
        counts = counts_of(lambda: columns + columns)
    load = max(counts.of("Add", "global", "load"), key=lambda line: line.coalescing)
    # Each of the 32 lanes reads a row of its own.
    assert (load.sectors, load.ideal_sectors) == (32.0, 4.0)


def test_padded_tiles_have_no_bank_conflicts():
    counts = counts_of(planted("legal_transpose"))
    shared = counts.of("transpose", "shared")
    assert len(shared) == 2 and all(line.ways == 1.0 for line in shared)
    # 75 columns: of every three warps one has 11 lanes at work.
    assert {line.divergent for line in shared} == {75}
    assert only(counts.of(operation="barrier")).requests == 9


def test_strided_shared_reads_conflict():
    counts = counts_of(planted("legal_cp_async_pipeline"))
    assert only(counts.of("pipeline", "shared", "load")).ways == 4.0
    for copy in counts.of("pipeline", "shared", "store"):
        assert (copy.bytes, copy.ways) == (16, 1.0)


def test_atomics_count_once():
    counts = counts_of(planted("legal_shared_and_global_atomics"))
    atomic = only(counts.of("histogram", "global", "atomic"))
    assert (atomic.requests, atomic.active_lanes, atomic.sectors) == (4, 16.0, 2.0)


def test_counts_print_as_a_table():
    text = str(counts_of(planted("legal_transpose")))
    assert "selftest_faults_legal.cu" in text and "shared store" in text


def test_a_trace_shows_what_a_thread_loads_and_stores(tmp_path):
    values = np.array([1.5, -2.0, 3.25, 4.0, 5.0, 6.0, 7.0, 8.0], dtype="float32")
    with weft.device("sim"):
        x = weft.tensor(values)
        recorded = weft.sim.trace(lambda: x + 1, thread=(1, 0, 0))
    np.testing.assert_array_equal(recorded.result.numpy(), values + 1)
    launch = only(recorded.launches)
    assert "Add" in launch.kernel and launch.has_thread
    load, store = recorded.steps
    assert (load.operation, store.operation) == ("load", "store")
    np.testing.assert_array_equal(np.frombuffer(load.data, "float32"), values[4:])
    np.testing.assert_array_equal(np.frombuffer(store.data, "float32"), values[4:] + 1)
    assert "6 7 8 9" in str(recorded)
    recorded.save_html(tmp_path / "thread.html")
    page = (tmp_path / "thread.html").read_text()
    assert "6 7 8 9" in page and load.line in page and "http" not in page


def test_a_trace_follows_one_block_through_barriers_and_atomics():
    recorded = weft.sim.trace(planted("legal_last_block"), block=(4, 0, 0))
    assert len(recorded.launches) == 2
    first = [step for step in recorded.steps if step.launch == 0]
    assert [step.operation for step in first] == (
        ["store", "barrier", "atomic", "store", "barrier", "load"] + ["load"] * 5 + ["store"]
    )
    assert first[-1].value == "5" and first[2].value == "0"  # the counter wraps to zero


def test_a_thread_that_does_not_exist_is_said_so():
    recorded = weft.sim.trace(planted("legal_last_block"), block=(9, 0, 0))
    assert recorded.steps == [] and not recorded.launches[0].has_thread
    assert "no such block" in str(recorded)


def test_an_index_may_be_shorter_but_must_be_one():
    recorded = weft.sim.trace(planted("legal_last_block"), block=4, thread=(1, 0))
    assert (recorded.block, recorded.thread) == ((4, 0, 0), (1, 0, 0)) and recorded.steps
    for wrong in ("a", -1, (1, 2, 3, 4), 0.5, ()):
        with pytest.raises(ValueError, match="trace: thread must be an index"):
            weft.sim.trace(lambda: None, thread=wrong)


def test_a_trace_without_launches_says_so(tmp_path):
    recorded = weft.sim.trace(lambda: weft.ones((2,), device="cpu"))
    assert str(recorded) == "no kernel was launched on sim"
    recorded.save_html(tmp_path / "thread.html")
    assert "No kernel was launched" in (tmp_path / "thread.html").read_text()


def test_tools_exclude_each_other():
    with weft.sim.counters(), pytest.raises(RuntimeError, match="one at a time"):
        weft.sim.trace(lambda: None)
    assert weft.sim.trace(lambda: 3).result == 3
