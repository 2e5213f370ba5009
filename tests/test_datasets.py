"""Data sets: where files are looked for, what is checked, and that good files stay."""

import gzip
import hashlib
import http.server
import os
import struct
import threading

import numpy as np
import pytest

import weft
from weft.datasets import files, idx, mnist


def idx_bytes(array):
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(head + array.tobytes(), mtime=0)


ARRAYS = {
    "x_train": np.arange(2 * 28 * 28, dtype="uint8").reshape(2, 28, 28),
    "y_train": np.array([3, 1], "uint8"),
    "x_test": np.ones((1, 28, 28), "uint8"),
    "y_test": np.array([7], "uint8"),
}


@pytest.fixture
def small(monkeypatch, tmp_path):
    """MNIST with three images, served over HTTP; the cache is empty."""
    served = tmp_path / "served"
    served.mkdir()
    sums = {}
    for part, array in ARRAYS.items():
        content = idx_bytes(array)
        (served / idx._FILES[part]).write_bytes(content)
        sums[part] = hashlib.sha256(content).hexdigest()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, directory=str(served), **kwargs)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(mnist, "_URL", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setattr(mnist, "_SHA256", sums)
    monkeypatch.delenv("WEFT_DATA", raising=False)
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "cache"))
    yield served, tmp_path / "cache" / "datasets" / "mnist"
    server.shutdown()


def check_loaded():
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    found = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    for part, array in found.items():
        assert array.dtype == np.uint8 and array.flags.writeable
        np.testing.assert_array_equal(array, ARRAYS[part])


def test_download_then_cache(small, monkeypatch):
    _served, cache = small
    check_loaded()
    assert sorted(p.name for p in cache.iterdir()) == sorted(idx._FILES.values())
    monkeypatch.setattr(mnist, "_URL", "http://127.0.0.1:9/")  # nobody listens
    check_loaded()


def test_weft_data_comes_first(small, monkeypatch, tmp_path):
    served, cache = small
    (tmp_path / "data").mkdir()
    os.rename(served, tmp_path / "data" / "mnist")
    monkeypatch.setenv("WEFT_DATA", str(tmp_path / "data"))
    check_loaded()
    assert not cache.exists()


def test_offline_says_where_to_put_the_files(small, monkeypatch, tmp_path):
    monkeypatch.setattr(mnist, "_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("WEFT_DATA", str(tmp_path / "nothing"))
    with pytest.raises(OSError, match=r"train-images-idx3-ubyte.gz.*put the file into") as error:
        mnist.load_data()
    assert str(tmp_path / "nothing" / "mnist") in str(error.value)
    assert str(tmp_path / "cache" / "datasets" / "mnist") in str(error.value)


@pytest.mark.parametrize("damage", [lambda b: b[:-5], lambda b: b[:-1] + b"x", lambda b: b""])
def test_damaged_files_give_both_sums(small, damage):
    _, cache = small
    check_loaded()
    path = cache / idx._FILES["x_train"]
    broken = damage(path.read_bytes())
    path.write_bytes(broken)
    with pytest.raises(ValueError, match="damaged or cut short") as error:
        mnist.load_data()
    assert mnist._SHA256["x_train"] in str(error.value)
    assert hashlib.sha256(broken).hexdigest() in str(error.value)


def test_a_damaged_download_leaves_nothing_behind(small):
    served, cache = small
    path = served / idx._FILES["x_train"]
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match="download"):
        mnist.load_data()
    assert list(cache.iterdir()) == []


def test_a_damaged_download_does_not_replace_a_good_file(small, tmp_path):
    _served, cache = small
    check_loaded()
    good = cache / idx._FILES["x_train"]
    before = good.read_bytes()
    with pytest.raises(ValueError, match="damaged"):
        files.download(good, "0" * 64, mnist._URL + good.name, [cache])
    assert good.read_bytes() == before


@pytest.mark.parametrize("content, words", [
    (b"not gzip", "gzip"),
    (gzip.compress(b"hello", mtime=0), "idx"),
    (gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", 5) + b"abc", mtime=0), "shape"),
    (idx_bytes(ARRAYS["x_train"])[:-20], "gzip"),
])  # fmt: skip
def test_files_that_are_no_idx_files(tmp_path, content, words):
    path = tmp_path / "file.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        idx.read_idx(path)


def test_digits():
    pytest.importorskip("sklearn")
    (x_train, y_train), (x_test, y_test) = weft.datasets.digits.load_data()
    assert x_train.shape == (1438, 8, 8) and x_test.shape == (359, 8, 8)
    assert x_train.dtype == y_train.dtype == np.uint8 and x_train.max() == 16
    share = np.bincount(y_test) / np.bincount(y_train)
    assert (abs(share - 0.25) < 0.02).all()


@pytest.mark.skipif("WEFT_DATA" not in os.environ, reason="WEFT_DATA names no folder")
@pytest.mark.parametrize("name, mean", [("mnist", 0.1307), ("fashion_mnist", 0.2860)])
def test_real_files(name, mean):
    (x_train, y_train), (x_test, _y_test) = getattr(weft.datasets, name).load_data()
    assert x_train.shape == (60000, 28, 28) and x_test.shape == (10000, 28, 28)
    assert x_train.mean() / 255 == pytest.approx(mean, abs=1e-4)
    assert set(y_train.tolist()) == set(range(10))
