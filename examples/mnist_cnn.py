"""A CNN on MNIST: 99 % or more within 5 epochs."""

import argparse

import weft
from weft import layers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()

    weft.utils.set_random_seed(1)
    (x_train, y_train), (x_test, y_test) = weft.datasets.mnist.load_data()
    x_train, x_test = x_train[..., None], x_test[..., None]

    model = weft.Sequential(
        [
            weft.Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.4),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.summary()
    model.compile(
        optimizer=weft.optimizers.Adam(1.5e-3),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(
        x_train,
        y_train,
        batch_size=64,
        epochs=options.epochs,
        validation_data=(x_test, y_test),
        validation_batch_size=500,
        callbacks=[weft.callbacks.LearningRateScheduler(lambda epoch: 1.5e-3 * 0.6**epoch)],
    )
    _, accuracy = model.evaluate(x_test, y_test, batch_size=500, verbose=2)
    print(f"test accuracy: {accuracy:.4f}")


if __name__ == "__main__":
    main()
