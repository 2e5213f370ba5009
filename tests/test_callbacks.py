"""Callbacks: when they are called, what they decide, the files they write."""

import csv
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import weft
from weft import callbacks, layers


def data(n=64, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype("float32")
    return x, np.sin(x.sum(1, keepdims=True)).astype("float32")


def network(rate=0.05, dropout=0.0, **options):
    weft.utils.set_random_seed(3)
    model = weft.Sequential(
        [
            weft.Input((4,)),
            layers.Dense(8, activation="tanh"),
            layers.Dropout(dropout),
            layers.Dense(1),
        ]
    )
    model.compile(**{"optimizer": weft.optimizers.SGD(rate), "loss": "mse", **options})
    return model


def scripted(values, name="val_loss"):
    return callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.__setitem__(name, values[epoch])
    )


HOOKS = [name for name in vars(callbacks.Callback) if name.startswith("on_")]


def test_every_hook_is_called_in_order():
    calls = []

    class Record(callbacks.Callback):
        pass

    for name in HOOKS:
        if name not in ("on_batch_begin", "on_batch_end"):
            setattr(Record, name, lambda self, *args, name=name, **logs: calls.append(name[3:]))
    x, y = data(8)
    model = network()
    model.fit(x, y, batch_size=4, validation_data=(x, y), verbose=0, callbacks=[Record()])
    batch = ["train_batch_begin", "train_batch_end"]
    test = ["test_begin", *["test_batch_begin", "test_batch_end"] * 2, "test_end"]
    begin, end = ["train_begin", "epoch_begin"], ["epoch_end", "train_end"]
    assert calls == begin + batch * 2 + test + end
    calls.clear()
    model.predict(x, batch_size=4, verbose=0, callbacks=[Record()])
    batch = ["predict_batch_begin", "predict_batch_end"]
    assert calls == ["predict_begin", *batch * 2, "predict_end"]


def test_the_older_batch_hooks_are_called():
    seen = []

    class Old(callbacks.Callback):
        def on_batch_end(self, batch, logs=None):
            seen.append((batch, sorted(logs)))

    network(metrics=["mae"]).fit(*data(8), batch_size=4, verbose=0, callbacks=[Old()])
    assert seen == [(0, ["loss", "mae"]), (1, ["loss", "mae"])]


def test_batches_without_listeners_read_no_logs():
    class Loss:
        """A loss on a device: to read it costs time."""

        size, reads = 1, 0

        def item(self):
            Loss.reads += 1
            return 0.5

        __float__ = item

    def train(*listeners):
        Loss.reads = 0
        run = callbacks.CallbackList([callbacks.History(), *listeners], model=network())
        for batch in range(3):
            run.on_train_batch_end(batch, {"loss": Loss()})
        return Loss.reads

    seen = []
    assert train() == 0
    # One that listens makes the numbers be read, once for each batch.
    hear = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs))
    assert train(hear, hear) == 3
    assert seen == [{"loss": 0.5}] * 6


def test_logs_are_numbers():
    seen = {}
    network(metrics=["mae"]).fit(
        *data(),
        verbose=0,
        validation_split=0.25,
        callbacks=[callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.update(logs))],
    )
    assert list(seen) == ["loss", "mae", "val_loss", "val_mae"]
    assert all(isinstance(value, float) for value in seen.values())


def test_early_stopping_restores_the_best_and_says_so(capsys):
    kept = []
    keep = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: kept.append(keep.model.get_weights())
    )
    stop = callbacks.EarlyStopping(patience=2, restore_best_weights=True, verbose=1)
    model = network()
    history = model.fit(
        *data(), epochs=9, verbose=0, callbacks=[scripted([3, 1, 2, 2, 0, 0, 0, 0, 0]), keep, stop]
    )
    assert history.epoch == [0, 1, 2, 3] and stop.stopped_epoch == 3 and stop.best_epoch == 1
    for now, then in zip(model.get_weights(), kept[1], strict=True):
        np.testing.assert_array_equal(now, then)
    assert "best epoch: 2" in capsys.readouterr().out


def test_early_stopping_can_be_used_twice():
    stop = callbacks.EarlyStopping(monitor="loss", mode="max")
    x, y = data()
    assert [len(network().fit(x, y, epochs=9, verbose=0, callbacks=[stop]).epoch)] * 2 == [2, 2]


@pytest.mark.parametrize(
    "monitor, falls", [("val_loss", True), ("auc", False), ("val_acc", False), ("rmse", True)]
)
def test_direction_is_told_from_the_name(monitor, falls):
    from weft.callbacks.monitor import grows

    assert grows(monitor, "auto", None, "test") is not falls


def test_unknown_direction_is_asked_for():
    stop = callbacks.EarlyStopping(monitor="score")
    with pytest.raises(ValueError, match="mode='max'"):
        network().fit(*data(), verbose=0, callbacks=[scripted([1.0], "score"), stop])


