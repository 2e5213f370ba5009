"""Sums of products written with subscripts."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from weft import ops
from weft.dtypes import result_type
from weft.ops.operands import first_tensor
from weft.tensor import Tensor, as_tensor

__all__ = ["einsum"]

# An axis is named by its letter; those that "..." stands for by a number, -1 being the last.
Label = str | int


def einsum(subscripts: str, *operands: Any) -> Tensor:
    """Sums of products, written as in ``"ij,jk->ik"``.

    Every letter names an axis; an axis named in several operands is walked in step, and what does
    not appear after ``->`` is summed over. A letter twice in one operand takes the diagonal.
    Without ``->`` the result has the letters that appear once, in alphabetical order. ``...``
    stands for further axes, which are broadcast. Operands are joined from left to right, by matrix
    products.

    Args:
        subscripts: The subscripts of every operand, and those of the result.
        operands: One tensor for each.

    Returns:
        Tensor with the axes that `subscripts` names after ``->``.

    Raises:
        ValueError: If the subscripts are malformed or do not fit the shapes.
        TypeError: If `subscripts` is no string.

    Example:
        >>> import weft
        >>> x = weft.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> weft.einsum("ij,jk->ik", x, x).tolist()
        [[7.0, 10.0], [15.0, 22.0]]
        >>> float(weft.einsum("ii", x))
        5.0

    Follows numpy.einsum.
    """
    if not isinstance(subscripts, str):
        raise TypeError(
            f"einsum: the first argument is the subscripts, as a string, got {subscripts!r}"
        )
    home = first_tensor(operands)
    tensors = [as_tensor(x, near=home) for x in operands]
    inputs, output = _parse(subscripts, tensors)
    sizes = _sizes(subscripts, inputs, tensors)
    dtype = result_type(*tensors)
    terms = [
        _without_repeats(tensor, labels, sizes)
        for tensor, labels in zip(tensors, inputs, strict=True)
    ]
    joined, labels = terms[0]
    for position, (tensor, other) in enumerate(terms[1:], start=2):
        later = set(output).union(*(ls for _, ls in terms[position:]))
        joined, labels = _join(joined, labels, tensor, other, later, dtype)
    joined, labels = _sum_out(joined, labels, set(output), dtype)
    missing = [label for label in output if label not in labels]  # axes of size 1 in all operands
    joined = ops.reshape(joined, (*joined.shape, *(1 for _ in missing)))
    order = [(labels + missing).index(label) for label in output]
    result = ops.transpose(joined, order) if order != sorted(order) else joined
    return result if result.dtype == dtype else ops.cast(result, dtype)


def _parse(subscripts: str, tensors: list[Tensor]) -> tuple[list[list[Label]], list[Label]]:
    """The labels of every operand and of the result."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(tensors) or not tensors:
        raise ValueError(
            f"einsum: '{subscripts}' names {len(terms)} operands, but {len(tensors)} were given"
        )
    inputs = [
        _labels(subscripts, term, t.ndim, t.shape) for term, t in zip(terms, tensors, strict=True)
    ]
    hidden = min((x for labels in inputs for x in labels if isinstance(x, int)), default=0)
    counts = Counter(x for labels in inputs for x in labels)
    if arrow:
        output = _labels(subscripts, right, len(right.replace("...", "")) - hidden, None)
        if hidden < 0 and "..." not in right:
            raise ValueError(
                f"einsum: the result of '{subscripts}' needs '...' too, for the axes that it "
                "stands for in the operands"
            )
        if len(set(output)) != len(output):
            raise ValueError(f"einsum: the result of '{subscripts}' names an axis twice")
        for label in output:
            if label not in counts and isinstance(label, str):
                raise ValueError(
                    f"einsum: '{label}' of the result of '{subscripts}' is in no operand"
                )
    else:
        letters = sorted(x for x, n in counts.items() if isinstance(x, str) and n == 1)
        output = [*range(hidden, 0), *letters]
    return inputs, output


