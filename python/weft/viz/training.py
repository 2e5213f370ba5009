"""Curves of a run, confusion matrices, worst mistakes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.viz.pyplot import pyplot

Path = str | os.PathLike[str]


def _saved(figure: Any, path: Path | None) -> Any:
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure


def plot_history(history: Any, path: Path | None = None) -> Any:
    """Draw training and validation curves, one panel per number.

    Args:
        history: A `History`, or its ``history`` dict.
        path: Save the picture there.

    Returns:
        The matplotlib figure.

    Raises:
        ImportError: Without matplotlib.
        ValueError: If there is no epoch.

    Example:
        >>> import matplotlib
        >>> matplotlib.use("agg")
        >>> from weft.viz import plot_history
        >>> figure = plot_history({"loss": [0.5, 0.25], "val_loss": [0.5, 0.375]})
        >>> len(figure.axes)
        1
    """
    curves = getattr(history, "history", history)
    curves = {
        name: values
        for name, values in curves.items()
        if values and all(isinstance(v, (int, float)) for v in values)
    }
    if not curves:
        raise ValueError("the history has no epoch to draw; train with fit first")
    names = [
        name for name in curves if name.removeprefix("val_") not in curves or name[:4] != "val_"
    ]
    plt = pyplot()
    figure, panels = plt.subplots(
        1, len(names), figsize=(4.5 * len(names), 3.4), squeeze=False, layout="constrained"
    )
    first = getattr(history, "epoch", None) or [0]
    for name, panel in zip(names, panels[0], strict=True):
        for label, key, style in (("training", name, "o-"), ("validation", f"val_{name}", "s--")):
            if key in curves:
                epochs = np.arange(len(curves[key])) + first[0] + 1
                panel.plot(epochs, curves[key], style, markersize=3, label=label)
        panel.set(xlabel="epoch", title=name)
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(alpha=0.3)
        if f"val_{name}" in curves:
            panel.legend()
    return _saved(figure, path)


def confusion_matrix(y_true: Any, y_pred: Any, classes: int | None = None) -> np.ndarray[Any, Any]:
    """How often each class (rows) was taken for each class (columns).

    Args:
        y_true: Class numbers (N,).
        y_pred: Class numbers (N,).
        classes: Number of classes; by default the largest number + 1.

    Returns:
        Array (classes, classes) of counts.

    Raises:
        ValueError: If the two differ in length.

    Example:
        >>> from weft.viz import confusion_matrix
        >>> confusion_matrix([0, 1, 1], [0, 1, 0]).tolist()
        [[1, 0], [1, 1]]

    Follows sklearn.metrics.confusion_matrix.
    """
    truth, found = np.asarray(y_true, "int64").ravel(), np.asarray(y_pred, "int64").ravel()
    if truth.shape != found.shape:
        raise ValueError(f"confusion_matrix: {truth.size} labels but {found.size} predictions")
    count = classes if classes is not None else int(max(truth.max(), found.max())) + 1
    return np.bincount(truth * count + found, minlength=count * count).reshape(count, count)


def plot_confusion(
    y_true: Any, y_pred: Any, names: Sequence[str] | None = None, path: Path | None = None
) -> Any:
    """Draw the confusion matrix of class numbers; see `confusion_matrix`.

    Args:
        y_true: Class numbers (N,).
        y_pred: Class numbers (N,).
        names: Names of the classes.
        path: Save the picture there.

    Returns:
        The matplotlib figure.

    Raises:
        ImportError: Without matplotlib.
        ValueError: If the two differ in length.

    Example:
        >>> import matplotlib
        >>> matplotlib.use("agg")
        >>> from weft.viz import plot_confusion
        >>> figure = plot_confusion([0, 1, 1], [0, 1, 0], names=["cat", "dog"])
        >>> figure.axes[0].get_xlabel()
        'predicted'

    Follows sklearn.metrics.ConfusionMatrixDisplay.
    """
    table = confusion_matrix(y_true, y_pred)
    labels = list(names) if names is not None else [str(i) for i in range(len(table))]
    plt = pyplot()
    size = max(4.0, 0.55 * len(table) + 1.5)
    figure, panel = plt.subplots(figsize=(size, size), layout="constrained")
    panel.imshow(np.log1p(table), cmap="Blues")
    panel.set_xticks(range(len(labels)), labels, rotation=90 if max(map(len, labels)) > 3 else 0)
    panel.set_yticks(range(len(labels)), labels)
    panel.set(xlabel="predicted", ylabel="true", title="confusion matrix")
    for i, j in np.argwhere(table):
        color = "white" if np.log1p(table[i, j]) > 0.6 * np.log1p(table.max()) else "black"
        panel.text(j, i, str(table[i, j]), ha="center", va="center", color=color, fontsize=8)
    return _saved(figure, path)


def plot_mistakes(
    images: Any,
    y_true: Any,
    probabilities: Any,
    count: int = 16,
    names: Sequence[str] | None = None,
    path: Path | None = None,
) -> Any:
    """Draw the images that the model got wrong with the most confidence.

    Args:
        images: (rows, height, width) or with a last axis of channels.
        y_true: Class numbers.
        probabilities: (rows, classes).
        count: How many to draw at most.
        names: Names of the classes.
        path: Save the picture there.

    Returns:
        The matplotlib figure.

    Raises:
        ImportError: Without matplotlib.

    Example:
        >>> import matplotlib
        >>> matplotlib.use("agg")
        >>> import numpy as np
        >>> from weft.viz import plot_mistakes
        >>> figure = plot_mistakes(np.zeros((2, 4, 4)), [0, 1], [[0.25, 0.75], [0.125, 0.875]])
        >>> figure.axes[0].get_title()
        '1 (75%)\\ntrue 0'
    """
    probabilities, truth = np.asarray(probabilities), np.asarray(y_true, "int64").ravel()
    found = probabilities.argmax(-1)
    wrong = np.flatnonzero(found != truth)
    worst = wrong[np.argsort(-probabilities[wrong, found[wrong]], kind="stable")][:count]
    labels = names if names is not None else [str(i) for i in range(probabilities.shape[-1])]
    plt = pyplot()
    columns = max(1, min(8, len(worst)))
    rows = max(1, -(-len(worst) // columns))
    figure, panels = plt.subplots(
        rows, columns, figsize=(1.5 * columns, 1.9 * rows), squeeze=False, layout="constrained"
    )
    for panel in panels.flat:
        panel.axis("off")
    for index, panel in zip(worst, panels.flat, strict=False):
        panel.imshow(np.squeeze(np.asarray(images[index])), cmap="gray_r")
        sure = probabilities[index, found[index]]
        panel.set_title(
            f"{labels[found[index]]} ({sure:.0%})\ntrue {labels[truth[index]]}", fontsize=8
        )
    return _saved(figure, path)
