"""Recurrent networks over whole sequences: LSTM, GRU and the simple recurrent unit.

A mask says which steps count; a step that does not leaves the state as it is, and its output is
that state. Going backwards, outputs come in the order in which they were computed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function, is_grad_enabled
from weft.ops.recurrent_steps import (
    differentiable_once_more,
    in_dtypes,
    operands,
    over_steps,
    raw,
    state_or_zeros,
)
from weft.tensor import Tensor

__all__ = ["gru", "lstm", "simple_rnn"]


def _pair_of_states(op: str, initial_state: Any) -> tuple[Any, Any]:
    if initial_state is None:
        return None, None
    if not isinstance(initial_state, (list, tuple)) or len(initial_state) != 2:
        raise ValueError(
            f"{op}: initial_state must be a list of two tensors, h and c, got {initial_state!r}"
        )
    return tuple(initial_state)  # of length two


# --- LSTM ----------------------------------------------------------------------------------------


class LSTM(Function):
    """Saves its operands, and for each step what it read, its four gates and c.

    The operands are for gradients of gradients alone.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Any,
        kernel: Any,
        recurrent_kernel: Any,
        bias: Any,
        h0: Any,
        c0: Any,
        mask: Any,
        go_backwards: bool,
        sequences: bool,
    ) -> Any:
        save = any(ctx.needs_grad)
        y, h, c, inputs, gates, cells = _C.lstm(
            x, kernel, recurrent_kernel, bias, h0, c0, mask, go_backwards, sequences, save
        )
        ctx.save(x, kernel, recurrent_kernel, bias, h0, c0, mask, inputs, gates, cells)
        ctx.go_backwards, ctx.sequences = go_backwards, sequences
        return (y, h, c) if sequences else (h, c)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        *given, mask, inputs, gates, cells = ctx.saved
        if is_grad_enabled():
            composed = functools.partial(_composed_lstm, mask, ctx.go_backwards, ctx.sequences)
            found = differentiable_once_more(composed, given, ctx.needs_grad, grads)
            return (*found, None, None, None)
        dy, dh, dc = grads if ctx.sequences else (None, *grads)
        _, kernel, recurrent_kernel, _, h0, c0 = given
        arrays = _C.lstm_backward(
            raw(dy),
            raw(dh),
            raw(dc),
            kernel._data,
            recurrent_kernel._data,
            raw(c0),
            raw(mask),
            inputs._data,
            gates._data,
            cells._data,
            ctx.go_backwards,
            h0 is None,
            ctx.needs_grad[0],
            ctx.needs_grad[4],
            ctx.needs_grad[5],
        )
        found = [None if g is None else Tensor(g) for g in arrays]
        return (*in_dtypes(found, given), None, None, None)


