"""Recorded steps: their memory, several threads and processes, copies, and what they print."""

import copy
import gc
import itertools
import json
import os
import pickle
import threading
import warnings

import numpy as np
import pytest
from capture_steps import assert_same, classes, dense_model, state_of, steps

import weft
from weft import layers


@pytest.fixture(autouse=True)
def no_silent_fallback():
    with warnings.catch_warnings():
        warnings.simplefilter("error", weft.CaptureWarning)
        yield


def test_arguments_are_used_where_they_are():
    double = weft.capture(lambda x: x * 2.0)
    base = weft.tensor(np.arange(40, dtype="float32").reshape(10, 4))
    for start in range(8):
        np.testing.assert_array_equal(
            double(base[start : start + 2]).numpy(), base.numpy()[start : start + 2] * 2
        )
    turned = weft.capture(lambda x: x[::-1] + 0.0)
    for start in range(6):
        part = base[start : start + 3, ::2]
        np.testing.assert_array_equal(turned(part).numpy(), part.numpy()[::-1])


def test_memory_is_planned_and_does_not_grow(everywhere):
    model = dense_model("auto", inner=[layers.Dense(64, "relu") for _ in range(6)])
    steps(model, 5)
    (program,) = model.programs["train_on_batch"]
    assert 0 < program.bytes_planned < program.bytes_before_planning
    gc.collect()
    allocated = weft._C.memory_statistics(everywhere)["allocated"]
    steps(model, 200)
    gc.collect()
    assert weft._C.memory_statistics(everywhere)["allocated"] == allocated


def test_program_prints_and_profiles_without_changing_anything(everywhere, tmp_path):
    model = dense_model("auto")
    steps(model, 5)
    (program,) = model.programs["train_on_batch"]
    text = str(program)
    assert "adam_update" in text
    assert f"{len(program.launches)} launches" in text
    assert any(model.layers[0].name in layer for _, layer, *_ in program.launches)
    before = state_of(model)
    assert "of limit" in program.profile(3)
    program.timeline(tmp_path / "step.json", repeat=2)
    assert_same(before, state_of(model))
    events = json.loads((tmp_path / "step.json").read_text())["traceEvents"]
    assert [e["name"] for e in events] == [name for name, *_ in program.launches]
    assert all(a["ts"] + a["dur"] <= b["ts"] + 1e-3 for a, b in itertools.pairwise(events))
    with pytest.raises(ValueError, match="repeat must be at least 1"):
        program.timeline(tmp_path / "step.json", repeat=0)
    twin = dense_model(False)
    assert steps(twin, 7)[5:] == steps(model, 2)


def test_several_threads_predict_and_train():
    x, _ = classes()
    model = dense_model("auto")
    expected = model.predict_on_batch(x)
    for _ in range(4):
        model.predict_on_batch(x)
    wrong = []

    def work():
        for _ in range(200):
            if not np.array_equal(model.predict_on_batch(x), expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_replay_in_a_forked_process():
    model = dense_model("auto")
    steps(model, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        steps(model, 3)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert steps(model, 2) == steps(dense_model(False), 7)[5:]


def test_copies_of_a_model_record_for_themselves():
    model = dense_model("auto")
    steps(model, 5)
    twin = copy.deepcopy(model)
    assert not twin.programs
    pickle.loads(pickle.dumps(model._recordings))
    before = model.get_weights()
    steps(twin, 5)
    assert_same(model.get_weights(), before)


def test_results_have_no_history():
    w = weft.Variable(2.0)
    double = weft.capture(lambda x: x * w)
    for _ in range(5):
        y = double(weft.tensor(1.0))
    assert not y.requires_grad


def test_capture_within_capture_is_part_of_it():
    inner = weft.capture(lambda x: x + 1.0)
    outer = weft.capture(lambda x: inner(x) * 2.0)
    assert [outer(weft.tensor(1.0)).item() for _ in range(6)] == [4.0] * 6
    assert len(outer.programs) == 1


def test_own_steps_run_as_they_are_written_unless_recording_is_asked_for():
    calls = []

    class Counting(weft.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x):
            return self.dense(x)

        def train_step(self, data):
            calls.append(1)
            return super().train_step(data)

    x, y = classes(64)
    model = Counting()
    model.compile("sgd", weft.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=16, epochs=2, verbose=0)
    assert len(calls) == 8
    assert model.programs == {}
