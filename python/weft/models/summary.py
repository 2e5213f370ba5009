"""The table that `Model.summary` prints."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from weft.layers.input_layer import InputLayer
from weft.memory import size_text

if TYPE_CHECKING:
    from weft.layers.layer import Layer


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Iterable[float] | None = None,
    print_fn: Callable[[str], None] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: tuple[str, str] | None = None,
) -> None:
    """Print the table of a model; see `weft.Model.summary`."""
    from rich.console import Console

    table = _table(model, expand_nested, show_trainable, layer_range, line_length, positions)
    lines = [f"Model: {model.name!r} ({type(model).__name__})", table, *_totals(model)]
    if print_fn is None:
        console = Console(width=line_length, highlight=False)
        for line in lines:
            console.print(line)
        return
    buffer = io.StringIO()
    # As wide as the table needs, so that nothing is cut off.
    console = Console(file=buffer, width=line_length or 1000, highlight=False, color_system=None)
    for line in lines:
        console.print(line)
    for text in buffer.getvalue().splitlines():
        print_fn(text.rstrip())


def _table(
    model: Any,
    expand_nested: bool,
    show_trainable: bool,
    layer_range: tuple[str, str] | None,
    line_length: int | None,
    positions: Iterable[float] | None,
) -> Any:
    from rich import box
    from rich.table import Table

    titles = ["Layer (type)", "Output shape", "Params", "FLOPs per sample"]
    titles += ["Trained"] if show_trainable else []
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title, width in zip(titles, _widths(len(titles), line_length, positions), strict=True):
        right = title in ("Params", "FLOPs per sample")
        table.add_column(title, justify="right" if right else "left", width=width, overflow="fold")
    for row in _rows(model, expand_nested, show_trainable, layer_range):
        table.add_row(*row)
    return table


def _widths(count: int, line_length: int | None, positions: Any) -> list[int | None]:
    if positions is None:
        return [None] * count
    total = line_length or 100
    ends = [int(p * total) if p <= 1 else int(p) for p in positions]
    ends = [*ends, *[total] * count][:count]
    return [max(end - begin - 2, 1) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]


def _rows(
    model: Any, expand_nested: bool, show_trainable: bool, layer_range: tuple[str, str] | None
) -> Iterator[list[str]]:
    from rich.markup import escape

    from weft.models.cost import record_calls, sizes_known, unknown_sizes

    shapes: dict[int, Any] = {}
    flops: dict[int, int] = {}
    if model.input_specs is not None:
        shapes = unknown_sizes(model)
        if sizes_known(model.input_specs):
            for record in record_calls(model, 1):
                flops[id(record.layer)] = flops.get(id(record.layer), 0) + record.flops
    for layer, depth in _shown(model, expand_nested, layer_range):
        known = shapes.get(id(layer))
        if isinstance(layer, InputLayer):
            known = [layer.batch_shape]
        shape = "?" if known is None else ", ".join(map(str, known))
        params = f"{layer.count_params():,}" if layer.built else "? (not built)"
        cost = f"{flops[id(layer)]:,}" if id(layer) in flops else "?"
        if isinstance(layer, InputLayer):
            cost = "0"
        row = [f"{'  ' * depth}{layer.name} ({type(layer).__name__})", shape, params, cost]
        if show_trainable:
            row.append("yes" if layer.trainable and layer.trainable_variables else "-")
        elif layer.weights and not layer.trainable:
            row[0] += " [frozen]"
        yield [escape(cell) for cell in row]


def _shown(
    model: Any, expand_nested: bool, layer_range: tuple[str, str] | None
) -> Iterator[tuple[Layer, int]]:
    layers = list(vars(model).get("_graph_layers", model.layers))
    if layer_range is not None:
        first = [i for i, layer in enumerate(layers) if re.match(layer_range[0], layer.name)]
        last = [i for i, layer in enumerate(layers) if re.match(layer_range[1], layer.name)]
        if not first or not last:
            raise ValueError(
                f"summary: layer_range {tuple(layer_range)!r} matches no layers; they are "
                f"{', '.join(layer.name for layer in layers)}"
            )
        layers = layers[min(first) : max(last) + 1]
    for layer in layers:
        yield layer, 0
        if expand_nested:
            yield from _inside(layer, 1)


def _inside(layer: Layer, depth: int) -> Iterator[tuple[Layer, int]]:
    for inner in getattr(layer, "layers", None) or layer._child_layers():
        yield inner, depth
        yield from _inside(inner, depth + 1)


def _totals(model: Any) -> list[str]:
    unbuilt = [layer.name for layer in model.layers if not layer.built]
    if unbuilt:
        return [
            f"{len(unbuilt)} of {len(model.layers)} layers are not built: give the model an Input, "
            "call build(input_shape), or call it on data to see shapes and parameters"
        ]
    variables = model.variables
    trained = sum(v.size for v in model.trainable_variables)
    total = sum(v.size for v in variables)
    size = sum(v.nbytes for v in variables)
    lines = [
        f"Total params: {total:,} ({size_text(size)})",
        f"Trainable params: {trained:,}",
        f"Non-trainable params: {total - trained:,}",
    ]
    from weft.models.cost import estimate, sizes_known

    if model.input_specs is not None and sizes_known(model.input_specs):
        cost = estimate(model, 1)
        lines.append(
            f"FLOPs per sample (forward): {cost.flops:,}; activations per sample: "
            f"{size_text(cost.activation_bytes)}"
        )
    return lines
