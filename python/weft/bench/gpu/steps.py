"""What the CPU does: the time of a launch, and whole training steps as CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import weft
from weft import layers, ops
from weft.bench.gpu.work import Call, Input, Sizes, Work, own_forward, peer_forward

GROUP = "steps"
WARM_UP = 3  # calls before a step of weft is a replay; PyTorch takes as many
EPSILON = 1e-12  # of Adam: see weft.bench.training_step
CLASSES = 10


def works(sizes: Sizes) -> Iterator[Work]:
    """All of them."""
    yield launch()
    for batch in (32, 512):
        inputs = _batch((sizes.length(batch), sizes.length(784, 16)))
        yield from _against_both(f"MLP 784-128-10, batch {batch}", inputs, _mlp, _peer_mlp)
    batch = sizes.length(64, 4)
    inputs = _batch((batch, 28 if sizes.scale >= 1 else 8, 28 if sizes.scale >= 1 else 8, 1))
    yield from _against_both(f"CNN of 2 convolutions, batch {batch}", inputs, _cnn, _peer_cnn)


def launch() -> Work:
    """The CPU's time for one small operation, from the call to its return."""
    x = Input((16,))
    return Work(
        "add of 16 numbers, time of the CPU", GROUP, "CPU time of a launch", [x, x],
        own_forward(ops.add), peer_forward(lambda torch, a, b: a + b), 192.0, clock="launch",
    )  # fmt: skip


def _batch(shape: tuple[int, ...]) -> list[Input]:
    return [Input(shape), Input((shape[0],), "int64", CLASSES)]


def _against_both(
    name: str, inputs: list[Input], model: Callable[..., Any], peer: Callable[..., Any]
) -> Iterator[Work]:
    for milestone, prepare in (("eager", _peer_eager(peer)), ("CUDA graphs", _peer_graph(peer))):
        yield Work(
            f"step of {name}, against {milestone}", GROUP,
            f"training step, against {milestone}", inputs, _own_step(model), prepare, 0.0,
            tolerance=1e-3, calls=5, rotates=False,
        )  # fmt: skip


# --- weft -----------------------------------------------------------------------------------------


def _mlp(shape: tuple[int, ...]) -> Any:
    return weft.Sequential(
        [weft.Input(shape), layers.Dense(128, activation="relu"), layers.Dense(CLASSES)]
    )


def _cnn(shape: tuple[int, ...]) -> Any:
    return weft.Sequential(
        [
            weft.Input(shape),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(CLASSES),
        ]
    )


def _set_weights(model: Any) -> None:
    """Values that PyTorch's model gets too: random, of the size that initialisers give."""
    model.set_weights([_weight(i, w.shape) for i, w in enumerate(model.get_weights())])


def _weight(position: int, shape: tuple[int, ...]) -> Any:
    fan_in = max(1, int(np.prod(shape[:-1])))
    rng = np.random.default_rng(position)
    return rng.normal(0, fan_in**-0.5, shape).astype("float32")


def _own_step(make: Callable[..., Any]) -> Callable[..., Call]:
    def prepare(x: Any, labels: Any) -> Call:
        with weft.device(x.device):
            model = make(x.shape[1:])
            _set_weights(model)
            loss_of = weft.losses.SparseCategoricalCrossentropy(from_logits=True)
            optimizer = weft.optimizers.Adam(1e-3, epsilon=EPSILON)
        weights = model.trainable_variables

        def step(x: Any, labels: Any) -> Any:
            loss = loss_of(labels, model(x, training=True))
            optimizer.apply(weft.grad([loss], weights), weights)
            return loss

        captured = weft.capture(step, required=True)
        for _ in range(WARM_UP):
            captured(x, labels)
        return lambda: captured(x, labels)

    return prepare


# --- PyTorch --------------------------------------------------------------------------------------


def _peer_mlp(torch: Any, shape: tuple[int, ...]) -> Any:
    nn = torch.nn
    return nn.Sequential(nn.Linear(shape[0], 128), nn.ReLU(), nn.Linear(128, CLASSES))


def _peer_cnn(torch: Any, shape: tuple[int, ...]) -> Any:
    nn = torch.nn

    module: Any = nn.Module

    # PyTorch is imported late, so that to mypy its classes are Any, which none may derive from.
    class ChannelsLast(module):  # type: ignore[misc]
        """Images come and go with their channels last, as weft flattens them."""

        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Any) -> Any:
            return self.inner(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1).flatten(1)

    convolutions = nn.Sequential(
        nn.Conv2d(shape[2], 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    )  # fmt: skip
    features = (shape[0] // 4) * (shape[1] // 4) * 64
    return nn.Sequential(ChannelsLast(convolutions), nn.Linear(features, CLASSES))


def _load(torch: Any, model: Any) -> None:
    """The weights of `_set_weights`, in PyTorch's order of axes."""
    with torch.no_grad():
        for position, parameter in enumerate(model.parameters()):
            shape = tuple(parameter.shape)
            if parameter.ndim == 4:
                value = _weight(position, (*shape[2:], shape[1], shape[0])).transpose(3, 2, 0, 1)
            else:
                value = _weight(position, shape[::-1]).T
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))


def _peer_step(torch: Any, make: Callable[..., Any], x: Any, labels: Any, graph: bool) -> Any:
    model = make(torch, tuple(x.shape[1:]))
    _load(torch, model)
    model = model.to(x.device)
    if x.ndim == 4:
        model = model.to(memory_format=torch.channels_last)
    options = {"eps": EPSILON, "fused": True, "capturable": graph}
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, **options)

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def _peer_eager(make: Callable[..., Any]) -> Callable[..., Call]:
    def prepare(torch: Any, x: Any, labels: Any) -> Call:
        step: Call = _peer_step(torch, make, x, labels, graph=False)
        for _ in range(WARM_UP):
            step()
        return step

    return prepare


def _peer_graph(make: Callable[..., Any]) -> Callable[..., Call]:
    """PyTorch's step as one CUDA graph. On the CPU, which has none, the step as it is."""

    def prepare(torch: Any, x: Any, labels: Any) -> Call:
        on_gpu = x.device.type == "cuda"
        step: Call = _peer_step(torch, make, x, labels, graph=on_gpu)
        if not on_gpu:
            for _ in range(WARM_UP):
                step()
            return step
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = step()

        def replay() -> Any:
            graph.replay()
            return loss.clone()

        return replay

    return prepare
