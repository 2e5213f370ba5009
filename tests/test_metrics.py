"""Metrics over several batches, against Keras where it is installed and by hand."""

import numpy as np
import pytest

import weft
from weft import metrics

RNG = np.random.default_rng(0)
SIZES = (9, 1, 5)


def pairs(target, prediction):
    return [(target(n), prediction(n)) for n in SIZES]


def normal(n):
    return RNG.normal(size=(n, 4)).astype("float32")


def uniform(n):
    return RNG.random((n, 4)).astype("float32")


def binary(n):
    return (RNG.random((n, 4)) > 0.5).astype("float32")


def hot(n):
    return np.eye(4, dtype="float32")[RNG.integers(0, 4, n)]


def classes(n):
    return RNG.integers(0, 4, n)


def flat(draw):
    return lambda n: draw(n).reshape(-1)


FLAT = pairs(flat(binary), flat(uniform))
CASES = [
    ("MeanSquaredError", {}, pairs(normal, normal)),
    ("RootMeanSquaredError", {}, pairs(normal, normal)),
    ("MeanAbsoluteError", {}, pairs(normal, normal)),
    ("MeanAbsolutePercentageError", {}, pairs(normal, normal)),
    ("MeanSquaredLogarithmicError", {}, pairs(uniform, uniform)),
    ("CosineSimilarity", {}, pairs(normal, normal)),
    ("LogCoshError", {}, pairs(normal, normal)),
    ("R2Score", {"class_aggregation": None}, pairs(normal, normal)),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, pairs(normal, normal)),
    ("Accuracy", {}, pairs(classes, classes)),
    ("BinaryAccuracy", {"threshold": 0.4}, pairs(binary, uniform)),
    ("CategoricalAccuracy", {}, pairs(hot, uniform)),
    ("SparseCategoricalAccuracy", {}, pairs(classes, uniform)),
    ("TopKCategoricalAccuracy", {"k": 2}, pairs(hot, uniform)),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, pairs(classes, uniform)),
    ("AUC", {}, FLAT),
    ("AUC", {"curve": "PR"}, FLAT),
    ("AUC", {"summation_method": "minoring", "num_thresholds": 20}, FLAT),
    ("AUC", {"thresholds": [0.25, 0.5]}, FLAT),
    ("AUC", {"multi_label": True}, pairs(binary, uniform)),
    ("AUC", {"from_logits": True}, pairs(flat(binary), flat(normal))),
    ("Precision", {}, FLAT),
    ("Precision", {"thresholds": [0.2, 0.5, 0.9]}, FLAT),
    ("Precision", {"top_k": 2}, pairs(binary, uniform)),
    ("Recall", {"class_id": 1}, pairs(binary, uniform)),
    ("TruePositives", {}, FLAT),
    ("FalsePositives", {"thresholds": 0.3}, FLAT),
    ("TrueNegatives", {"thresholds": [0.25, 0.75]}, FLAT),
    ("FalseNegatives", {}, FLAT),
    ("PrecisionAtRecall", {"recall": 0.6}, FLAT),
    ("RecallAtPrecision", {"precision": 0.5}, FLAT),
    ("SensitivityAtSpecificity", {"specificity": 0.4, "num_thresholds": 50}, FLAT),
    ("SpecificityAtSensitivity", {"sensitivity": 0.4, "num_thresholds": 50}, FLAT),
    ("F1Score", {}, pairs(hot, uniform)),
    ("F1Score", {"average": "micro", "threshold": 0.4}, pairs(binary, uniform)),
    ("FBetaScore", {"beta": 2.0, "average": "weighted"}, pairs(hot, uniform)),
    ("MeanIoU", {"num_classes": 4}, pairs(classes, classes)),
    ("IoU", {"num_classes": 4, "target_class_ids": [0, 2]}, pairs(classes, classes)),
    ("BinaryIoU", {"threshold": 0.4}, FLAT),
    ("OneHotMeanIoU", {"num_classes": 4}, pairs(hot, uniform)),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, pairs(binary, uniform)),
    ("CategoricalCrossentropy", {}, pairs(hot, uniform)),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, pairs(classes, normal)),
    ("KLDivergence", {}, pairs(uniform, uniform)),
    ("Poisson", {}, pairs(uniform, uniform)),
    ("Hinge", {}, pairs(binary, normal)),
    ("SquaredHinge", {}, pairs(binary, normal)),
    ("CategoricalHinge", {}, pairs(hot, normal)),
]
# By default Keras keeps these in int32 and cuts weights down to integers.
INTEGERS = ("MeanIoU", "IoU", "BinaryIoU", "OneHotMeanIoU")


