"""A whole model in one file.

The file is a zip archive: ``config.json`` (architecture and compile arguments),
``metadata.json`` (versions), ``weights.safetensors`` and, for a compiled model,
``optimizer.safetensors``. Reading it builds classes of weft and those the caller names; it never
runs code from the file.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from weft.saving import files
from weft.saving.registry import CustomObjectScope
from weft.saving.serialization import deserialize, serialize
from weft.saving.weights import as_arrays, assign_weights, from_safetensors, to_safetensors

ENDINGS = (".keras", ".weft")
FORMAT = 1


def save_model(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Write `model` to one file; see `Model.save`.

    Args:
        model: A model that is built.
        filepath: The file to write; its ending is the format, as for `Model.save`.
        overwrite: False refuses to replace a file.

    Returns:
        None.

    Raises:
        ValueError: If the ending is unknown or the model is not built.
        FileExistsError: If the file exists and may not be replaced.

    Example:
        >>> import os, tempfile, weft
        >>> model = weft.Sequential([weft.Input((3,)), weft.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     weft.models.save_model(model, os.path.join(folder, "model.weft"))
        ...     os.listdir(folder)
        ['model.weft']

    Follows keras.models.save_model.
    """
    path = files.target("save", filepath, ENDINGS, overwrite)
    entries = _entries(model)

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, data in entries.items():
                # A fixed date: the same model gives the same bytes.
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)

    files.atomic_write(path, write)


def _entries(model: Any) -> dict[str, bytes]:
    """All parts of the file, made before anything is written."""
    from weft import __version__

    config = serialize(model)
    compile_config = getattr(model, "get_compile_config", lambda: None)()
    if compile_config:
        config["compile_config"] = serialize(compile_config)
    metadata = {"format": FORMAT, "weft_version": __version__}
    entries = {
        "metadata.json": json.dumps(metadata).encode(),
        "config.json": json.dumps(config, indent=1).encode(),
        "weights.safetensors": to_safetensors(as_arrays(model)),
    }
    state = _optimizer_variables(model)
    if state:
        entries["optimizer.safetensors"] = to_safetensors(
            {name: np.array(v.numpy(), order="C") for name, v in state.items()}
        )
    return entries


def _optimizer_variables(model: Any) -> dict[str, Any]:
    """The variables of the optimizer, numbered: their order follows from the model's weights."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return {}
    return {f"{number:05d}": v for number, v in enumerate(optimizer.variables)}


def load_model(
    filepath: Any,
    custom_objects: dict[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """The model that `Model.save` wrote.

    Args:
        filepath: The file.
        custom_objects: Classes and functions of the model that are not weft's, by name.
        compile: Compile it as it was, with the state of the optimizer, so that training goes on.
        safe_mode: False rebuilds the code of lambda functions; only for files you trust.

    Returns:
        The model.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, names an unknown class, or holds code in safe mode.

    Example:
        >>> import tempfile, weft
        >>> model = weft.Sequential([weft.Input((3,)), weft.layers.Dense(2)])
        >>> path = tempfile.mkdtemp() + "/model.weft"
        >>> model.save(path)
        >>> weft.models.load_model(path).count_params()
        8

    Follows keras.models.load_model.
    """
    path = files.source("load_model", filepath)
    config, arrays, state = _read(path)
    with CustomObjectScope(custom_objects):
        model = deserialize(config, safe_mode=safe_mode)
        assign_weights(model, arrays, f"load_model: {str(path)!r}")
        compile_config = config.get("compile_config")
        if compile and compile_config and hasattr(model, "compile_from_config"):
            model.compile_from_config(deserialize_compile(compile_config))
            _restore_optimizer(model, state)
    return model


def deserialize_compile(config: dict[str, Any]) -> dict[str, Any]:
    """Compile arguments with their objects made again."""
    return {key: deserialize(value) for key, value in config.items()}


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "config.json" not in names or "weights.safetensors" not in names:
                raise ValueError(f"its parts are {', '.join(names[:5]) or 'none'}")
            metadata = json.loads(archive.read("metadata.json"))
            config = json.loads(archive.read("config.json"))
            arrays = from_safetensors(archive.read("weights.safetensors"))
            optimizer = "optimizer.safetensors"
            state = from_safetensors(archive.read(optimizer)) if optimizer in names else {}
    except OSError:
        raise
    except Exception as error:
        # zipfile, json and safetensors have exceptions of their own for damaged files.
        raise files.damaged("load_model", path, "weft model file (a zip archive)", error) from error
    if metadata.get("format", 0) > FORMAT:
        raise ValueError(
            f"load_model: {str(path)!r} was written by weft {metadata.get('weft_version')}, whose "
            "file format is newer than this version can read; upgrade weft"
        )
    return config, arrays, state


def _restore_optimizer(model: Any, state: dict[str, Any]) -> None:
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not state:
        return
    if len(state) != len(optimizer.variables) and hasattr(optimizer, "build"):
        optimizer.build(model.trainable_variables)
    own = _optimizer_variables(model)
    for name, variable in own.items():
        if name not in state or tuple(state[name].shape) != variable.shape:
            shape = tuple(state[name].shape) if name in state else "missing"
            raise ValueError(
                f"load_model: the state of the optimizer does not fit: variable {variable.name!r} "
                f"has shape {variable.shape}, in the file it is {shape}; load with compile=False"
            )
    for name, variable in own.items():
        variable.assign(state[name])