def _labels(subscripts: str, term: str, ndim: int, shape: tuple[int, ...] | None) -> list[Label]:
    before, dots, after = term.partition("...")
    letters = before + after
    if not all(c.isascii() and c.isalpha() for c in letters):
        raise ValueError(
            f"einsum: '{term}' in '{subscripts}' may hold letters and one '...' and nothing else"
        )
    hidden = ndim - len(letters)
    if shape is not None and (hidden < 0 or (hidden > 0 and not dots)):
        raise ValueError(
            f"einsum: '{term}' in '{subscripts}' names {len(letters)} axes, but the operand has "
            f"shape {shape}"
        )
    return [*before, *(range(-hidden, 0) if dots else ()), *after]


def _sizes(subscripts: str, inputs: list[list[Label]], tensors: list[Tensor]) -> dict[Label, int]:
    sizes: dict[Label, int] = {}
    for labels, tensor in zip(inputs, tensors, strict=True):
        if len(set(zip(labels, tensor.shape, strict=True))) != len(set(labels)):
            raise ValueError(
                f"einsum: a diagonal needs equal sizes, but '{subscripts}' asks for one of shape "
                f"{tensor.shape}"
            )
        for label, size in zip(labels, tensor.shape, strict=True):
            known = sizes.setdefault(label, size)
            if known == 1:
                sizes[label] = size
            elif size not in (1, known):
                what = f"'{label}'" if isinstance(label, str) else "an axis of '...'"
                raise ValueError(
                    f"einsum: {what} of '{subscripts}' has size {known} in one operand and {size} "
                    f"in another (shapes {', '.join(str(t.shape) for t in tensors)})"
                )
    return sizes


def _without_repeats(
    x: Tensor, labels: list[Label], sizes: dict[Label, int]
) -> tuple[Tensor, list[Label]]:
    """`x` with axes that are broadcast left out, and diagonals for labels that appear twice."""
    kept = [i for i, label in enumerate(labels) if x.shape[i] == sizes[label] != 1]
    x = ops.reshape(x, tuple(x.shape[i] for i in kept))
    labels = [labels[i] for i in kept]
    for label in [name for name, n in Counter(labels).items() if n > 1]:
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            x = ops.diagonal(x, 0, first, second)
            labels = [n for i, n in enumerate(labels) if i not in (first, second)] + [label]
    return x, labels


def _sum_out(
    x: Tensor, labels: list[Label], keep: set[Label], dtype: Any
) -> tuple[Tensor, list[Label]]:
    axes = tuple(i for i, label in enumerate(labels) if label not in keep)
    if not axes:
        return x, labels
    # Integer sums are wider than their operands; a product of integers is not.
    return ops.cast(ops.sum(x, axis=axes), dtype), [n for n in labels if n in keep]


def _join(
    x: Tensor, xs: list[Label], y: Tensor, ys: list[Label], later: set[Label], dtype: Any
) -> tuple[Tensor, list[Label]]:
    """The product of two operands, summed over the labels that nothing later needs."""
    x, xs = _sum_out(x, xs, later | set(ys), dtype)
    y, ys = _sum_out(y, ys, later | set(xs), dtype)
    both = [n for n in xs if n in ys and n in later]
    summed = [n for n in xs if n in ys and n not in later]
    x_only, y_only = [n for n in xs if n not in ys], [n for n in ys if n not in xs]
    x_size = {n: x.shape[i] for i, n in enumerate(xs)}
    y_size = {n: y.shape[i] for i, n in enumerate(ys)}
    batch = tuple(x_size[n] for n in both)
    rows, columns = tuple(x_size[n] for n in x_only), tuple(y_size[n] for n in y_only)
    x = ops.transpose(x, [xs.index(n) for n in both + x_only + summed])
    y = ops.transpose(y, [ys.index(n) for n in both + summed + y_only])
    m, n, k = math.prod(rows), math.prod(columns), math.prod(x_size[s] for s in summed)
    if summed:
        product = ops.matmul(ops.reshape(x, (*batch, m, k)), ops.reshape(y, (*batch, k, n)))
    else:
        product = ops.multiply(ops.reshape(x, (*batch, m, 1)), ops.reshape(y, (*batch, 1, n)))
    return ops.reshape(product, (*batch, *rows, *columns)), both + x_only + y_only
