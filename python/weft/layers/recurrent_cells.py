"""Cells: one step of a recurrent network."""

from __future__ import annotations

from typing import Any

from weft import activations, constraints, initializers, ops, random, regularizers
from weft.layers.arguments import check_positive_int
from weft.layers.core import as_float, known_size
from weft.layers.layer import Layer
from weft.tensor import Tensor


def check_rate(layer: str, name: str, rate: Any) -> float:
    """`rate`, if it is a number from 0 to 1."""
    if isinstance(rate, (bool, str)) or rate is None or not 0 <= rate <= 1:
        raise ValueError(f"{layer}: {name} must lie between 0 and 1, got {rate!r}")
    return float(rate)


class RecurrentCell(Layer):
    """What the cells share: weights, which all gates have side by side, and dropout.

    While a recurrent layer runs, each of its cells draws its dropout masks once, for all steps.
    """

    gates = 1
    output_size: int
    state_size: Any

    def _configure(self, owner: Any, **given: Any) -> None:
        kind = type(owner).__name__
        self.units = check_positive_int(kind, "units", given["units"])
        self.activation = activations.get(given["activation"])
        self.use_bias = bool(given["use_bias"])
        for name in ("kernel", "recurrent", "bias"):
            for what, module in (
                ("initializer", initializers),
                ("regularizer", regularizers),
                ("constraint", constraints),
            ):
                setattr(self, f"{name}_{what}", module.get(given[f"{name}_{what}"]))
        self.dropout = check_rate(kind, "dropout", given["dropout"])
        self.recurrent_dropout = check_rate(kind, "recurrent_dropout", given["recurrent_dropout"])
        self.seed = given["seed"]
        self._generator = random.SeedGenerator(self.seed) if isinstance(self.seed, int) else None
        self.state_size = self.output_size = self.units

    def _bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self.units,)

    def _bias_initializer(self) -> Any:
        return self.bias_initializer

    def build(self, input_shape: Any) -> None:
        features, width = known_size(self, input_shape, -1), self.gates * self.units
        self.kernel = self.add_weight(
            (features, width),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.recurrent_kernel = self.add_weight(
            (self.units, width),
            self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
            name="recurrent_kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                self._bias_shape(),
                self._bias_initializer(),
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )

    def get_initial_state(self, batch_size: int) -> list[Tensor]:
        """Zeros, one tensor ``(batch_size, units)`` for each state."""
        sizes = self.state_size if isinstance(self.state_size, list) else [self.state_size]
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]

    # --- dropout ---------------------------------------------------------------------------------

    def hold_masks(self, held: bool) -> None:
        """Keep the dropout masks drawn from now on, or forget them."""
        if held:
            self.__dict__["_dropout_masks"] = {}
        else:
            self.__dict__.pop("_dropout_masks", None)

    def _dropped(self, name: str, x: Tensor, rate: float, count: int) -> list[Tensor]:
        """`x` for each gate: with a mask each if states are dropped too, else with one for all."""
        if rate == 0:
            return [x] * count
        kept = self.__dict__.get("_dropout_masks", {})
        if name not in kept:
            draws = count if self.recurrent_dropout > 0 else 1
            ones = ops.ones(x.shape, dtype=x.dtype, device=x.device)
            kept[name] = [
                ones * 0.0 if rate == 1 else ops.dropout(ones, rate, seed=self._generator)
                for _ in range(draws)
            ]
        masks = kept[name]
        return [x * masks[i if len(masks) > 1 else 0] for i in range(count)]

    def _products(self, inputs: Tensor, h: Tensor, training: bool) -> tuple[Any, Any]:
        """For each gate its part of ``inputs @ kernel`` and what the state is multiplied with."""
        count, units = self.gates, self.units
        if not training or (self.dropout == 0 and self.recurrent_dropout == 0):
            x = ops.matmul(inputs, self.kernel)
            return [x[:, k * units : (k + 1) * units] for k in range(count)], [h] * count
        xs = self._dropped("inputs", inputs, self.dropout, count)
        hs = self._dropped("states", h, self.recurrent_dropout, count)
        parts = [xs[k] @ self.kernel[:, k * units : (k + 1) * units] for k in range(count)]
        return parts, hs

    def _recurrent_part(self, gate: int, h: Tensor) -> Tensor:
        units = self.units
        return h @ self.recurrent_kernel[:, gate * units : (gate + 1) * units]


