"""Finding, downloading and checking the files of data sets."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """Where downloads are kept: ``WEFT_CACHE``, else ``~/.cache/weft``."""
    given = os.environ.get("WEFT_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "weft"


def find_file(name: str, sha256: str, url: str) -> Path:
    """The path of a data file: under ``WEFT_DATA``, else in the cache, else downloaded.

    Args:
        name: Path below those folders, such as ``mnist/train-labels-idx1-ubyte.gz``.
        sha256: The file's checksum.
        url: Where to get it.

    Raises:
        ValueError: If a file is damaged; both checksums are in the message.
        OSError: If it is nowhere and cannot be downloaded; the message says where to put it.
    """
    data = os.environ.get("WEFT_DATA")
    folders = [Path(data)] if data else []
    folders.append(cache_folder() / "datasets")
    for folder in folders:
        path = folder / name
        if path.exists():
            check_sum(path, sha256)
            return path
    return download(folders[-1] / name, sha256, url, looked_in=folders)


def sha256_of(path: Path) -> str:
    """The checksum of a file."""
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_sum(path: Path, sha256: str) -> None:
    """Compare a file with its checksum.

    Raises:
        ValueError: If they differ.
    """
    found = sha256_of(path)
    if found != sha256:
        raise ValueError(
            f"{path} is damaged or cut short ({path.stat().st_size} bytes): its SHA-256 is "
            f"{found}, expected {sha256}; delete the file to have it downloaded again"
        )


def download(path: Path, sha256: str, url: str, looked_in: list[Path]) -> Path:
    """Download `url` to `path`; the file appears there only when it is whole and checked."""
    # Brings the network's modules with it, a tenth of the time that importing weft takes.
    import urllib.error
    import urllib.request

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=path.name, suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file, urllib.request.urlopen(url, timeout=30) as answer:
            while block := answer.read(1 << 16):
                file.write(block)
        found = sha256_of(Path(temporary))
        if found != sha256:
            raise ValueError(
                f"the download of {url} is damaged: its SHA-256 is {found}, expected {sha256}; "
                "try again"
            )
        os.replace(temporary, path)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        places = " or ".join(str(folder / path.parent.name) for folder in looked_in)
        raise OSError(
            f"{path.name} is not on this machine and {url} cannot be reached ({error}); put the "
            f"file into {places} (WEFT_DATA names a folder of data sets)"
        ) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
    return path
