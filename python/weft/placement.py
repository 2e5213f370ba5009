"""Where models live: moving them, and bringing data to them."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast

from weft import _C
from weft.device import (
    check_device,
    chosen_device,
    current_device,
    device,
    full_name,
    gpu_in_use,
    is_gpu,
)
from weft.tensor import Tensor
from weft.variable import Variable

if TYPE_CHECKING:
    from weft.layers.layer import Layer

Method = TypeVar("Method", bound=Callable[..., Any])

logger = logging.getLogger("weft")


def move(layer: Layer, device: str) -> None:
    """Move everything a layer and the layers inside compute with."""
    device = check_device(device)
    for part in layer._flatten_layers():
        move_own(part, device)


def move_own(layer: Layer, device: str) -> None:
    """Move the variables and tensors among the attributes of one layer."""
    for variable in layer._own_variables():
        variable.move_to(device)
    for name, value in list(layer.__dict__.items()):
        if type(value) is Tensor and value._node is None and value.device not in (device, "meta"):
            layer.__dict__[name] = value.to(device)


def home_of(layer: Layer) -> str | None:
    """The device of the first variable of a layer, None if it has none."""
    variable = next(_variables(layer), None)
    return None if variable is None else variable._data.device


def _variables(layer: Layer) -> Iterator[Variable]:
    yield from layer._own_variables()
    for child in layer._child_layers():
        yield from _variables(child)


def home_in_call(layer: Layer) -> str | None:
    """Where arrays go that a layer is called with: to its variables, if these are on a GPU."""
    if not gpu_in_use():
        return None
    home = home_of(layer)
    return home if home is not None and is_gpu(home) else None


def gpu_among(structure: Any) -> str | None:
    """The device of the first tensor on a GPU in a structure, None if there is none."""
    if isinstance(structure, Tensor):
        return structure.device if is_gpu(structure.device) else None
    if isinstance(structure, dict):
        structure = structure.values()
    elif not isinstance(structure, (list, tuple)):
        return None
    return next((found for part in structure if (found := gpu_among(part))), None)


def place(structure: Any, device: str) -> Any:
    """A batch on a device; what is there already stays as it is."""
    if isinstance(structure, Tensor):
        array = structure._data
        return structure if array.device == device else Tensor(_C.to_device(array, device))
    if isinstance(structure, dict):
        return {key: place(value, device) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        return type(structure)([place(value, device) for value in structure])
    return structure


def at_home(automatic: bool = False) -> Callable[[Method], Method]:
    """Let a method of a model work on the device of the model's variables.

    Args:
        automatic: Move the model to a GPU first, as `home_for_training` says.
    """

    def decorate(method: Method) -> Method:
        @functools.wraps(method)
        def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
            if automatic:
                home = home_for_training(self, kwargs.get("verbose", 1))
            elif gpu_in_use():
                home = home_of(self) or current_device()
            else:
                return method(self, *args, **kwargs)
            if self._compiled is not None:
                self._compiled.deferred = is_gpu(home)
                _bring_metrics(self, home)
            if home == current_device():
                return method(self, *args, **kwargs)
            with device(home):
                return method(self, *args, **kwargs)

        return cast(Method, wrapped)

    return decorate


def _bring_metrics(model: Any, home: str) -> None:
    """Metrics count on the device of what they count."""
    if gpu_in_use():
        for metric in model.metrics:
            for variable in metric.variables:
                variable.move_to(home)


def home_for_training(model: Any, verbose: Any) -> str:
    """The device on which `fit` works; the model moves to a GPU if there is one and nobody objects.

    It stays where its variables are if that is a GPU, if `fit` runs inside
    ``with weft.device(...)``, or if ``model.to(...)`` placed it.
    """
    home = home_of(model)
    chosen = chosen_device()
    if home is not None and is_gpu(home):
        return home
    if chosen is not None or model.__dict__.get("_placed"):
        return home or current_device()
    gpu = automatic_device() if model.compiled else None
    if gpu is None:
        return home or "cpu"
    move(model, gpu)
    name = _C.device_facts(gpu)["name"]
    text = f"training on {gpu} ({name}); `with weft.device('cpu'):` around fit keeps it on the CPU"
    if verbose:
        print(text, flush=True)
    else:
        logger.info(text)
    return gpu


def automatic_device() -> str | None:
    """The GPU to which `fit` moves models by itself, None if there is none; never ``"sim"``."""
    return full_name("cuda") if _C.device_count("cuda") else None
