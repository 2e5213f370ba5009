"""Every layer with arguments and an input: data for the checks in test_layers.py."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class LayerCase:
    """A layer and what it is fed.

    Attributes:
        make: Makes the layer from a module, which is weft or Keras.
        shape: Shape of one sample; several for a layer of several inputs.
        integers: Draw integers below this number instead of floats.
        weights: Number of weights after building.
        trains: Whether its output depends on trainable weights.
        keras: Whether Keras has it.
    """

    make: Callable[[Any], Any]
    shape: Any
    weights: int = 0
    integers: int = 0
    trains: bool = False
    keras: bool = True

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the inputs."""
        several = isinstance(self.shape, list)
        return self.shape if several else [self.shape]

    def inputs(self, rows: int = 3, dtype: str = "float32") -> Any:
        """Inputs with a seed of their own."""
        rng = np.random.default_rng(sum(map(sum, self.shapes)) + rows)
        drawn = [
            rng.integers(0, self.integers, (rows, *shape))
            if self.integers
            else rng.normal(size=(rows, *shape)).astype(dtype)
            for shape in self.shapes
        ]
        return drawn if isinstance(self.shape, list) else drawn[0]


def _case(make: Callable[[Any], Any], shape: Any, weights: int = 0, **options: Any) -> LayerCase:
    options.setdefault("trains", weights in (1, 2) and not options.get("fixed", False))
    options.pop("fixed", None)
    return LayerCase(make, shape, weights, **options)


IMAGE, PLANES, ROWS, ROW = (9, 8, 3), (3, 9, 8), (9, 3), (5,)
VOLUME = (4, 5, 6, 2)

