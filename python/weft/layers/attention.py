"""Attention without heads, and what all layers with attention share."""

from __future__ import annotations

from typing import Any

from weft import ops, random
from weft.layers.arguments import check_choice
from weft.layers.layer import Layer
from weft.tensor import Tensor, as_tensor


def _check_rate(layer: str, rate: Any) -> float:
    if isinstance(rate, (bool, str)) or rate is None or not 0 <= rate < 1:
        raise ValueError(f"{layer}: dropout must be a number from 0 to below 1, got {rate!r}")
    return float(rate)


def as_bool(mask: Any, near: Tensor) -> Tensor:
    """`mask` as bool, on the device of `near`."""
    mask = as_tensor(mask, near=near)
    return mask if mask.dtype == "bool" else ops.not_equal(mask, 0)


def both(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """Where both masks count; None counts everywhere."""
    if a is None or b is None:
        return b if a is None else a
    return ops.logical_and(a, b)


def softmax_weights(scores: Tensor, mask: Tensor | None) -> Tensor:
    """The softmax of scores (..., T, S) that count; zeros for a query that sees no key."""
    if mask is None:
        return ops.softmax(scores)
    lowest = -3e4 if scores.dtype == "float16" else -1e9
    weights = ops.softmax(ops.where(mask, scores, lowest))
    return ops.where(mask, weights, 0.0)


def causal_mask(queries: int, keys: int, near: Tensor) -> Tensor:
    """True where a key is not behind its query."""
    return ops.tril(ops.ones((queries, keys), dtype="bool", device=near.device))


class Attending(Layer):
    """What layers with dropout share: a stream of their own when a seed is given."""

    supports_masking = True

    def _set_dropout(self, rate: Any, seed: Any) -> None:
        self.dropout = _check_rate(type(self).__name__, rate)
        self.seed = seed
        self._generator = random.SeedGenerator(seed) if isinstance(seed, int) else seed


class Attention(Attending):
    """Attention without heads or projections (Luong).

    Masks of the inputs are used by themselves: masked values are not seen, and masked queries get
    zeros.

    Args:
        use_scale: Whether the scores have a factor that is trained.
        score_mode: ``"dot"`` for products of query and key; ``"concat"`` for the sum of
            ``tanh(query + key)``, times a factor that is trained.
        dropout: Share of the weights that is dropped while training.
        seed: Seed of the layer's own random numbers; None uses the global generator.

    Shapes:
        a list of query ``(N, T, C)``, value ``(N, S, V)`` and key ``(N, S, C)`` (the value if left
        out) to ``(N, T, V)``; weights ``(N, T, S)`` behind it with `return_attention_scores`.

    Raises:
        ValueError: If an argument is unknown, or the inputs are not two or three that fit.

    Example:
        >>> import weft
        >>> layer = weft.layers.Attention()
        >>> layer([weft.zeros((1, 1, 2)), weft.tensor([[[0.0, 1.0], [2.0, 3.0]]])]).tolist()
        [[[1.0, 2.0]]]

    Follows keras.layers.Attention (Luong et al., arXiv 1508.04025).
    """

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.use_scale = bool(use_scale)
        self.score_mode = check_choice(
            type(self).__name__, "score_mode", score_mode, ("dot", "concat")
        )
        self._set_dropout(dropout, seed)

    def build(self, input_shape: Any) -> None:
        self._check_inputs(input_shape)
        self.scale = self.add_weight((), "ones", name="scale") if self.use_scale else None
        self.concat_score_weight = None
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight")

    def _check_inputs(self, inputs: Any) -> None:
        if not isinstance(inputs, (list, tuple)) or len(inputs) not in (2, 3):
            count = len(inputs) if isinstance(inputs, (list, tuple)) else "one tensor"
            raise ValueError(f"expects a list [query, value] or [query, value, key], got {count}")

    def _scores(self, query: Tensor, key: Tensor) -> Tensor:
        if self.score_mode == "dot":
            scores = ops.matmul(query, ops.swapaxes(key, -2, -1))
            return scores if self.scale is None else scores * self.scale
        total = ops.expand_dims(query, -2) + ops.expand_dims(key, -3)
        if self.scale is not None:
            total = total * self.scale
        return self.concat_score_weight * ops.sum(ops.tanh(total), -1)

    def _through_kernel(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Any, causal: bool, dropout: float
    ) -> Tensor:
        if self.scale is not None:
            query = query * self.scale
        q, k, v = (ops.expand_dims(x, 2) for x in (query, key, value))
        y = ops.dot_product_attention(
            q,
            k,
            v,
            mask=None if mask is None else ops.expand_dims(mask, 1),
            scale=1.0,
            is_causal=causal,
            dropout=dropout,
            seed=self._generator,
        )
        return ops.squeeze(y, 2)

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        self._check_inputs(inputs)
        query, value = inputs[:2]
        key = inputs[2] if len(inputs) > 2 else value
        if mask is not None and (not isinstance(mask, (list, tuple)) or len(mask) not in (2, 3)):
            raise ValueError(f"mask must be a list [query_mask, value_mask], got {mask!r}")
        query_mask, value_mask = mask[:2] if mask is not None else (None, None)
        dropout = self.dropout if training else 0.0
        seen = None
        if value_mask is not None:
            seen = ops.expand_dims(as_bool(value_mask, query), -2)
        weights = None
        simple = self.score_mode == "dot" and type(self)._scores is Attention._scores
        if simple and query.ndim == 3 and not return_attention_scores:
            y = self._through_kernel(query, key, value, seen, use_causal_mask, dropout)
        else:
            if use_causal_mask:
                seen = both(seen, causal_mask(query.shape[-2], key.shape[-2], query))
            weights = softmax_weights(self._scores(query, key), seen)
            kept = weights
            if dropout:
                kept = ops.dropout(weights, dropout, seed=self._generator)
            y = ops.matmul(kept, value)
        if query_mask is not None:
            y = ops.where(ops.expand_dims(as_bool(query_mask, y), -1), y, 0.0)
        return (y, weights) if return_attention_scores else y

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the query."""
        return None if previous_mask is None else previous_mask[0]

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The shape of the query with the features of the value."""
        self._check_inputs(input_shape)
        return (*input_shape[0][:-1], input_shape[1][-1])


class AdditiveAttention(Attention):
    """Attention whose scores are sums of ``tanh(query + key)`` over the features (Bahdanau).

    Args:
        use_scale: Whether each feature has a factor that is trained.
        dropout: Share of the weights that is dropped while training.
        seed: Seed of the layer's own random numbers; None uses the global generator.

    Shapes:
        As `Attention`.

    Raises:
        ValueError: If the inputs are not two or three that fit.

    Example:
        >>> import weft
        >>> layer = weft.layers.AdditiveAttention()
        >>> layer([weft.ones((1, 2, 3)), weft.ones((1, 4, 3))]).shape
        (1, 2, 3)

    Follows keras.layers.AdditiveAttention (Bahdanau et al., arXiv 1409.0473).
    """

    def __init__(
        self, use_scale: bool = True, dropout: float = 0.0, seed: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, seed=seed, **kwargs)

    def build(self, input_shape: Any) -> None:
        self._check_inputs(input_shape)
        features = input_shape[0][-1]
        self.scale = self.add_weight((features,), name="scale") if self.use_scale else None

    def _scores(self, query: Tensor, key: Tensor) -> Tensor:
        total = ops.tanh(ops.expand_dims(query, -2) + ops.expand_dims(key, -3))
        return ops.sum(total if self.scale is None else total * self.scale, -1)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, as plain values."""
        config = super().get_config()
        config.pop("score_mode", None)
        return config
