"""A SentencePiece tokenizer, as LLaMA's is, learned from sentences."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path

import sentencepiece


def write_tokenizer(
    folder: Path, pieces: int, sentences: Iterable[str], coverage: float = 1.0
) -> None:
    """Learn pieces, with bytes for what they leave out, and write the tokenizer's two files.

    Args:
        folder: made if needed.
        pieces: of the vocabulary.
        sentences: to learn from.
        coverage: share of the characters that get a piece of their own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        # Written by us: a prefix would stand in the file, with the folders of this machine.
        model_writer=model,
        model_type="bpe",
        vocab_size=pieces,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        character_coverage=coverage,
        num_threads=1,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    settings = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
