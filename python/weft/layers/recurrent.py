"""SimpleRNN, LSTM and GRU: recurrent layers with one kernel for all steps."""

from __future__ import annotations

from typing import Any

from weft import activations, ops
from weft.layers.arguments import check_positive_int
from weft.layers.calls import answer_as_meta, calls
from weft.layers.input_spec import InputSpec
from weft.layers.recurrent_cells import GRUCell, LSTMCell, RecurrentCell, SimpleRNNCell
from weft.layers.rnn import RNN
from weft.tensor import Tensor


def _of_cell(name: str) -> Any:
    return property(lambda self: getattr(self.cell, name))


class FusedRNN(RNN):
    """What the layers with a kernel of their own share.

    The kernel serves the usual activations without dropout of states; anything else takes the cell
    step by step.
    """

    cell: Any

    units = _of_cell("units")
    activation = _of_cell("activation")
    use_bias = _of_cell("use_bias")
    kernel_initializer = _of_cell("kernel_initializer")
    recurrent_initializer = _of_cell("recurrent_initializer")
    bias_initializer = _of_cell("bias_initializer")
    kernel_regularizer = _of_cell("kernel_regularizer")
    recurrent_regularizer = _of_cell("recurrent_regularizer")
    bias_regularizer = _of_cell("bias_regularizer")
    kernel_constraint = _of_cell("kernel_constraint")
    recurrent_constraint = _of_cell("recurrent_constraint")
    bias_constraint = _of_cell("bias_constraint")
    dropout = _of_cell("dropout")
    recurrent_dropout = _of_cell("recurrent_dropout")
    seed = _of_cell("seed")

    def __init__(self, cell: RecurrentCell, **kwargs: Any) -> None:
        super().__init__(cell, **kwargs)
        self.input_spec = InputSpec(ndim=3)

    def _checked_cudnn(self, use_cudnn: Any) -> Any:
        if use_cudnn not in ("auto", False):
            raise ValueError(
                f"{type(self).__name__}: use_cudnn must be 'auto' or False, got {use_cudnn!r}; "
                "weft has its own kernels on every device and does not use cuDNN"
            )
        return use_cudnn

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        super().build(sequences_shape, initial_state_shape)
        features = self.cell.kernel.shape[0]
        self.input_spec = InputSpec(ndim=3, axes={-1: features}, what="features")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor; the cell follows from them."""
        config = super().get_config()
        config.pop("cell", None)
        return config

    def _has_kernel(self) -> bool:
        """Whether the kernel computes what the cell computes."""
        raise NotImplementedError

    def _over_sequences(self, x: Tensor, weights: Any, states: Any, mask: Any) -> Any:
        """The outputs and the list of states, by the kernel."""
        raise NotImplementedError

    def inner_loop(self, sequences: Tensor, initial_state: Any, mask: Any, training: bool) -> Any:
        cell = self.cell
        if self.unroll or (training and cell.recurrent_dropout > 0) or not self._has_kernel():
            return super().inner_loop(sequences, initial_state, mask, training)
        x = sequences
        if training and cell.dropout > 0:
            x = self._dropped(x)
        if calls.twins is not None:
            answer_as_meta(cell._own_variables())
        weights: list[Any] = [cell.kernel, cell.recurrent_kernel, cell.bias]
        if self.compute_dtype is not self.variable_dtype:
            weights = [None if w is None else ops.cast(w, x.dtype) for w in weights]
        output, states = self._over_sequences(x, weights, initial_state, mask)
        if mask is not None and (self.zero_output_for_mask or initial_state is not None):
            output = self._masked(output, mask)
        return output, states

    def _dropped(self, x: Tensor) -> Tensor:
        """Inputs, of which the same share is dropped in all steps."""
        if self.cell.dropout == 1:
            return x * 0.0
        shape = (x.shape[0], 1, x.shape[2])
        return ops.dropout(x, self.cell.dropout, noise_shape=shape, seed=self.cell._generator)

    def _masked(self, output: Tensor, mask: Tensor) -> Tensor:
        """Outputs of masked steps as `RNN` has them: zeros, or those of the step before.

        The kernel gives the state, which is the output of the step before, except that before the
        first step that counts it is the initial state.
        """
        kept = ops.flip(mask, axis=1) if self.go_backwards else mask
        if not self.zero_output_for_mask:
            kept = ops.cumsum(ops.cast(kept, "int32"), axis=1) > 0
        if not self.return_sequences:
            kept = kept[:, -1]
        return ops.where(ops.expand_dims(kept, -1), output, 0.0)


class SimpleRNN(FusedRNN):
    """The simplest recurrent network: the output of a step is a part of the input of the next.

    ``h = activation(x @ kernel + h @ recurrent_kernel + bias)`` for each step.

    Args:
        units: Number of units.
        activation: Name or function; the kernel for all steps serves tanh, relu
            and linear.
        use_bias: Whether to add a bias.
        kernel_initializer: First values of the weights of the inputs.
        recurrent_initializer: First values of the weights of the state.
        bias_initializer: First values of the bias.
        kernel_regularizer: Loss on the weights of the inputs.
        recurrent_regularizer: Loss on the weights of the state.
        bias_regularizer: Loss on the bias.
        activity_regularizer: Loss on the output.
        kernel_constraint: Applied to the weights of the inputs after each update.
        recurrent_constraint: Applied to the weights of the state after each update.
        bias_constraint: Applied to the bias after each update.
        dropout: Share of the inputs that is dropped while training, the same in all steps.
        recurrent_dropout: Share of the states that is dropped while training, the same in all
            steps. Such a layer takes the cell step by step, which is slower.
        seed: Seed of the layer's own random numbers; None uses the global generator.
        return_sequences: As in `RNN`; so are `return_state`, `go_backwards`, `stateful`,
            `unroll` and (as a keyword) `zero_output_for_mask`.

    Shapes:
        ``(N, T, F)`` to ``(N, units)``, or ``(N, T, units)`` for sequences; kernel
        ``(F, units)``, recurrent_kernel ``(units, units)``, bias ``(units,)``.

    Raises:
        ValueError: If `units` is no positive integer, or the input has another number of features
            than the layer was built for.

    Example:
        >>> import weft
        >>> layer = weft.layers.SimpleRNN(4, return_sequences=True)
        >>> layer(weft.ones((2, 5, 3))).shape, layer.count_params()
        ((2, 5, 4), 32)

    Follows keras.layers.SimpleRNN.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        check_positive_int(type(self).__name__, "units", units)
        cell = SimpleRNNCell(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="simple_rnn_cell",
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )

    def _has_kernel(self) -> bool:
        return self.activation in _SIMPLE

    def _over_sequences(self, x: Tensor, weights: Any, states: Any, mask: Any) -> Any:
        output, h = ops.simple_rnn(
            x,
            weights[0],
            weights[1],
            weights[2],
            None if states is None else states[0],
            mask,
            self.go_backwards,
            self.return_sequences,
            _SIMPLE[self.activation],
        )
        return output, [h]


