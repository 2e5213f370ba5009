"""Losses as classes, functions and names (names, arguments and values of keras.losses)."""

from typing import Any

from weft.errors import module_getattr
from weft.lookup import find
from weft.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    KLDivergence,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    kl_divergence,
    sparse_categorical_crossentropy,
)
from weft.losses.focal import (
    BinaryFocalCrossentropy,
    CategoricalFocalCrossentropy,
    binary_focal_crossentropy,
    categorical_focal_crossentropy,
)
from weft.losses.hinge import (
    CategoricalHinge,
    Hinge,
    SquaredHinge,
    categorical_hinge,
    hinge,
    squared_hinge,
)
from weft.losses.loss import Loss, LossFunctionWrapper
from weft.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
)

_CLASSES = [
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
]
_FUNCTIONS = [
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    cosine_similarity,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
]
__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunctionWrapper",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "cosine_similarity",
    "deserialize",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
]

# A string gives the function where one is called so, as in Keras; a class name gives an object.
TABLE: dict[str, Any] = {
    **{kind.__name__: kind for kind in _CLASSES},
    **{function.__name__: function for function in _FUNCTIONS},
    "mse": mean_squared_error,
    "MSE": mean_squared_error,
    "mae": mean_absolute_error,
    "MAE": mean_absolute_error,
    "mape": mean_absolute_percentage_error,
    "MAPE": mean_absolute_percentage_error,
    "msle": mean_squared_logarithmic_error,
    "MSLE": mean_squared_logarithmic_error,
    "bce": binary_crossentropy,
    "BCE": binary_crossentropy,
    "kld": kl_divergence,
    "KLD": kl_divergence,
    "kullback_leibler_divergence": kl_divergence,
    "logcosh": log_cosh,
    "cosine": cosine_similarity,
}


def get(identifier: Any) -> Any:
    """The loss of a name, a configuration, or a loss or function itself; None for None.

    Args:
        identifier: Name, configuration, object, function, or None.

    Returns:
        The loss.

    Raises:
        ValueError: If the name is unknown, with the nearest known one.

    Example:
        >>> import weft
        >>> weft.losses.get("mse")([[1.0]], [[3.0]]).tolist()
        [4.0]

    Follows keras.losses.get.
    """
    return find(identifier, TABLE, "loss")


def serialize(loss: Any) -> Any:
    """The configuration of a loss, or the name of a function.

    Args:
        loss: The loss.

    Returns:
        A name, or a dictionary that JSON can hold.

    Raises:
        TypeError: If it has no configuration.

    Example:
        >>> import weft
        >>> config = weft.losses.serialize(weft.losses.Huber(delta=2.0))
        >>> config["class_name"]
        'Huber'

    Follows keras.losses.serialize.
    """
    from weft.saving import serialize as serialize_object

    return serialize_object(loss)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The loss that `serialize` described.

    Args:
        config: A name, or a configuration as `serialize` gives it.
        custom_objects: Own classes and functions by name, besides the registered ones.

    Returns:
        The loss.

    Raises:
        ValueError: If the class is unknown.

    Example:
        >>> import weft
        >>> config = weft.losses.serialize(weft.losses.Huber(delta=2.0))
        >>> weft.losses.deserialize(config).name
        'huber_loss'

    Follows keras.losses.deserialize.
    """
    if isinstance(config, str):
        return get(config)
    from weft.saving import deserialize as deserialize_object

    return deserialize_object(config, custom_objects)


__getattr__ = module_getattr(__name__, {name: globals()[name] for name in __all__})
