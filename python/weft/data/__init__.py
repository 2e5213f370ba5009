"""Data: batches from arrays, tables, generators and data sets; splits and scalers."""

from weft.data.dataset import PyDataset
from weft.data.scaling import MeanNormalizer, Standardizer
from weft.data.sources import unpack
from weft.data.splitting import train_val_test_split

__all__ = ["MeanNormalizer", "PyDataset", "Standardizer", "train_val_test_split", "unpack"]
