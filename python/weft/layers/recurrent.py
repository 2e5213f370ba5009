"""SimpleRNN, LSTM and GRU: recurrent layers with one kernel for all steps."""

from __future__ import annotations

from typing import Any

from weft import activations, ops
from weft.layers.arguments import check_positive_int
from weft.layers.fused_rnn import FusedRNN, of_cell
from weft.layers.recurrent_cells import GRUCell, LSTMCell, SimpleRNNCell
from weft.tensor import Tensor


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

    recurrent_activation = of_cell("recurrent_activation")
    unit_forget_bias = of_cell("unit_forget_bias")

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

    recurrent_activation = of_cell("recurrent_activation")
    reset_after = of_cell("reset_after")

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
