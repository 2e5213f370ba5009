"""Weights alone, in safetensors, NumPy or HDF5 files.

Weights are named by their place in the model (``dense/kernel``, ``blocks/0/bias``), not by the
names of layers that are counted up in a process, so that a file fits every model of the same
structure.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from weft.errors import nearest
from weft.layers.layer import Layer
from weft.layers.tracking import UNTRACKED
from weft.lookup import snake_case
from weft.saving import files
from weft.variable import Variable

ENDINGS = (".safetensors", ".npz", ".h5")


def named_variables(root: Layer) -> dict[str, Variable]:
    """All variables of a layer by their place in it.

    Raises:
        ValueError: If a layer gives two of its weights one name.
    """
    found: dict[str, Variable] = {}
    seen: set[int] = set()

    def visit(layer: Layer, prefix: str) -> None:
        if id(layer) in seen:
            return
        seen.add(id(layer))
        for variable in layer._own_variables():
            if id(variable) in seen:
                continue
            seen.add(id(variable))
            name = f"{prefix}{variable.name}"
            if name in found:
                raise ValueError(
                    f"layer {layer.name!r} has two weights named {variable.name!r}; give one of "
                    "them another name="
                )
            found[name] = variable
        for key, child in _named_children(layer):
            visit(child, f"{prefix}{key}/")

    visit(root, "")
    return found


def _named_children(layer: Layer) -> Iterator[tuple[str, Layer]]:
    listed = _listed_layers(layer)
    counts: dict[str, int] = {}
    for child in listed:
        kind = snake_case(type(child).__name__)
        number = counts.get(kind, 0)
        counts[kind] = number + 1
        yield (f"{kind}_{number}" if number else kind), child
    ids = {id(child) for child in listed}
    for attribute, value in layer.__dict__.items():
        if attribute in UNTRACKED:
            continue
        for path, child in _places(attribute, value):
            if id(child) not in ids:
                yield path, child


def _listed_layers(layer: Layer) -> list[Layer]:
    """The layers of a container, whose places are their order."""
    from weft.models.functional import Functional
    from weft.models.sequential import Sequential

    return layer.layers if isinstance(layer, (Sequential, Functional)) else []


def _places(path: str, value: Any) -> Iterator[tuple[str, Layer]]:
    if isinstance(value, Layer):
        yield path, value
    elif type(value) in (list, tuple):
        for number, item in enumerate(value):
            yield from _places(f"{path}/{number}", item)
    elif type(value) is dict:
        for key, item in value.items():
            yield from _places(f"{path}/{key}", item)


def assign_weights(
    model: Layer, arrays: dict[str, Any], where: str, skip_mismatch: bool = False
) -> None:
    """Give the variables of `model` the values of `arrays`, all or (on an error) none.

    Raises:
        ValueError: Naming the first weight that is missing, superfluous or of another shape.
    """
    own = named_variables(model)
    if not own and arrays and not model.built:
        raise ValueError(
            f"{where}: model {model.name!r} is not built, so it has no weights to load into; give "
            "it an Input, or call it on data first"
        )
    if not skip_mismatch:
        _compare(own, arrays, where, model)
    for name, variable in own.items():
        if name in arrays and tuple(arrays[name].shape) == variable.shape:
            variable.assign(arrays[name])


def _compare(own: dict[str, Variable], arrays: dict[str, Any], where: str, model: Layer) -> None:
    for name, variable in own.items():
        if name not in arrays:
            near = nearest(name, [key for key in arrays if key not in own])
            hint = f" (it has {near!r} of shape {tuple(arrays[near].shape)})" if near else ""
            raise ValueError(
                f"{where} holds weights of another architecture: it lacks {name!r} of shape "
                f"{variable.shape} ({variable.path}){hint}; model {model.name!r} has {len(own)} "
                f"weights, the file {len(arrays)}"
            )
        if tuple(arrays[name].shape) != variable.shape:
            raise ValueError(
                f"{where} holds weights of another architecture: {name!r} has shape "
                f"{tuple(arrays[name].shape)} in the file, but {variable.shape} in the model "
                f"({variable.path})"
            )
    extra = [name for name in arrays if name not in own]
    if extra:
        raise ValueError(
            f"{where} holds weights of another architecture: model {model.name!r} has no weight "
            f"{extra[0]!r} of shape {tuple(arrays[extra[0]].shape)}; it has {len(own)} weights, "
            f"the file {len(arrays)}"
        )


def as_arrays(model: Layer) -> dict[str, np.ndarray[Any, Any]]:
    """The weights as NumPy arrays by name."""
    return {name: np.array(v.numpy(), order="C") for name, v in named_variables(model).items()}


def to_safetensors(arrays: dict[str, np.ndarray[Any, Any]]) -> bytes:
    """Arrays in the safetensors format."""
    from safetensors.numpy import save

    # One entry only: safetensors writes several in an order that changes.
    return save(arrays, metadata={"format": "np"})


def from_safetensors(data: bytes) -> dict[str, np.ndarray[Any, Any]]:
    """Arrays of a safetensors file."""
    from safetensors.numpy import load

    return load(data)


def save_weights(model: Layer, filepath: Any, overwrite: bool = True) -> None:
    """Write the weights of `model`; see `Model.save_weights`."""
    path = files.target("save_weights", filepath, ENDINGS, overwrite)
    if not model.built:
        raise ValueError(
            f"save_weights: model {model.name!r} is not built, so it has no weights yet; give it "
            "an Input, or call it on data first"
        )
    arrays = as_arrays(model)
    if path.suffix == ".safetensors":
        data = to_safetensors(arrays)
        files.atomic_write(path, lambda file: file.write(data))
    elif path.suffix == ".npz":
        named: Any = arrays  # one of them could be taken for the argument allow_pickle
        files.atomic_write(path, lambda file: np.savez(file, **named))
    else:
        data = _to_hdf5(arrays)
        files.atomic_write(path, lambda file: file.write(data))


def load_weights(model: Layer, filepath: Any, skip_mismatch: bool = False) -> None:
    """Read the weights of `model`; see `Model.load_weights`."""
    path = files.source("load_weights", filepath)
    assign_weights(model, read_weights(path), f"load_weights: {str(path)!r}", skip_mismatch)


def read_weights(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a weights or model file by name.

    Raises:
        ValueError: If the file is damaged or of an unknown kind.
    """
    readers: dict[str, Callable[[], dict[str, Any]]] = {
        ".safetensors": lambda: from_safetensors(path.read_bytes()),
        ".npz": lambda: dict(np.load(path, allow_pickle=False)),
        ".h5": lambda: _from_hdf5(path),
        ".weft": lambda: _from_model_file(path),
        ".keras": lambda: _from_model_file(path),
    }
    reader = readers.get(path.suffix)
    if reader is None:
        raise ValueError(
            f"load_weights: {str(path)!r} has no known ending; known are {', '.join(readers)}"
        )
    try:
        return reader()
    except (ImportError, FileNotFoundError):
        raise
    except Exception as error:
        # Each library has exceptions of its own for files it cannot read.
        raise files.damaged(
            "load_weights", path, f"{path.suffix} file of weights", error
        ) from error


def _from_model_file(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    with zipfile.ZipFile(path) as archive:
        return from_safetensors(archive.read("weights.safetensors"))


def require_packages(filepath: Any) -> None:
    """Raise an ImportError if files of this name need a package that is not installed."""
    if str(filepath).endswith(".h5"):
        _hdf5()


def _hdf5() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            "files ending in .h5 need the package h5py (pip install 'weft[hdf5]'); .safetensors "
            "and .npz need nothing more"
        ) from error
    return h5py


def _to_hdf5(arrays: dict[str, np.ndarray[Any, Any]]) -> bytes:
    import io

    buffer = io.BytesIO()
    with _hdf5().File(buffer, "w") as file:
        file.attrs["weft"] = json.dumps({"version": 1})
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
    return buffer.getvalue()


def _from_hdf5(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    h5py = _hdf5()
    found: dict[str, np.ndarray[Any, Any]] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = np.asarray(item)

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found