def test_rates():
    model = network(rate=0.1)
    lower = callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, cooldown=1, min_lr=0.02)
    history = model.fit(*data(), epochs=6, verbose=0, callbacks=[scripted([1.0] * 6), lower])
    rates = history.history["learning_rate"]
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.025, 0.02, 0.02])
    with pytest.raises(ValueError, match="got 'fast'"):
        model.fit(
            *data(),
            verbose=0,
            callbacks=[callbacks.LearningRateScheduler(lambda epoch: "fast")],
        )


def test_checkpoint_after_a_number_of_batches(tmp_path):
    model = network()
    path = tmp_path / "{epoch}-{batch}.weights.h5"
    pytest.importorskip("h5py")
    model.fit(
        *data(),
        batch_size=8,
        epochs=2,
        verbose=0,
        callbacks=[callbacks.ModelCheckpoint(path, save_weights_only=True, save_freq=3)],
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"{name}.weights.h5" for name in ("1-3", "1-6", "2-1", "2-4", "2-7")
    ]


@pytest.mark.parametrize("ending", [".keras", ".weft"])
def test_checkpoint_takes_every_ending_of_models(tmp_path, ending):
    path = tmp_path / f"model{ending}"
    network().fit(*data(), verbose=0, callbacks=[callbacks.ModelCheckpoint(path)])
    assert weft.models.load_model(path).built


@pytest.mark.parametrize("ending", [".safetensors", ".npz"])
def test_checkpoint_takes_every_ending_of_weights(tmp_path, ending):
    path = tmp_path / f"model{ending}"
    keep = callbacks.ModelCheckpoint(path, save_weights_only=True)
    network().fit(*data(), verbose=0, callbacks=[keep])
    network().load_weights(path)


@pytest.mark.parametrize(
    "name, weights, words",
    [("m.h5", False, r"'m\.h5' has no known ending; use \.keras or \.weft"),
     ("m.keras", True, r"'m\.keras' has no known ending; use \.safetensors"),
     ("m", False, "no known ending"), ("m.pickle", True, "no known ending")],
)  # fmt: skip
def test_checkpoint_refuses_other_endings_before_training(name, weights, words):
    with pytest.raises(ValueError, match=words):
        callbacks.ModelCheckpoint(name, save_weights_only=weights)


def test_checkpoint_asks_for_h5py_before_training(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)  # as if it were not installed
    with pytest.raises(ImportError, match=r"h5py.*weft\[hdf5\]"):
        callbacks.ModelCheckpoint("m.weights.h5", save_weights_only=True)


def test_checkpoint_names_what_is_logged(tmp_path):
    keep = callbacks.ModelCheckpoint(tmp_path / "{epoch}-{val_los:.2f}.keras")
    with pytest.raises(KeyError, match=r"val_los.*loss"):
        network().fit(*data(), verbose=0, callbacks=[keep])


def test_csv_logger_keeps_the_columns_when_it_continues(tmp_path):
    path = tmp_path / "log.csv"
    for append in (False, True):
        network(metrics=["mae"]).fit(
            *data(), verbose=0, callbacks=[callbacks.CSVLogger(path, separator=";", append=append)]
        )
    rows = list(csv.reader(path.open(), delimiter=";"))
    assert rows[0] == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    assert len(rows) == 3 and rows[1][3:] == ["NA", "NA"]


def test_terminate_on_nan(capsys):
    x, y = data()
    x[9, 1] = np.nan
    history = network().fit(
        x,
        y,
        batch_size=4,
        epochs=5,
        shuffle=False,
        verbose=0,
        callbacks=[callbacks.TerminateOnNaN()],
    )
    assert history.epoch == [0] and "Batch 2" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="batch 2"):
        network().fit(
            x, y, batch_size=4, shuffle=False, verbose=0,
            callbacks=[callbacks.TerminateOnNaN(raise_error=True)],
        )  # fmt: skip


def test_misused_callbacks():
    x, y = data()
    for wrong, words in (("EarlyStopping", "str"), (callbacks.EarlyStopping, r"EarlyStopping\(\)")):
        with pytest.raises(TypeError, match=words):
            network().fit(x, y, verbose=0, callbacks=[wrong])
    with pytest.raises(ValueError, match="on_epoch_end"):
        callbacks.LambdaCallback(on_epoch_ends=print)
    with pytest.raises(AttributeError, match="EarlyStopping"):
        callbacks.EarlyStoping  # noqa: B018


