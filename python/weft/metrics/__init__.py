"""Metrics as classes, functions and names (names, arguments and values of keras.metrics)."""

from typing import Any

from weft.errors import module_getattr
from weft.lookup import find, name_table
from weft.losses import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
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
)
from weft.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    ErrorRate,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    accuracy,
    binary_accuracy,
    categorical_accuracy,
    error_rate,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from weft.metrics.auc import AUC
from weft.metrics.confusion import (
    FalseNegatives,
    FalsePositives,
    Precision,
    Recall,
    TrueNegatives,
    TruePositives,
)
from weft.metrics.fscore import F1Score, FBetaScore
from weft.metrics.iou import BinaryIoU, ConfusionMatrix, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU
from weft.metrics.means import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from weft.metrics.metric import Mean, MeanMetricWrapper, Metric, Sum
from weft.metrics.regression import (
    CosineSimilarity,
    R2Score,
    RootMeanSquaredError,
    cosine_similarity,
)
from weft.metrics.tradeoffs import (
    PrecisionAtRecall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
)

_CLASSES = [
    AUC,
    Accuracy,
    BinaryAccuracy,
    BinaryCrossentropy,
    BinaryIoU,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    CategoricalHinge,
    ConfusionMatrix,
    CosineSimilarity,
    ErrorRate,
    F1Score,
    FBetaScore,
    FalseNegatives,
    FalsePositives,
    Hinge,
    IoU,
    KLDivergence,
    LogCoshError,
    Mean,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanIoU,
    MeanMetricWrapper,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    OneHotIoU,
    OneHotMeanIoU,
    Poisson,
    Precision,
    PrecisionAtRecall,
    R2Score,
    Recall,
    RecallAtPrecision,
    RootMeanSquaredError,
    SensitivityAtSpecificity,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
    SparseTopKCategoricalAccuracy,
    SpecificityAtSensitivity,
    SquaredHinge,
    Sum,
    TopKCategoricalAccuracy,
    TrueNegatives,
    TruePositives,
]
_FUNCTIONS = [
    accuracy,
    binary_accuracy,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_accuracy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    cosine_similarity,
    error_rate,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_accuracy,
    sparse_categorical_crossentropy,
    sparse_top_k_categorical_accuracy,
    squared_hinge,
    top_k_categorical_accuracy,
]
__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "BinaryIoU",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "ConfusionMatrix",
    "CosineSimilarity",
    "ErrorRate",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "IoU",
    "KLDivergence",
    "LogCoshError",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanIoU",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "OneHotIoU",
    "OneHotMeanIoU",
    "Poisson",
    "Precision",
    "PrecisionAtRecall",
    "R2Score",
    "Recall",
    "RecallAtPrecision",
    "RootMeanSquaredError",
    "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "accuracy",
    "binary_accuracy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "cosine_similarity",
    "deserialize",
    "error_rate",
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
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "squared_hinge",
    "top_k_categorical_accuracy",
]

# A string gives an object where there is a class, as in Keras.
TABLE: dict[str, Any] = {
    **{function.__name__: function for function in _FUNCTIONS},
    **name_table(
        _CLASSES,
        {
            "mse": MeanSquaredError,
            "MSE": MeanSquaredError,
            "mae": MeanAbsoluteError,
            "MAE": MeanAbsoluteError,
            "mape": MeanAbsolutePercentageError,
            "MAPE": MeanAbsolutePercentageError,
            "msle": MeanSquaredLogarithmicError,
            "MSLE": MeanSquaredLogarithmicError,
            "rmse": RootMeanSquaredError,
            "RMSE": RootMeanSquaredError,
            "bce": BinaryCrossentropy,
            "BCE": BinaryCrossentropy,
            "kld": KLDivergence,
            "KLD": KLDivergence,
            "cosine": CosineSimilarity,
            "logcosh": LogCoshError,
            "kl_divergence": KLDivergence,
            "log_cosh": LogCoshError,
        },
    ),
}


def get(identifier: Any) -> Any:
    """The metric of a name, a configuration, or a metric or function itself; None for None.

    Args:
        identifier: Name, configuration, object, function, or None.

    Returns:
        The metric.

    Raises:
        ValueError: If the name is unknown, with the nearest known one.

    Example:
        >>> import weft
        >>> weft.metrics.get("mse").name
        'mean_squared_error'

    Follows keras.metrics.get.
    """
    return find(identifier, TABLE, "metric")


def serialize(metric: Any) -> Any:
    """The configuration of a metric, or the name of a function.

    Args:
        metric: The metric.

    Returns:
        A name, or a dictionary that JSON can hold.

    Raises:
        TypeError: If it has no configuration.

    Example:
        >>> import weft
        >>> config = weft.metrics.serialize(weft.metrics.MeanSquaredError(name="mse"))
        >>> config["class_name"]
        'MeanSquaredError'

    Follows keras.metrics.serialize.
    """
    from weft.saving import serialize as serialize_object

    return serialize_object(metric)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The metric that `serialize` described.

    Args:
        config: A name, or a configuration as `serialize` gives it.
        custom_objects: Own classes and functions by name, besides the registered ones.

    Returns:
        The metric.

    Raises:
        ValueError: If the class is unknown.

    Example:
        >>> import weft
        >>> config = weft.metrics.serialize(weft.metrics.MeanSquaredError(name="mse"))
        >>> weft.metrics.deserialize(config).name
        'mse'

    Follows keras.metrics.deserialize.
    """
    if isinstance(config, str):
        return get(config)
    from weft.saving import deserialize as deserialize_object

    return deserialize_object(config, custom_objects)


__getattr__ = module_getattr(__name__, {name: globals()[name] for name in __all__})
