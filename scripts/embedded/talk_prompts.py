"""Talk prompts stage: a prompt learner through the installed language model, and the preset.

Encoder and decoder are those of the preset "embedded", frozen; the language model with what the
talk stage taught it is frozen, too. As in the prompts stage the prompt learner first aims at the
words themselves, then also at what the language model answers.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from anomalygpt.checkpoints.gguf import installed_gguf
from anomalygpt.config import LanguageModelConfig
from anomalygpt.errors import DataError
from anomalygpt.files import hash_file
from anomalygpt.language.language_model import LanguageModel
from anomalygpt.model import AnomalyGPT
from anomalygpt.pretrained import assistant_folder
from embedded.evidence import require_encoder
from embedded.lessons import load_evidence
from embedded.prompts import CHANNELS, Lessons, begin_with_words, run_phase
from embedded.prompts_checks import check
from embedded.talk import ADAPTER, STATE, TABLE
from embedded.talk_folder import write_talk
from prompt_learner import PromptLearner, PromptLearnerConfig

# Whose encoder and decoder the preset has.
EYES = "embedded"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the stage."""
    parser.add_argument("--talk", type=Path, required=True, metavar="FOLDER", help="its output")
    parser.add_argument("--evidence", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--gguf", type=Path, metavar="FILE", help="by default the installed one")
    parser.add_argument("--word-steps", type=int, default=2000, help="with the words as the aim")
    parser.add_argument("--answer-steps", type=int, default=100, help="with the answers as well")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--answer-batch-size", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--save-every", type=int, default=50, help="in steps")


def run(options: argparse.Namespace) -> int:
    """Train, or go on where an interrupted run was saved; 130 after Ctrl-C."""
    torch.set_num_threads(options.threads)
    options.output.mkdir(parents=True, exist_ok=True)
    base = options.gguf or installed_gguf()
    _require_same_base(options.talk / STATE, base)
    encoder = assistant_folder(EYES) / "encoder.safetensors"
    for folder in (options.evidence, options.output):
        require_encoder(folder, encoder)
    table = load_file(options.talk / TABLE)["table"]
    assistant = starting_assistant(options, base, table)
    lessons = Lessons(assistant, load_evidence(options.evidence, "train"), options, table)
    held = Lessons(assistant, load_evidence(options.evidence, "held"), options, table)
    speech = nn.ModuleList([lessons.learner, lessons.projection])
    try:
        lessons.draw_text_maps()
        run_phase(options, "words", options.word_steps, speech, lessons.words, 3e-3)
        lessons.batch = held.batch = options.answer_batch_size
        run_phase(options, "answers", options.answer_steps, speech, lessons.answers, 5e-4)
    except KeyboardInterrupt:
        print("stopped; the same command goes on where it was")
        return 130
    check(held, options)
    folder = options.output / "assistant"
    if not folder.exists():
        print(f"{write_talk(assistant, base, folder):.1f} MB")
    print(f"written: {folder}; the stage ship_talk makes the preset of it")
    return 0


def starting_assistant(options: argparse.Namespace, base: Path, table: Tensor) -> AnomalyGPT:
    """Encoder, decoder and language model, frozen, with new parts between them.

    Args:
        options: of the stage.
        base: file of the language model.
        table: (28, width), from the talk stage.
    """
    torch.manual_seed(options.seed)
    mute = AnomalyGPT.from_pretrained(EYES, map_only=True)
    language_model = LanguageModel.from_pretrained(
        base,
        template="chat",
        device=mute.device,
        dtype=options.precision,
        adapter=options.talk / ADAPTER,
    )
    learner = PromptLearnerConfig(language_model.width, CHANNELS)
    encoder: Any = mute.encoder
    assistant = AnomalyGPT(
        replace(mute.config, prompt_learner=learner, language_model=LanguageModelConfig("chat")),
        encoder,
        mute.decoder,
        prompt_learner=PromptLearner(learner),
        projection=nn.Linear(encoder.embedding_width, language_model.width),
        language_model=language_model,
        name="talk",
    ).to(mute.device)
    begin_with_words(assistant, table, float(table.std()))
    return assistant


def _require_same_base(state: Path, base: Path) -> None:
    """Refuse another language model than the one that the talk stage taught.

    Raises:
        DataError: it is another, or the stage was not run.
    """
    if not state.is_file() or not (state.parent / TABLE).is_file():
        raise DataError(f"{state.parent} holds no finished talk stage; run it first")
    settings = torch.load(state, map_location="cpu", weights_only=True)["settings"]
    if settings["base"] != hash_file(base):
        raise DataError(f"{state.parent} was taught with another language model than {base}")