def test_history_plot(tmp_path):
    pytest.importorskip("matplotlib")
    history = network().fit(*data(), epochs=3, validation_split=0.25, verbose=0)
    figure = history.plot(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    (panel,) = figure.axes
    assert [len(line.get_xdata()) for line in panel.lines] == [3, 3]
    with pytest.raises(ValueError, match="no epoch"):
        callbacks.History().plot()


def test_history_plot_without_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    history = network().fit(*data(), verbose=0)
    with pytest.raises(ImportError, match=r"pip install weft\[plot\]"):
        history.plot()


# --- going on after an interruption --------------------------------------------------------------


def interrupted(tmp_path, at, save_freq, shuffle=True):
    """History and weights of a run that was interrupted at a step, beside an undisturbed one."""
    x, y = data()
    steps = {"done": 0}

    class Stop(callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if steps["done"] == at:
                raise KeyboardInterrupt
            steps["done"] += 1

    def run(*extra):
        model = network(dropout=0.3, optimizer=weft.optimizers.Adam(0.01), metrics=["mae"])
        backup = callbacks.BackupAndRestore(tmp_path / "backup", save_freq=save_freq)
        history = model.fit(
            x, y, batch_size=8, epochs=4, shuffle=shuffle, verbose=0, callbacks=[backup, *extra]
        )
        return history, model

    with pytest.raises(KeyboardInterrupt):
        run(Stop())
    np.random.seed(99)  # what a new process would have
    resumed = run()
    assert not (tmp_path / "backup").exists()
    return resumed, run()


@pytest.mark.parametrize("at, save_freq", [(17, "epoch"), (24, "epoch"), (19, 3), (5, 2), (24, 8)])
def test_a_resumed_run_ends_with_the_bits_of_an_undisturbed_one(tmp_path, at, save_freq):
    (history, resumed), (whole_history, whole) = interrupted(tmp_path, at, save_freq)
    for one, other in zip(resumed.variables, whole.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)
    for one, other in zip(resumed.optimizer.variables, whole.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)
    count = len(history.epoch)
    assert history.epoch == whole_history.epoch[-count:]
    for name, values in whole_history.history.items():
        assert history.history[name] == pytest.approx(values[-count:], rel=1e-6), name


SCRIPT = """
    import sys, time
    import numpy as np, weft
    from weft import layers
    weft.utils.set_random_seed(1)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 4)).astype("float32")
    y = np.sin(x.sum(1, keepdims=True))
    stack = [weft.Input((4,)), layers.Dense(16), layers.Dropout(0.2), layers.Dense(1)]
    model = weft.Sequential(stack)
    model.compile("adam", "mse")
    pause = lambda batch, logs: time.sleep(float(sys.argv[2]))
    slow = weft.callbacks.LambdaCallback(on_train_batch_end=pause)
    print("ready", flush=True)
    model.fit(x, y, batch_size=8, epochs=4, verbose=0, callbacks=[
        weft.callbacks.BackupAndRestore(sys.argv[1] + "/backup", save_freq=5), slow])
    np.savez(sys.argv[1] + "/weights.npz", *model.get_weights())
"""


def test_a_killed_process_goes_on_bit_for_bit(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(SCRIPT))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def start(folder, pause):
        folder.mkdir(exist_ok=True)
        arguments = [sys.executable, str(script), str(folder), str(pause)]
        return subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment)

    killed = start(tmp_path / "killed", 0.01)
    killed.stdout.readline()
    deadline = time.monotonic() + 60
    while not (tmp_path / "killed/backup/backup.safetensors").exists():
        assert time.monotonic() < deadline and killed.poll() is None
        time.sleep(0.01)
    time.sleep(0.1)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "killed/weights.npz").exists()
    results = []
    for name in ("killed", "whole"):
        process = start(tmp_path / name, 0)
        process.communicate()
        assert process.returncode == 0
        results.append(np.load(tmp_path / name / "weights.npz"))
    for key in results[0].files:
        np.testing.assert_array_equal(results[0][key], results[1][key])


def test_damaged_and_foreign_backups(tmp_path):
    backup = tmp_path / "backup.safetensors"
    backup.write_bytes(b"12345678 nothing")
    with pytest.raises(OSError, match="damaged"):
        network().fit(*data(), verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path)])
    backup.unlink()
    keep = callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False, double_checkpoint=True)
    network().fit(*data(), epochs=2, verbose=0, callbacks=[keep])
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "backup.safetensors",
        "previous.safetensors",
    ]
    other = weft.Sequential([weft.Input((4,)), layers.Dense(1)])
    other.compile("sgd", "mse")
    with pytest.raises(ValueError, match="another model"):
        other.fit(*data(), verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path)])
    backup.write_bytes(backup.read_bytes()[:100])
    history = network().fit(
        *data(), epochs=2, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path)]
    )
    assert history.epoch == [1]  # from the backup before


def test_backup_has_no_code(tmp_path):
    from safetensors import safe_open

    keep = callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    network().fit(*data(), verbose=0, callbacks=[keep])
    with safe_open(tmp_path / "backup.safetensors", framework="numpy") as file:
        assert json.loads(file.metadata()["weft"])["epoch"] == 1
