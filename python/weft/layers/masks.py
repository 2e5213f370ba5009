"""Masks on their way through layers: which steps of a sequence count.

A mask lies on the tensor it belongs to, so that it finds the next layer, and the loss, by itself,
in models of any kind.
"""

from __future__ import annotations

from typing import Any

from weft.layers.calls import flatten, map_structure
from weft.tensor import Tensor


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
