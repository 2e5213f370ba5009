"""Reverse-mode automatic differentiation: recording, the walk, tapes and checks."""

from weft.autograd.recording import (
    Function,
    Node,
    enable_grad,
    is_grad_enabled,
    no_grad,
    note_in_place,
)

# isort: split
from weft.autograd.engine import backward, grad, value_and_grad
from weft.autograd.gradcheck import gradcheck, gradgradcheck
from weft.autograd.tape import GradientTape

__all__ = [
    "Function",
    "GradientTape",
    "Node",
    "backward",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "is_grad_enabled",
    "no_grad",
    "note_in_place",
    "value_and_grad",
]