@pytest.fixture(scope="module")
def keras():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "torch")
        return pytest.importorskip("keras")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name, options, batches", CASES)
def test_values_agree_with_keras(keras, name, options, batches, weighted):
    dtype = {"dtype": "float32"} if name in INTEGERS else {}
    mine, theirs = (getattr(m, name)(**options, **dtype) for m in (metrics, keras.metrics))
    for y, p in batches:
        weights = [np.linspace(0.1, 2.0, len(y)).astype("float32")] if weighted else []
        mine.update_state(y, p, *weights)
        theirs.update_state(y, p, *weights)
        np.testing.assert_allclose(mine.result().numpy(), theirs.result().numpy(), 2e-5, 1e-6)


@pytest.mark.parametrize("name, options, batches", CASES)
def test_reset_configuration_and_dtype(name, options, batches):
    metric = getattr(metrics, name)(**options)
    metric.update_state(*batches[1])
    metric.reset_state()
    for batch in batches:
        metric.update_state(*batch)
    again = type(metric).from_config(metric.get_config())
    for batch in batches:
        again.update_state(*batch)
    np.testing.assert_array_equal(metric.result().numpy(), again.result().numpy())
    assert metric.result().dtype == "float32"


def test_mean_and_sum_by_hand():
    mean, total = metrics.Mean(), metrics.Sum()
    for metric in (mean, total):
        metric.update_state(3.0)
        metric.update_state([1.0, 2.0])
        metric.update_state([4.0, 6.0], sample_weight=[1.0, 0.5])
    assert float(mean.result()) == pytest.approx(13 / 4.5) and float(total.result()) == 13.0


def test_counts_do_not_stop_where_float32_does():
    mean = metrics.Mean()
    mean.count.assign(weft.tensor(2.0**24, "float64"))
    mean.update_state(1.0)
    assert mean.count.item() == 2**24 + 1


def test_error_rate_and_confusion_matrix():
    y, guess = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0])
    for prediction in (guess, np.eye(2, dtype="float32")[guess], guess[:, None] * 0.9):
        target = y if prediction.ndim == 1 or prediction.shape[1] == 2 else y[:, None]
        assert float(metrics.ErrorRate()(target, prediction)) == pytest.approx(0.4)
    assert metrics.ConfusionMatrix(2)(y, guess).tolist() == [[1, 1], [1, 2]]


def test_metrics_keep_no_graph():
    x = weft.tensor([[0.2, 0.8]], requires_grad=True)
    metric = metrics.SparseCategoricalCrossentropy()
    metric.update_state([1], x)
    assert not any(v.requires_grad for v in metric.variables)
    assert not metric.result().requires_grad


@pytest.mark.parametrize(
    "use, match",
    [
        (lambda: metrics.get("acuracy"), "did you mean 'accuracy'"),
        (lambda: metrics.Accurcy, "Accuracy"),
        (lambda: metrics.Accuracy()(np.zeros(3), np.zeros((3, 2))), r"\(3,\).*\(3, 2\)"),
        (lambda: metrics.Precision(thresholds=1.5), "1.5"),
        (lambda: metrics.AUC(curve="ROCK"), "did you mean 'ROC'"),
        (lambda: metrics.MeanIoU(2)([0, 3], [0, 1]), "target 3.*2 classes"),
        (lambda: metrics.MeanSquaredError()(np.ones(3), np.ones(3), np.ones(2)), r"\(2,\)"),
        (lambda: metrics.F1Score(average="mean"), "average 'mean'"),
        (lambda: metrics.R2Score(class_aggregation="sum"), "class_aggregation 'sum'"),
        (lambda: metrics.PrecisionAtRecall(2.0), "recall.*2.0"),
    ],
)
def test_mistakes_are_answered(use, match):
    with pytest.raises((ValueError, AttributeError), match=match):
        use()
