"""Models from graphs of layers: symbolic tensors, and `Functional`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weft.layers.calls import calls, flatten, infer, map_structure
from weft.layers.input_layer import InputLayer
from weft.layers.layer import Layer, Symbolic
from weft.layers.operation import Operation
from weft.models.model import Model
from weft.tensor import Tensor, as_tensor


def _binary(op: str, reverse: bool = False) -> Any:
    def method(self: Any, other: Any) -> Any:
        if isinstance(other, Symbolic):
            return Operation(op)([other, self] if reverse else [self, other])
        return Operation(op, constant=other, reverse=reverse)(self)

    return method


class SymbolicTensor(Symbolic):
    """A tensor that a model will compute: a shape, a dtype, and the layer call it comes from.

    Attributes:
        shape: Sizes of the axes, None where unknown.
        dtype: Type of the elements.
        node: The layer call that makes it.
        index: Its position among the outputs of that call.
    """

    def __init__(self, shape: tuple[int | None, ...], dtype: Any, node: Node, index: int) -> None:
        self.shape, self.dtype, self.node, self.index = tuple(shape), dtype, node, index

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def name(self) -> str:
        """The name of the layer that makes it."""
        return str(self.node.layer.name)

    def __repr__(self) -> str:
        return f"<SymbolicTensor shape={self.shape} dtype={self.dtype} from {self.name!r}>"

    def _refuse(self, what: str) -> TypeError:
        return TypeError(
            f"the symbolic tensor {self!r} has no values yet, so it cannot be used {what}; put the "
            "operation into a layer, for instance layers.Lambda, or call the model on data"
        )

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise self._refuse("as an array")

    def __bool__(self) -> bool:
        raise self._refuse("as a condition")

    def __len__(self) -> int:
        raise self._refuse("as a sequence")

    def __iter__(self) -> Iterator[Any]:
        raise self._refuse("as a sequence")

    def __getitem__(self, key: Any) -> Any:
        return Operation("getitem", key=key)(self)

    def __neg__(self) -> Any:
        return Operation("negative")(self)

    __add__, __radd__ = _binary("add"), _binary("add", reverse=True)
    __sub__, __rsub__ = _binary("subtract"), _binary("subtract", reverse=True)
    __mul__, __rmul__ = _binary("multiply"), _binary("multiply", reverse=True)
    __truediv__, __rtruediv__ = _binary("divide"), _binary("divide", reverse=True)
    __pow__, __rpow__ = _binary("power"), _binary("power", reverse=True)
    __matmul__, __rmatmul__ = _binary("matmul"), _binary("matmul", reverse=True)


class Node:
    """One call of a layer on symbolic tensors."""

    def __init__(self, layer: Layer, args: Any, kwargs: Any) -> None:
        self.layer, self.args, self.kwargs = layer, args, kwargs
        self.outputs: Any = None

    @property
    def parents(self) -> list[SymbolicTensor]:
        """The symbolic tensors among the arguments."""
        return [t for t in flatten([self.args, self.kwargs]) if isinstance(t, SymbolicTensor)]

    def run(self, values: dict[int, Any]) -> None:
        """Call the layer on the values of its inputs and keep those of its outputs."""

        def value(leaf: Any) -> Any:
            return values[id(leaf)] if isinstance(leaf, SymbolicTensor) else leaf

        result = self.layer(*map_structure(value, self.args), **map_structure(value, self.kwargs))
        for symbol, tensor in zip(flatten(self.outputs), flatten(result), strict=True):
            if symbol is not None:
                values[id(symbol)] = tensor


class _Leaf:
    """Shape and dtype of an output, which `map_structure` does not walk into."""

    def __init__(self, spec: Any) -> None:
        self.spec = spec


def symbolic_input(layer: InputLayer) -> SymbolicTensor:
    """The symbolic tensor of an entry."""
    node = Node(layer, (), {})
    node.outputs = SymbolicTensor(layer.batch_shape, layer.input_dtype, node, 0)
    return node.outputs


def call_symbolic(layer: Layer, args: Any, kwargs: Any) -> Any:
    """The symbolic outputs of a layer called on symbolic tensors; builds the layer."""
    node = Node(layer, tuple(args), dict(kwargs))
    parents = node.parents
    calls.stack.append(layer)
    try:
        if not layer.built:
            layer._build_for(args, kwargs)
    finally:
        calls.stack.pop()

    def run(tensors: list[Tensor]) -> Any:
        found = dict(zip(map(id, parents), tensors, strict=True))

        def value(leaf: Any) -> Any:
            return found[id(leaf)] if isinstance(leaf, SymbolicTensor) else leaf

        return layer(*map_structure(value, node.args), **map_structure(value, node.kwargs))

    count = iter(range(1000))

    def symbol(leaf: Any) -> Any:
        index = next(count)
        return None if leaf is None else SymbolicTensor(leaf.spec[0], leaf.spec[1], node, index)

    specs = infer(run, [(p.shape, str(p.dtype)) for p in parents], leaf=_Leaf)
    node.outputs = map_structure(symbol, specs)
    layer._symbolic_output = node.outputs
    return node.outputs


class Functional(Model):
    """A model given by its symbolic inputs and outputs; made by ``Model(inputs, outputs)``.

    Args:
        inputs: Symbolic tensor(s) made by `Input`, also in lists or dicts.
        outputs: Symbolic tensor(s) computed from them.
        name: Name.

    Raises:
        ValueError: If an output depends on an input that is not given, or two layers have one name.

    Example:
        >>> import weft
        >>> x = weft.Input((4,))
        >>> y = weft.layers.Dense(2)(weft.layers.Dense(3, activation="relu")(x))
        >>> model = weft.Model(x, y)
        >>> model(weft.ones((5, 4))).shape, model.count_params()
        ((5, 2), 23)

    Follows keras.Model's functional constructor.
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.autocast = False
        for what, value in (("inputs", inputs), ("outputs", outputs)):
            for leaf in flatten(value):
                if not isinstance(leaf, SymbolicTensor):
                    raise ValueError(
                        f"Model: {what} must be symbolic tensors made by Input and layers, got "
                        f"{leaf!r}"
                    )
        self._inputs, self._outputs = inputs, outputs
        self._nodes = self._sort()
        self._entries = [t.node.layer for t in flatten(inputs)]
        self._graph_layers: list[Layer] = []
        for node in self._nodes:
            if not any(layer is node.layer for layer in self._graph_layers):
                self._graph_layers.append(node.layer)
        self._check_names()
        self.built = True

    def _sort(self) -> list[Node]:
        """The calls that the outputs need, each after those it depends on."""
        given = {id(t) for t in flatten(self._inputs)}
        order: list[Node] = []
        done: set[int] = set()
        stack: list[tuple[Node, bool]] = [(t.node, False) for t in flatten(self._outputs)][::-1]
        while stack:
            node, ready = stack.pop()
            if id(node) in done:
                continue
            if ready:
                done.add(id(node))
                order.append(node)
                continue
            if isinstance(node.layer, InputLayer) and id(node.outputs) not in given:
                raise ValueError(
                    f"Model: the outputs depend on the input {node.layer.name!r}, which is not "
                    f"among the inputs {[t.name for t in flatten(self._inputs)]}; add it to them, "
                    "or connect the outputs to the given inputs only"
                )
            stack.append((node, True))
            given_here = any(id(t) in given for t in flatten(node.outputs))
            parents = [] if given_here else node.parents
            stack.extend((p.node, False) for p in reversed(parents))
        entries = [t.node for t in flatten(self._inputs)]
        return [n for n in entries if id(n) not in done] + order

    def _check_names(self) -> None:
        seen: set[str] = set()
        for layer in self._graph_layers:
            if layer.name in seen:
                raise ValueError(
                    f"Model: two layers have the name {layer.name!r}; names must be unique within "
                    "a model, so give one of them another name="
                )
            seen.add(layer.name)

    @property
    def layers(self) -> list[Layer]:
        """All layers in the order of computation, inputs included; arithmetic is not counted."""
        return [layer for layer in self._graph_layers if not isinstance(layer, Operation)]

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic inputs."""
        return flatten(self._inputs)

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The symbolic outputs."""
        return flatten(self._outputs)

    @property
    def input(self) -> Any:
        """The symbolic inputs as they were given."""
        return self._inputs

    @property
    def output(self) -> Any:
        """The symbolic outputs as they were given."""
        return self._outputs

    @property
    def input_specs(self) -> Any:
        """``(shape, dtype)`` of the inputs."""
        return map_structure(lambda t: (t.shape, str(t.dtype)), self._inputs)

    def build(self, input_shape: Any = None) -> None:
        """Nothing: the layers were built when they were called on symbolic tensors."""

    def _feed(self, inputs: Any) -> list[Any]:
        """The given tensors in the order of `inputs`.

        Raises:
            ValueError: If their number, names or shapes do not fit.
        """
        wanted = self.inputs
        if isinstance(inputs, dict):
            names = (
                list(self._inputs) if isinstance(self._inputs, dict) else [t.name for t in wanted]
            )
            missing = [name for name in names if name not in inputs]
            if missing:
                raise ValueError(f"expects inputs named {names}, got {list(inputs)}")
            values = [inputs[name] for name in names]
        else:
            values = flatten(inputs)
        if len(values) != len(wanted):
            shapes = [tuple(getattr(v, "shape", ())) for v in values]
            raise ValueError(
                f"expects {len(wanted)} inputs ({', '.join(t.name for t in wanted)}), got "
                f"{len(values)} input{'s' * (len(values) != 1)} of shape "
                f"{', '.join(map(str, shapes))}; pass a list with one array for each"
            )
        return [as_tensor(value) for value in values]

    def call(self, inputs: Any, training: Any = None) -> Any:
        values: dict[int, Any] = {}
        for symbol, tensor in zip(self.inputs, self._feed(inputs), strict=True):
            if len(symbol.shape) == tensor.ndim + 1 and symbol.shape[-1] == 1:
                tensor = tensor.reshape((*tensor.shape, 1))
            values[id(symbol)] = tensor
        for node in self._nodes:
            if not all(id(t) in values for t in flatten(node.outputs)):
                node.run(values)
        return map_structure(lambda symbol: values[id(symbol)], self._outputs)

    # --- configuration ---------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Layers, and the calls between them."""
        from weft.saving.serialization import serialize

        places = {id(node): number for number, node in enumerate(self._nodes)}

        def reference(leaf: Any) -> Any:
            if isinstance(leaf, SymbolicTensor):
                return _Reference([places[id(leaf.node)], leaf.index])
            return leaf

        return {
            "name": self.name,
            "trainable": self.trainable,
            "layers": [serialize(layer) for layer in self._graph_layers],
            "nodes": [
                {
                    "layer": node.layer.name,
                    "args": serialize(map_structure(reference, list(node.args))),
                    "kwargs": serialize(map_structure(reference, node.kwargs)),
                }
                for node in self._nodes
            ],
            "inputs": serialize(map_structure(reference, self._inputs)),
            "outputs": serialize(map_structure(reference, self._outputs)),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A model of a configuration, with new weights."""
        from weft.saving.serialization import deserialize

        layers = {layer.name: layer for layer in map(deserialize, config["layers"])}
        made: list[list[Any]] = []

        def resolve(value: Any) -> Any:
            if isinstance(value, dict) and value.get("class_name") == "__tensor__":
                node, index = value["config"]
                return made[node][index]
            if isinstance(value, dict) and "class_name" in value:
                return deserialize(value)
            if isinstance(value, dict):
                return {key: resolve(item) for key, item in value.items()}
            return [resolve(item) for item in value] if isinstance(value, list) else value

        for node in config["nodes"]:
            layer = layers[node["layer"]]
            if isinstance(layer, InputLayer):
                made.append([symbolic_input(layer)])
            else:
                made.append(flatten(layer(*resolve(node["args"]), **resolve(node["kwargs"]))))
        inputs, outputs = resolve(config["inputs"]), resolve(config["outputs"])
        model = Functional(inputs, outputs, name=config["name"])
        if not config.get("trainable", True):
            model.trainable = False
        return model


class _Reference:
    """A symbolic tensor in a configuration: the number of a call and of its output."""

    def __init__(self, place: list[int]) -> None:
        self.place = place

    def to_json(self) -> dict[str, Any]:
        return {"class_name": "__tensor__", "config": self.place}
