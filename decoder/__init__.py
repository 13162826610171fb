"""Patch tokens to anomaly map: prompts, stage projection, text matching, memory bank, losses."""

from decoder.config import DecoderConfig, LearnedPromptsConfig, StageHeadsConfig
from decoder.errors import DecoderError, EmptyMemoryBankError
from decoder.image_decoder import ImageDecoder
from decoder.learned_prompts import LearnedPrompts
from decoder.losses import dice_loss, focal_loss
from decoder.memory_bank import MemoryBank
from decoder.prompts import DEFAULT_CATEGORY, ensemble_features, state_sentences
from decoder.scores import image_score
from decoder.stage_heads import StageHeads

__all__ = [
    "DEFAULT_CATEGORY",
    "DecoderConfig",
    "DecoderError",
    "EmptyMemoryBankError",
    "ImageDecoder",
    "LearnedPrompts",
    "LearnedPromptsConfig",
    "MemoryBank",
    "StageHeads",
    "StageHeadsConfig",
    "dice_loss",
    "ensemble_features",
    "focal_loss",
    "image_score",
    "state_sentences",
]
