"""Which language model a folder holds, as far as its files show, and whether it is Vicuna v0.

PandaGPT's and AnomalyGPT's parts were trained beside Vicuna v0 and its way of writing
dialogues down. LLaMA and the later Vicunas have the same shapes, so that nothing else fails.
"""

from __future__ import annotations

import re

from anomalygpt.checkpoints.llama import LlamaFolder

# Vicuna v0 got a word for padding; all later ones have LLaMA's own again.
LLAMA_WORDS = 32_000
VICUNA_V0_WORDS = LLAMA_WORDS + 1
# LLaMA 1 reads half as much.
LLAMA_2_POSITIONS = 4096

_VERSION = re.compile(r"vicuna.*?[-_]v(\d+(?:\.\d+)?)", re.IGNORECASE)


def recognised(model: LlamaFolder, base: LlamaFolder | None = None) -> list[str]:
    """Lines for a person: what the language model is, and a warning where it is not Vicuna v0.

    Args:
        model: a whole model, or a delta.
        base: what a delta is added to.
    """
    words, named = model.size("vocab_size"), _named_version(model)
    doubts = []
    if named not in (None, "0") and words != VICUNA_V0_WORDS:
        doubts.append(f"its name says Vicuna v{named}")
    if base is not None and words == base.size("vocab_size"):
        doubts.append(f"the delta adds no word to the {words:,} of its base, as from v1.1 on")
    elif words == LLAMA_WORDS:
        doubts.append(f"it has LLaMA's own {words:,} words")
    for folder in filter(None, (model, base)):
        positions = folder.config.get("max_position_embeddings")
        if isinstance(positions, int) and positions >= LLAMA_2_POSITIONS:
            doubts.append(f"{folder.path.name} reads {positions:,} words, as LLaMA 2 does")
            break
    lines = [f"language model: {_kind(words, named, base, bool(doubts))}"]
    if doubts:
        lines.append(
            f"warning: this does not look like Vicuna v0 ({'; '.join(doubts)}), but dialogues "
            "are written down as Vicuna v0 read them: answers will be poor; convert again with "
            f"LLaMA and vicuna-7b-delta-v0, which has {VICUNA_V0_WORDS:,} words"
        )
    return lines


def _kind(words: int, named: str | None, base: LlamaFolder | None, doubtful: bool) -> str:
    added = "" if base is None else f", LLaMA of {base.size('vocab_size'):,} words and a delta"
    if named is not None:
        return f"Vicuna v{named} by its name, {words:,} words{added}"
    if not doubtful and (words == VICUNA_V0_WORDS or base is not None):
        return f"Vicuna v0 by its size, {words:,} words{added}"
    if doubtful:
        return f"LLaMA, or Vicuna v1.1 or later, {words:,} words{added}"
    return f"a LLaMA of {words:,} words, which Vicuna nobody can tell"


def _named_version(folder: LlamaFolder) -> str | None:
    """The version in the name of the folder, or in the one that its config remembers."""
    for name in (folder.path.resolve().as_posix(), str(folder.config.get("_name_or_path", ""))):
        # The last folders of the path: a hub's cache keeps the name two levels higher.
        found = _VERSION.search("/".join(name.split("/")[-3:]))
        if found is not None:
            return found[1]
    return None
