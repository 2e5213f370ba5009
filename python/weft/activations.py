"""Activation functions by name, as in Keras; the functions themselves are operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weft.errors import did_you_mean
from weft.ops import (
    elu,
    exponential,
    gelu,
    hard_sigmoid,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    mish,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    step,
    tanh,
)
from weft.saving.registry import get_registered_object
from weft.tensor import Tensor, as_tensor

Activation = Callable[[Any], Tensor]


def linear(x: Any) -> Tensor:
    """``x``.

    Args:
        x: Tensor (...) of any shape.

    Returns:
        `x`.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.activations.linear(weft.tensor([-1.0, 2.0])).tolist()
        [-1.0, 2.0]

    Follows keras.activations.linear.
    """
    return as_tensor(x)


def hard_silu(x: Any) -> Tensor:
    """``x * hard_sigmoid(x)``.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x`.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.activations.hard_silu([0.0, 3.0]).tolist()
        [0.0, 3.0]

    Follows keras.activations.hard_silu.
    """
    x = as_tensor(x)
    return x * hard_sigmoid(x)


_FUNCTIONS: dict[str, Activation] = {
    function.__name__: function
    for function in (
        linear, relu, relu6, leaky_relu, elu, selu, gelu, sigmoid, hard_sigmoid, tanh, softmax,
        log_softmax, softplus, softsign, silu, hard_silu, mish, log_sigmoid, exponential, step,
    )
}  # fmt: skip
_ALIASES: dict[str, Activation] = {"swish": silu, "hard_swish": hard_silu, "exp": exponential}
swish, hard_swish = silu, hard_silu

__all__ = ["deserialize", "get", "serialize", *_FUNCTIONS, "hard_swish", "swish"]


def get(identifier: Any) -> Activation:
    """The activation that an argument ``activation=`` means.

    Args:
        identifier: Name, function, layer, configuration, or None for `linear`.

    Returns:
        A function of one tensor.

    Raises:
        ValueError: If the name is unknown; the message has the nearest one.

    Example:
        >>> import weft
        >>> weft.activations.get("relu") is weft.activations.relu
        True

    Follows keras.activations.get.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        found = _FUNCTIONS.get(identifier) or _ALIASES.get(identifier)
        found = found or get_registered_object(identifier)
        if found is None:
            hint = did_you_mean(identifier, [*_FUNCTIONS, *_ALIASES])
            raise ValueError(f"unknown activation {identifier!r}{hint}")
        return found() if isinstance(found, type) else found
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, type):
        raise ValueError(
            f"activation {identifier.__name__} is a class; make an object of it: "
            f"{identifier.__name__}()"
        )
    if callable(identifier):
        return identifier
    raise ValueError(
        f"activation must be a name, a function or a layer, got {identifier!r}; known names: "
        f"{', '.join(_FUNCTIONS)}"
    )


def serialize(activation: Any) -> Any:
    """The name of an activation, or the configuration of a custom one.

    Args:
        activation: The activation.

    Returns:
        A name, or a dictionary that JSON can hold.

    Raises:
        TypeError: If it has no configuration.

    Example:
        >>> import weft
        >>> weft.activations.serialize(weft.activations.relu)
        'relu'

    Follows keras.activations.serialize.
    """
    from weft.saving.serialization import serialize as serialize_object

    return serialize_object(activation)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The activation of a name or configuration.

    Args:
        config: A name, or a configuration as `serialize` gives it.
        custom_objects: Own classes and functions by name, besides the registered ones.

    Returns:
        The activation.

    Raises:
        ValueError: If the class is unknown.

    Example:
        >>> import weft
        >>> weft.activations.deserialize("relu")([-1.0, 2.0]).tolist()
        [0.0, 2.0]

    Follows keras.activations.deserialize.
    """
    from weft.saving.serialization import deserialize as deserialize_object

    found = deserialize_object(config, custom_objects)
    if isinstance(found, dict):
        raise ValueError(f"a configuration of an activation has a class_name, got {config!r}")
    return get(found)
