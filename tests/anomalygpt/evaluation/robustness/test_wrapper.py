"""The network that attacks see is the verdict that users get, with true gradients."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anomalygpt import AnomalyGPT, MissingPartError
from anomalygpt.evaluation.robustness.wrapper import (
    VerdictNetwork,
    as_photo,
    frozen,
    in_8_bits,
    photo_mask,
    photo_pixels,
)
from anomalygpt.images.preprocessing import ImageGeometry
from decoder import MemoryBank


@pytest.fixture(scope="module")
def photos(parts: Path) -> list[Image.Image]:
    return [Image.open(parts / name).convert("RGB") for name in ("other.png", "stained.png")]


def test_the_probability_is_that_of_an_inspection(
    assistant: AnomalyGPT, bank: MemoryBank, photos: list[Image.Image]
) -> None:
    evidence = assistant.examine(assistant.encode(photos), bank)
    judged = assistant.judge(evidence)
    pixels, _ = photo_pixels(assistant, photos)
    logits, maps, scores = VerdictNetwork(assistant, bank).look(pixels)
    said = logits.softmax(dim=1)[:, 1]
    assert said.tolist() == pytest.approx([each.anomaly_probability for each in judged], abs=1e-4)
    assert torch.allclose(maps, evidence.maps, atol=1e-4)
    assert torch.allclose(scores, evidence.scores, atol=1e-4)
    assert float(said[0]) != pytest.approx(float(said[1]), abs=1e-3)


def test_without_any_reference_it_is_the_text_side(
    assistant: AnomalyGPT, photos: list[Image.Image]
) -> None:
    judged = assistant.judge(assistant.examine(assistant.encode(photos)))
    pixels, _ = photo_pixels(assistant, photos)
    said = VerdictNetwork(assistant, MemoryBank()).look(pixels)[0].softmax(dim=1)[:, 1]
    assert said.tolist() == pytest.approx([each.anomaly_probability for each in judged], abs=1e-4)


@pytest.mark.parametrize("fixed_pose", [False, True])
@pytest.mark.parametrize("threshold", [None, 0.4])
def test_the_gradient_is_the_slope(
    assistant: AnomalyGPT,
    parts: Path,
    photos: list[Image.Image],
    threshold: float | None,
    fixed_pose: bool,
) -> None:
    bank = assistant.remember([parts / "good.png"], fixed_pose=fixed_pose)
    network = VerdictNetwork(assistant, bank, threshold=threshold)
    pixels, _ = photo_pixels(assistant, photos[:1])

    def ahead(shown: torch.Tensor) -> torch.Tensor:
        no, yes = network(shown)[0]
        return yes - no

    with frozen(network):
        shown = pixels.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(ahead(shown), shown)
        direction = gradient / gradient.norm()
        step = 2e-3
        with torch.no_grad():
            up, down = ahead(pixels + step * direction), ahead(pixels - step * direction)
    assert float(gradient.norm()) > 0
    assert float((up - down) / (2 * step)) == pytest.approx(float(gradient.norm()), rel=0.1)


def test_a_saturated_verdict_still_has_a_gradient(
    assistant: AnomalyGPT, bank: MemoryBank, photos: list[Image.Image]
) -> None:
    """A probability of exactly 1 has none, which would pass for robustness."""
    network = VerdictNetwork(assistant, bank)
    pixels, _ = photo_pixels(assistant, photos[:1])
    speech = assistant.speech
    embedding = network.embedding(pixels).detach().clone().requires_grad_()
    maps = torch.rand(1, 8, 8)
    odds = speech.log_odds(embedding, maps, "?")
    far = 100 + odds - odds.detach()
    assert far.detach().sigmoid().item() == 1.0
    (gradient,) = torch.autograd.grad(far.sum(), embedding)
    assert float(gradient.abs().max()) > 0


def test_weights_ask_for_gradients_again_afterwards(
    assistant: AnomalyGPT, bank: MemoryBank
) -> None:
    network = VerdictNetwork(assistant, bank)
    before = [each.requires_grad for each in network.parameters()]
    with frozen(network):
        assert not any(each.requires_grad for each in network.parameters())
    assert [each.requires_grad for each in network.parameters()] == before
    assert any(before)


def test_a_mute_assistant_needs_a_threshold(encoder_alone: AnomalyGPT, parts: Path) -> None:
    bank = encoder_alone.remember([parts / "good.png"])
    with pytest.raises(MissingPartError, match="no language model"):
        VerdictNetwork(encoder_alone, bank)
    network = VerdictNetwork(encoder_alone, bank, threshold=0.5)
    pixels, _ = photo_pixels(encoder_alone, [Image.open(parts / "stained.png").convert("RGB")])
    logits, _, scores = network.look(pixels)
    assert logits[0].tolist() == pytest.approx([0.5, float(scores[0])])
    assert not network.has_probabilities


def test_pixels_are_those_of_a_file(assistant: AnomalyGPT, photos: list[Image.Image]) -> None:
    pixels, geometries = photo_pixels(assistant, photos)
    assert torch.equal(in_8_bits(pixels), pixels)
    size = assistant.config.encoder.input_size
    back = np.asarray(as_photo(pixels[0], geometries[0]))
    again, _ = photo_pixels(assistant, [Image.fromarray(back)])
    assert back.shape == (size, size, 3)
    assert torch.equal(again[0], pixels[0])


def test_what_fills_the_square_up_is_no_photo() -> None:
    where = ImageGeometry.fit((10, 20), 16, "pad")
    mask = photo_mask([where])
    assert mask.shape == (1, 1, 16, 16)
    assert int(mask.sum()) == 8 * 16
    assert as_photo(torch.zeros(3, 16, 16), where).size == (16, 8)
