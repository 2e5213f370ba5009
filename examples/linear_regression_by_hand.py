"""Gradient descent on a line, first with the gradient worked out by hand, then by weft."""

import argparse

import numpy as np

import weft


def by_hand(x, y, steps, rate):
    """Mean squared error of w x + b: dw = mean(2 (w x + b - y) x), db = mean(2 (w x + b - y))."""
    w = b = 0.0
    for _ in range(steps):
        error = w * x + b - y
        w, b = w - rate * np.mean(2 * error * x), b - rate * np.mean(2 * error)
    return w, b


def by_weft(x, y, steps, rate):
    """The same loss; `backward` finds both gradients."""
    w = weft.tensor(0.0, dtype="float64", requires_grad=True)
    b = weft.tensor(0.0, dtype="float64", requires_grad=True)
    x, y = weft.tensor(x), weft.tensor(y)
    for _ in range(steps):
        loss = weft.mean((w * x + b - y) ** 2)
        loss.backward()
        with weft.no_grad():
            w -= rate * w.grad
            b -= rate * b.grad
        w.grad = b.grad = None
    return float(w), float(b)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=200)
    options = parser.parse_args()

    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, 100)
    y = 3 * x + 0.5 + 0.1 * rng.normal(size=100)
    hand, auto = by_hand(x, y, options.epochs, 0.3), by_weft(x, y, options.epochs, 0.3)
    slope, intercept = np.polyfit(x, y, 1)
    print(f"by hand:       y = {hand[0]:.6f} x + {hand[1]:.6f}")
    print(f"by weft:       y = {auto[0]:.6f} x + {auto[1]:.6f}")
    print(f"least squares: y = {slope:.6f} x + {intercept:.6f}")


if __name__ == "__main__":
    main()