CASES: dict[str, LayerCase] = {
    "dense": _case(lambda k: k.Dense(4, activation="tanh"), ROW, 2),
    "dense-relu": _case(lambda k: k.Dense(4, activation="relu"), ROW, 2),
    "dense-no-bias": _case(lambda k: k.Dense(4, use_bias=False), ROWS, 1),
    "dense-regularized": _case(
        lambda k: k.Dense(4, kernel_regularizer="l2", activity_regularizer="l1"), ROW, 2
    ),
    "maxout": _case(lambda k: k.Maxout(4, pieces=3), ROW, 2, keras=False),
    "embedding": _case(lambda k: k.Embedding(7, 3), ROW, 1, integers=7),
    "identity": _case(lambda k: k.Identity(), ROW),
    "activation": _case(lambda k: k.Activation("softplus"), ROW),
    "relu": _case(lambda k: k.ReLU(), ROW),
    "relu-all": _case(lambda k: k.ReLU(max_value=1.0, negative_slope=0.2, threshold=0.3), ROWS),
    "leaky-relu": _case(lambda k: k.LeakyReLU(), ROW),
    "elu": _case(lambda k: k.ELU(0.5), ROW),
    "prelu": _case(lambda k: k.PReLU("ones"), ROW, 1),
    "prelu-shared": _case(lambda k: k.PReLU("ones", shared_axes=[1, 2]), IMAGE, 1),
    "softmax": _case(lambda k: k.Softmax(), ROW),
    "softmax-axis": _case(lambda k: k.Softmax(axis=1), ROWS),
    "conv2d": _case(lambda k: k.Conv2D(4, 3), IMAGE, 2),
    "conv2d-same-strides": _case(
        lambda k: k.Conv2D(4, (3, 2), strides=2, padding="same", activation="relu"), IMAGE, 2
    ),
    "conv2d-dilated": _case(lambda k: k.Conv2D(4, 3, dilation_rate=2, use_bias=False), IMAGE, 1),
    "conv2d-groups": _case(lambda k: k.Conv2D(6, 3, groups=3), IMAGE, 2),
    "conv2d-first": _case(lambda k: k.Conv2D(4, 3, data_format="channels_first"), PLANES, 2),
    "conv1d": _case(lambda k: k.Conv1D(4, 3, strides=2, padding="same"), ROWS, 2),
    "conv1d-causal": _case(lambda k: k.Conv1D(4, 3, padding="causal", dilation_rate=2), ROWS, 2),
    "depthwise": _case(lambda k: k.DepthwiseConv2D(3, depth_multiplier=2), IMAGE, 2),
    "depthwise-same": _case(
        lambda k: k.DepthwiseConv2D(3, strides=2, padding="same", activation="elu"), IMAGE, 2
    ),
    "max-pool": _case(lambda k: k.MaxPooling2D(), IMAGE),
    "max-pool-same": _case(lambda k: k.MaxPooling2D(3, strides=2, padding="same"), IMAGE),
    "max-pool-first": _case(lambda k: k.MaxPooling2D(2, data_format="channels_first"), PLANES),
    "max-pool-1d": _case(lambda k: k.MaxPooling1D(2), ROWS),
    "average-pool": _case(lambda k: k.AveragePooling2D(2), IMAGE),
    "average-pool-1d": _case(lambda k: k.AveragePooling1D(2, strides=1), ROWS),
    "global-average": _case(lambda k: k.GlobalAveragePooling2D(), IMAGE),
    "global-average-first": _case(
        lambda k: k.GlobalAveragePooling2D(data_format="channels_first", keepdims=True), PLANES
    ),
    "global-max": _case(lambda k: k.GlobalMaxPooling2D(keepdims=True), IMAGE),
    "global-average-1d": _case(lambda k: k.GlobalAveragePooling1D(), ROWS),
    "global-max-1d": _case(lambda k: k.GlobalMaxPooling1D(), ROWS),
    "flatten": _case(lambda k: k.Flatten(), IMAGE),
    "flatten-first": _case(lambda k: k.Flatten(data_format="channels_first"), PLANES),
    "reshape": _case(lambda k: k.Reshape((4, -1)), IMAGE),
    "permute": _case(lambda k: k.Permute((3, 1, 2)), IMAGE),
    "repeat": _case(lambda k: k.RepeatVector(3), ROW),
    "zero-padding": _case(lambda k: k.ZeroPadding2D(((1, 2), (0, 3))), IMAGE),
    "cropping": _case(lambda k: k.Cropping2D((1, 2)), IMAGE),
    "dropout": _case(lambda k: k.Dropout(0.5), ROW),
    "spatial-dropout": _case(lambda k: k.SpatialDropout2D(0.5), IMAGE),
    "spatial-dropout-1d": _case(lambda k: k.SpatialDropout1D(0.5), ROWS),
    "gaussian-noise": _case(lambda k: k.GaussianNoise(0.5), ROW),
    "activity-regularization": _case(lambda k: k.ActivityRegularization(l1=0.1, l2=0.2), ROW),
    "batch-norm": _case(lambda k: k.BatchNormalization(), ROW, 4),
    "batch-norm-image": _case(lambda k: k.BatchNormalization(momentum=0.8), IMAGE, 4),
    "batch-norm-axis": _case(lambda k: k.BatchNormalization(axis=1, scale=False), PLANES, 3),
    "layer-norm": _case(lambda k: k.LayerNormalization(), ROWS, 2),
    "layer-norm-axes": _case(lambda k: k.LayerNormalization(axis=[1, 2]), ROWS, 2),
    "layer-norm-center": _case(lambda k: k.LayerNormalization(scale=False), ROW, 1),
    "normalization": _case(
        lambda k: k.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0]), ROWS, 3,
        keras=False,
    ),
    "rescaling": _case(lambda k: k.Rescaling(1 / 255, offset=-0.5), IMAGE),
    "category-encoding": _case(lambda k: k.CategoryEncoding(7), ROW, integers=7),
    "discretization": _case(
        lambda k: k.Discretization(bin_boundaries=[-0.5, 0.5], output_mode="one_hot"), ROW
    ),
    "add": _case(lambda k: k.Add(), [(5,), (5,), (1,)]),
    "subtract": _case(lambda k: k.Subtract(), [(5,), (5,)]),
    "multiply": _case(lambda k: k.Multiply(), [(5, 2), (5, 2)]),
    "average": _case(lambda k: k.Average(), [(5,), (5,), (5,)]),
    "maximum": _case(lambda k: k.Maximum(), [(5,), (5,)]),
    "minimum": _case(lambda k: k.Minimum(), [(5,), (5,)]),
    "concatenate": _case(lambda k: k.Concatenate(), [(4, 2), (4, 3)]),
    "concatenate-axis": _case(lambda k: k.Concatenate(axis=1), [(4, 2), (3, 2)]),
    "dot": _case(lambda k: k.Dot(axes=1), [(5,), (5,)]),
    "dot-matrix": _case(lambda k: k.Dot(axes=(2, 1), normalize=True), [(3, 4), (4, 2)]),
    "masking": _case(lambda k: k.Masking(), ROWS),
    "embedding-mask": _case(lambda k: k.Embedding(7, 3, mask_zero=True), ROW, 1, integers=7),
    "simple-rnn": _case(lambda k: k.SimpleRNN(4), ROWS, 3, trains=True),
    "simple-rnn-relu": _case(
        lambda k: k.SimpleRNN(4, activation="relu", return_sequences=True), ROWS, 3
    ),
    "lstm": _case(lambda k: k.LSTM(4), ROWS, 3, trains=True),
    "lstm-sequences": _case(
        lambda k: k.LSTM(4, return_sequences=True, go_backwards=True), ROWS, 3
    ),
    "lstm-unrolled": _case(lambda k: k.LSTM(4, unroll=True, unit_forget_bias=False), ROWS, 3),
    "lstm-activations": _case(
        lambda k: k.LSTM(4, activation="elu", recurrent_activation="hard_sigmoid"), ROWS, 3
    ),
    "gru": _case(lambda k: k.GRU(4), ROWS, 3, trains=True),
    "gru-before": _case(
        lambda k: k.GRU(4, reset_after=False, use_bias=False, return_sequences=True), ROWS, 2
    ),
    "gru-dropout": _case(lambda k: k.GRU(4, dropout=0.3, recurrent_dropout=0.2), ROWS, 3),
    "rnn": _case(lambda k: k.RNN([k.LSTMCell(3), k.GRUCell(2)], return_sequences=True), ROWS, 6),
    "bidirectional": _case(lambda k: k.Bidirectional(k.LSTM(3)), ROWS, 6),
    "bidirectional-sum": _case(
        lambda k: k.Bidirectional(k.GRU(3, return_sequences=True), merge_mode="sum"), ROWS, 6
    ),
    "einsum-dense": _case(lambda k: k.EinsumDense("ab,bcd->acd", (4, 2), bias_axes="cd"), ROW, 2),
    "einsum-dense-right": _case(
        lambda k: k.EinsumDense("ab...,bc->ac...", 4, bias_axes="c", activation="tanh"), ROWS, 2
    ),
    "einsum-dense-heads": _case(
        lambda k: k.EinsumDense("abc,dec->abed", (9, 2, 4), bias_axes="e"), ROWS, 2
    ),
    "attention": _case(lambda k: k.Attention(), [(4, 3), (5, 3)]),
    "attention-key": _case(lambda k: k.Attention(use_scale=True), [(4, 3), (5, 2), (5, 3)], 1),
    "attention-concat": _case(
        lambda k: k.Attention(score_mode="concat", use_scale=True), [(4, 3), (5, 3)], 2
    ),
    "additive-attention": _case(lambda k: k.AdditiveAttention(), [(4, 3), (5, 3)], 1),
    "conv2d-transpose": _case(
        lambda k: k.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu"), IMAGE, 2
    ),
    "conv2d-transpose-first": _case(
        lambda k: k.Conv2DTranspose(4, (2, 3), strides=(3, 2), data_format="channels_first"),
        PLANES, 2,
    ),
    "conv2d-transpose-more": _case(
        lambda k: k.Conv2DTranspose(4, 3, strides=3, output_padding=2, use_bias=False), IMAGE, 1
    ),
    "conv1d-transpose": _case(
        lambda k: k.Conv1DTranspose(4, 4, strides=2, padding="same"), ROWS, 2
    ),
    "conv1d-transpose-dilated": _case(lambda k: k.Conv1DTranspose(4, 3, dilation_rate=2), ROWS, 2),
    "depthwise-1d": _case(
        lambda k: k.DepthwiseConv1D(3, strides=2, padding="same", depth_multiplier=2), ROWS, 2
    ),
    "separable": _case(
        lambda k: k.SeparableConv2D(4, 3, strides=2, depth_multiplier=2, activation="relu"),
        IMAGE, 3, trains=True,
    ),
    "separable-first": _case(
        lambda k: k.SeparableConv2D(4, 3, data_format="channels_first"), PLANES, 3
    ),
    "separable-1d": _case(lambda k: k.SeparableConv1D(4, 3, padding="same"), ROWS, 3, trains=True),
    "zero-padding-1d": _case(lambda k: k.ZeroPadding1D((1, 2)), ROWS),
    "zero-padding-3d": _case(lambda k: k.ZeroPadding3D(((1, 2), (0, 1), (2, 0))), VOLUME),
    "cropping-1d": _case(lambda k: k.Cropping1D(2), ROWS),
    "cropping-3d": _case(lambda k: k.Cropping3D((1, 2, 0), data_format="channels_first"), VOLUME),
    "up-sampling-1d": _case(lambda k: k.UpSampling1D(3), ROWS),
    "up-sampling-2d": _case(lambda k: k.UpSampling2D((2, 3), data_format="channels_first"), PLANES),
    "up-sampling-bilinear": _case(
        lambda k: k.UpSampling2D((2, 3), interpolation="bilinear"), IMAGE
    ),
    "up-sampling-3d": _case(lambda k: k.UpSampling3D((1, 2, 2)), VOLUME),
    "max-pool-3d": _case(lambda k: k.MaxPooling3D((2, 3, 2), strides=(1, 2, 2)), VOLUME),
    "max-pool-3d-same": _case(lambda k: k.MaxPooling3D(3, strides=2, padding="same"), VOLUME),
    "average-pool-3d": _case(lambda k: k.AveragePooling3D(2), VOLUME),
    "average-pool-3d-first": _case(
        lambda k: k.AveragePooling3D(2, data_format="channels_first"), (2, 4, 5, 6)
    ),
    "global-average-3d": _case(lambda k: k.GlobalAveragePooling3D(keepdims=True), VOLUME),
    "global-max-3d": _case(lambda k: k.GlobalMaxPooling3D(), VOLUME),
    "group-norm": _case(lambda k: k.GroupNormalization(groups=2), (7, 4), 2),
    "group-norm-axis": _case(lambda k: k.GroupNormalization(groups=-1, axis=1), PLANES, 2),
    "rms-norm": _case(lambda k: k.RMSNormalization(), ROWS, 1),
    "rms-norm-axes": _case(lambda k: k.RMSNormalization(axis=[1, 2], epsilon=1e-3), ROWS, 1),
    "unit-norm": _case(lambda k: k.UnitNormalization(axis=[1, 2]), ROWS),
    "gaussian-dropout": _case(lambda k: k.GaussianDropout(0.5), ROW),
    "alpha-dropout": _case(lambda k: k.AlphaDropout(0.5), ROW),
    "spatial-dropout-3d": _case(lambda k: k.SpatialDropout3D(0.5), VOLUME),
    "time-distributed": _case(lambda k: k.TimeDistributed(k.Dense(4)), ROWS, 2),
}  # fmt: skip
