"""What the recurrent layers with one kernel for all steps share."""

from __future__ import annotations

from typing import Any

from weft import ops
from weft.layers.calls import answer_as_meta, calls
from weft.layers.input_spec import InputSpec
from weft.layers.recurrent_cells import RecurrentCell
from weft.layers.rnn import RNN
from weft.tensor import Tensor


def of_cell(name: str) -> Any:
    """A property that is the cell's."""
    return property(lambda self: getattr(self.cell, name))


class FusedRNN(RNN):
    """What the layers with a kernel of their own share.

    The kernel serves the usual activations without dropout of states; anything else takes the cell
    step by step.
    """

    cell: Any

    units = of_cell("units")
    activation = of_cell("activation")
    use_bias = of_cell("use_bias")
    kernel_initializer = of_cell("kernel_initializer")
    recurrent_initializer = of_cell("recurrent_initializer")
    bias_initializer = of_cell("bias_initializer")
    kernel_regularizer = of_cell("kernel_regularizer")
    recurrent_regularizer = of_cell("recurrent_regularizer")
    bias_regularizer = of_cell("bias_regularizer")
    kernel_constraint = of_cell("kernel_constraint")
    recurrent_constraint = of_cell("recurrent_constraint")
    bias_constraint = of_cell("bias_constraint")
    dropout = of_cell("dropout")
    recurrent_dropout = of_cell("recurrent_dropout")
    seed = of_cell("seed")

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
