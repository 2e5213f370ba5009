"""Saving and loading: what comes back, and what a bad file says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from layer_cases import CASES

import weft

L = weft.layers


def model_of(width=4, name="out"):
    return weft.Sequential(
        [weft.Input((3,)), L.Dense(5, activation="relu"), L.Dense(width, name=name)]
    )


X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)


@pytest.mark.parametrize("name", CASES)
def test_every_layer_survives_a_file(name, tmp_path):
    case = CASES[name]
    kind = "int64" if case.integers else "float32"
    inputs = [weft.Input(shape, dtype=kind) for shape in case.shapes]
    outputs = case.make(L)(inputs if isinstance(case.shape, list) else inputs[0])
    model = weft.Model(inputs, outputs)
    rng = np.random.default_rng(0)
    model.set_weights([(w + rng.random(w.shape)).astype(w.dtype) for w in model.get_weights()])
    model.save(tmp_path / "m.weft")
    again = weft.models.load_model(tmp_path / "m.weft")
    x = case.inputs()
    x = x if isinstance(x, list) else [x]
    np.testing.assert_array_equal(again(x).numpy(), model(x).numpy())
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in model.layers]


@pytest.mark.parametrize("ending", ["safetensors", "weights.safetensors", "npz", "weights.h5"])
def test_weights_alone(ending, tmp_path):
    if ending.endswith("h5"):
        pytest.importorskip("h5py")
    model, other = model_of(), model_of()
    model.save_weights(tmp_path / f"w.{ending}")
    other.load_weights(tmp_path / f"w.{ending}")
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_out_of_a_model_file(tmp_path):
    model, other = model_of(), model_of()
    model.save(tmp_path / "m.keras")
    other.load_weights(tmp_path / "m.keras")
    np.testing.assert_array_equal(model(X).numpy(), other(X).numpy())


def test_the_file_is_an_archive_of_json_and_safetensors(tmp_path):
    model_of().save(tmp_path / "m.weft")
    with zipfile.ZipFile(tmp_path / "m.weft") as archive:
        assert json.loads(archive.read("config.json"))["class_name"] == "Sequential"
        assert json.loads(archive.read("metadata.json"))["weft_version"] == weft.__version__
        assert "weights.safetensors" in archive.namelist()


def test_the_same_model_gives_the_same_bytes(tmp_path):
    model = model_of()
    model.save(tmp_path / "a.weft")
    model.save(tmp_path / "b.weft")
    assert (tmp_path / "a.weft").read_bytes() == (tmp_path / "b.weft").read_bytes()


def test_policies_frozen_layers_and_half_precision_survive(tmp_path):
    model = weft.Sequential(
        [weft.Input((3,)), L.Dense(4, dtype="mixed_float16"), L.Dense(2, dtype="bfloat16")]
    )
    model.layers[0].trainable = False
    model.save(tmp_path / "m.weft")
    again = weft.models.load_model(tmp_path / "m.weft")
    assert not again.layers[0].trainable and again.layers[1].kernel.dtype == "bfloat16"
    np.testing.assert_array_equal(
        again(X).astype("float32").numpy(), model(X).astype("float32").numpy()
    )


# --- own classes and functions --------------------------------------------------------------------


class Shift(weft.layers.Layer):
    def __init__(self, by=1.0, **kwargs):
        super().__init__(**kwargs)
        self.by = by

    def call(self, x):
        return x + self.by


class Net(weft.Model):
    def __init__(self):
        super().__init__()
        self.out = L.Dense(2)

    def call(self, x):
        return self.out(x)


def thrice(x):
    return x * 3


def test_own_classes_come_back_by_name_only(tmp_path):
    model = weft.Sequential([weft.Input((3,)), Shift(by=2.0), L.Lambda(thrice)])
    model.save(tmp_path / "m.weft")
    names = {"Shift": Shift, "thrice": thrice}
    again = weft.models.load_model(tmp_path / "m.weft", custom_objects=names)
    np.testing.assert_array_equal(again(X).numpy(), model(X).numpy())
    with pytest.raises(ValueError, match=r"Shift.*custom_objects"):
        weft.models.load_model(tmp_path / "m.weft")
    with pytest.raises(ValueError, match="thrice"):
        weft.models.load_model(tmp_path / "m.weft", custom_objects={"Shift": Shift})


def test_registered_classes_need_no_mention(tmp_path):
    @weft.saving.register_serializable("tests")
    class Registered(Shift):
        pass

    model = weft.Sequential([weft.Input((3,)), Registered(4.0)])
    model.save(tmp_path / "m.weft")
    assert weft.models.load_model(tmp_path / "m.weft").layers[0].by == 4.0


def test_subclassed_models_come_back_with_their_weights(tmp_path):
    model = Net()
    model(X)
    model.save(tmp_path / "m.weft")
    again = weft.models.load_model(tmp_path / "m.weft", custom_objects={"Net": Net})
    np.testing.assert_array_equal(again(X).numpy(), model(X).numpy())


def test_code_is_not_run_unless_asked_for(tmp_path):
    model = weft.Sequential([weft.Input((3,)), L.Lambda(lambda t: t * 2)])
    model.save(tmp_path / "m.weft")
    with pytest.raises(ValueError, match="safe_mode"):
        weft.models.load_model(tmp_path / "m.weft")
    trusted = weft.models.load_model(tmp_path / "m.weft", safe_mode=False)
    np.testing.assert_array_equal(trusted(X).numpy(), 2 * X)


def test_a_file_cannot_name_arbitrary_objects(tmp_path):
    for module, name in [("os", "system"), ("weft.os", "system"), ("subprocess", "Popen")]:
        config = {"module": module, "class_name": name, "config": {"command": "true"}}
        with pytest.raises(ValueError, match=name):
            weft.saving.deserialize(config)


# --- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "bits", "other zip"])
def test_damaged_files_are_named(damage, tmp_path):
    path = tmp_path / "m.weft"
    model_of().save(path)
    whole = path.read_bytes()
    if damage == "other zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme", "hello")
    else:
        middle = len(whole) // 3
        bits = (
            whole[:middle]
            + bytes(255 - b for b in whole[middle : middle + 50])
            + whole[middle + 50 :]
        )
        path.write_bytes({"cut": whole[:middle], "text": b"no", "empty": b"", "bits": bits}[damage])
    with pytest.raises(ValueError, match=r"m\.weft.*damaged"):
        weft.models.load_model(path)


@pytest.mark.parametrize("ending", ["safetensors", "npz", "h5"])
@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_damaged_weights_are_named(ending, damage, tmp_path):
    if ending == "h5":
        pytest.importorskip("h5py")
    path = tmp_path / f"w.{ending}"
    model = model_of()
    model.save_weights(path)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "text": b"no", "empty": b""}[damage])
    before = model.get_weights()
    with pytest.raises(ValueError, match=rf"w\.{ending}.*damaged"):
        model.load_weights(path)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_missing_files_and_unknown_endings(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.weft"):
        weft.models.load_model(tmp_path / "gone.weft")
    with pytest.raises(FileNotFoundError, match=r"gone\.npz"):
        model_of().load_weights(tmp_path / "gone.npz")
    with pytest.raises(ValueError, match=r"model\.txt.*\.keras.*\.weft"):
        model_of().save(tmp_path / "model.txt")
    with pytest.raises(ValueError, match=r"\.safetensors.*\.npz.*\.h5"):
        model_of().save_weights(tmp_path / "w.bin")
    model_of().save(tmp_path / "m.weft")
    with pytest.raises(FileExistsError):
        model_of().save(tmp_path / "m.weft", overwrite=False)


def test_weights_of_another_architecture(tmp_path):
    model_of(4).save_weights(tmp_path / "w.npz")
    other = model_of(6)
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"\(5, 4\).*\(5, 6\)"):
        other.load_weights(tmp_path / "w.npz")
    for a, b in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    other.load_weights(tmp_path / "w.npz", skip_mismatch=True)
    assert (other.get_weights()[0] != before[0]).any()
    deeper = weft.Sequential([weft.Input((3,)), L.Dense(5), L.Dense(4), L.Dense(2)])
    with pytest.raises(ValueError, match="lacks 'dense_2/kernel'"):
        deeper.load_weights(tmp_path / "w.npz")
    with pytest.raises(ValueError, match="not built"):
        weft.Sequential([L.Dense(5)]).load_weights(tmp_path / "w.npz")


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "m.weft"
    model_of().save(path)
    before = path.read_bytes()

    class Unsavable(L.Layer):
        def call(self, x):
            return x

        def get_config(self):
            raise RuntimeError("no configuration")

    with pytest.raises(RuntimeError, match="no configuration"):
        weft.Sequential([weft.Input((3,)), Unsavable()]).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.weft"]


KILLED = """
import sys, weft
weft.set_num_threads(1)
model = weft.Sequential([weft.Input((512,)), weft.layers.Dense(2048), weft.layers.Dense(512)])
print("ready", flush=True)
while True:
    model.save(sys.argv[1])
    model.save_weights(sys.argv[2])
