"""What a model costs: shapes, weights and operations of each layer, before any memory is taken."""

from __future__ import annotations

import dataclasses
from typing import Any

from weft import _C
from weft.layers.calls import calls, flatten, infer, is_spec, shapes_only
from weft.layers.layer import Layer
from weft.tensor import Tensor


@dataclasses.dataclass
class CallRecord:
    """One call of a layer on the meta device."""

    layer: Layer
    depth: int
    shapes: list[tuple[int, ...]]
    flops: int
    outputs: list[Tensor]


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What one forward pass of a model needs.

    Attributes:
        parameters: Number of weights.
        parameter_bytes: Their memory.
        flops: Floating-point operations of one batch.
        activation_bytes: Memory of all layers' outputs for one batch.
    """

    parameters: int
    parameter_bytes: int
    flops: int
    activation_bytes: int


def sizes_known(specs: Any) -> bool:
    """Whether every size but that of the batch is known."""
    if is_spec(specs):
        return None not in specs[0][1:]
    return all(map(sizes_known, specs.values() if isinstance(specs, dict) else specs))


def _fixed(specs: Any, batch_size: int) -> Any:
    if is_spec(specs):
        sizes = (batch_size if specs[0][0] is None else specs[0][0], *specs[0][1:])
        return Tensor(_C.empty(sizes, specs[1], "meta"))
    if isinstance(specs, dict):
        return {key: _fixed(item, batch_size) for key, item in specs.items()}
    return [_fixed(item, batch_size) for item in specs]


def record_calls(model: Any, batch_size: int) -> list[CallRecord]:
    """Every layer call of one forward pass, inner calls before the calls around them."""
    records: list[CallRecord] = []
    specs = model._known_specs()
    with shapes_only():
        outer, calls.trace = calls.trace, records
        try:
            model(_fixed(specs, batch_size))
        finally:
            calls.trace = outer
    return records


def traced_call(records: list[CallRecord], layer: Layer, run: Any) -> Any:
    """Run a call and record it with the operations that were launched meanwhile."""
    before = _C.launch_counters()[1]
    outputs = run()
    tensors = [t for t in flatten(outputs) if isinstance(t, Tensor)]
    records.append(
        CallRecord(
            layer,
            len(calls.stack),
            [t.shape for t in tensors],
            _C.launch_counters()[1] - before,
            tensors,
        )
    )
    return outputs


def estimate(model: Any, batch_size: int = 1) -> Estimate:
    """Weights, operations and memory of one forward pass, without allocating any of it.

    Args:
        model: A model whose input shape is known.
        batch_size: Number of samples.

    Returns:
        An `Estimate`.

    Raises:
        ValueError: If `batch_size` is not positive, or other sizes of the input are unknown.
        AttributeError: If the input shape is unknown.

    Example:
        >>> import weft
        >>> model = weft.Sequential([weft.Input((784,)), weft.layers.Dense(10)])
        >>> cost = weft.estimate(model, batch_size=32)
        >>> cost.parameters, cost.parameter_bytes
        (7850, 31400)
    """
    if batch_size < 1:
        raise ValueError(f"estimate: batch_size must be positive, got {batch_size!r}")
    if not sizes_known(model._known_specs()):
        raise ValueError(
            f"estimate: the cost depends on sizes that the input of model {model.name!r} leaves "
            f"open: {model.input_shape}"
        )
    records = record_calls(model, batch_size)
    # Layers that pass their input on, such as dropout outside of training, take no memory of their
    # own; the output of a container is that of one of its layers.
    arrays = {id(t._data): t for record in records for t in record.outputs}
    return Estimate(
        parameters=model.count_params(),
        parameter_bytes=sum(v.nbytes for v in model.variables),
        flops=records[-1].flops,
        activation_bytes=sum(t.nbytes for t in arrays.values()),
    )


def unknown_sizes(model: Any) -> dict[int, list[tuple[int | None, ...]]]:
    """Output shapes of all layers by id, with None where they follow the input."""
    seen: dict[int, list[Any]] = {}
    found: list[list[CallRecord]] = []
    specs = model._known_specs()

    def run(inputs: Any) -> Any:
        records: list[CallRecord] = []
        outer, calls.trace = calls.trace, records
        try:
            return model(inputs)
        finally:
            calls.trace = outer
            found.append(records)

    infer(run, specs)
    first, second = found[0], found[-1]
    for a, b in zip(first, second, strict=True):
        shapes = [
            tuple(m if m == n else None for m, n in zip(s, t, strict=True))
            for s, t in zip(a.shapes, b.shapes, strict=True)
        ]
        seen.setdefault(id(a.layer), shapes)
    return seen
