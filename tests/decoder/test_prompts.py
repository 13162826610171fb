"""The sentences about good and damaged parts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from decoder import DEFAULT_CATEGORY, ensemble_features, state_sentences

NORMAL = {
    "a photo of a bottle.",
    "a photo of the bottle.",
    "a photo of a flawless bottle.",
    "a photo of the unblemished bottle.",
    "a photo of a bottle without damage.",
}
ABNORMAL = {
    "a photo of a damaged bottle.",
    "a photo of the broken bottle.",
    "a photo of a bottle with flaw.",
    "a photo of the bottle with damage.",
}


def test_the_published_number_of_sentences() -> None:
    """7 normal and 5 abnormal states, each in two templates, no sentence twice."""
    normal, abnormal = state_sentences("bottle")
    assert (len(normal), len(abnormal)) == (14, 10)
    assert len({*normal, *abnormal}) == 24
    assert set(normal) >= NORMAL
    assert set(abnormal) >= ABNORMAL


@pytest.mark.parametrize(
    ("category", "name"),
    [
        ("metal_nut", "metal nut"),
        ("  cable ", "cable"),
        ("", DEFAULT_CATEGORY),
        ("_", DEFAULT_CATEGORY),
        ("Zahnrad №5", "Zahnrad №5"),
    ],
)
def test_names_are_written_as_words(category: str, name: str) -> None:
    normal, abnormal = state_sentences(category)
    assert f"a photo of a flawless {name}." in normal
    assert f"a photo of the {name} with defect." in abnormal


@pytest.mark.parametrize("category", ["{}", "part {0}", "{name!r}", "}{", "%s"])
def test_braces_in_a_name_are_harmless(category: str) -> None:
    normal, abnormal = state_sentences(category)
    assert all(category in sentence for sentence in normal + abnormal)
    assert f"a photo of a damaged {category}." in abnormal


def test_ensemble_is_the_mean_of_all_sentences_at_length_1() -> None:
    """Averaged as the tower scales it, and normalised only then."""
    seen: list[Sequence[str]] = []

    def encode(sentences: Sequence[str]) -> Tensor:
        seen.append(sentences)
        generator = torch.Generator().manual_seed(len(sentences))
        return 7 * torch.rand(len(sentences), 5, generator=generator).half()

    found = ensemble_features(encode, "bottle")
    assert [list(sentences) for sentences in seen] == list(state_sentences("bottle"))
    assert found.shape == (2, 5)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(2))
    mean = encode(state_sentences("bottle")[1]).float().mean(dim=0)
    torch.testing.assert_close(found[1], mean / mean.norm())
