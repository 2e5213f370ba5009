"""The state of a call that runs through layers: training or not, which layer, shapes only or not.

Shape inference runs a layer's own `call` on the ``meta`` device, where tensors have shapes but no
memory. Kernels want their operands on one device, so while it runs each layer that is called lets
its variables answer as meta tensors (`answer_as_meta`); `shapes_only` gives the real arrays back
when the outermost inference ends. Nothing is computed, and assignments to variables do nothing.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from weft import _C
from weft.autograd.recording import no_grad
from weft.device import working_on
from weft.tensor import Tensor, as_tensor
from weft.variable import Variable


class Calls(threading.local):
    """What the layers on the way to the running operation have agreed on, per thread."""

    training: bool | None = None
    twins: dict[int, tuple[Variable, Any]] | None = None  # during shape inference
    abstract = False  # add_weight makes variables without setting their values
    trace: list[Any] | None = None  # takes a record of each layer call; see weft.models.cost

    def __init__(self) -> None:
        self.stack: list[Any] = []


calls = Calls()


@contextlib.contextmanager
def shapes_only() -> Iterator[None]:
    """Run layers on meta tensors inside the ``with`` block."""
    if calls.twins is not None:
        yield
        return
    calls.twins = {}
    try:
        with working_on("meta"), no_grad():
            yield
    finally:
        for variable, array in calls.twins.values():
            variable._data = array
        calls.twins = None


def answer_as_meta(variables: list[Variable]) -> None:
    """Swap the arrays of `variables` for meta arrays until the inference ends."""
    assert calls.twins is not None
    for variable in variables:
        array = variable._data
        if array.device != "meta" and id(variable) not in calls.twins:
            calls.twins[id(variable)] = (variable, array)
            variable._data = _C.empty(array.shape, array.dtype, "meta")


# --- structures of tensors: one tensor, or lists, tuples and dicts of them ------------------------


def map_structure(function: Callable[[Any], Any], value: Any) -> Any:
    """`value` with `function` applied to everything that is no list, tuple or dict."""
    if isinstance(value, (list, tuple)):
        items = [map_structure(function, item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        return {key: map_structure(function, item) for key, item in value.items()}
    return function(value)


def flatten(value: Any) -> list[Any]:
    """The leaves of `value` in order."""
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in flatten(item)]
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in flatten(item)]
    return [value]


def is_shape(value: Any) -> bool:
    """Whether `value` is one shape, not a structure of shapes."""
    return isinstance(value, (tuple, list)) and all(
        size is None or (isinstance(size, int) and not isinstance(size, bool)) for size in value
    )


def map_shapes(function: Callable[[tuple[int | None, ...]], Any], shapes: Any) -> Any:
    """`shapes` with `function` applied to each shape."""
    if is_shape(shapes):
        return function(tuple(shapes))
    if isinstance(shapes, dict):
        return {key: map_shapes(function, item) for key, item in shapes.items()}
    return [map_shapes(function, item) for item in shapes]


# --- inference ------------------------------------------------------------------------------------

# Unknown sizes are tried with two values: an axis of the result that changes is unknown too. The
# batch is small and other axes large enough for windows and kernels.
_TRIALS = ((2, 96), (3, 160))


def _fill(shape: tuple[int | None, ...], trial: tuple[int, int]) -> tuple[int, ...]:
    return tuple(
        trial[0 if axis == 0 else 1] if size is None else size for axis, size in enumerate(shape)
    )


def _run(function: Callable[..., Any], specs: Any, trial: tuple[int, int]) -> Any:
    """The result of `function` on meta tensors, or on zeros if it looks at values."""

    def on_meta(spec: Any) -> Tensor:
        return Tensor(_C.empty(_fill(spec[0], trial), spec[1], "meta"))

    def zeros(spec: Any) -> Tensor:
        return Tensor(_C.full(_fill(spec[0], trial), 0.0, spec[1]))

    try:
        with shapes_only():
            return function(_map_specs(on_meta, specs))
    except Exception as error:
        if calls.twins is not None:
            raise
        on_shapes = error
    # A call that reads values, or mixes in tensors of its own, cannot run on the meta device. Its
    # shape is found from zeros; an error that is about shapes comes up again.
    try:
        with no_grad():
            return function(_map_specs(zeros, specs))
    except Exception as error:
        raise (on_shapes if type(error) is type(on_shapes) else error) from None


def is_spec(value: Any) -> bool:
    """Whether `value` is one ``(shape, dtype)``, not a structure of them."""
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], str)


def shapes_of(specs: Any) -> Any:
    """The shapes in a structure of ``(shape, dtype)``."""
    return _map_specs(lambda spec: spec[0], specs)


def _map_specs(function: Callable[[Any], Any], specs: Any) -> Any:
    if is_spec(specs):
        return function(specs)
    if isinstance(specs, dict):
        return {key: _map_specs(function, item) for key, item in specs.items()}
    return [_map_specs(function, item) for item in specs]


def infer(
    function: Callable[..., Any], specs: Any, leaf: Callable[[Any], Any] = lambda spec: spec
) -> Any:
    """``(shape, dtype)`` of the tensors of ``function(inputs)``, in the structure of its result.

    Args:
        function: Takes tensors in the structure of `specs`.
        specs: ``(shape, dtype)``, or a list or dict of them; unknown sizes are None.
        leaf: Applied to each ``(shape, dtype)`` of the result.
    """
    unknown = False

    def look(spec: Any) -> None:
        nonlocal unknown
        unknown = unknown or None in spec[0]

    _map_specs(look, specs)
    first = map_structure(_spec_of, _run(function, specs, _TRIALS[0]))
    if not unknown:
        return map_structure(lambda s: None if s is None else leaf((s.shape, s.dtype)), first)
    second = flatten(map_structure(_spec_of, _run(function, specs, _TRIALS[1])))
    others = iter([spec for spec in second if spec is not None])
    return map_structure(lambda s: None if s is None else leaf(_merge(s, next(others))), first)


class _Spec:
    """A leaf for `map_structure`; a bare tuple would be walked into."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape, self.dtype = shape, dtype


