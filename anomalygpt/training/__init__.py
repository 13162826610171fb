"""Training on simulated anomalies and instructions, on one CPU, one GPU or many."""

from anomalygpt.training.arguments import TrainingArguments

__all__ = ["TrainingArguments"]
