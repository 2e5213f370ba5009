"""`RNN`, which takes a cell through the steps of sequences, and stacks of cells."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from weft import ops
from weft.autograd.recording import no_grad
from weft.device import working_on
from weft.layers.calls import calls, flatten, map_structure
from weft.layers.layer import Layer
from weft.layers.recurrent_cells import RecurrentCell
from weft.tensor import Tensor, as_tensor
from weft.variable import Variable


def _check_cell(kind: str, cell: Any) -> None:
    for name in ("call", "state_size"):
        if not hasattr(cell, name):
            raise ValueError(
                f"{kind}: a cell needs a method call(inputs, states) and an attribute state_size, "
                f"got {cell!r} without {name!r}; LSTMCell, GRUCell and SimpleRNNCell are such cells"
            )


def _output_size(cell: Any) -> int:
    size = getattr(cell, "output_size", None)
    if size is not None:
        return int(size)
    sizes = cell.state_size
    return int(sizes[0] if isinstance(sizes, (list, tuple)) else sizes)


def _takes_training(cell: Any) -> bool:
    return "training" in inspect.signature(cell.call).parameters


def _states_like(structure: Any, flat: Sequence[Any]) -> Any:
    """The items of `flat` in the structure of `structure`."""
    items = iter(flat)
    return map_structure(lambda _: next(items), structure)


def _zeros(sizes: Any, rows: int, dtype: Any) -> Any:
    def one(size: Any) -> Tensor:
        return ops.zeros((rows, *(size if isinstance(size, tuple) else (size,))), dtype=dtype)

    return [one(s) for s in sizes] if isinstance(sizes, (list, tuple)) else one(sizes)


class StackedRNNCells(Layer):
    """Several cells one above the other as one cell: each reads the output of the one below.

    Args:
        cells: The cells, the lowest first.

    Raises:
        ValueError: If something is no cell.

    Example:
        >>> import weft
        >>> cells = [weft.layers.LSTMCell(4), weft.layers.GRUCell(3)]
        >>> weft.layers.RNN(weft.layers.StackedRNNCells(cells))(weft.ones((2, 5, 6))).shape
        (2, 3)

    Follows keras.layers.StackedRNNCells.
    """

    def __init__(self, cells: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for cell in cells:
            _check_cell(type(self).__name__, cell)
        self.cells = list(cells)

    @property
    def state_size(self) -> list[Any]:
        """The state sizes of the cells."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The number of outputs of the highest cell."""
        return _output_size(self.cells[-1])

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The initial states of the cells."""
        return [
            cell.get_initial_state(batch_size=batch_size)
            if hasattr(cell, "get_initial_state")
            else _zeros(cell.state_size, batch_size, self.compute_dtype)
            for cell in self.cells
        ]

    def build(self, input_shape: Any) -> None:
        shape = tuple(input_shape)
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(shape)
            shape = (shape[0], _output_size(cell))

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        output, new_states = inputs, []
        for cell, state in zip(self.cells, states, strict=True):
            several = isinstance(state, (list, tuple))
            options = {"training": training} if _takes_training(cell) else {}
            function = cell if callable(cell) else cell.call
            output, new = function(output, list(state) if several else [state], **options)
            if not isinstance(new, (list, tuple)):
                new = [new]
            new_states.append(list(new) if several else new[0])
        return output, new_states


class RNN(Layer):
    """A cell taken through all steps of sequences.

    A cell is a layer, or any object, with ``call(inputs, states)``, which gives the output and the
    new states of a step, and an attribute ``state_size``: the width of its state, or a list of
    widths. It may also have ``output_size`` and ``get_initial_state(batch_size)``.

    Args:
        cell: A cell, or a list of cells, which are stacked.
        return_sequences: Give the outputs of all steps, not only the last.
        return_state: Give the states after the last step too, behind the output.
        go_backwards: Begin with the last step; outputs come in the order of the computation.
        stateful: Begin each batch with the states that the batch before ended with, row by row. The
            number of rows must be fixed: ``Input(batch_shape=...)``. `reset_state` forgets them.
        unroll: Run the cell step by step, each step as operations of its own. Layers with a kernel
            for whole sequences are slower then and give the same numbers; others always run so.
        zero_output_for_mask: Give zeros for masked steps, not the output of the step before.

    Shapes:
        ``(N, T, F)`` to ``(N, units)``, or ``(N, T, units)`` for sequences. A mask is ``(N, T)``;
        steps where it is False leave states and output as they are.

    Raises:
        ValueError: If `cell` is no cell, an initial state does not fit, or a stateful layer does
            not know its number of rows.

    Example:
        >>> import weft
        >>> class Decay(weft.layers.Layer):
        ...     state_size = 3
        ...     def call(self, inputs, states):
        ...         new = inputs + 0.5 * states[0]
        ...         return new, [new]
        >>> weft.layers.RNN(Decay())(weft.ones((1, 3, 3))).tolist()
        [[1.75, 1.75, 1.75]]

    Follows keras.layers.RNN.
    """

    supports_masking = True

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        _check_cell(type(self).__name__, cell)
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = bool(return_sequences)
        self.return_state = bool(return_state)
        self.go_backwards = bool(go_backwards)
        self.stateful = bool(stateful)
        self.unroll = bool(unroll)
        self.zero_output_for_mask = bool(zero_output_for_mask)
        self._kept_states: Any = None  # variables, of a stateful layer

    @property
    def state_size(self) -> list[Any]:
        """The widths of the states."""
        sizes = self.cell.state_size
        return list(sizes) if isinstance(sizes, (list, tuple)) else [sizes]

    @property
    def states(self) -> Any:
        """The variables in which a stateful layer keeps its states; None otherwise."""
        return self._kept_states

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        rows, *rest = sequences_shape
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((rows, *rest[1:]))
        if self.stateful and self._kept_states is None:
            if rows is None:
                raise ValueError(
                    "a stateful layer must know the number of rows of its batches, got input of "
                    f"shape {tuple(sequences_shape)}; give it with Input(batch_shape="
                    f"({4}, {', '.join(map(str, rest))})) or in build"
                )
            with working_on("cpu"):
                self._kept_states = map_structure(
                    lambda s: Variable(s, dtype=self.variable_dtype, trainable=False, name="state"),
                    self.get_initial_state(rows),
                )

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The states that a batch of `batch_size` rows begins with: those of the cell, or zeros."""
        if hasattr(self.cell, "get_initial_state"):
            state = self.cell.get_initial_state(batch_size=batch_size)
        else:
            state = _zeros(self.cell.state_size, batch_size, self.compute_dtype)
        return list(state) if isinstance(state, (list, tuple)) else [state]

    def reset_state(self, states: Any = None) -> None:
        """Let the next batch begin with zeros, or with `states`: one array for each state.

        Raises:
            ValueError: If the number of arrays or a shape does not fit.
        """
        if self._kept_states is None:
            return
        variables = flatten(self._kept_states)
        values: list[Any] = [None] * len(variables) if states is None else flatten(states)
        if len(values) != len(variables):
            raise ValueError(
                f"reset_state: layer {self.name!r} has {len(variables)} states, got {len(values)}"
            )
        with no_grad():
            for variable, value in zip(variables, values, strict=True):
                variable.assign(
                    ops.zeros(variable.shape, dtype=variable.dtype, device=variable.device)
                    if value is None
                    else value
                )

    reset_states = reset_state

    # --- the call --------------------------------------------------------------------------------

    def call(
        self, sequences: Tensor, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        x = sequences if sequences.dtype.is_floating else sequences.astype(self.compute_dtype)
        given = initial_state is not None
        states = self._given_states(initial_state, x) if given else self._own_states(x)
        if isinstance(mask, (list, tuple)) and mask and mask[0] is not None:
            mask = mask[0] if isinstance(mask[0], Tensor) else as_tensor(mask)
        mask = self._checked_mask(mask, x)
        cells = [c for c in _layers_of(self.cell) if isinstance(c, RecurrentCell)]
        for cell in cells:
            cell.hold_masks(True)
        try:
            output, states = self.inner_loop(x, states, mask, training)
        finally:
            for cell in cells:
                cell.hold_masks(False)
        if self.stateful and calls.twins is None:
            self._keep(states)
        if output.dtype is not self.compute_dtype:
            output = ops.cast(output, self.compute_dtype)
        return (output, *states) if self.return_state else output

    def inner_loop(self, sequences: Tensor, initial_state: Any, mask: Any, training: bool) -> Any:
        """The output and the states after all steps; `initial_state` is None for zeros."""
        x, states = sequences, initial_state
        if states is None:
            states = map_structure(
                lambda s: s if s.device == x.device else s.to(x.device),
                self.get_initial_state(x.shape[0]),
            )
        options = {"training": training} if _takes_training(self.cell) else {}
        step = self.cell if callable(self.cell) else self.cell.call
        outputs: list[Tensor] = []
        count = x.shape[1]
        if count == 0:
            raise ValueError(f"the sequences have no steps: shape {x.shape}")
        for t in reversed(range(count)) if self.go_backwards else range(count):
            output, new = step(x[:, t], states, **options)
            new = list(new) if isinstance(new, (list, tuple)) else [new]
            if mask is not None:
                output, new = self._masked_step(mask[:, t], output, new, outputs, states)
            states = new
            outputs.append(output)
        return ops.stack(outputs, axis=1) if self.return_sequences else outputs[-1], states

    def _masked_step(
        self, kept: Tensor, output: Tensor, new: Any, outputs: list[Tensor], states: Any
    ) -> tuple[Tensor, Any]:
        before: Any = outputs[-1] if outputs and not self.zero_output_for_mask else 0.0
        old = flatten(states)
        chosen = [ops.where(_beside(kept, n), n, o) for n, o in zip(flatten(new), old, strict=True)]
        return ops.where(_beside(kept, output), output, before), _states_like(states, chosen)

    # --- states ----------------------------------------------------------------------------------

    def _own_states(self, x: Tensor) -> Any:
        """The states kept from the batch before; None for zeros."""
        if not self.stateful or calls.twins is not None or self._kept_states is None:
            return None
        rows = flatten(self._kept_states)[0].shape[0]
        if x.shape[0] != rows:
            raise ValueError(
                f"a stateful layer that was built for batches of {rows} rows got input of shape "
                f"{x.shape}; keep to batches of {rows} (batch_size={rows} in fit and predict)"
            )

        def copied(variable: Variable) -> Tensor:
            variable.move_to(x.device)
            # The variable is written at the end of the call, the gradient needs what it was.
            return ops.cast(ops.copy(variable), x.dtype)

        return map_structure(copied, self._kept_states)

    def _given_states(self, initial_state: Any, x: Tensor) -> Any:
        """`initial_state` as a list of tensors that fit.

        Raises:
            ValueError: If there are too many or too few, or a shape does not fit.
        """
        states = (
            list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
        )
        sizes = self.state_size
        if len(states) != len(sizes):
            raise ValueError(
                f"initial_state must hold {len(sizes)} tensors, one for each state, got "
                f"{len(states)}"
            )
        states = map_structure(lambda s: ops.cast(as_tensor(s, near=x), x.dtype), states)
        for state, size in zip(states, sizes, strict=True):
            if isinstance(size, int) and isinstance(state, Tensor):
                wanted = (x.shape[0], size)
                if state.shape != wanted:
                    raise ValueError(
                        f"the initial state has shape {state.shape}, expected (batch, units) = "
                        f"{wanted} for input of shape {x.shape}"
                    )
        return states

    def _keep(self, states: Any) -> None:
        with no_grad():
            new = flatten(states)
            for variable, state in zip(flatten(self._kept_states), new, strict=True):
                variable.assign(ops.cast(state.detach(), variable.dtype))

    def _checked_mask(self, mask: Any, x: Tensor) -> Tensor | None:
        if mask is None:
            return None
        mask = as_tensor(mask, near=x)
        if mask.shape != x.shape[:2]:
            raise ValueError(
                f"the mask has shape {mask.shape}, but the input {x.shape} needs (batch, steps) = "
                f"{x.shape[:2]}"
            )
        return mask if mask.dtype == "bool" else ops.not_equal(mask, 0)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the input for sequences, none for single outputs and states."""
        masks = [m for m in flatten(previous_mask) if m is not None]
        output = masks[0] if masks and self.return_sequences else None
        return [output, *[None] * len(self.state_size)] if self.return_state else output


def _beside(mask: Tensor, x: Tensor) -> Tensor:
    """A mask (N,) with the axes of `x`."""
    return ops.reshape(mask, (mask.shape[0], *[1] * (x.ndim - 1)))


def _layers_of(cell: Any) -> list[Any]:
    return cell._flatten_layers() if isinstance(cell, Layer) else []
