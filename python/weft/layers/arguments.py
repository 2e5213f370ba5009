"""The arguments of a layer's constructor: what is known, what was given, what is possible."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable
from typing import Any

import numpy as np

from weft.errors import did_you_mean, nearest
from weft.layers.calls import is_shape

BASE_PARAMETERS = ("activity_regularizer", "trainable", "dtype", "autocast", "name")
SHAPE_PARAMETERS = ("input_shape", "batch_input_shape", "batch_shape", "input_dim")


@functools.cache
def parameters_of(cls: Any) -> dict[str, type]:
    """Names of the constructor's parameters, with the class that declares each."""
    found: dict[str, type] = {}
    for owner in cls.__mro__:
        init = owner.__dict__.get("__init__")
        if init is None or owner is object:
            continue
        # The first is the object itself, whatever it is called.
        parameters = list(inspect.signature(init).parameters.values())[1:]
        for p in parameters:
            if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL):
                found.setdefault(p.name, owner)
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return found


@functools.cache
def _signature(cls: type) -> inspect.Signature:
    return inspect.signature(cls.__init__)  # type: ignore[misc]  # of this very class


# Names that other frameworks use for the same thing.
_FOREIGN = {
    "p": "rate", "prob": "rate", "in_features": "input_shape", "out_features": "units",
    "out_channels": "filters", "stride": "strides", "dilation": "dilation_rate", "bias": "use_bias",
    "eps": "epsilon", "nb_filter": "filters", "output_dim": "units", "init": "kernel_initializer",
    "num_features": "axis", "num_embeddings": "input_dim", "embedding_dim": "output_dim",
    "kernel": "kernel_size", "alpha": "negative_slope",
}  # fmt: skip


def unknown_arguments(cls: type, kwargs: Iterable[str]) -> str:
    """The message about unknown arguments, each with the nearest known one."""
    known = [*parameters_of(cls), *(n for n in BASE_PARAMETERS if n not in parameters_of(cls))]
    parts = []
    for wrong in kwargs:
        foreign = _FOREIGN.get(wrong)
        if foreign in known:
            hint = f"; did you mean {foreign!r}?"
        else:
            hint = did_you_mean(wrong, [*known, "input_shape"])
        parts.append(f"unknown argument {wrong!r}{hint}")
    return f"{cls.__name__}: {'; '.join(parts)}"


def bind(cls: type, args: Any, kwargs: Any) -> dict[str, Any]:
    """The constructor's arguments by name.

    Raises:
        TypeError: If they do not fit; an unknown name is answered with the nearest.
    """
    try:
        bound = _signature(cls).bind(None, *args, **kwargs)
    except TypeError as error:
        known = {*parameters_of(cls), *BASE_PARAMETERS, *SHAPE_PARAMETERS}
        wrong = [name for name in kwargs if name not in known]
        if wrong:
            raise TypeError(unknown_arguments(cls, wrong)) from None
        raise TypeError(f"{cls.__name__}: {error}") from None
    bound.apply_defaults()
    found = dict(bound.arguments)
    for parameter in bound.signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            found.update(found.pop(parameter.name, {}))
    return found


def declared_shape(kind: str, kwargs: dict[str, Any]) -> tuple[int | None, ...] | None:
    """The batch shape given by ``input_shape=`` and its older spellings, taken out of `kwargs`."""
    batch_shape = kwargs.pop("batch_input_shape", None) or kwargs.pop("batch_shape", None)
    shape, dim = kwargs.pop("input_shape", None), kwargs.pop("input_dim", None)
    if batch_shape is not None:
        return tuple(batch_shape)
    if dim is not None and shape is None:
        shape = (dim,)
    if shape is None:
        return None
    if isinstance(shape, int):
        shape = (shape,)
    if not is_shape(shape):
        raise ValueError(
            f"{kind}: input_shape must be the shape of one sample, a tuple of sizes such as "
            f"(28, 28), got {shape!r}"
        )
    return (None, *shape)


def check_positive_int(layer: str, name: str, value: Any) -> int:
    """`value`, if it is an integer above 0.

    Raises:
        ValueError: Naming the layer, the argument and the value.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{layer}: {name} must be a positive integer, got {value!r}")
    return int(value)


def no_quantization(layer: str, config: Any) -> Any:
    """None, which is all that `quantization_config` may be.

    Raises:
        ValueError: If it is anything else.
    """
    if config is not None:
        raise ValueError(
            f"{layer}: there are no quantized layers, so quantization_config must be None, got "
            f"{config!r}; a dtype policy such as 'mixed_bfloat16' makes layers smaller"
        )
    return config


def check_choice(layer: str, name: str, value: Any, known: tuple[str, ...]) -> str:
    """`value` in lower case, if it is one of the known words."""
    word = value.lower() if isinstance(value, str) else value
    if word not in known:
        near = nearest(value, known)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ValueError(f"{layer}: {name} must be one of {', '.join(known)}, got {value!r}{hint}")
    return str(word)


def serialized_arguments(layer: Any, parameters: dict[str, type]) -> dict[str, Any]:
    """The arguments of a layer's constructor as plain values: what `get_config` gives."""
    from weft.saving.serialization import serialize

    config = {}
    for name, owner in parameters.items():
        own = owner.__module__.startswith("weft.")
        if name in BASE_PARAMETERS or (own and name == "weights"):
            continue  # first weights are no configuration
        value = getattr(layer, name) if own else layer._arguments[name]
        try:
            config[name] = serialize(value)
        except TypeError as error:
            raise NotImplementedError(
                f"layer {layer.name!r}: argument {name!r} of {type(layer).__name__} cannot be "
                f"written to a configuration: {error}. Define get_config in the class"
            ) from error
    return config
