"""Batches that a thread reads ahead are the rows that were asked for."""

import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest

import weft
from weft import _C
from weft.data.sources import ArraySource


def tensors_of(*arrays):
    return [_C.from_numpy(a) for a in arrays]


def batches_of(arrays, order, batch, device="cpu", ahead=True):
    reader = _C.BatchReader(tensors_of(*arrays), _C.from_numpy(order), batch, device, ahead)
    found = []
    while batch := reader.next():
        found.append([_C.to_device(t, "cpu") for t in batch])
    assert reader.next() == []
    return [[weft.Tensor(t).numpy() for t in batch] for batch in found]


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("rows,batch", [(1, 1), (7, 3), (640, 32), (641, 32), (50, 64)])
def test_rows_in_the_given_order(rows, batch, ahead, everywhere):
    rng = np.random.default_rng(rows)
    arrays = [
        rng.random((rows, 5, 3), dtype="float32"),
        rng.integers(0, 9, rows),
        rng.integers(0, 9, (rows, 1)).astype("uint8"),
        rng.random((2 * rows, 4))[::2],  # rows lie apart
        np.zeros((rows, 0), "float32"),
    ]
    order = rng.permutation(rows)
    found = batches_of(arrays, order, batch, everywhere, ahead)
    assert len(found) == -(-rows // batch)
    for k, batch_arrays in enumerate(found):
        for array, got in zip(arrays, batch_arrays, strict=True):
            np.testing.assert_array_equal(got, array[order[k * batch : (k + 1) * batch]])


def test_large_batches_and_a_slow_reader_or_user():
    x = np.random.default_rng(0).random((600, 4000), dtype="float32")
    order = np.random.default_rng(1).permutation(600)
    for got, start in zip(batches_of([x], order, 100), range(0, 600, 100), strict=True):
        np.testing.assert_array_equal(got[0], x[order[start : start + 100]])


def threads():
    count, seen = None, -1
    while count != seen:  # a thread that was joined leaves /proc a moment later
        count, seen = seen, len(os.listdir("/proc/self/task"))
        time.sleep(0.05)
    return count


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted in /proc")
def test_a_reader_that_is_left_early_ends_its_thread():
    x = np.zeros((10_000, 100), "float32")
    before = threads()
    for taken in range(5):
        reader = _C.BatchReader(tensors_of(x), _C.from_numpy(np.arange(10_000)), 10, "cpu", True)
        assert threads() == before + 1
        kept = [reader.next() for _ in range(taken)]
        del reader
        assert all(weft.Tensor(t[0]).shape == (10, 100) for t in kept)
        assert threads() == before


def rows_seen(x, y, batch_size, seed):
    weft.random.seed(seed)
    source = ArraySource(x, y, batch_size=batch_size, shuffle=True)
    return [[part.numpy() for part in batch] for batch in source.batches()]


@pytest.mark.parametrize("columns", [4, 400])  # without and with a thread
def test_shuffled_batches_of_fit_are_those_of_the_seed(columns):
    x = np.random.default_rng(0).random((330, columns), dtype="float32")
    y = np.arange(330)
    weft.random.seed(7)
    order = weft.random.permutation(330).numpy()
    seen = rows_seen(x, y, 32, seed=7)
    assert [len(b[1]) for b in seen] == [32] * 10 + [10]
    for k, (got_x, got_y) in enumerate(seen):
        np.testing.assert_array_equal(got_y, order[k * 32 : (k + 1) * 32])
        np.testing.assert_array_equal(got_x, x[got_y])


class Stops(weft.callbacks.Callback):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def on_train_batch_end(self, batch, logs=None):
        if batch == 3:
            raise self.error


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted in /proc")
@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError("of a callback")])
def test_no_thread_stays_when_fit_is_interrupted(error):
    x = np.random.default_rng(0).random((640, 400), dtype="float32")
    model = weft.Sequential([weft.Input((400,)), weft.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x, x[:, :1], epochs=1, verbose=0)
    before = threads()
    with pytest.raises(type(error)) as raised:
        model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[Stops(error)])
    assert raised.tb is not None  # a notebook keeps it as well, with all its frames
    assert threads() == before
    model.fit(x, x[:, :1], epochs=1, verbose=0)
    assert threads() == before


