"""Training without `fit`: forward, loss, gradients, update, written out."""

import argparse

import numpy as np

import weft
from weft import layers


def accuracy(model, x, y) -> float:
    with weft.no_grad():
        return float(np.mean(model(x).numpy().argmax(-1) == y))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()

    weft.utils.set_random_seed(1)
    (x_train, y_train), (x_test, y_test) = weft.datasets.digits.load_data()
    x_train = (x_train / 16).astype("float32").reshape(-1, 64)
    x_test = (x_test / 16).astype("float32").reshape(-1, 64)

    model = weft.Sequential(
        [weft.Input((64,)), layers.Dense(64, activation="relu"), layers.Dense(10)]
    )
    loss_of = weft.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = weft.optimizers.Adam(3e-3)

    for epoch in range(options.epochs):
        order = weft.random.permutation(len(x_train)).numpy()
        total = 0.0
        for start in range(0, len(order), 32):
            rows = order[start : start + 32]
            with weft.GradientTape() as tape:
                loss = loss_of(y_train[rows], model(x_train[rows], training=True))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply(gradients, model.trainable_variables)
            total += float(loss) * len(rows)
        print(f"epoch {epoch + 1}: loss {total / len(order):.4f}")
    print(f"test accuracy: {accuracy(model, x_test, y_test):.4f}")


if __name__ == "__main__":
    main()
