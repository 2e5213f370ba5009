"""The idx format of MNIST and its relatives."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np

from weft.datasets.files import find_file

Array = np.ndarray[Any, Any]
_FILES = {
    "x_train": "train-images-idx3-ubyte.gz",
    "y_train": "train-labels-idx1-ubyte.gz",
    "x_test": "t10k-images-idx3-ubyte.gz",
    "y_test": "t10k-labels-idx1-ubyte.gz",
}


def read_idx(path: Path) -> Array:
    """The array of an idx file: big-endian magic (two zeros, type 8 = bytes, axes), sizes, bytes.

    Raises:
        ValueError: If it is not such a file, or is cut short.
    """
    try:
        with gzip.open(path) as file:
            raw = file.read()
    except (EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is not a whole gzip file: {error}") from error
    if len(raw) < 4 or raw[:3] != b"\0\0\x08":
        raise ValueError(f"{path} is not an idx file of bytes (it begins with {raw[:4]!r})")
    axes = raw[3]
    shape = struct.unpack_from(f">{axes}I", raw, 4)
    if len(raw) != 4 + 4 * axes + int(np.prod(shape)):
        raise ValueError(f"{path} has {len(raw)} bytes, which does not fit its shape {shape}")
    # A copy, because arrays over bytes objects are read-only.
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape).copy()


def load_idx(
    folder: str, url: str, sums: dict[str, str]
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """``(x_train, y_train), (x_test, y_test)`` of one of the MNIST-like data sets."""
    parts = {
        part: read_idx(find_file(f"{folder}/{file}", sums[part], url + file))
        for part, file in _FILES.items()
    }
    return (parts["x_train"], parts["y_train"]), (parts["x_test"], parts["y_test"])
