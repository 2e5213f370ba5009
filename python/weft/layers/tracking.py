"""Which variables and layers belong to a layer: those among its attributes, also in containers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from weft.variable import Variable

if TYPE_CHECKING:
    from weft.layers.layer import Layer

# Attributes that hold layers or variables which belong elsewhere.
UNTRACKED = frozenset(
    {
        "_accepted",
        "_arguments",
        "_first_weights",
        "_kept_states",
        "_losses",
        "_noisy",
        "_sequence",
        "_symbolic_output",
        "_symbols",
        "_variables",
        "input_spec",
    }
)


def meant_to_train(variable: Variable) -> bool:
    """Whether training changes it, now or when its layer is not frozen any more."""
    return variable.trainable or variable.frozen_by_layer


def _found(value: Any, kind: type) -> Iterator[Any]:
    if isinstance(value, kind):
        yield value
    elif type(value) in (list, tuple):
        for item in value:
            yield from _found(item, kind)
    elif type(value) is dict:
        for item in value.values():
            yield from _found(item, kind)


def _unique(items: Iterator[Any]) -> list[Any]:
    seen: set[int] = set()
    result = []
    for item in items:
        if id(item) not in seen:
            seen.add(id(item))
            result.append(item)
    return result


class Tracking:
    """Finds variables and layers when they are asked for, so that lists may grow at any time."""

    _variables: list[Variable]
    _trainable: bool
    build: Callable[..., None]
    built: bool
    name: str

    def _build_makes_weights(self) -> bool:
        from weft.layers.layer import Layer

        return type(self).build is not Layer.build

    def _attributes(self, kind: type) -> Iterator[Any]:
        for name, value in list(self.__dict__.items()):
            if name not in UNTRACKED:
                yield from _found(value, kind)

    def _own_variables(self) -> list[Variable]:
        """Trainable ones first (frozen or not), then the others."""

        def both() -> Iterator[Variable]:
            yield from self._variables
            yield from self._attributes(Variable)

        found = _unique(both())
        return sorted(found, key=lambda v: not meant_to_train(v))

    def _child_layers(self) -> list[Layer]:
        from weft.layers.layer import Layer

        return _unique(item for item in self._attributes(Layer) if item is not self)

    def _flatten_layers(self) -> list[Layer]:
        """The layer itself and all layers inside, outer before inner."""
        found: list[Any] = []
        stack: list[Any] = [self]
        seen: set[int] = set()
        while stack:
            layer = stack.pop()
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            found.append(layer)
            stack.extend(reversed(layer._child_layers()))
        return found

    @property
    def variables(self) -> list[Variable]:
        """All variables of the layer and of the layers inside."""
        return _unique(v for layer in self._flatten_layers() for v in layer._own_variables())

    weights = variables

    @property
    def trainable_variables(self) -> list[Variable]:
        """Those that training changes."""
        if not self._trainable:
            return []
        return [v for v in self.variables if v.trainable]

    trainable_weights = trainable_variables

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """Those that training does not change."""
        if not self._trainable:
            return self.variables
        return [v for v in self.variables if not v.trainable]

    non_trainable_weights = non_trainable_variables

    # --- their values and whether they are trained ------------------------------------------------

    @property
    def trainable(self) -> bool:
        """Whether the weights are trained; setting it sets that of all layers inside."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for variable in self._own_variables():
            if not value and variable.trainable:
                variable.trainable, variable.frozen_by_layer = False, True
            elif value and variable.frozen_by_layer:
                variable.trainable, variable.frozen_by_layer = True, False
        for layer in self._child_layers():
            layer.trainable = value

    def get_weights(self) -> list[np.ndarray[Any, Any]]:
        """Copies of all weights as NumPy arrays, in the order of `weights`."""
        return [np.array(w.numpy()) for w in self.weights]

    def set_weights(self, weights: Iterable[Any]) -> None:
        """Replace all weights.

        Raises:
            ValueError: If the number of arrays or a shape differs; nothing is changed then.
        """
        values, own = list(weights), self.weights
        if len(values) != len(own):
            state = "" if own else " (it is not built yet: call build() or give it data first)"
            raise ValueError(
                f"set_weights: layer {self.name!r} has {len(own)} weights{state}, got "
                f"{len(values)} arrays; the weights are "
                f"{', '.join(f'{w.path} {w.shape}' for w in own) or 'none'}"
            )
        for position, (w, value) in enumerate(zip(own, values, strict=True)):
            if tuple(np.shape(value)) != w.shape:
                raise ValueError(
                    f"set_weights: weight {position} of layer {self.name!r}, {w.path!r}, has shape "
                    f"{w.shape}, but the given array has shape {tuple(np.shape(value))}"
                )
        for w, value in zip(own, values, strict=True):
            w.assign(value)

    def count_params(self) -> int:
        """Number of weights, trainable or not.

        Raises:
            ValueError: If the layer is not built, so that the number is unknown.
        """
        if not self.built and not self.weights and self._build_makes_weights():
            raise ValueError(
                f"layer {self.name!r} is not built yet, so its weights are unknown: call it on "
                "data, call build(input_shape), or give the model an Input first"
            )
        return sum(w.size for w in self.weights)
