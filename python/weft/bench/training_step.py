"""One training step of whole models: `train_on_batch` against PyTorch's eager loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weft.bench.timing import Timing, interleaved

# Keras adds Adam's epsilon before the bias correction, PyTorch after it. One too small to matter
# makes both do the same step: the losses of five steps then agree to 2e-7 for 40 seeds.
_EPSILON = 1e-12


def mlp_steps(batch: int, with_torch: bool) -> dict[str, Callable[[], Any]]:
    """Steps of the 784-128-10 classifier with Adam, both from the same weights and batch."""
    import weft

    rng = np.random.default_rng(0)
    x = rng.random((batch, 784), dtype="float32")
    y = rng.integers(0, 10, batch)
    model = weft.Sequential(
        [
            weft.Input((784,)),
            weft.layers.Dense(128, activation="relu"),
            weft.layers.Dense(10),
        ]
    )
    model.compile(
        optimizer=weft.optimizers.Adam(1e-3, epsilon=_EPSILON),
        loss=weft.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    steps: dict[str, Callable[[], Any]] = {"weft": lambda: float(model.train_on_batch(x, y))}
    if with_torch:
        steps["torch"] = _torch_mlp(x, y, model.get_weights())
    return steps


def _torch_mlp(x: Any, y: Any, weights: list[Any]) -> Callable[[], float]:
    import torch

    net = torch.nn.Sequential(torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    for parameter, value in zip(net.parameters(), weights, strict=True):
        parameter.data = torch.tensor(np.ascontiguousarray(value.T))
    optimizer = torch.optim.Adam(net.parameters(), 1e-3, eps=_EPSILON, fused=True)
    inputs, labels = torch.from_numpy(x), torch.from_numpy(y)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss: Any = torch.nn.functional.cross_entropy(net(inputs), labels)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def measure(batch: int, with_torch: bool, seconds: float) -> dict[str, Timing]:
    """Check that both descend alike for five steps, then time them in turns."""
    steps = mlp_steps(batch, with_torch)
    histories = {name: [step() for _ in range(5)] for name, step in steps.items()}
    for name, history in histories.items():
        if not np.allclose(history, histories["weft"], rtol=1e-5):
            raise AssertionError(f"losses disagree: weft {histories['weft']}, {name} {history}")
    return interleaved(steps, seconds)
