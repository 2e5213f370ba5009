"""What layers with several heads of attention share: projections, masks, and what is between."""

from __future__ import annotations

import math
from typing import Any

from weft import constraints, initializers, ops, regularizers
from weft.layers.arguments import check_positive_int
from weft.layers.attention import Attending, as_bool, both, causal_mask, softmax_weights
from weft.layers.calls import shown
from weft.layers.einsum_dense import EinsumDense
from weft.tensor import Tensor


class AttentionHeads(Attending):
    """What layers with heads share: projections, masks, and the attention between them."""

    query_heads: int
    key_heads: int
    attention_axes: Any = None

    def _configure(
        self,
        dropout: float,
        use_bias: bool,
        sliding_window: int | None,
        flash_attention: bool | None,
        use_gate: bool,
        seed: Any,
        projections: dict[str, Any],
    ) -> None:
        """Keep what all layers with heads have among their arguments."""
        kind = type(self).__name__
        self._set_dropout(dropout, seed)
        self.use_bias = bool(use_bias)
        if sliding_window is not None:
            sliding_window = check_positive_int(kind, "sliding_window", sliding_window)
        self.sliding_window = sliding_window
        self.flash_attention = flash_attention
        self.use_gate = bool(use_gate)
        self.kernel_initializer = initializers.get(projections["kernel_initializer"])
        self.bias_initializer = initializers.get(projections["bias_initializer"])
        for name in ("kernel_regularizer", "bias_regularizer", "activity_regularizer"):
            setattr(self, name, regularizers.get(projections[name]))
        # Each projection has it, not the layer as a whole.
        self.projection_regularizer, self.activity_regularizer = self.activity_regularizer, None
        for name in ("kernel_constraint", "bias_constraint"):
            setattr(self, name, constraints.get(projections[name]))

    def _project(self, name: str, equation: str, shape: Any, bias: str, **options: Any) -> Any:
        return EinsumDense(
            equation,
            shape,
            bias_axes=bias if self.use_bias else None,
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            activity_regularizer=self.projection_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
            dtype=self.dtype_policy,
            name=name,
            **options,
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, as plain values."""
        from weft.saving.serialization import serialize

        regularizer = serialize(self.projection_regularizer)
        return {**super().get_config(), "activity_regularizer": regularizer}

    def _check_shapes(self, query: Any, value: Any, key: Any) -> None:
        for name, shape in (("query", query), ("value", value), ("key", key)):
            if len(shape) < 3:
                raise ValueError(
                    f"{name} must be (batch, steps, features), got shape {shown(tuple(shape))}"
                )
        if tuple(value[1:-1]) != tuple(key[1:-1]):
            raise ValueError(
                "key and value must agree on all axes but the last, got key of shape "
                f"{shown(tuple(key))} and value of shape {shown(tuple(value))}"
            )

    def _mask(
        self,
        query: Tensor,
        value: Tensor,
        query_mask: Any,
        value_mask: Any,
        key_mask: Any,
        attention_mask: Any,
        causal: bool,
    ) -> Tensor | None:
        """The masks of the inputs and the given one, over (batch, ..., queries, keys)."""
        mask = None
        if query_mask is not None:
            mask = ops.expand_dims(as_bool(query_mask, query), -1)
        for of_keys in (value_mask, key_mask):
            if of_keys is not None:
                mask = both(mask, ops.expand_dims(as_bool(of_keys, query), -2))
        t, s = query.shape[1], value.shape[1]
        if causal:
            mask = both(mask, causal_mask(t, s, query))
        if self.sliding_window is not None:
            far = ops.abs(
                ops.reshape(ops.arange(t, device=query.device), (t, 1))
                - ops.reshape(ops.arange(s, device=query.device), (1, s))
            )
            mask = both(mask, far < self.sliding_window)
        if attention_mask is not None:
            mask = both(as_bool(attention_mask, query), mask)
        return mask

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        if query_mask is None:
            query_mask = query._mask
        if value_mask is None:
            value_mask = value._mask
        if key is None:
            key = value
        elif key_mask is None:
            key_mask = key._mask
        self._check_shapes(query.shape, value.shape, key.shape)
        # The kernel leaves out keys behind a query without a mask. It knows one axis of steps only.
        inside = use_causal_mask and query.ndim == 3
        mask = self._mask(
            query,
            value,
            query_mask,
            value_mask,
            key_mask,
            attention_mask,
            use_causal_mask and not inside,
        )
        gate = self._gate_dense(query) if self.use_gate else None
        heads, scores = self._attend(
            self._query_dense(query),
            self._key_dense(key),
            self._value_dense(value),
            mask,
            inside,
            self.dropout if training else 0.0,
            bool(return_attention_scores),
        )
        output = self._output_dense(heads if gate is None else heads * gate)
        return (output, scores) if return_attention_scores else output

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        causal: bool,
        dropout: float,
        scores: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Attention between projections (batch, ..., heads, size); the weights if wanted."""
        if query.ndim != 4:
            return self._attend_along_axes(query, key, value, mask, dropout, scores)
        if mask is not None and mask.ndim == 3:
            mask = ops.expand_dims(mask, 1)  # the same for all heads
        return _attention(
            query, key, value, mask, causal, dropout, self._generator, self.flash_attention, scores
        )

    def _attend_along_axes(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        dropout: float,
        scores: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Any axes as one axis of steps, the others as parts of the batch."""
        rank, along = query.ndim, tuple(self.attention_axes)
        others = [a for a in range(rank - 2) if a not in along]
        order = [*others, *along, rank - 2, rank - 1]

        def gathered(x: Tensor) -> Tensor:
            moved = ops.permute_dims(x, tuple(order))
            batch = math.prod(moved.shape[: len(others)])
            steps = math.prod(moved.shape[len(others) : rank - 2])
            return ops.reshape(moved, (batch, steps, *moved.shape[rank - 2 :]))

        lead = tuple(query.shape[a] for a in others)
        steps = tuple(query.shape[a] for a in along), tuple(key.shape[a] for a in along)
        heads = query.shape[-2]
        if mask is not None:
            at = mask.ndim - 2 * len(along)
            while mask.ndim < len(lead) + 1 + 2 * len(along):
                mask = ops.expand_dims(mask, max(at, 0))
            of_heads = mask.shape[len(lead)]
            mask = ops.broadcast_to(mask, (*lead, of_heads, *steps[0], *steps[1]))
            mask = ops.reshape(
                mask, (math.prod(lead), of_heads, math.prod(steps[0]), math.prod(steps[1]))
            )
        y, weights = _attention(
            gathered(query),
            gathered(key),
            gathered(value),
            mask,
            False,
            dropout,
            self._generator,
            self.flash_attention,
            scores,
        )
        y = ops.reshape(y, (*lead, *steps[0], heads, y.shape[-1]))
        y = ops.permute_dims(y, tuple(order.index(a) for a in range(rank)))
        if weights is not None:
            weights = ops.reshape(weights, (*lead, heads, *steps[0], *steps[1]))
        return y, weights

    @property
    def query_dense(self) -> EinsumDense:
        """The layer that makes the heads of the query."""
        return self._query_dense

    @property
    def key_dense(self) -> EinsumDense:
        """The layer that makes the heads of the key."""
        return self._key_dense

    @property
    def value_dense(self) -> EinsumDense:
        """The layer that makes the heads of the value."""
        return self._value_dense

    @property
    def output_dense(self) -> EinsumDense:
        """The layer that joins the heads."""
        return self._output_dense


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    causal: bool,
    dropout: float,
    generator: Any,
    flash_attention: bool | None,
    scores: bool,
) -> tuple[Tensor, Tensor | None]:
    """Attention of (N, T, H, D) operands; the weights (N, H, T, S), before dropout, if wanted."""
    if not scores:
        y = ops.dot_product_attention(
            query,
            key,
            value,
            mask=mask,
            is_causal=causal,
            flash_attention=flash_attention,
            dropout=dropout,
            seed=generator,
        )
        return y, None
    q, k, v = (ops.swapaxes(x, 1, 2) for x in (query, key, value))
    if k.shape[1] != q.shape[1]:
        k, v = (ops.repeat(x, q.shape[1] // x.shape[1], axis=1) for x in (k, v))
    if causal:
        mask = both(mask, causal_mask(q.shape[2], k.shape[2], q))
    raw = ops.matmul(q * (1 / math.sqrt(q.shape[-1])), ops.swapaxes(k, -1, -2))
    weights = softmax_weights(raw, mask)
    kept = ops.dropout(weights, dropout, seed=generator) if dropout else weights
    return ops.swapaxes(ops.matmul(kept, v), 1, 2), weights
