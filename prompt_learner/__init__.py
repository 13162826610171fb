"""Anomaly map to prompt embeddings."""

from prompt_learner.config import PromptLearnerConfig
from prompt_learner.prompt_learner import MAP_PROMPTS, PromptLearner

__all__ = ["MAP_PROMPTS", "PromptLearner", "PromptLearnerConfig"]
