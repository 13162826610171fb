"""Write a small LLaMA with random weights and a tokenizer, to try training without any download.

    python scripts/make_random_language_model.py OUTPUT

It has never read a word; what it answers is nonsense until prompts have been trained through it.
The tokenizer learns its pieces from inspection dialogues.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from simulation import find_defects
from simulation.dialogues import facts_of, inspection_dialogue, published_dialogue
from tokenizer import write_tokenizer

DIALOGUES = 400
SIDE = 64


def sentences(seed: int) -> Iterator[str]:
    """Questions and answers about random defects."""
    generator = np.random.default_rng(seed)
    for _ in range(DIALOGUES):
        mask = np.zeros((SIDE, SIDE), bool)
        for _ in range(generator.integers(3)):
            y, x = generator.integers(SIDE - 12, size=2)
            mask[y : y + 10, x : x + 10] = True
        facts = facts_of(find_defects(mask), mask.shape)
        for turns in (published_dialogue(facts), inspection_dialogue(facts, generator)):
            for question, answer in turns:
                yield f"### Human: <Img></Img> {question}\n### Assistant: {answer}\n###"


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Write a small language model with random weights."
    )
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="a new folder")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--pieces", type=int, default=1000, help="vocabulary of the tokenizer")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.output.exists():
        sys.exit(f"error: {options.output} is there already; choose a new folder")
    options.output.mkdir(parents=True)
    write_tokenizer(options.output, options.pieces, sentences(options.seed))
    torch.manual_seed(options.seed)
    config = LlamaConfig(
        vocab_size=options.pieces,
        hidden_size=options.width,
        intermediate_size=2 * options.width,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        max_position_embeddings=512,
        # With the usual 0.02 a model this narrow hardly looks at what it reads.
        initializer_range=options.width**-0.5,
    )
    LlamaForCausalLM(config).save_pretrained(options.output)
    print(f"written: {options.output}, {LlamaForCausalLM(config).num_parameters():,} parameters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
