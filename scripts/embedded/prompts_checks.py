"""What the prompts say about held-out parts, after they were taught."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from anomalygpt.constants import ANOMALY_QUESTION
from anomalygpt.model import AnomalyGPT
from anomalygpt.verdict import says_yes
from decoder.scale import as_map, fused
from embedded.lessons import KINDS, by_kind, words_of_mask
from embedded.notation import facts_of_words

if TYPE_CHECKING:
    from embedded.prompts import Lessons


@torch.no_grad()
def check(lessons: Lessons, options: Any) -> None:
    """What the prompts say about held-out parts, printed and written to checks.csv.

    "lessons" are maps as those that were learned from, "simulated" those of the photos as they
    are, "none" are drawn without a reference.

    Args:
        lessons: of held-out photos.
        options: of the stage.
    """
    assistant, held = lessons.assistant, lessons.evidence
    lessons.draw_text_maps()
    assert lessons.text_maps is not None
    words = torch.tensor([words_of_mask(mask) for mask in held.masks.numpy()])
    text = lessons.enlarged(lessons.text_maps.float())
    against = lessons.enlarged(as_map(held.ratios))
    together = fused(against, text, assistant.decoder.config.text_weight)
    rounds = max(1, len(held) // lessons.batch)
    drawn = [lessons.lesson(np.random.default_rng([options.seed, n])) for n in range(rounds)]
    kinds = {
        "lessons": (torch.cat([maps for maps, _, _ in drawn]), torch.cat([w for _, w, _ in drawn])),
        "simulated": (together, words),
        "none": (text, words),
    }
    embeddings = torch.cat([e for _, _, e in drawn])
    rows = [
        [kind, *_figures(assistant, lessons, maps, words, kind_embeddings)]
        for (kind, (maps, words)), kind_embeddings in zip(
            kinds.items(), (embeddings, held.embeddings, held.embeddings), strict=True
        )
    ]
    with (options.output / "checks.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["maps", "verdict", "brier", "places", "count"], *rows])
    for row in rows:
        print("{}: verdict {}, Brier {}, places {}, count {}".format(*row))


def _figures(
    assistant: AnomalyGPT, lessons: Lessons, maps: Tensor, words: Tensor, embeddings: Tensor
) -> list[str]:
    """Verdicts right, Brier score, named places that hold damage, counts right."""
    read, yes = _read(assistant, lessons, maps, embeddings)
    truth = [facts_of_words(nine) for nine in words.tolist()]
    said = [facts_of_words(nine) for nine in read.tolist()]
    wrong = torch.tensor([fact.count > 0 for fact in truth])
    found = [(t, s) for t, s in zip(truth, said, strict=True) if t.count and s.count]
    return [
        f"{(says_yes(yes) == wrong).float().mean():.3f}",
        f"{(yes - wrong.float()).square().mean():.3f}",
        _share([place in t.cells for t, s in found for place in s.places]),
        _share([t.count == s.count for t, s in found]),
    ]


def _share(hits: Sequence[bool]) -> str:
    return f"{np.mean(hits) if hits else float('nan'):.3f}"


def _likeliest(logits: Tensor) -> Tensor:
    """The likeliest word of the likeliest kind, (..., words) -> (...)."""
    kind = by_kind(logits).argmax(dim=-1, keepdim=True)
    others = KINDS.to(logits.device) != kind
    return logits.masked_fill(others, -torch.inf).argmax(dim=-1)


def _read(
    assistant: AnomalyGPT, lessons: Lessons, maps: Tensor, embeddings: Tensor
) -> tuple[Tensor, Tensor]:
    """The likeliest words, (N, 9), and P(yes), (N,)."""
    words, yes = [], []
    for start in range(0, len(maps), 32):
        part = slice(start, start + 32)
        drawn = maps[part].to(assistant.device)
        words.append(_likeliest(lessons.word_logits(lessons.learner(drawn))))
        dialogue = assistant.speech.open_dialogue(embeddings[part].to(assistant.device), drawn)
        dialogue.ask(ANOMALY_QUESTION)
        yes.append(dialogue.probabilities().anomaly.float())
    return torch.cat(words).cpu(), torch.cat(yes).cpu()
