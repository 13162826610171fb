"""Weights on disk: reading published files, writing safetensors, and a report on every tensor."""

from anomalygpt.checkpoints.conversion import ConversionSources, convert
from anomalygpt.checkpoints.hub import resolve
from anomalygpt.checkpoints.loading import load_module
from anomalygpt.checkpoints.readers import Weights, open_weights
from anomalygpt.checkpoints.report import LoadReport, Mismatch
from anomalygpt.checkpoints.writer import MAX_SHARD_SIZE, save_module

__all__ = [
    "MAX_SHARD_SIZE",
    "ConversionSources",
    "LoadReport",
    "Mismatch",
    "Weights",
    "convert",
    "load_module",
    "open_weights",
    "resolve",
    "save_module",
]
