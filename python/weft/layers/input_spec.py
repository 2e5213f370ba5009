"""`InputSpec`: what a layer expects of its input, and the words when it gets something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weft.errors import shown as describe
from weft.layers.calls import flatten, shown

if TYPE_CHECKING:
    from weft.layers.layer import Layer

AXES_OF_RANK = {
    3: "(batch, steps, channels)",
    4: "(batch, height, width, channels)",
    5: "(batch, depth, height, width, channels)",
}


class InputSpec:
    """Dtype, shape and number of axes that a layer accepts.

    Args:
        dtype: Expected dtype; None accepts any.
        shape: Expected shape, None for axes of any size.
        ndim: Exact number of axes.
        max_ndim: Largest number of axes.
        min_ndim: Smallest number of axes.
        axes: Required sizes by axis, for instance ``{-1: 64}``; None requires nothing.
        name: Name of the input, for messages.
        what: What the sizes in `axes` count, for messages: features, channels.

    Raises:
        TypeError: If `shape` holds no sizes.

    Example:
        >>> import weft
        >>> weft.layers.InputSpec(min_ndim=2, axes={-1: 8})
        InputSpec(min_ndim=2, axes={-1: 8})

    Follows keras.InputSpec.
    """

    __slots__ = ("axes", "dtype", "max_ndim", "min_ndim", "name", "ndim", "shape", "what")

    def __init__(
        self,
        dtype: Any = None,
        shape: Sequence[int | None] | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
        name: str | None = None,
        what: str = "elements",
    ) -> None:
        self.dtype = str(dtype) if dtype is not None else None
        self.shape = tuple(shape) if shape is not None else None
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = {int(k): v for k, v in (axes or {}).items() if v is not None}
        self.name = name
        self.what = what

    def __repr__(self) -> str:
        facts = [
            f"{name}={getattr(self, name)!r}"
            for name in ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes", "name")
            if getattr(self, name) not in (None, {})
        ]
        return f"InputSpec({', '.join(facts)})"

    def get_config(self) -> dict[str, Any]:
        """What `InputSpec` needs to be made again."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputSpec:
        """The specification of a configuration."""
        return cls(**config)

    def accepts(self, shape: tuple[int | None, ...]) -> bool:
        """Whether `shape` fits; quick, for every call of a layer."""
        rank = len(shape)
        if self.ndim is not None and rank != self.ndim:
            return False
        if self.min_ndim is not None and rank < self.min_ndim:
            return False
        if self.max_ndim is not None and rank > self.max_ndim:
            return False
        for axis, size in self.axes.items():
            if not -rank <= axis < rank or shape[axis] not in (size, None):
                return False
        if self.shape is not None:
            for have, want in zip(shape, self.shape, strict=True):
                if want is not None and have is not None and have != want:
                    return False
        return True

    def explain(self, shape: tuple[int | None, ...]) -> str:
        """Why `shape` does not fit, and the way out."""
        rank = len(shape)
        if any(isinstance(size, (tuple, list)) for size in shape):
            return f"takes one tensor, got a list of {rank}"
        wanted = self.ndim if self.ndim is not None else None
        if wanted is not None and rank != wanted:
            return self._explain_rank(shape, f"{wanted} axes{_named(wanted)}", wanted)
        if self.min_ndim is not None and rank < self.min_ndim:
            return self._explain_rank(shape, f"at least {self.min_ndim} axes", self.min_ndim)
        if self.max_ndim is not None and rank > self.max_ndim:
            return self._explain_rank(shape, f"at most {self.max_ndim} axes", self.max_ndim)
        for axis, size in self.axes.items():
            if not -rank <= axis < rank or shape[axis] not in (size, None):
                have = shape[axis] if -rank <= axis < rank else "none"
                return self._explain_size(shape, axis, size, have)
        return f"expects input of shape {self.shape}, got {shape}; reshape the data to fit"

    def _explain_size(self, shape: tuple[Any, ...], axis: int, size: int, have: Any) -> str:
        where = "the last axis" if axis == -1 else f"axis {axis}"
        message = f"expects {size} {self.what} on {where}, got input of shape {shape} with {have}; "
        if len(shape) == 2:
            return message + (
                f"if the data have {have} {self.what}, build the model with Input(({have},)), "
                f"otherwise give it data with {size} columns"
            )
        return message + (
            f"the layer was built for {size} {self.what}: give it such data, or make a new layer "
            f"for {have}"
        )

    def _explain_rank(self, shape: tuple[Any, ...], wanted: str, rank: int) -> str:
        message = f"expects input with {wanted}, got {len(shape)} axes: shape {shape}"
        inner = shape[1:]
        if len(shape) == rank - 1 and rank >= 3:
            batchless = f"x[None] adds the batch axis of a single sample {shape}"
            reshape = f"layers.Reshape({(*inner, 1)})"
            return f"{message}; add a channel axis with x[..., None] or {reshape}; {batchless}"
        if len(shape) < rank:
            return f"{message}; add the missing axes with reshape or layers.Reshape"
        return (
            f"{message}; remove axes with layers.Flatten, layers.Reshape or a global pooling layer"
        )


def _named(rank: int) -> str:
    return f" {AXES_OF_RANK[rank]}" if rank in AXES_OF_RANK else ""


def check_is_data(layer: Layer, args: Any) -> None:
    """Raise a TypeError if a layer of weft is called on words, nothing, or objects without shape.

    Layers of the user's own may be called on anything.
    """
    if not args or not type(layer).__module__.startswith("weft."):
        return
    value = args[0]
    if isinstance(value, (bool, int, float)) or hasattr(value, "shape"):
        return
    structure = isinstance(value, (list, tuple, dict)) and len(value)
    if structure and not any(isinstance(leaf, (str, bytes)) for leaf in flatten(value)):
        return
    raise TypeError(
        f"layer {layer.name!r} ({type(layer).__name__}): the input must be a tensor, an array or "
        f"numbers, got {describe(value)}"
    )


def check_inputs(layer: Layer, specs: InputSpec | list[InputSpec], args: Any) -> None:
    """Raise a ValueError that explains an input the layer does not accept."""
    if isinstance(specs, InputSpec):
        shape = getattr(args[0], "shape", None) if args else None
        if shape is not None:
            if not specs.accepts(shape):
                raise ValueError(specs.explain(shown(shape)))
            layer._accepted = (specs, shape)
        elif args and isinstance(args[0], (list, tuple)) and len(flatten(args[0])) > 1:
            raise ValueError(f"takes one tensor, got a list of {len(flatten(args[0]))}")
        return
    values = flatten(args[0]) if args else []
    for spec, value in zip(specs, values, strict=False):
        if spec is not None and not spec.accepts(value.shape):
            raise ValueError(spec.explain(shown(value.shape)))