def _composed_lstm(
    mask: Tensor | None,
    go_backwards: bool,
    sequences: bool,
    x: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor | None,
    h: Tensor | None,
    c: Tensor | None,
) -> tuple[Tensor, ...]:
    units = recurrent_kernel.shape[0]

    def step(x_t: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        h, c = states
        z = ops.linear(x_t, kernel, bias) + ops.matmul(h, recurrent_kernel)
        i, f, g, o = (z[:, k * units : (k + 1) * units] for k in range(4))
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        return ops.sigmoid(o) * ops.tanh(c), c

    start = (state_or_zeros(x, units, h), state_or_zeros(x, units, c))
    return over_steps(step, x, start, mask, go_backwards, sequences)


def lstm(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """A long short-term memory over sequences.

    The gates stand side by side in the kernels, in the order input, forget, cell, output. All
    inputs of a step and its state are multiplied with all gates' weights at once.

    Args:
        x: Sequences (N, T, F).
        kernel: Weights of the inputs (F, 4 U).
        recurrent_kernel: Weights of the state (U, 4 U).
        bias: (4 U,), or None.
        initial_state: A list of h (N, U) and c (N, U); zeros if None.
        mask: Which steps count (N, T), bool; all if None.
        go_backwards: Begin with the last step.
        return_sequences: Give the outputs of all steps, not only the last.

    Returns:
        The outputs (N, T, U), or the last one (N, U); h and c after the last step, both (N, U).

    Raises:
        TypeError: If the operands are no floats, or the mask is not bool.
        ValueError: If shapes do not fit.

    Example:
        >>> import weft
        >>> y, h, c = weft.ops.lstm(weft.ones((2, 5, 3)), weft.ones((3, 16)), weft.ones((4, 16)))
        >>> y.shape, h.shape, c.shape
        ((2, 5, 4), (2, 4), (2, 4))

    Source: Hochreiter, Schmidhuber: Long Short-Term Memory, Neural Computation 9(8), 1997, with the
    forget gate of Gers, Schmidhuber, Cummins 2000.
    """
    h0, c0 = _pair_of_states("lstm", initial_state)
    given = operands(x, kernel, recurrent_kernel, bias, h0, c0, mask)
    results = LSTM.apply(*given, bool(go_backwards), bool(return_sequences))
    if return_sequences:
        y, h, c = results
        return y, h, c
    h, c = results
    return h, h, c


# --- networks with one state ---------------------------------------------------------------------


def _backward_of_one_state(
    ctx: Any, grads: Sequence[Tensor | None], composed: Callable[..., Any], kernel: Any
) -> tuple[Tensor | None, ...]:
    """The gradients of GRU and SimpleRNN: kernels differ in what they saved beside the inputs."""
    *given, mask, inputs, saved = ctx.saved
    if is_grad_enabled():
        steps = functools.partial(composed, mask, *ctx.options, ctx.sequences)
        found = differentiable_once_more(steps, given, ctx.needs_grad, grads)
        return (*found, None, None, None, None)
    dy, dh = grads if ctx.sequences else (None, *grads)
    arrays = kernel(
        raw(dy),
        raw(dh),
        given[1]._data,
        given[2]._data,
        raw(mask),
        inputs._data,
        saved._data,
        *ctx.options,
        given[4] is None,
        ctx.needs_grad[0],
    )
    found = in_dtypes([None if g is None else Tensor(g) for g in arrays], given)
    return (*found, None, None, None, None)


# --- GRU -----------------------------------------------------------------------------------------


class GRU(Function):
    """Saves its operands, and for each step what it read and its gates.

    The operands are for gradients of gradients alone.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Any,
        kernel: Any,
        recurrent_kernel: Any,
        bias: Any,
        h0: Any,
        mask: Any,
        go_backwards: bool,
        reset_after: bool,
        sequences: bool,
    ) -> Any:
        save = any(ctx.needs_grad)
        y, h, inputs, gates = _C.gru(
            x, kernel, recurrent_kernel, bias, h0, mask, go_backwards, reset_after, sequences, save
        )
        ctx.save(x, kernel, recurrent_kernel, bias, h0, mask, inputs, gates)
        ctx.options = (go_backwards, reset_after)
        ctx.sequences = sequences
        return (y, h) if sequences else h

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        return _backward_of_one_state(ctx, grads, _composed_gru, _C.gru_backward)


def _composed_gru(
    mask: Tensor | None,
    go_backwards: bool,
    reset_after: bool,
    sequences: bool,
    x: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor | None,
    h: Tensor | None,
) -> tuple[Tensor, ...]:
    units = recurrent_kernel.shape[0]
    first = second = bias
    if reset_after and bias is not None:
        first, second = bias[0], bias[1]
    gates = slice(0, 2 * units)
    last = slice(2 * units, 3 * units)

    def step(x_t: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        (h,) = states
        xs = ops.linear(x_t, kernel, first)
        if reset_after:
            hs = ops.linear(h, recurrent_kernel, second)
            z, r = ops.split(ops.sigmoid(xs[:, gates] + hs[:, gates]), 2, axis=1)
            candidate = ops.tanh(xs[:, last] + r * hs[:, last])
        else:
            inner = xs[:, gates] + ops.matmul(h, recurrent_kernel[:, gates])
            z, r = ops.split(ops.sigmoid(inner), 2, axis=1)
            candidate = ops.tanh(xs[:, last] + ops.matmul(r * h, recurrent_kernel[:, last]))
        return (z * h + (1.0 - z) * candidate,)

    return over_steps(step, x, (state_or_zeros(x, units, h),), mask, go_backwards, sequences)


def gru(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
    reset_after: bool = True,
) -> tuple[Tensor, Tensor]:
    """Gated recurrent units over sequences.

    With z (update) and r (reset) from the input and h, a step is ``h = z * h + (1 - z) *
    candidate``, where the candidate is ``tanh(x part + r * (h @ weights + bias))``, or without
    `reset_after` ``tanh(x part + (r * h) @ weights)``. The gates stand side by side in the kernels,
    in the order update, reset, candidate.

    Args:
        x: Sequences (N, T, F).
        kernel: Weights of the inputs (F, 3 U).
        recurrent_kernel: Weights of the state (U, 3 U).
        bias: (2, 3 U), one row for inputs and one for the state, or (3 U,) without `reset_after`;
            or None.
        initial_state: h (N, U); zeros if None.
        mask: Which steps count (N, T), bool; all if None.
        go_backwards: Begin with the last step.
        return_sequences: Give the outputs of all steps, not only the last.
        reset_after: Apply the reset gate to the product, not to the state.

    Returns:
        The outputs (N, T, U), or the last one (N, U); h after the last step (N, U).

    Raises:
        TypeError: If the operands are no floats, or the mask is not bool.
        ValueError: If shapes do not fit.

    Example:
        >>> import weft
        >>> y, h = weft.ops.gru(weft.ones((2, 5, 3)), weft.ones((3, 12)), weft.ones((4, 12)))
        >>> y.shape, h.shape
        ((2, 5, 4), (2, 4))

    Source: Cho et al.: Learning Phrase Representations using RNN Encoder-Decoder, arXiv 1406.1078
    (reset before the product in v3, after it in v1).
    """
    given = operands(x, kernel, recurrent_kernel, bias, initial_state, mask)
    results = GRU.apply(*given, bool(go_backwards), bool(reset_after), bool(return_sequences))
    return tuple(results) if return_sequences else (results, results)


# --- simple recurrent network --------------------------------------------------------------------


class SimpleRNN(Function):
    """Saves its operands, for each step what it read, and the last state.

    The operands are for gradients of gradients alone.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Any,
        kernel: Any,
        recurrent_kernel: Any,
        bias: Any,
        h0: Any,
        mask: Any,
        go_backwards: bool,
        activation: str,
        sequences: bool,
    ) -> Any:
        save = any(ctx.needs_grad)
        y, h, inputs = _C.simple_rnn(
            x, kernel, recurrent_kernel, bias, h0, mask, go_backwards, activation, sequences, save
        )
        ctx.save(x, kernel, recurrent_kernel, bias, h0, mask, inputs, h)
        ctx.options = (go_backwards, activation)
        ctx.sequences = sequences
        return (y, h) if sequences else h

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        return _backward_of_one_state(ctx, grads, _composed_simple_rnn, _C.simple_rnn_backward)


def _composed_simple_rnn(
    mask: Tensor | None,
    go_backwards: bool,
    activation: str,
    sequences: bool,
    x: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor | None,
    h: Tensor | None,
) -> tuple[Tensor, ...]:
    units = recurrent_kernel.shape[0]

    def step(x_t: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        z = ops.linear(x_t, kernel, bias) + ops.matmul(states[0], recurrent_kernel)
        return (z if activation == "linear" else getattr(ops, activation)(z),)

    return over_steps(step, x, (state_or_zeros(x, units, h),), mask, go_backwards, sequences)


def simple_rnn(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
    activation: str = "tanh",
) -> tuple[Tensor, Tensor]:
    """The simple recurrent network over sequences.

    A step is ``h = activation(x @ kernel + h @ recurrent_kernel + bias)``.

    Args:
        x: Sequences (N, T, F).
        kernel: Weights of the inputs (F, U).
        recurrent_kernel: Weights of the state (U, U).
        bias: (U,), or None.
        initial_state: h (N, U); zeros if None.
        mask: Which steps count (N, T), bool; all if None.
        go_backwards: Begin with the last step.
        return_sequences: Give the outputs of all steps, not only the last.
        activation: ``"tanh"``, ``"relu"`` or ``"linear"``.

    Returns:
        The outputs (N, T, U), or the last one (N, U); h after the last step (N, U).

    Raises:
        TypeError: If the operands are no floats, or the mask is not bool.
        ValueError: If shapes do not fit, or the activation is another one.

    Example:
        >>> import weft
        >>> y, h = weft.ops.simple_rnn(weft.ones((2, 5, 3)), weft.ones((3, 4)), weft.ones((4, 4)))
        >>> y.shape, h.shape
        ((2, 5, 4), (2, 4))

    Source: Elman: Finding Structure in Time, Cognitive Science 14, 1990.
    """
    given = operands(x, kernel, recurrent_kernel, bias, initial_state, mask)
    results = SimpleRNN.apply(*given, bool(go_backwards), activation, bool(return_sequences))
    return tuple(results) if return_sequences else (results, results)