"""


def test_a_killed_save_leaves_a_whole_file(tmp_path):
    path, weights = tmp_path / "m.weft", tmp_path / "w.npz"
    for delay in (0.11, 0.17, 0.23):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path), str(weights)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None and process.stdout.readline()
        while not weights.exists():
            time.sleep(0.01)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        model = weft.models.load_model(path)
        assert model.count_params() == 512 * 2048 + 2048 + 2048 * 512 + 512
        model.load_weights(weights)


def test_json_round_trip_and_bad_json():
    model = model_of()
    again = weft.models.model_from_json(model.to_json(indent=1))
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]
    with pytest.raises(ValueError, match="JSON"):
        weft.models.model_from_json("{")


# --- killed saves --------------------------------------------------------------------------------

HALF_WRITTEN = """
import os, signal, sys
from pathlib import Path
from weft.saving.files import atomic_write

def write(file):
    file.write(b"half")
    file.flush()
    if sys.argv[2] == "wait":
        print("writing", flush=True)
        sys.stdin.read()
    else:
        os.kill(os.getpid(), signal.SIGKILL)

atomic_write(Path(sys.argv[1]), write)
"""


def test_the_next_save_deletes_what_a_killed_one_left(tmp_path):
    path, other = tmp_path / "m.weft", tmp_path / ".m.weft.bak.tmp"
    path.write_bytes(b"whole")
    other.write_bytes(b"of the user")
    run = subprocess.run([sys.executable, "-c", HALF_WRITTEN, path, "die"])
    assert run.returncode == -signal.SIGKILL
    (left,) = set(tmp_path.iterdir()) - {path, other}
    assert left.read_bytes() == b"half" and path.read_bytes() == b"whole"
    model_of().save(tmp_path / "another.weft")
    assert left.exists()  # it belongs to a file that is not written now
    model_of().save(path)
    assert set(tmp_path.iterdir()) == {path, other, tmp_path / "another.weft"}


def test_a_save_that_is_still_running_keeps_its_file(tmp_path):
    path = tmp_path / "m.weft"
    command = [sys.executable, "-c", HALF_WRITTEN, path, "wait"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout.readline() == b"writing\n"
        model_of().save(path)
        assert len(list(tmp_path.iterdir())) == 2
        running.stdin.close()
        assert running.wait() == 0
    assert path.read_bytes() == b"half" and list(tmp_path.iterdir()) == [path]
