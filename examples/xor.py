"""The smallest problem that needs a hidden layer: exclusive or."""

import argparse

import numpy as np

import weft
from weft import layers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=300)
    options = parser.parse_args()

    weft.utils.set_random_seed(1)
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
    y = np.array([[0], [1], [1], [0]], "float32")

    model = weft.Sequential(
        [
            weft.Input((2,)),
            layers.Dense(8, activation="tanh"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(
        optimizer=weft.optimizers.Adam(0.05), loss="binary_crossentropy", metrics=["accuracy"]
    )
    history = model.fit(x, y, epochs=options.epochs, verbose=0)
    print(f"loss {history.history['loss'][0]:.3f} -> {history.history['loss'][-1]:.3f}")
    for inputs, probability in zip(x, model.predict(x, verbose=0)[:, 0], strict=True):
        print(f"{inputs[0]:.0f} xor {inputs[1]:.0f} = {probability:.3f}")


if __name__ == "__main__":
    main()