def _spec_of(value: Any) -> Any:
    if value is None:
        return None
    tensor = as_tensor(value)
    return _Spec(tensor.shape, tensor.dtype)


def _merge(first: _Spec, second: _Spec) -> tuple[tuple[int | None, ...], Any]:
    if len(first.shape) != len(second.shape):
        raise ValueError(
            f"the number of axes of the result depends on the sizes of the input: {first.shape} "
            f"and {second.shape}"
        )
    sizes = tuple(a if a == b else None for a, b in zip(first.shape, second.shape, strict=True))
    return (sizes, first.dtype)


# --- errors --------------------------------------------------------------------------------------


def shown(shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """`shape` for a message: during shape inference the batch is unknown."""
    return (None, *shape[1:]) if calls.twins is not None and shape else tuple(shape)


def explain(error: Exception, args: Any, kwargs: Any) -> None:
    """Put the path of the layer, and the shapes of its inputs, before the message of `error`."""
    if getattr(error, "_weft_layer", None) is not None or not calls.stack:
        return
    if not (error.args and isinstance(error.args[0], str)) or isinstance(error, KeyError):
        return
    layer = calls.stack[-1]
    error.__dict__["_weft_layer"] = layer
    path = "/".join(item.name for item in calls.stack)
    message = error.args[0]
    shapes = [str(shown(t.shape)) for t in flatten([args, kwargs]) if isinstance(t, Tensor)]
    if "move them to one device" in message:
        message += _way_to_one_device(layer, args)
    given = ", ".join(s for s in shapes if s not in message)
    ending = f" [input shape {given}]" if given else ""
    error.args = (
        f"layer {path!r} ({type(layer).__name__}): {message}{ending}",
        *error.args[1:],
    )


def _way_to_one_device(layer: Any, args: Any) -> str:
    """Where weights and input are, if that is not one place, and how to bring them together."""
    weights = {v._data.device for v in layer._own_variables()}
    inputs = {t.device for t in flatten(args) if isinstance(t, Tensor)}
    if len(weights) != 1 or len(inputs) != 1 or weights == inputs:
        return ""
    home, place = weights.pop(), inputs.pop()
    return f" (the weights are on {home}: model.to({place!r}) moves them to where the input is)"


class Symbolic:
    """Base of symbolic tensors (`weft.models.functional`): a shape and how it came to be."""

    shape: tuple[int | None, ...]
    dtype: Any
    node: Any


def argument_shapes(given: dict[str, Any]) -> dict[str, Any]:
    """Shapes of those arguments that are tensors, or structures of tensors."""
    shapes = {
        name: map_structure(lambda t: _Shape(t.shape), value)
        for name, value in given.items()
        if all(isinstance(leaf, (Tensor, Symbolic)) for leaf in flatten(value))
    }
    return {name: _unwrap(value) for name, value in shapes.items() if value not in ((), [])}


class _Shape:
    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


def _unwrap(value: Any) -> Any:
    if isinstance(value, _Shape):
        return value.shape
    if isinstance(value, dict):
        return {key: _unwrap(item) for key, item in value.items()}
    return [_unwrap(item) for item in value]
