"""First values of weights (names, arguments and distributions of keras.initializers).

An initializer is called with a shape and a dtype. Random ones take a seed: None draws from
weft.random's global generator (so `weft.utils.set_random_seed` makes runs repeat), an integer gives
the same values at every call.
"""

from typing import Any

from weft.errors import module_getattr
from weft.initializers.constant import Constant, Identity, Initializer, Ones, Zeros
from weft.initializers.distributions import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    compute_fans,
)
from weft.lookup import find, name_table

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "compute_fans",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

constant, identity, ones, zeros, orthogonal = Constant, Identity, Ones, Zeros, Orthogonal
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling, glorot_normal, glorot_uniform = VarianceScaling, GlorotNormal, GlorotUniform
he_normal, he_uniform, lecun_normal, lecun_uniform = HeNormal, HeUniform, LecunNormal, LecunUniform
IdentityInitializer, OrthogonalInitializer = Identity, Orthogonal

TABLE = name_table(
    [
        Constant,
        GlorotNormal,
        GlorotUniform,
        HeNormal,
        HeUniform,
        Identity,
        LecunNormal,
        LecunUniform,
        Ones,
        Orthogonal,
        RandomNormal,
        RandomUniform,
        TruncatedNormal,
        VarianceScaling,
        Zeros,
    ],
    {
        "one": Ones,
        "zero": Zeros,
        "normal": RandomNormal,
        "uniform": RandomUniform,
        "IdentityInitializer": Identity,
        "OrthogonalInitializer": Orthogonal,
    },
)


def get(identifier: Any) -> Any:
    """The initializer of a name, a configuration, or a function itself; None for None.

    Args:
        identifier: Name, configuration, object, function, or None.

    Returns:
        The initializer.

    Raises:
        ValueError: If the name is unknown, with the nearest known one.

    Example:
        >>> import weft
        >>> weft.initializers.get("zeros")((2,)).tolist()
        [0.0, 0.0]

    Follows keras.initializers.get.
    """
    return find(identifier, TABLE, "initializer")


def serialize(initializer: Initializer) -> Any:
    """The configuration of an initializer, as JSON can hold it.

    Args:
        initializer: The initializer.

    Returns:
        A name, or a dictionary that JSON can hold.

    Raises:
        TypeError: If it has no configuration.

    Example:
        >>> import weft
        >>> config = weft.initializers.serialize(weft.initializers.Constant(0.5))
        >>> config["class_name"]
        'Constant'

    Follows keras.initializers.serialize.
    """
    from weft.saving import serialize as serialize_object

    return serialize_object(initializer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The initializer that `serialize` described.

    Args:
        config: A name, or a configuration as `serialize` gives it.
        custom_objects: Own classes and functions by name, besides the registered ones.

    Returns:
        The initializer.

    Raises:
        ValueError: If the class is unknown.

    Example:
        >>> import weft
        >>> config = weft.initializers.serialize(weft.initializers.Constant(0.5))
        >>> weft.initializers.deserialize(config).value
        0.5

    Follows keras.initializers.deserialize.
    """
    from weft.saving import deserialize as deserialize_object

    return deserialize_object(config, custom_objects)


__getattr__ = module_getattr(__name__, {name: globals()[name] for name in __all__})
