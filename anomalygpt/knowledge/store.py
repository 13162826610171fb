"""What is known about products: a folder of files, asked with questions.

No torch, no model: words are searched with SQLite's FTS5. Somebody who has a model for sentences
gives it as `dense`, and its ranking is fused with that of the words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from anomalygpt.errors import SourceError
from anomalygpt.files import shown
from anomalygpt.knowledge.dense import SentenceEncoder, Vectors, fused
from anomalygpt.knowledge.index import Index
from anomalygpt.knowledge.names import same_name
from anomalygpt.knowledge.passages import Found, Passage
from anomalygpt.knowledge.quoting import NOTHING, quoted, within
from anomalygpt.knowledge.ranking import Question, ranked, understood
from anomalygpt.knowledge.words import TELLS_CAUSE, TELLS_REMEDY, words_of

__all__ = ["NOTHING", "Found", "Knowledge", "Passage", "quoted", "within"]

# Sentences of an excerpt, and letters up to which a passage is its own excerpt.
_MOST_SENTENCES, _SHORT = 3, 320
# Contradictions that are named one by one.
_MOST_TOLD = 20


class Knowledge:
    """Passages about products. Several threads may search one at the same time.

    Attributes:
        folder: where the files lie.
        contradictions: one line for each kind of damage that several files tell differently.
        problems: one line for each file that could not be used, and the contradictions.
        products: their names, in order.
        passages: all of them.
        files: of each file that can be used, by its name below the folder, its passages.
    """

    def __init__(self, folder: Path, index: Index, dense: SentenceEncoder | None = None) -> None:
        self.folder = folder
        self._index = index
        self._vectors = None if dense is None else Vectors(dense, index.passages)
        self.passages = list(index.passages.values())
        self.files = index.files
        self.products = sorted({each.product for each in self.passages if each.product})
        told = _told_twice(index)
        self._twins = _twins(told)
        self.contradictions = _contradictions(index.passages, told)
        self.problems = [*index.problems, *self.contradictions]

    @classmethod
    def open(cls, folder: str | Path, *, dense: SentenceEncoder | None = None) -> Knowledge:
        """Read a folder of markdown, text, PDF and JSON files with its subfolders.

        What did not change since the last time is taken from the index that lies beside the files;
        where it cannot be written, everything is read each time. A file that cannot be used is
        named in `problems`, and the others are read.

        Args:
            folder: files in a folder of it are about the product of that name.
            dense: a model for sentences, for questions in quite other words.

        Raises:
            SourceError: the folder is not there or cannot be looked into.
            MissingPartError: this Python's SQLite cannot search texts.
        """
        path = Path(folder)
        try:
            if not path.is_dir():
                what = "is no folder" if path.exists() else "does not exist"
                raise SourceError(
                    f"the folder of knowledge {shown(folder)} {what}; make it and put files into "
                    "it, or let `anomalygpt knowledge add` do so"
                )
            next(path.iterdir(), None)
        except OSError as error:
            raise SourceError(
                f"the folder of knowledge {shown(folder)} cannot be read: {error.strerror}; "
                "check its access rights"
            ) from error
        return cls(path, Index(path), dense)

    def search(self, question: str, *, product: str | None = None, limit: int = 3) -> list[Found]:
        """The passages that answer a question, the best first.

        Args:
            question: in any words; where it names a product, that one's passages are searched.
            product: what it is about: its passages and those about no product are searched. A
                question that names another known product instead finds nothing.
            limit: how many at most, from 1 on.

        Returns:
            Nothing where no passage covers what is asked for. Where several files tell of the kind
            of damage of the best passage, those come next to it.
        """
        if not words_of(question):
            return []
        meant = understood(question, self._index, product)
        order = ranked(meant, self._index)
        if self._vectors is not None:
            order = fused(order, self._vectors.ranked(question, meant.scope))
        order = self._with_twins(order)[: max(limit, 0)]
        return [
            Found(self._index.passages[number], score, self._excerpt(number, meant))
            for number, score in order
        ]

    def _with_twins(self, order: list[tuple[int, float]]) -> list[tuple[int, float]]:
        """The order without texts that came before, and what contradicts the first one after it."""
        texts: set[str] = set()
        kept = []
        for number, score in order:
            text = self._index.passages[number].text
            if text not in texts:
                texts.add(text)
                kept.append((number, score))
        if not kept:
            return kept
        twins = self._twins.get(kept[0][0], frozenset())
        return sorted(kept, key=lambda each: (each[0] != kept[0][0], each[0] not in twins))

    def _excerpt(self, number: int, question: Question) -> str:
        """The sentences of a passage that answer the question."""
        passage = self._index.passages[number]
        lines = self._index.sentences_of(number)
        if len(passage.text) <= _SHORT or len(lines) <= 1:
            return " ".join(passage.text.split())
        scores = dict.fromkeys((line for line, _ in lines), 0.0)
        for word, others in question.groups:
            own = self._index.sentence_matches([word], number)
            other = self._index.sentence_matches(others, number) - own
            for line in own | other:
                # Words that many of its sentences have tell little.
                scores[line] += (1.0 if line in own else 0.7) / (len(own) + len(other))
        for line, text in lines:
            scores[line] += question.cause and bool(TELLS_CAUSE.search(text))
            scores[line] += question.remedy and bool(TELLS_REMEDY.search(text))
        return _shortened(lines, scores)


def _shortened(lines: Sequence[tuple[int, str]], scores: dict[int, float]) -> str:
    """The best sentences in their order, "…" where some between them are left out.

    A sentence that begins in the middle of a list or a thought is still a whole sentence.
    """
    best = max(scores.values())
    order = sorted(scores, key=lambda line: (-scores[line], line))
    # Where nothing stands out, a text begins with what it is about.
    kept = set(order[:_MOST_SENTENCES]) if best else {line for line, _ in lines[:_MOST_SENTENCES]}
    kept = {line for line in kept if scores[line] >= best / 2}
    parts: list[str] = []
    gap = False
    for line, text in lines:
        if line in kept:
            parts += ["…"] * (gap and bool(parts)) + [" ".join(text.split())]
        gap = line not in kept
    return " ".join(parts)


def _told_twice(index: Index) -> list[dict[str, list[int]]]:
    """Of each product and kind of damage that files tell differently, passages by file."""
    groups: dict[tuple[str, str], dict[str, list[int]]] = {}
    for number, each in index.passages.items():
        if each.product and each.kind:
            files = groups.setdefault((_letters(each.product), _letters(each.kind)), {})
            files.setdefault(index.file_of[number], []).append(number)
    return [
        files
        for files in groups.values()
        if len({tuple(index.passages[each].text for each in own) for own in files.values()}) > 1
    ]


def _contradictions(passages: dict[int, Passage], told: list[dict[str, list[int]]]) -> list[str]:
    lines = []
    for files in told[:_MOST_TOLD]:
        first = passages[next(iter(files.values()))[0]]
        names = " and ".join(shown(name) for name in sorted(files))
        what = f"{shown(first.product)}, {shown(first.kind)}"
        lines.append(f"{what}: {names} tell it differently; all are shown, with their sources")
    more = len(told) - _MOST_TOLD
    return lines + [f"{more} more are told differently by several files"] * (more > 0)


def _twins(told: list[dict[str, list[int]]]) -> dict[int, frozenset[int]]:
    """Of each passage, those of other files that tell of the same, perhaps something else."""
    twins: dict[int, frozenset[int]] = {}
    for files in told:
        everything = {number for own in files.values() for number in own}
        for own in files.values():
            twins |= {number: frozenset(everything.difference(own)) for number in own}
    return twins


def _letters(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


def product_like(name: str, products: Iterable[str]) -> str | None:
    """The product that a name means, however it is spelled; None where there is none."""
    return next((each for each in products if same_name(each, name)), None)
