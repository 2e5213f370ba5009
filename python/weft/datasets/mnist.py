"""MNIST: handwritten digits."""

from __future__ import annotations

from weft.datasets.idx import Array, load_idx

_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_SHA256 = {
    "x_train": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "y_train": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "x_test": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "y_test": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def load_data() -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """60,000 training and 10,000 test images of the digits 0 to 9.

    Looked for in ``WEFT_DATA/mnist``, then in the cache (``WEFT_CACHE`` or ``~/.cache/weft``),
    then downloaded (12 MB).

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 images (rows, 28, 28), uint8 labels (rows,).

    Raises:
        ValueError: If a file is damaged.
        OSError: If a file is missing and cannot be downloaded.

    Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
    """
    return load_idx("mnist", _URL, _SHA256)
