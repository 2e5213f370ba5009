"""What a model's steps depend on besides tensors: settings, and what users keep in containers."""

from __future__ import annotations

from collections.abc import Iterable
from operator import is_
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from weft.constraints import Constraint
from weft.layers.layer import Layer
from weft.programs.recording import BOOKKEEPING
from weft.random import Generator
from weft.regularizers import Regularizer
from weft.tensor import Tensor

# Items of a container that are looked at before each step, and how deep they may lie; in a larger
# or deeper one are data.
_MOST_ITEMS = 64
_DEPTH = 3

# What has no settings, or tells of those itself.
_CLOSED = (
    Tensor, Layer, Generator, np.ndarray, np.generic, type, ModuleType, FunctionType,
    BuiltinFunctionType, MethodType,
)  # fmt: skip


class Configuration:
    """The settings of a model's layers, metrics, losses and optimizer.

    Attributes of layers tell when they are set (`weft.programs.recording.note_attribute`). What
    else a layer of the user's class has is watched: lists, dicts and plain objects among its
    attributes.

    Args:
        model: The model.

    Attributes:
        key: Numbers and words, else identities; equal for equal settings.
    """

    def __init__(self, model: Any) -> None:
        from weft.metrics import Metric

        self._objects: list[Any] = []  # kept, so that no other gets the identity of one of them
        self._watched: list[tuple[Any, tuple[Any, ...]]] = []
        state: list[Any] = []
        metrics = [metric for metric in model.metrics if isinstance(metric, Metric)]
        for owner in (*model._flatten_layers(), *metrics):
            self._objects.append(owner)
            state.append(id(owner))
            state.extend(self._attributes(owner))
        state.extend(variable.trainable for variable in model.variables)
        state.append(self._settings_of(model.optimizer))
        state.append(self._content(model.loss, 2))
        self.key = tuple(state)

    def is_current(self) -> bool:
        """Whether the containers that are watched still hold the same objects."""
        for container, before in self._watched:
            if len(container) != len(before) or not all(map(is_, _items(container), before)):
                return False
        return True

    def _attributes(self, owner: Any) -> Iterable[Any]:
        own = not type(owner).__module__.startswith("weft.")
        for name, value in owner.__dict__.items():
            if name in BOOKKEEPING:
                continue
            users = own and name not in _OF_ANY_LAYER
            depth = _DEPTH if users or isinstance(value, (Regularizer, Constraint)) else 0
            yield (name, self._content(value, depth))

    def _settings_of(self, optimizer: Any) -> Any:
        if optimizer is None:
            return None
        public = [(k, v) for k, v in vars(optimizer).items() if not k.startswith("_")]
        inner = self._settings_of(vars(optimizer).get("inner_optimizer"))
        return (*((k, type(v), v) for k, v in public if _is_plain(v)), inner)

    def _content(self, value: Any, depth: int) -> Any:
        if _is_plain(value):
            return (type(value), value)
        self._objects.append(value)
        if depth == 0:
            return (type(value), id(value))
        inside: Any = value
        if not isinstance(value, (list, dict, tuple, set)):
            inside = getattr(value, "__dict__", None)
            if inside is None or isinstance(value, _CLOSED):
                return (type(value), id(value))
        if len(inside) > _MOST_ITEMS:
            return (type(value), id(value))
        items = _items(inside)
        if not isinstance(inside, tuple):
            self._watched.append((inside, items))
        return (type(value), id(value), *(self._content(item, depth - 1) for item in items))


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


def _items(container: Any) -> tuple[Any, ...]:
    return tuple(container.values()) if isinstance(container, dict) else tuple(container)


_OF_ANY_LAYER = frozenset(
    {*Layer(name="any").__dict__, "_metrics_found", "optimizer", "loss", "_compiled"}
)
