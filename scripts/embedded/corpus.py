"""English text for the small language model: read, encoded, and for its tokenizer to learn from."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sentencepiece

from embedded.notation import random_words
from embedded.speech import dialogue, is_chatter

TOKENIZER_DIALOGUES = 6000
TEXT_CHARACTERS = 6_000_000  # of the books and of the dialogues each; a run reads less


@dataclass(frozen=True)
class Corpus:
    """What is read besides made dialogues.

    Attributes:
        stream: (n,) uint16, the tokens of books and dialogues one after another.
        chatter: lines that have nothing to do with photos of parts.
    """

    stream: np.ndarray
    chatter: tuple[str, ...]


def read_texts(folder: Path) -> tuple[list[str], list[str]]:
    """Everyday dialogues, one text each, and slices of the books from beginning to end."""
    with gzip.open(folder / "dialogues.jsonl.gz", "rt", encoding="utf-8") as file:
        dialogues = ["\n".join(json.loads(line)["turns"]) for line in file]
    with gzip.open(folder / "books.txt.gz", "rt", encoding="utf-8") as file:
        books = file.read()
    size = 4000
    every = max(1, len(books) // TEXT_CHARACTERS)
    slices = [books[start : start + size] for start in range(0, len(books), every * size)]
    return dialogues, slices


def read_corpus(texts: tuple[Sequence[str], Sequence[str]], tokenizer: Path) -> Corpus:
    """Encode the texts."""
    encoder = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer))
    streams = []
    for kind in texts:
        every = max(1, sum(map(len, kind)) // TEXT_CHARACTERS)
        encoded = encoder.encode([text + "\n\n" for text in kind[::every]], num_threads=1)
        streams += [np.array(ids, np.uint16) for ids in encoded]
    chatter = (line for text in texts[0] for line in text.split("\n"))
    return Corpus(np.concatenate(streams), tuple(filter(is_chatter, map(str.strip, chatter))))


def sentences(texts: tuple[Sequence[str], Sequence[str]], seed: int) -> Iterator[str]:
    """What the tokenizer learns from: made dialogues, and lines of the texts."""
    generator = np.random.default_rng((seed, 2**32))
    for _ in range(TOKENIZER_DIALOGUES):
        turns = dialogue(random_words(generator), generator)
        for question, answer in turns:
            yield f"### Human: <Img></Img> {question}\n### Assistant: {answer}\n###"
    for kind in texts:
        lines = [line for text in kind[:4000] for line in text.split("\n") if line]
        order = generator.permutation(len(lines))[:20_000]
        yield from (lines[index][:2000] for index in order)
