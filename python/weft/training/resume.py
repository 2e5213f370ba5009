"""The state of a running `fit` in one file, and back: what `BackupAndRestore` writes and reads."""

from __future__ import annotations

import json
import os
import random
import tempfile
from typing import Any

import numpy as np

from weft.autograd import no_grad
from weft.random import Generator, default_generator


class Resume:
    """Where an interrupted `fit` goes on."""

    def __init__(self, epoch: int, batch: int, generator: Any, now: Any, averages: Any) -> None:
        self.epoch = epoch
        self.batch = batch
        self._generator = generator  # before the data of the epoch were shuffled
        self._now = now  # when the backup was written
        self._averages = averages

    def skip(self, model: Any, position: Any, iterator: Any) -> bool:
        """Pass over the batches of the epoch that are done; True if there were any."""
        if self.batch == 0:
            return False
        default_generator.set_state(self._generator)
        position.generator = self._generator
        for _ in range(self.batch):
            data = next(iterator)
        position.batch = self.batch
        with no_grad():
            model.test_step(data)  # metrics are made at their first batch
        default_generator.set_state(self._now)
        _restore_averages(model, self._averages)
        return True


def save_state(model: Any, path: str, epoch_done: bool) -> None:
    """Write the state of a running `fit`; the file appears whole or not at all.

    Args:
        model: The model in training.
        path: The file.
        epoch_done: Whether training goes on with the next epoch, not within this one.
    """
    from safetensors.numpy import save

    position = model._position
    arrays = {f"model.{i}": _plain(v) for i, v in enumerate(model.variables)}
    arrays |= {f"optimizer.{i}": _plain(v) for i, v in enumerate(model.optimizer.variables)}
    numpy_state: Any = np.random.get_state(legacy=True)
    arrays["numpy_random"] = np.asarray(numpy_state[1])
    facts = {
        "format": 1,
        "epoch": position.epoch + 1 if epoch_done else position.epoch,
        "batch": 0 if epoch_done else position.batch,
        "generator": position.generator,
        "now": default_generator.get_state(),
        "layers": [g.get_state() for g in _generators(model)],
        "averages": None if epoch_done else _averages(model),
        "python_random": random.getstate(),
        "numpy_random": [numpy_state[0], *map(float, numpy_state[2:])],
    }
    content = save(arrays, metadata={"weft": json.dumps(facts)})
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.remove(temporary)
        raise


def load_state(model: Any, path: str) -> None:
    """Restore what `save_state` wrote, and tell the model where to go on.

    Raises:
        OSError: If the file is damaged.
        ValueError: If it belongs to another model.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            facts = json.loads(file.metadata()["weft"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise OSError(
            f"the backup {path} is damaged ({error}); delete it to start again"
        ) from error
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    _assign(model.variables, arrays, "model", path)
    _assign(model.optimizer.variables, arrays, "optimizer", path)
    for generator, state in zip(_generators(model), facts["layers"], strict=True):
        generator.set_state(tuple(state))
    default_generator.set_state(tuple(facts["now"]))
    version, internal, gauss = facts["python_random"]
    random.setstate((version, tuple(internal), gauss))
    kind, position, has_gauss, cached = facts["numpy_random"]
    np.random.set_state((kind, arrays["numpy_random"], int(position), int(has_gauss), cached))
    model._initial_epoch = Resume(
        facts["epoch"],
        facts["batch"],
        tuple(facts["generator"]),
        tuple(facts["now"]),
        facts["averages"],
    )


def _plain(variable: Any) -> Any:
    return np.array(variable.numpy(), order="C")


def _assign(variables: list[Any], arrays: dict[str, Any], part: str, path: str) -> None:
    count = sum(name.startswith(f"{part}.") for name in arrays)
    if count != len(variables):
        raise ValueError(
            f"the backup {path} belongs to another model: it has {count} {part} variables, this "
            f"one has {len(variables)}; delete it, or use another backup_dir"
        )
    for i, variable in enumerate(variables):
        variable.assign(arrays[f"{part}.{i}"])


def _generators(model: Any) -> list[Generator]:
    """The generators that layers keep for themselves, such as those of dropout."""
    return [
        value
        for layer in model._flatten_layers()
        for value in layer.__dict__.values()
        if isinstance(value, Generator) and value is not default_generator
    ]


def _averages(model: Any) -> list[Any]:
    """The counts of all metrics within the epoch."""
    found: list[Any] = []
    for metric in model.metrics:
        if hasattr(metric, "total") and isinstance(metric.total, float):
            found.append([metric.total, metric.rows])
        else:
            found.append([v.tolist() for v in metric.variables])
    return found


def _restore_averages(model: Any, averages: list[Any]) -> None:
    for metric, values in zip(model.metrics, averages or [], strict=False):
        if hasattr(metric, "total") and isinstance(metric.total, float):
            metric.restore(*values)
        else:
            for variable, value in zip(metric.variables, values, strict=True):
                variable.assign(np.asarray(value, variable.numpy().dtype))