class Watches(weft.callbacks.Callback):
    """Wants to know of every batch, so that `fit` calls Python in each."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append(batch)


def trained(callbacks, **options):
    """Weights and losses after training; the last batch is smaller."""
    weft.utils.set_random_seed(3)
    rng = np.random.default_rng(0)
    x, y = rng.random((330, 20), dtype="float32"), rng.integers(0, 3, 330)
    model = weft.Sequential(
        [weft.Input((20,)), weft.layers.Dense(8), weft.layers.Dropout(0.3), weft.layers.Dense(3)]
    )
    model.compile(
        "adam",
        weft.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        **options,
    )
    history = model.fit(x, y, epochs=4, verbose=0, callbacks=callbacks)
    return [*model.get_weights(), *map(np.array, history.history.values())]


def test_steps_that_follow_each_other_without_python_are_the_same(monkeypatch):
    replays = []
    replay = _C.replay_batches

    def counting(program, reader, *arguments):
        before = reader.given
        host = replay(program, reader, *arguments)
        replays.append(reader.given - before)
        return host

    monkeypatch.setattr(_C, "replay_batches", counting)
    alone = trained([])
    assert sum(replays) > 20  # of 40 whole batches, 3 before the first replay
    replays.clear()
    watches = Watches()
    watched = trained([watches])
    assert replays == [] and watches.batches == 4 * list(range(11))
    for a, b, c in zip(alone, watched, trained([], run_eagerly=True), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


def test_the_batch_that_gives_no_finite_loss_is_named():
    # The weights grow tenfold and more in each step: the loss overflows in a step of a replay.
    x = np.full((3200, 4), 1.0, "float32")
    messages = []
    for callbacks in ([], [Watches()]):
        weft.utils.set_random_seed(0)
        model = weft.Sequential([weft.Input((4,)), weft.layers.Dense(1, name="last")], name="grows")
        model.compile(weft.optimizers.SGD(1.0), "mse")
        with pytest.raises(ValueError, match="the loss is") as raised:
            model.fit(x, x[:, :1] * 3, epochs=9, verbose=0, callbacks=callbacks)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]
    assert int(re.search(r"batch (\d+)", messages[0])[1]) > 4, messages[0]


INTERRUPTED = """
import signal, threading, time
import numpy as np
import weft

x = np.zeros((32 * 20_000, 4), "float32")
model = weft.Sequential([weft.Input((4,)), weft.layers.Dense(1)])
model.compile("sgd", "mse")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
threading.Timer(0.5, signal.raise_signal, (signal.SIGINT,)).start()
start = time.monotonic()
try:
    model.fit(x, x[:, :1], epochs=100_000, verbose=0)
except KeyboardInterrupt:
    assert time.monotonic() - start < 10
    model.fit(x[:64], x[:64, :1], verbose=0)
    print("interrupted, and usable")
"""


def test_fit_is_interrupted_between_steps_without_python():
    # In a process of its own: that of a test runner may treat the signal in another way.
    package = os.path.dirname(os.path.dirname(weft.__file__))
    run = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        env={**os.environ, "PYTHONPATH": package},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.stdout == "interrupted, and usable\n", run.stderr


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted on Linux")
def test_a_thread_that_has_one_core_copies_rows_itself():
    def most_threads_while_training():
        counts = []
        x = np.zeros((3200, 400), "float32")
        model = weft.Sequential([weft.Input((400,)), weft.layers.Dense(1)])
        model.compile("sgd", "mse")
        count = weft.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: counts.append(len(os.listdir("/proc/self/task")))
        )
        model.fit(x, x[:, :1], verbose=0, callbacks=[count])
        return max(counts)

    allowed, threads_before = os.sched_getaffinity(0), weft.num_threads()
    if len(allowed) == 1:
        pytest.skip("needs two cores")
    weft.set_num_threads(1)
    try:
        before = threads()
        assert most_threads_while_training() == before + 1
        assert threads() == before
        os.sched_setaffinity(0, {min(allowed)})
        assert most_threads_while_training() == before
    finally:
        os.sched_setaffinity(0, allowed)
        weft.set_num_threads(threads_before)


def test_wrong_arguments():
    x = np.zeros((4, 2), "float32")
    with pytest.raises(IndexError, match="outside the 4 rows"):
        _C.BatchReader(tensors_of(x), _C.from_numpy(np.array([0, 4])), 2, "cpu", True)
    with pytest.raises(IndexError, match="outside the 4 rows"):
        _C.BatchReader(tensors_of(x), _C.from_numpy(np.array([-1])), 2, "cpu", True)
    with pytest.raises(ValueError, match="dense rows"):
        _C.BatchReader(tensors_of(x.T), _C.from_numpy(np.arange(2)), 2, "cpu", True)
    with pytest.raises(ValueError, match="as many each"):
        _C.BatchReader(tensors_of(x, x[:3]), _C.from_numpy(np.arange(3)), 2, "cpu", True)
