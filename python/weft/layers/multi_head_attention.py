"""Attention with heads, each with its own keys and values or sharing them."""

from __future__ import annotations

from typing import Any

from weft.layers.arguments import check_positive_int
from weft.layers.calls import shown
from weft.layers.heads import AttentionHeads


class MultiHeadAttention(AttentionHeads):
    """Attention with several heads, each of which looks for something else.

    Query, key and value are projected for each head; each query gets the mean of the values,
    weighted by how well their keys match it; one more projection joins the heads. Masks of the
    inputs are used by themselves: masked keys are not seen, and masked queries get zeros for their
    heads (Keras: the mean of all values).

    Args:
        num_heads: Number of heads.
        key_dim: Size of a head's queries and keys.
        value_dim: Size of a head's values; `key_dim` if None.
        dropout: Share of the weights that is dropped while training.
        use_bias: Whether the projections have biases.
        output_shape: Sizes of the last axes of the output; the features of the query if None.
        attention_axes: The axes of the steps; all between the batch and the features if None.
        sliding_window: How near to a query a key must be to be seen, in steps and less than this.
        flash_attention: True for one kernel without the matrix of weights, False for products and
            a softmax, None for the kernel wherever it can be used. Weights that are asked for are
            always computed as a matrix.
        kernel_initializer: First values of the kernels.
        bias_initializer: First values of the biases.
        kernel_regularizer: Loss on the kernels.
        bias_regularizer: Loss on the biases.
        activity_regularizer: Loss on the output of each projection.
        kernel_constraint: Applied to the kernels after each update.
        bias_constraint: Applied to the biases after each update.
        use_gate: Multiply the heads by a sigmoid of one more projection of the query.
        seed: Seed of the layer's own random numbers; None uses the global generator.

    Shapes:
        query ``(N, T, C)``, value ``(N, S, V)``, key ``(N, S, K)`` (the value if left out) to
        ``(N, T, C)``; weights ``(N, num_heads, T, S)`` behind it with `return_attention_scores`.
        `attention_mask` broadcasts to ``(N, T, S)`` and is True where a query sees a key;
        `use_causal_mask` hides what comes after a query.

    Raises:
        ValueError: If a size is no positive integer, or shapes do not fit.

    Example:
        >>> import weft
        >>> layer = weft.layers.MultiHeadAttention(num_heads=2, key_dim=3)
        >>> x = weft.ones((1, 5, 8))
        >>> layer(x, x, use_causal_mask=True).shape, layer.count_params()
        ((1, 5, 8), 218)

    Follows keras.layers.MultiHeadAttention.
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        projections = {
            "kernel_initializer": kernel_initializer,
            "bias_initializer": bias_initializer,
            "kernel_regularizer": kernel_regularizer,
            "bias_regularizer": bias_regularizer,
            "activity_regularizer": activity_regularizer,
            "kernel_constraint": kernel_constraint,
            "bias_constraint": bias_constraint,
        }
        self._configure(
            dropout, use_bias, sliding_window, flash_attention, use_gate, seed, projections
        )
        kind = type(self).__name__
        self.num_heads = check_positive_int(kind, "num_heads", num_heads)
        self.key_dim = check_positive_int(kind, "key_dim", key_dim)
        self.value_dim = (
            self.key_dim if value_dim is None else check_positive_int(kind, "value_dim", value_dim)
        )
        if output_shape is not None:
            sizes = (output_shape,) if isinstance(output_shape, int) else output_shape
            if not isinstance(sizes, (list, tuple)):
                raise ValueError(
                    f"{kind}: output_shape must be an integer or a tuple of them, got "
                    f"{output_shape!r}"
                )
            output_shape = tuple(check_positive_int(kind, "output_shape", n) for n in sizes)
        self.output_shape = output_shape
        if isinstance(attention_axes, int):
            attention_axes = (attention_axes,)
        if attention_axes is not None and not isinstance(attention_axes, (list, tuple)):
            raise ValueError(
                f"{kind}: attention_axes must be an integer or a tuple of them, got "
                f"{attention_axes!r}"
            )
        self.attention_axes = None if attention_axes is None else tuple(attention_axes)

    def build(  # type: ignore[override]  # Keras's arguments: a shape for each input
        self, query_shape: Any, value_shape: Any, key_shape: Any = None
    ) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        self._check_shapes(query_shape, value_shape, key_shape)
        rank = len(query_shape)
        if len(value_shape) != rank:
            raise ValueError(
                f"query of shape {shown(tuple(query_shape))} and value of shape "
                f"{shown(tuple(value_shape))} must have as many axes"
            )
        if self.attention_axes is None:
            self.attention_axes = tuple(range(1, rank - 1))
        axes = tuple(a + rank if a < 0 else a for a in self.attention_axes)
        if any(not 0 < a < rank - 1 for a in axes):
            raise ValueError(
                f"attention_axes {self.attention_axes} must lie between the batch and the features "
                f"of the query of shape {shown(tuple(query_shape))}"
            )
        self.attention_axes = axes
        lead = "abcdefghijklmnop"[: rank - 1]
        equation, between = f"{lead}x,xyz->{lead}yz", [None] * (rank - 2)

        def heads(name: str, size: int, shape: Any, **options: Any) -> Any:
            layer = self._project(name, equation, [*between, self.num_heads, size], "yz", **options)
            layer.build(shape)
            return layer

        self._query_dense = heads("query", self.key_dim, query_shape)
        self._key_dense = heads("key", self.key_dim, key_shape)
        if self.use_gate:
            self._gate_dense = heads("gate", self.value_dim, query_shape, activation="sigmoid")
        self._value_dense = heads("value", self.value_dim, value_shape)
        sizes = self.output_shape or (query_shape[-1],)
        tail = "qrstuvw"[: len(sizes)]
        self._output_dense = self._project(
            "attention_output", f"{lead}yz,yz{tail}->{lead}{tail}", [*between, *sizes], tail
        )
        self._output_dense.build((*query_shape[:-1], self.num_heads, self.value_dim))

    def compute_output_shape(
        self, query_shape: Any, value_shape: Any, key_shape: Any = None
    ) -> tuple[int | None, ...]:
        """The shape of the query, its last axis replaced by `output_shape` if that is given."""
        self._check_shapes(
            query_shape, value_shape, value_shape if key_shape is None else key_shape
        )
        return (*query_shape[:-1], *(self.output_shape or (query_shape[-1],)))


class GroupedQueryAttention(AttentionHeads):
    """`MultiHeadAttention` in which several heads of queries share one head of keys and values.

    Args:
        head_dim: Size of a head.
        num_query_heads: Heads of queries.
        num_key_value_heads: Heads of keys and values, of which `num_query_heads` is a multiple.
        dropout: Share of the weights that is dropped while training.
        use_bias: Whether the projections have biases.
        sliding_window: How near to a query a key must be to be seen, in steps and less than this.
        flash_attention: As in `MultiHeadAttention`.
        kernel_initializer: First values of the kernels.
        bias_initializer: First values of the biases.
        kernel_regularizer: Loss on the kernels.
        bias_regularizer: Loss on the biases.
        activity_regularizer: Loss on the output of each projection.
        kernel_constraint: Applied to the kernels after each update.
        bias_constraint: Applied to the biases after each update.
        use_gate: Multiply the heads by a sigmoid of one more projection of the query.
        seed: Seed of the layer's own random numbers; None uses the global generator.

    Shapes:
        As `MultiHeadAttention`, with one axis of steps.

    Raises:
        ValueError: If a size is no positive integer, the heads are no multiple, or shapes do not
            fit.

    Example:
        >>> import weft
        >>> layer = weft.layers.GroupQueryAttention(4, num_query_heads=6, num_key_value_heads=2)
        >>> x = weft.ones((1, 5, 8))
        >>> layer(x, x).shape, layer.key_dense.kernel.shape
        ((1, 5, 8), (8, 2, 4))

    Follows keras.layers.GroupQueryAttention (Ainslie et al., arXiv 2305.13245).
    """

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        projections = {
            "kernel_initializer": kernel_initializer,
            "bias_initializer": bias_initializer,
            "kernel_regularizer": kernel_regularizer,
            "bias_regularizer": bias_regularizer,
            "activity_regularizer": activity_regularizer,
            "kernel_constraint": kernel_constraint,
            "bias_constraint": bias_constraint,
        }
        self._configure(
            dropout, use_bias, sliding_window, flash_attention, use_gate, seed, projections
        )
        kind = type(self).__name__
        self.head_dim = check_positive_int(kind, "head_dim", head_dim)
        self.num_query_heads = check_positive_int(kind, "num_query_heads", num_query_heads)
        self.num_key_value_heads = check_positive_int(
            kind, "num_key_value_heads", num_key_value_heads
        )
        if self.num_query_heads % self.num_key_value_heads:
            raise ValueError(
                f"{kind}: num_query_heads must be a multiple of num_key_value_heads, got "
                f"{num_query_heads} and {num_key_value_heads}"
            )

    def _check_shapes(self, query: Any, value: Any, key: Any) -> None:
        super()._check_shapes(query, value, key)
        if len(query) != 3 or len(value) != 3:
            raise ValueError(
                "query and value must be (batch, steps, features), got shapes "
                f"{shown(tuple(query))} and {shown(tuple(value))}; MultiHeadAttention takes more "
                "axes"
            )

    def build(  # type: ignore[override]  # Keras's arguments: a shape for each input
        self, query_shape: Any, value_shape: Any, key_shape: Any = None
    ) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        self._check_shapes(query_shape, value_shape, key_shape)

        def heads(name: str, count: int, shape: Any, **options: Any) -> Any:
            layer = self._project(
                name, "abx,xyz->abyz", (None, count, self.head_dim), "yz", **options
            )
            layer.build(shape)
            return layer

        self._query_dense = heads("query", self.num_query_heads, query_shape)
        self._key_dense = heads("key", self.num_key_value_heads, key_shape)
        if self.use_gate:
            self._gate_dense = heads(
                "gate", self.num_query_heads, query_shape, activation="sigmoid"
            )
        self._value_dense = heads("value", self.num_key_value_heads, value_shape)
        self._output_dense = self._project(
            "attention_output", "abyz,yzx->abx", (None, query_shape[-1]), "x"
        )
        self._output_dense.build((*query_shape[:-1], self.num_query_heads, self.head_dim))

    def compute_output_shape(
        self, query_shape: Any, value_shape: Any, key_shape: Any = None
    ) -> tuple[int | None, ...]:
        """The shape of the query."""
        self._check_shapes(
            query_shape, value_shape, value_shape if key_shape is None else key_shape
        )
        return tuple(query_shape)


GroupQueryAttention = GroupedQueryAttention
