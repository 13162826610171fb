"""What the shipped model promises, asked of the model itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomalygpt import AnomalyGPT
from anomalygpt.presets import PRESETS
from anomalygpt.results.cautions import OTHER_PRODUCT

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.skipif(
    not (PRESETS["embedded"].is_dir() and EXAMPLES.is_dir()),
    reason="the embedded model or the example photos are not here",
)


@pytest.fixture(scope="module")
def embedded() -> AnomalyGPT:
    return AnomalyGPT.from_pretrained("embedded", device="cpu")


def test_another_product_is_told_and_the_same_never(embedded: AnomalyGPT) -> None:
    """It looks at photos as a whole, so grey plates and grey tiles stay alike for it."""
    products = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
    photos = [EXAMPLES / product / "good_2.jpg" for product in products]
    told = {}
    for product in products:
        bank = embedded.remember([EXAMPLES / product / "good_1.jpg"], rotations=1)
        for other, found in zip(products, embedded.inspect_batch(photos, bank), strict=True):
            told[product, other] = OTHER_PRODUCT in found.cautions
    assert not any(told[product, product] for product in products)
    others = [said for (product, other), said in told.items() if product != other]
    assert sum(others) >= 0.75 * len(others)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Is there a short circuit?", "cannot tell whether there is a short circuit"),
        ("Who won the cup?", "cannot tell that"),
        ("Write an 8D report about it.", "Report on"),
    ],
)
def test_what_no_result_tells_is_declined(embedded: AnomalyGPT, question: str, answer: str) -> None:
    assert embedded.is_narrow
    bank = embedded.remember([EXAMPLES / "plate" / "good_1.jpg"], rotations=1)
    chat = embedded.chat(EXAMPLES / "plate" / "scratched.jpg", bank)
    chat.judge()
    assert answer in chat.ask(question)
