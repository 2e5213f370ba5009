"""What happens around a layer's `build` and `call`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from weft import placement
from weft.device import chosen_device, current_device, device, is_gpu, working_on
from weft.layers.calls import answer_as_meta, argument_shapes, calls, explain
from weft.layers.tracking import meant_to_train
from weft.variable import Variable

if TYPE_CHECKING:
    from weft.layers.layer import Layer


def building(build: Callable[..., None]) -> Callable[..., None]:
    """`build` that names its weights after the layer and marks the layer built.

    Weights are made on the CPU, so that a seed gives the same ones everywhere, and then moved.
    """

    @functools.wraps(build)
    def wrapped(self: Layer, *args: Any, **kwargs: Any) -> None:
        nested = self.__dict__.get("_building", False)
        if nested:
            build(self, *args, **kwargs)
            return
        pushed = not calls.stack or calls.stack[-1] is not self
        if pushed:
            calls.stack.append(self)
        self.__dict__["_building"] = True
        # Building again replaces what an earlier build made, not what __init__ made.
        del self._variables[self.__dict__.setdefault("_made_before_build", len(self._variables)) :]
        self.__dict__.setdefault("_build_shapes", None)
        if args or kwargs:
            self._build_shapes = args[0] if args else dict(kwargs)
        try:
            if current_device() == "meta" and calls.twins is None:
                build(self, *args, **kwargs)
            else:
                with working_on("cpu"):
                    build(self, *args, **kwargs)
            home = chosen_device() or "cpu"
            if is_gpu(home) and not calls.abstract:
                placement.move_own(self, home)
            self.built = True
        except Exception as error:
            explain(error, (), {})
            raise
        finally:
            self.__dict__["_building"] = False
            if pushed:
                calls.stack.pop()

    return wrapped


def build_for(layer: Layer, args: Any, kwargs: Any) -> None:
    """Build a layer for the arguments of its first call."""
    names = [p.name for p in layer._call_parameters]
    shapes = argument_shapes({**dict(zip(names, args, strict=False)), **kwargs})
    wanted = inspect.signature(layer.build).parameters
    home = placement.gpu_among(args)
    if home is not None:
        # The weights go to where the first data are.
        with device(home):
            _build_for_shapes(layer, wanted, shapes)
    else:
        _build_for_shapes(layer, wanted, shapes)


def _build_for_shapes(
    layer: Layer, wanted: Mapping[str, inspect.Parameter], shapes: dict[str, Any]
) -> None:
    found = {w: shapes[s] for w in wanted if (s := w.removesuffix("_shape")) in shapes}
    missing = [p for name, p in wanted.items() if name not in found]
    if len(found) > 1 and all(p.default is not p.empty for p in missing):
        layer.build(**found)
    else:
        layer.build(next(iter(shapes.values()), None))


def call_aside(layer: Layer, args: Any, kwargs: Any) -> Any:
    """`call` for shapes only, or with weights cast to the dtype of the computation."""
    own = layer._own_variables()
    if calls.twins is not None:
        answer_as_meta(own)
    cast: dict[str, Any] = {}
    dtype = layer.compute_dtype
    if dtype is not layer.variable_dtype:
        for key, value in layer.__dict__.items():
            if isinstance(value, Variable) and _casts(value):
                cast[key] = value
    try:
        for key, value in cast.items():
            layer.__dict__[key] = value.astype(dtype)
        if calls.trace is not None:
            from weft.models.cost import traced_call

            return traced_call(calls.trace, layer, lambda: layer.call(*args, **kwargs))
        return layer.call(*args, **kwargs)
    finally:
        layer.__dict__.update(cast)


def _casts(variable: Variable) -> bool:
    """Whether a weight answers in the dtype of the computation; running statistics do not."""
    return variable.autocast and variable.dtype.is_floating and meant_to_train(variable)