class SimpleRNNCell(RecurrentCell):
    """One step of `SimpleRNN`: ``activation(x @ kernel + h @ recurrent_kernel + bias)``.

    The arguments are those of `SimpleRNN`.

    Shapes:
        input ``(N, F)`` and a list of one state ``(N, units)`` to the output ``(N, units)`` and the
        new state.

    Raises:
        ValueError: If `units` is not positive, a rate not from 0 to 1, or a name unknown; when
            called, if the input has other features than the first one.

    Example:
        >>> import weft
        >>> cell = weft.layers.SimpleRNNCell(4)
        >>> y, states = cell(weft.ones((2, 3)), cell.get_initial_state(2))
        >>> y.shape, len(states)
        ((2, 4), 1)

    Follows keras.layers.SimpleRNNCell.
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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._configure(
            self,
            units=units,
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
        )

    def call(self, inputs: Tensor, states: Any, training: bool = False) -> Any:
        h = states[0] if isinstance(states, (list, tuple)) else states
        (x,), (h,) = self._products(as_float(self, inputs), h, training)
        z = x + h @ self.recurrent_kernel
        output = self.activation(z if self.bias is None else z + self.bias)
        return output, [output] if isinstance(states, (list, tuple)) else output


class LSTMCell(RecurrentCell):
    """One step of `LSTM`.

    The arguments are those of `LSTM`.

    Shapes:
        input ``(N, F)`` and the states h and c, both ``(N, units)``, to the output ``(N, units)``
        and the new states.

    Raises:
        ValueError: If `units` is not positive, a rate not from 0 to 1, or a name unknown; when
            called, if the input has other features than the first one.

    Example:
        >>> import weft
        >>> cell = weft.layers.LSTMCell(4)
        >>> y, (h, c) = cell(weft.ones((2, 3)), cell.get_initial_state(2))
        >>> y.shape, c.shape
        ((2, 4), (2, 4))

    Follows keras.layers.LSTMCell.
    """

    gates = 4

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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._configure(
            self,
            units=units,
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
        )
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = bool(unit_forget_bias)
        self.state_size = [self.units, self.units]

    def _bias_initializer(self) -> Any:
        if not self.unit_forget_bias:
            return self.bias_initializer
        units = self.units

        def with_open_forget_gate(shape: Any, dtype: Any = None) -> Tensor:
            """A network that forgets at the beginning learns slowly: Jozefowicz et al. 2015."""
            ones = initializers.get("ones")((units,), dtype=dtype)
            first = self.bias_initializer((units,), dtype=dtype)
            rest = self.bias_initializer((2 * units,), dtype=dtype)
            return ops.concatenate([first, ones, rest])

        return with_open_forget_gate

    def call(self, inputs: Tensor, states: Any, training: bool = False) -> Any:
        h, c = states
        xs, hs = self._products(as_float(self, inputs), h, training)
        units = self.units
        z = [x + self._recurrent_part(k, hs[k]) for k, x in enumerate(xs)]
        if self.bias is not None:
            z = [part + self.bias[k * units : (k + 1) * units] for k, part in enumerate(z)]
        i, f, o = (self.recurrent_activation(z[k]) for k in (0, 1, 3))
        c = f * c + i * self.activation(z[2])
        h = o * self.activation(c)
        return h, [h, c]


class GRUCell(RecurrentCell):
    """One step of `GRU`.

    The arguments are those of `GRU`.

    Shapes:
        input ``(N, F)`` and a list of one state ``(N, units)`` to the output ``(N, units)`` and the
        new state.

    Raises:
        ValueError: If `units` is not positive, a rate not from 0 to 1, or a name unknown; when
            called, if the input has other features than the first one.

    Example:
        >>> import weft
        >>> cell = weft.layers.GRUCell(4)
        >>> y, states = cell(weft.ones((2, 3)), cell.get_initial_state(2))
        >>> y.shape, len(states)
        ((2, 4), 1)

    Follows keras.layers.GRUCell.
    """

    gates = 3

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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._configure(
            self,
            units=units,
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
        )
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = bool(reset_after)

    def _bias_shape(self) -> tuple[int, ...]:
        width = self.gates * self.units
        return (2, width) if self.reset_after else (width,)

    def _bias_of(self, row: int, gate: int) -> Any:
        """The part of a gate; row 0 belongs to the inputs, row 1 to the state."""
        if self.bias is None or (row == 1 and not self.reset_after):
            return 0.0
        part = slice(gate * self.units, (gate + 1) * self.units)
        return self.bias[row, part] if self.reset_after else self.bias[part]

    def call(self, inputs: Tensor, states: Any, training: bool = False) -> Any:
        h = states[0] if isinstance(states, (list, tuple)) else states
        xs, hs = self._products(as_float(self, inputs), h, training)
        xs = [x + self._bias_of(0, k) for k, x in enumerate(xs)]
        z, r = (
            self.recurrent_activation(
                xs[k] + (self._recurrent_part(k, hs[k]) + self._bias_of(1, k))
            )
            for k in (0, 1)
        )
        if self.reset_after:
            candidate = xs[2] + r * (self._recurrent_part(2, hs[2]) + self._bias_of(1, 2))
        else:
            candidate = xs[2] + self._recurrent_part(2, r * hs[2])
        output = z * h + (1.0 - z) * self.activation(candidate)
        return output, [output] if isinstance(states, (list, tuple)) else output
