"""Layers that prepare data: scaling, filling gaps, words and categories as numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from weft import ops
from weft.layers.arguments import check_choice, check_positive_int
from weft.layers.core import as_float, constant, known_size
from weft.layers.input_spec import InputSpec
from weft.layers.layer import Layer
from weft.layers.normalization import rows_of
from weft.programs.recording import on_host
from weft.tensor import Tensor, as_tensor


class Rescaling(Layer):
    """``x * scale + offset``, for instance pixels 0..255 as numbers 0..1.

    Args:
        scale: Factor; one number, or one for each channel.
        offset: Added after scaling.

    Raises:
        ValueError: If `scale` or `offset` is no number.

    Example:
        >>> import weft
        >>> weft.layers.Rescaling(2.0, offset=1.0)([1.0, 2.0]).tolist()
        [3.0, 5.0]

    Follows keras.layers.Rescaling.
    """

    supports_masking = True

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, value in (("scale", scale), ("offset", offset)):
            if isinstance(value, str) or value is None:
                raise ValueError(f"Rescaling: {name} must be a number, got {value!r}")
        self.scale, self.offset = scale, offset

    def call(self, inputs: Tensor) -> Tensor:
        x = as_float(self, inputs)
        return x * constant(self.scale, x.dtype) + constant(self.offset, x.dtype)


class Imputer(Layer):
    """Missing values (NaN) filled in, each column with a value of its own.

    Args:
        strategy: ``"mean"`` or ``"median"`` of what `adapt` saw, or ``"constant"``.
        fill_value: The value for ``"constant"``.

    Raises:
        ValueError: If the strategy is unknown, or a column that `adapt` sees has no value at all.

    Example:
        >>> import weft
        >>> layer = weft.layers.Imputer()
        >>> layer.adapt([[1.0], [3.0], [float("nan")]])
        >>> layer([[float("nan")]]).tolist()
        [[2.0]]

    Follows sklearn.impute.SimpleImputer.
    """

    def __init__(self, strategy: str = "mean", fill_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.strategy = check_choice(
            "Imputer", "strategy", strategy, ("mean", "median", "constant")
        )
        self.fill_value = float(fill_value)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        columns = known_size(self, input_shape, -1)
        self._fill = self.add_weight((columns,), "zeros", trainable=False, name="fill")
        if self.strategy == "constant":
            self._fill.assign(np.full(columns, self.fill_value))
        self.input_spec = InputSpec(min_ndim=2, axes={-1: columns}, what="columns")

    def adapt(self, data: Any) -> None:
        """Take the values to fill in from `data`: an array, or an iterable of batches."""
        x = np.concatenate([np.asarray(batch, "float64") for batch in rows_of(data)])
        x = x.reshape(-1, x.shape[-1] if x.ndim > 1 else 1)
        if not self.built:
            self.build((None, x.shape[1]))
        if self.strategy == "constant":
            return
        empty = np.flatnonzero(np.isnan(x).all(axis=0))
        if empty.size:
            raise ValueError(f"layer {self.name!r}: column {empty[0]} has no value to adapt to")
        fill = np.nanmean(x, axis=0) if self.strategy == "mean" else np.nanmedian(x, axis=0)
        self._fill.assign(fill)

    def call(self, inputs: Tensor) -> Tensor:
        x = as_float(self, inputs)
        return ops.where(ops.isnan(x), self._fill.astype(x.dtype, copy=False), x)


def _encode(x: Tensor, depth: int, mode: str, dtype: Any, weights: Any = None) -> Tensor:
    """Integers as vectors: one each, or the union or count of those of a sample."""
    hot = ops.cast(ops.equal(ops.expand_dims(x, -1), np.arange(depth)), dtype)
    if mode == "one_hot":
        last_is_one = x.ndim > 1 and x.shape[-1] == 1
        return ops.reshape(hot, (*x.shape[:-1], depth)) if last_is_one else hot
    if x.ndim == 1 and weights is None:
        return hot
    if mode == "count":
        if weights is not None:
            hot = hot * ops.expand_dims(as_tensor(weights, near=hot).astype(dtype), -1)
        return ops.sum(hot, axis=-2)
    return ops.max(hot, axis=-2)


class CategoryEncoding(Layer):
    """Integers as vectors of zeros and ones (or counts).

    Args:
        num_tokens: Number of categories: integers 0 to ``num_tokens - 1``.
        output_mode: ``"one_hot"``, ``"multi_hot"`` (which occur in a sample) or ``"count"``.

    Raises:
        ValueError: If an integer is outside of the categories.

    Example:
        >>> import weft
        >>> weft.layers.CategoryEncoding(3, output_mode="one_hot")([0, 2]).tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]

    Follows keras.layers.CategoryEncoding.
    """

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.num_tokens = check_positive_int("CategoryEncoding", "num_tokens", num_tokens)
        self.output_mode = check_choice(
            "CategoryEncoding", "output_mode", output_mode, ("one_hot", "multi_hot", "count")
        )

    def call(self, inputs: Any, count_weights: Any = None) -> Tensor:
        x = as_tensor(inputs)
        x = x if x.dtype.is_integer else x.astype("int64")
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(
                f"count_weights are possible with output_mode='count' only, not "
                f"{self.output_mode!r}"
            )
        if x.device != "meta" and x.size:
            least, largest = ops.min(x), ops.max(x)
            on_host(lambda: self._check_range(int(least.item()), int(largest.item())))
        return _encode(x, self.num_tokens, self.output_mode, self.compute_dtype, count_weights)

    def _check_range(self, low: int, high: int) -> None:
        if low < 0 or high >= self.num_tokens:
            raise ValueError(
                f"category {low if low < 0 else high} is outside of the {self.num_tokens} "
                f"categories 0 to {self.num_tokens - 1}"
            )


class Discretization(Layer):
    """Numbers as the integer of the bin that they fall into.

    Args:
        bin_boundaries: Boundaries in increasing order; ``n`` of them make ``n + 1`` bins, and a
            value on a boundary belongs to the bin above it. Or leave them to `adapt`.
        num_bins: Number of bins that `adapt` makes, with about equally many values each.
        output_mode: ``"int"``, ``"one_hot"``, ``"multi_hot"`` or ``"count"``.

    Raises:
        ValueError: If both or neither of boundaries and number are given, or the boundaries do not
            increase.

    Example:
        >>> import weft
        >>> weft.layers.Discretization(bin_boundaries=[0.0, 10.0])([-1.0, 0.0, 99.0]).tolist()
        [0, 1, 2]

    Follows keras.layers.Discretization.
    """

    def __init__(
        self,
        bin_boundaries: Iterable[float] | None = None,
        num_bins: int | None = None,
        output_mode: str = "int",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (bin_boundaries is None) == (num_bins is None):
            raise ValueError(
                "Discretization: give either bin_boundaries or num_bins, got "
                f"bin_boundaries={bin_boundaries!r} and num_bins={num_bins!r}"
            )
        if num_bins is not None:
            check_positive_int("Discretization", "num_bins", num_bins)
        self.num_bins = num_bins
        self.output_mode = check_choice(
            "Discretization", "output_mode", output_mode, ("int", "one_hot", "multi_hot", "count")
        )
        self.bin_boundaries: list[float] | None = None
        if bin_boundaries is not None:
            self.bin_boundaries = [float(b) for b in bin_boundaries]
            if any(a >= b for a, b in pairwise(self.bin_boundaries)):
                raise ValueError(
                    f"Discretization: bin_boundaries must increase, got {self.bin_boundaries}"
                )

    def adapt(self, data: Any) -> None:
        """Choose the boundaries so that about equally many values of `data` fall into each bin."""
        if self.num_bins is None:
            raise ValueError("adapt needs num_bins; this layer was given its bin_boundaries")
        values = np.concatenate([np.asarray(b, "float64").ravel() for b in rows_of(data)])
        shares = np.arange(1, self.num_bins) / self.num_bins
        self.bin_boundaries = [float(b) for b in np.unique(np.quantile(values, shares))]

    def call(self, inputs: Any) -> Tensor:
        if self.bin_boundaries is None:
            raise ValueError("has no boundaries yet: call adapt(data) or give bin_boundaries=")
        # In float64, so that neither values nor boundaries are rounded onto each other.
        x = as_tensor(inputs).astype("float64", copy=False)
        found = ops.digitize(x, np.asarray(self.bin_boundaries, "float64"))
        if self.output_mode == "int":
            return found
        bins = len(self.bin_boundaries) + 1
        return _encode(found, bins, self.output_mode, self.compute_dtype)


class StringLookup(Layer):
    """Words as integers, by a vocabulary given or learned by `adapt`.

    Args:
        max_tokens: Largest size of the vocabulary.
        num_oov_indices: Number of integers for words that are not in the vocabulary.
        mask_token: Word that becomes 0 and means "missing".
        oov_token: Word that `invert` gives for unknown integers.
        vocabulary: The words, most frequent first.
        invert: Integers as words instead.
        output_mode: ``"int"``, ``"one_hot"``, ``"multi_hot"`` or ``"count"``.

    Raises:
        ValueError: If the vocabulary has a word twice, or a word is unknown and
            ``num_oov_indices=0``.

    Example:
        >>> import weft
        >>> layer = weft.layers.StringLookup(vocabulary=["cat", "dog"])
        >>> layer(["dog", "cow"]).tolist()
        [2, 0]

    Follows keras.layers.StringLookup.
    """

    converts_inputs = False

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: Iterable[str] | None = None,
        invert: bool = False,
        output_mode: str = "int",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if max_tokens is not None:
            check_positive_int("StringLookup", "max_tokens", max_tokens)
        if num_oov_indices < 0:
            raise ValueError(
                f"StringLookup: num_oov_indices must be at least 0, got {num_oov_indices!r}"
            )
        if invert and output_mode != "int":
            raise ValueError(
                f"StringLookup: invert=True gives words, so output_mode must be 'int', got "
                f"{output_mode!r}"
            )
        self.max_tokens, self.num_oov_indices = max_tokens, num_oov_indices
        self.mask_token, self.oov_token, self.invert = mask_token, oov_token, invert
        self.output_mode = check_choice(
            "StringLookup", "output_mode", output_mode, ("int", "one_hot", "multi_hot", "count")
        )
        self.vocabulary: list[str] | None = None
        self._table: dict[str, int] = {}
        if vocabulary is not None:
            self.set_vocabulary(vocabulary)

    @property
    def _first(self) -> int:
        return self.num_oov_indices + (self.mask_token is not None and self.output_mode == "int")

    def set_vocabulary(self, vocabulary: Iterable[str]) -> None:
        """Use these words."""
        words = [str(word) for word in vocabulary]
        special = [w for w in (self.mask_token, self.oov_token) if w is not None]
        while words and words[0] in special:
            words.pop(0)
        twice = [word for word, count in Counter(words).items() if count > 1]
        if twice:
            raise ValueError(f"StringLookup: the vocabulary has {twice[0]!r} more than once")
        self.vocabulary = words
        self._table = {word: number for number, word in enumerate(words, self._first)}

    def adapt(self, data: Any) -> None:
        """Learn the vocabulary from data: the most frequent words first."""
        counts = Counter(str(word) for batch in rows_of(data) for word in np.asarray(batch).ravel())
        for special in (self.mask_token, self.oov_token):
            if special is not None:
                counts.pop(special, None)
        words = sorted(counts, key=lambda word: (-counts[word], word))
        limit = len(words) if self.max_tokens is None else self.max_tokens - self._first
        self.set_vocabulary(words[:limit])

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The words by their integers."""
        words = list(self.vocabulary or [])
        if not include_special_tokens:
            return words
        unknown = [self.oov_token] * self.num_oov_indices
        if self.mask_token is not None and self.output_mode == "int":
            return [self.mask_token, *unknown, *words]
        return [*unknown, *words]

    def vocabulary_size(self) -> int:
        """Number of integers that can come out."""
        return len(self.get_vocabulary())

    def _number(self, word: str) -> int:
        found = self._table.get(word)
        if found is not None:
            return found
        if word == self.mask_token and self._first > self.num_oov_indices:
            return 0
        if self.num_oov_indices == 0:
            raise ValueError(
                f"the word {word!r} is not in the vocabulary, and num_oov_indices=0 leaves no "
                "integer for unknown words"
            )
        # A hash that is the same in every process, unlike Python's own.
        offset = sum(word.encode()) % self.num_oov_indices
        return self._first - self.num_oov_indices + offset

    def call(self, inputs: Any) -> Any:
        if self.vocabulary is None:
            raise ValueError("has no vocabulary yet: call adapt(data) or give vocabulary=")
        if self.invert:
            words = self.get_vocabulary()
            numbers = np.asarray(inputs)
            unknown = (numbers < 0) | (numbers >= len(words))
            table = np.asarray([*words, self.oov_token], dtype=object)
            return table[np.where(unknown, len(words), numbers)].astype(str)
        given = np.asarray(inputs)
        found = np.array([self._number(str(word)) for word in given.ravel()], "int64")
        result = as_tensor(found.reshape(given.shape))
        if self.output_mode == "int":
            return result
        return _encode(result, self.vocabulary_size(), self.output_mode, self.compute_dtype)
