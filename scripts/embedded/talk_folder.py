"""The folder of the preset "talk": only what was trained for it, in half precision.

Encoder and decoder are those of "embedded", and the language model is an installed GGUF file, of
which the folder keeps the SHA-256.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from anomalygpt.checkpoints import save_module
from anomalygpt.config import LanguageModelConfig
from anomalygpt.errors import MissingPartError
from anomalygpt.files import hash_file, share_with_readers, staged_folder
from anomalygpt.language.lora import save_adapter
from anomalygpt.model import AnomalyGPT
from anomalygpt.pretrained import ADAPTER, LANGUAGE_MODEL

# Room for two adapters of rank 16 beside a prompt learner; what it takes is known afterwards.
NEEDED_BYTES = 30_000_000


def write_talk(assistant: AnomalyGPT, base: Path, folder: Path) -> float:
    """Write the folder that `from_pretrained("talk")` reads.

    Args:
        assistant: the encoder and decoder of "embedded", with a language model that has a LoRA;
            its LoRA, prompt learner and projection become half precision.
        base: the GGUF file that the language model was read from.
        folder: free, or empty.

    Returns:
        Its size in megabytes.

    Raises:
        MissingPartError: the assistant lacks one of these parts.
        OutputError: the folder cannot be written.
    """
    language_model, learner = assistant.language_model, assistant.prompt_learner
    if language_model is None or learner is None or assistant.projection is None:
        raise MissingPartError("the preset needs a language model, prompt learner and projection")
    if not language_model.has_adapter:
        raise MissingPartError("the preset needs a language model with a LoRA")
    for name, weight in language_model.model.named_parameters():
        if "lora_" in name:
            weight.data = weight.data.half()
    config = replace(
        assistant.config,
        language_model=LanguageModelConfig(
            "chat", adapter=True, talks=True, base_sha256=hash_file(base)
        ),
        eyes_of="embedded",
    )
    with staged_folder(folder, NEEDED_BYTES) as staging:
        save_module(learner.half(), staging / "prompt_learner.safetensors")
        save_module(assistant.projection.half(), staging / "projection.safetensors")
        save_adapter(language_model.model, staging / LANGUAGE_MODEL / ADAPTER)
        share_with_readers(staging)
        config.save(staging)
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
