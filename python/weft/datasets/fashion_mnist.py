"""Fashion-MNIST: articles of clothing."""

from __future__ import annotations

from weft.datasets.idx import Array, load_idx

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_URL = "https://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_SHA256 = {
    "x_train": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "y_train": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "x_test": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "y_test": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}


def load_data() -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """60,000 training and 10,000 test images of ten kinds of clothing (`CLASS_NAMES`).

    Looked for in ``WEFT_DATA/fashion-mnist``, then in the cache (``WEFT_CACHE`` or
    ``~/.cache/weft``), then downloaded (31 MB).

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 images (rows, 28, 28), uint8 labels (rows,).

    Raises:
        ValueError: If a file is damaged.
        OSError: If a file is missing and cannot be downloaded.

    Source: H. Xiao, K. Rasul, R. Vollgraf, arXiv:1708.07747 (MIT licence, Zalando SE).
    """
    return load_idx("fashion-mnist", _URL, _SHA256)
