"""Masks on their way through layers: which steps of a sequence count.

A mask lies on the tensor it belongs to, so that it finds the next layer, and the loss, by itself,
in models of any kind.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from weft.layers.calls import flatten, map_structure
from weft.tensor import Tensor

if TYPE_CHECKING:
    from weft.layers.layer import Layer


def masks_of(value: Any) -> Any:
    """The masks of the tensors in a structure, in that structure; None when there is none."""
    if isinstance(value, Tensor):
        return value._mask
    if all(getattr(leaf, "_mask", None) is None for leaf in flatten(value)):
        return None
    return map_structure(lambda leaf: getattr(leaf, "_mask", None), value)


def attach(masks: Any, outputs: Any) -> None:
    """Give each output its mask, unless it has one already."""
    if masks is None:
        return
    for mask, output in zip(flatten(masks), flatten(outputs), strict=False):
        if mask is not None and isinstance(output, Tensor) and output._mask is None:
            output._mask = mask


def pass_masks(layer: Layer, args: Any, masks: Any, outputs: Any) -> None:
    """Give the outputs of a call the masks that the layer makes of those of its inputs."""
    if layer.supports_masking:
        attach(layer.compute_mask(args[0] if args else None, masks), outputs)
    else:
        warnings.warn(
            f"layer {layer.name!r} ({type(layer).__name__}) does not support masks, so the mask "
            "of its input ends here: layers behind it and the loss count all steps",
            stacklevel=3,
        )
