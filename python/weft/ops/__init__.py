"""Operations on tensors: one module per family, one line here per module."""

from weft.ops.cast import *
