"""Train a small CNN on scikit-learn's handwritten digits and write a report: `make demo`."""

import argparse
from pathlib import Path

import numpy as np

import weft
from weft import layers, viz

PAGE = """<!doctype html><meta charset="utf-8"><title>weft: digits</title>
<body style="font-family: sans-serif; max-width: 60em; margin: auto">
<h1>A CNN on handwritten digits</h1>
<p>Test accuracy {accuracy:.4f} ({wrong} of {rows} images wrong) after {epochs} epochs.</p>
<h2>Training curves</h2><img src="training_curves.png" width="100%">
<h2>Confusion matrix</h2><img src="confusion_matrix.png">
<h2>Worst mistakes</h2><img src="worst_mistakes.png">
"""


def build_model() -> weft.Model:
    return weft.Sequential(
        [
            weft.Input((8, 8, 1)),
            layers.Rescaling(1 / 16),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(10, activation="softmax"),
        ],
        name="digits_cnn",
    )


def write_report(folder: Path, history, images, labels, probabilities) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    predicted = probabilities.argmax(-1)
    viz.plot_history(history, folder / "training_curves.png")
    viz.plot_confusion(labels, predicted, path=folder / "confusion_matrix.png")
    viz.plot_mistakes(images, labels, probabilities, path=folder / "worst_mistakes.png")
    wrong = int((predicted != labels).sum())
    page = PAGE.format(
        accuracy=1 - wrong / len(labels), wrong=wrong, rows=len(labels), epochs=len(history.epoch)
    )
    (folder / "index.html").write_text(page, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--report", type=Path, default=Path("report"))
    options = parser.parse_args()

    weft.utils.set_random_seed(1)
    (x_train, y_train), (x_test, y_test) = weft.datasets.digits.load_data()
    x_train, x_test = x_train[..., None], x_test[..., None]

    model = build_model()
    model.summary()
    model.compile(
        optimizer=weft.optimizers.Adam(2e-3),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(
        x_train,
        y_train,
        batch_size=32,
        epochs=options.epochs,
        validation_data=(x_test, y_test),
        callbacks=[weft.callbacks.LearningRateScheduler(lambda epoch: 2e-3 * 0.87**epoch)],
    )
    probabilities = model.predict(x_test, verbose=0)
    write_report(options.report, history, x_test, y_test, probabilities)
    print(f"report: {options.report / 'index.html'}")
    print(f"test accuracy: {np.mean(probabilities.argmax(-1) == y_test):.4f}")


if __name__ == "__main__":
    main()
