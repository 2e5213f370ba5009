"""Callbacks: what happens during training besides training."""

from weft.callbacks.callback import Callback, CallbackList
from weft.callbacks.checkpoint import BackupAndRestore, ModelCheckpoint
from weft.callbacks.history import CSVLogger, History, LambdaCallback
from weft.callbacks.progress import ProgbarLogger
from weft.callbacks.rates import LearningRateScheduler, ReduceLROnPlateau
from weft.callbacks.stopping import EarlyStopping, TerminateOnNaN
from weft.errors import module_getattr

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]

__getattr__ = module_getattr(__name__, dict.fromkeys(__all__))