_SIMPLE = {activations.tanh: "tanh", activations.relu: "relu", activations.linear: "linear"}


class LSTM(FusedRNN):
    """Long short-term memory: gates decide what a cell takes in, forgets and shows.

    ``c = f * c + i * g`` and ``h = o * tanh(c)`` for each step, with the gates i, f, g, o from the
    input and h.

    Args:
        units: Number of units.
        activation: Name or function; the kernel for all steps serves ``"tanh"``.
        recurrent_activation: Activation of the gates; the kernel serves ``"sigmoid"``.
        use_bias: Whether to add a bias.
        kernel_initializer: First values of the weights of the inputs.
        recurrent_initializer: First values of the weights of the state.
        bias_initializer: First values of the bias.
        unit_forget_bias: Add 1 to the bias of the forget gate at first.
        kernel_regularizer: Loss on the weights of the inputs.
        recurrent_regularizer: Loss on the weights of the state.
        bias_regularizer: Loss on the bias.
        activity_regularizer: Loss on the output.
        kernel_constraint: Applied to the weights of the inputs after each update.
        recurrent_constraint: Applied to the weights of the state after each update.
        bias_constraint: Applied to the bias after each update.
        dropout: Share of the inputs that is dropped while training, the same in all steps.
        recurrent_dropout: Share of the states that is dropped while training, the same in all
            steps. Such a layer takes the cell step by step, which is slower.
        seed: Seed of the layer's own random numbers; None uses the global generator.
        return_sequences: As in `RNN`; so are `return_state`, `go_backwards`, `stateful`,
            `unroll` and (as a keyword) `zero_output_for_mask`.
        use_cudnn: ``"auto"`` or False: weft has its own kernels on every device.

    Shapes:
        ``(N, T, F)`` to ``(N, units)``, or ``(N, T, units)`` for sequences; kernel
        ``(F, 4 units)``, recurrent_kernel ``(units, 4 units)``, bias ``(4 units,)``, with the gates
        in the order input, forget, cell, output. The states are h and c.

    Raises:
        ValueError: If `units` is no positive integer, or the input has another number of features
            than the layer was built for.

    Example:
        >>> import weft
        >>> layer = weft.layers.LSTM(4, return_state=True)
        >>> y, h, c = layer(weft.ones((2, 5, 3)))
        >>> y.shape, c.shape, layer.count_params()
        ((2, 4), (2, 4), 128)

    Follows keras.layers.LSTM; after Hochreiter, Schmidhuber 1997.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        check_positive_int(type(self).__name__, "units", units)
        cell = LSTMCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="lstm_cell",
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.use_cudnn = self._checked_cudnn(use_cudnn)

    recurrent_activation = _of_cell("recurrent_activation")
    unit_forget_bias = _of_cell("unit_forget_bias")

    def _has_kernel(self) -> bool:
        usual = (activations.tanh, activations.sigmoid)
        return (self.activation, self.recurrent_activation) == usual

    def _over_sequences(self, x: Tensor, weights: Any, states: Any, mask: Any) -> Any:
        output, h, c = ops.lstm(
            x,
            weights[0],
            weights[1],
            weights[2],
            states,
            mask,
            self.go_backwards,
            self.return_sequences,
        )
        return output, [h, c]


class GRU(FusedRNN):
    """Gated recurrent units: two gates decide how much of the state stays.

    ``h = z * h + (1 - z) * tanh(...)`` for each step, with the gates z (update) and r (reset) from
    the input and h; see `weft.ops.gru`.

    Args:
        units: Number of units.
        activation: Name or function; the kernel for all steps serves ``"tanh"``.
        recurrent_activation: Activation of the gates; the kernel serves ``"sigmoid"``.
        use_bias: Whether to add a bias.
        kernel_initializer: First values of the weights of the inputs.
        recurrent_initializer: First values of the weights of the state.
        bias_initializer: First values of the bias.
        kernel_regularizer: Loss on the weights of the inputs.
        recurrent_regularizer: Loss on the weights of the state.
        bias_regularizer: Loss on the bias.
        activity_regularizer: Loss on the output.
        kernel_constraint: Applied to the weights of the inputs after each update.
        recurrent_constraint: Applied to the weights of the state after each update.
        bias_constraint: Applied to the bias after each update.
        dropout: Share of the inputs that is dropped while training, the same in all steps.
        recurrent_dropout: Share of the states that is dropped while training, the same in all
            steps. Such a layer takes the cell step by step, which is slower.
        seed: Seed of the layer's own random numbers; None uses the global generator.
        return_sequences: As in `RNN`; so are `return_state`, `go_backwards`, `stateful`,
            `unroll` and (as a keyword) `zero_output_for_mask`.
        reset_after: Multiply the reset gate with the state's product, not with the state before it.
        use_cudnn: ``"auto"`` or False: weft has its own kernels on every device.

    Shapes:
        ``(N, T, F)`` to ``(N, units)``, or ``(N, T, units)`` for sequences; kernel
        ``(F, 3 units)``, recurrent_kernel ``(units, 3 units)``, bias ``(2, 3 units)``, one row for
        inputs and one for the state, or ``(3 units,)`` without `reset_after`; the gates come in the
        order update, reset, candidate.

    Raises:
        ValueError: If `units` is no positive integer, or the input has another number of features
            than the layer was built for.

    Example:
        >>> import weft
        >>> layer = weft.layers.GRU(4)
        >>> layer(weft.ones((2, 5, 3))).shape, layer.count_params()
        ((2, 4), 108)

    Follows keras.layers.GRU; after Cho et al. 2014.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        check_positive_int(type(self).__name__, "units", units)
        cell = GRUCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            reset_after=reset_after,
            seed=seed,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="gru_cell",
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.use_cudnn = self._checked_cudnn(use_cudnn)

    recurrent_activation = _of_cell("recurrent_activation")
    reset_after = _of_cell("reset_after")

    def _has_kernel(self) -> bool:
        usual = (activations.tanh, activations.sigmoid)
        return (self.activation, self.recurrent_activation) == usual

    def _over_sequences(self, x: Tensor, weights: Any, states: Any, mask: Any) -> Any:
        output, h = ops.gru(
            x,
            weights[0],
            weights[1],
            weights[2],
            None if states is None else states[0],
            mask,
            self.go_backwards,
            self.return_sequences,
            self.reset_after,
        )
        return output, [h]
