"""The rules that turn evidence into a map: text side, reference side, and both fused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from decoder import DecoderConfig, DecoderError, ImageDecoder, MemoryBank, image_score

DELTA_KEYS = Path(__file__).parents[1] / "fixtures" / "delta_checkpoint_keys.json"
WIDTHS = (8, 12)
GRID = (4, 4)


def tokens(seed: int, batch: int = 2, patches: int = 16) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, patches, width, generator=generator) for width in WIDTHS]


def states(seed: int, *lead: int, width: int = 6) -> Tensor:
    """[normal, abnormal] text features of length 1."""
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*lead, 2, width, generator=generator), dim=-1)


def decoder(**changes: Any) -> ImageDecoder:
    torch.manual_seed(0)
    settings = {"text_width": 6, "map_size": 32, "logit_scale": 5.0}
    return ImageDecoder(DecoderConfig(WIDTHS, **{**settings, **changes}))


def references() -> MemoryBank:
    bank = MemoryBank()
    for seed in (10, 11):
        bank.add(tokens(seed, batch=1))
    return bank


class FixedBank(MemoryBank):
    """A bank whose distances, (S, B, P), and self-distances, (S,), are given."""

    def __init__(self, distances: Tensor, own: Tensor) -> None:
        super().__init__()
        self._given, self._own = distances, own

    def __len__(self) -> int:
        return 1

    def distances(self, stages: Sequence[Tensor], grid: object = None) -> Tensor:
        return self._given

    def self_distances(self, grid: object = None) -> Tensor:
        return self._own


def map_of(distances: Tensor, own: Tensor, **changes: Any) -> Tensor:
    """The reference map of given distances on a 4×4 grid."""
    return decoder(**changes).reference_map(
        tokens(0, distances.shape[1]), GRID, FixedBank(distances, own)
    )


def test_reference_decoder_text_matching(recorded: Callable[[str], Any]) -> None:
    """The published text matching, down to the probabilities of its first stage."""
    numbers = recorded("decoder_text_matching.safetensors")
    config = DecoderConfig(stage_widths=(48,) * 4, text_width=40, formulation="published")
    model = ImageDecoder(config)
    model.load_state_dict(numbers.state())
    stages = [
        stage[1:].transpose(0, 1) for stage in numbers.stages("input.stage{}_tokens_with_cls_lbc")
    ]
    text = numbers["input.text_features"]
    found = model.anomaly_map(stages, (16, 16), text_features=text)
    expected = numbers["output.anomaly_map"]
    step = found.shape[-1] // expected.shape[-1]
    torch.testing.assert_close(found[:, ::step, ::step], expected, rtol=1e-4, atol=1e-5)
    first = model.text_stage_maps(stages, (16, 16), text)[0][..., ::step, ::step]
    # These were recorded in half precision.
    torch.testing.assert_close(first, numbers["output.stage0_probs"], rtol=1e-3, atol=1e-3)


def test_reference_delta_names_and_shapes_of_the_decoder() -> None:
    """The projections have exactly the published names behind `image_decoder.`."""
    published = json.loads(DELTA_KEYS.read_text(encoding="utf-8"))["anomalygpt_delta"]
    prefix = "image_decoder."
    expected = {
        name.removeprefix(prefix): shape
        for name, shape in published.items()
        if name.startswith(prefix)
    }
    with torch.device("meta"):
        model = ImageDecoder(DecoderConfig(stage_widths=(1280,) * 4, text_width=1024))
    assert {name: list(value.shape) for name, value in model.state_dict().items()} == expected


@pytest.mark.parametrize("seed", range(3))
def test_the_normalised_map_stays_between_0_and_1(seed: int) -> None:
    model, bank = decoder(), references()
    for text in (None, states(seed)):
        found = model.anomaly_map(tokens(seed), GRID, text_features=text, memory_bank=bank)
        assert found.shape == (2, 32, 32)
        assert found.min() >= 0
        assert found.max() <= 1


def test_half_means_as_far_as_good_parts_are_among_themselves() -> None:
    """At every stage its own scale; 0.8 is twice as far, 0 is identical."""
    own = torch.tensor([0.25, 0.5])
    for times, value in ((0.0, 0.0), (1.0, 0.5), (2.0, 0.8)):
        distances = (times * own)[:, None, None].expand(2, 3, 16)
        found = map_of(distances, own)
        torch.testing.assert_close(found, torch.full((3, 32, 32), value))
    uneven = torch.tensor([3.0, 1.0]) * own
    found = map_of(uneven[:, None, None].expand(2, 3, 16), own)
    torch.testing.assert_close(found, torch.full((3, 32, 32), 0.8))
    exact = map_of(own[:, None, None].expand(2, 3, 16), own)
    assert (exact == 0.5).all()


@pytest.mark.parametrize("formulation", ["normalised", "published"])
def test_the_map_grows_with_the_distance(formulation: Any) -> None:
    """Ever larger distances at one stage give an ever higher map."""
    own = torch.tensor([0.2, 0.3])
    maps = []
    for distance in torch.linspace(0, 2, 21):
        distances = torch.full((2, 1, 16), 0.1)
        distances[1] = distance
        maps.append(map_of(distances, own, formulation=formulation).mean())
    assert (torch.stack(maps).diff() > 0).all()


def test_published_is_one_minus_the_mean_cosine() -> None:
    """No normalisation: the corners of the map are the corner patches themselves."""
    model, bank, query = decoder(formulation="published"), references(), tokens(0)
    found = model.reference_map(query, GRID, bank)
    cosines = []
    for stage in range(len(WIDTHS)):
        bank_patches = torch.cat([tokens(seed, batch=1)[stage][0] for seed in (10, 11)])
        pairs = F.cosine_similarity(query[stage][:, :, None], bank_patches[None, None], dim=-1)
        cosines.append(pairs.amax(dim=-1))
    expected = (1 - torch.stack(cosines).mean(dim=0)).view(-1, *GRID)
    torch.testing.assert_close(found[:, ::31, ::31], expected[:, ::3, ::3])


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_words_and_references_are_fused_by_their_weight(weight: float) -> None:
    model, bank, query, text = decoder(text_weight=weight), references(), tokens(0), states(1)
    fused = model.anomaly_map(query, GRID, text_features=text, memory_bank=bank)
    words, seen = model.text_map(query, GRID, text), model.reference_map(query, GRID, bank)
    torch.testing.assert_close(fused, (1 - weight) * seen + weight * words)


def test_published_bypasses_the_words_when_there_are_references() -> None:
    model, bank, query, text = decoder(formulation="published"), references(), tokens(0), states(1)
    both = model.anomaly_map(query, GRID, text_features=text, memory_bank=bank)
    assert torch.equal(both, model.reference_map(query, GRID, bank))
    words = model.anomaly_map(query, GRID, text_features=text)
    assert torch.equal(words, model.text_map(query, GRID, text))


def test_an_empty_bank_leaves_the_words_alone() -> None:
    model, query, text = decoder(), tokens(0), states(1)
    found = model.anomaly_map(query, GRID, text_features=text, memory_bank=MemoryBank())
    assert torch.equal(found, model.text_map(query, GRID, text))


@pytest.mark.parametrize("bank", [None, MemoryBank()])
@pytest.mark.parametrize("width", [None, 6])
def test_without_any_evidence_there_is_no_map(bank: MemoryBank | None, width: int | None) -> None:
    model = decoder(text_width=width)
    with pytest.raises(DecoderError, match="at least one photo of a good part"):
        model.anomaly_map(tokens(0), GRID, memory_bank=bank)


def test_a_decoder_without_a_text_side_uses_references_only() -> None:
    model, bank, query = decoder(text_width=None), references(), tokens(0)
    assert not model.has_text_side
    assert not list(model.parameters())
    found = model.anomaly_map(query, GRID, text_features=states(1), memory_bank=bank)
    assert torch.equal(found, model.reference_map(query, GRID, bank))


def test_the_text_side_reads_a_sentence_pair_for_each_photo() -> None:
    """Features (2, C) count for the whole batch, (B, 2, C) for each photo its own."""
    model, query, text = decoder(), tokens(0), states(1, 2)
    found = model.text_map(query, GRID, text)
    for photo in range(2):
        alone = model.text_map([s[photo : photo + 1] for s in query], GRID, text[photo])
        torch.testing.assert_close(found[photo : photo + 1], alone)


def test_stage_maps_are_probabilities_and_their_mean_is_the_map() -> None:
    model, query, text = decoder(), tokens(0), states(1)
    maps = model.text_stage_maps(query, GRID, text)
    assert len(maps) == len(WIDTHS)
    for stage in maps:
        torch.testing.assert_close(stage.sum(dim=1), torch.ones(2, 32, 32))
    mean = torch.stack([stage[:, 1] for stage in maps]).mean(dim=0)
    torch.testing.assert_close(model.text_map(query, GRID, text), mean)


def test_swapped_states_turn_the_map_round() -> None:
    model, query, text = decoder(), tokens(0), states(1)
    swapped = model.text_map(query, GRID, text.flip(0))
    torch.testing.assert_close(swapped, 1 - model.text_map(query, GRID, text))


def test_half_precision_tokens_are_read_by_a_single_precision_decoder() -> None:
    model, text = decoder(), states(1)
    found = model.text_map([stage.half() for stage in tokens(0)], GRID, text.half())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, model.text_map(tokens(0), GRID, text), rtol=0, atol=2e-2)


@pytest.mark.parametrize(("grid", "size"), [((16, 16), 224), ((5, 7), 105), ((4, 4), 10)])
def test_a_patch_shows_up_where_it_lies(grid: tuple[int, int], size: int) -> None:
    """The peak of the map is inside the pixels of the odd patch, for every patch, borders too."""
    rows, columns = grid
    count = rows * columns
    distances = torch.eye(count).expand(2, count, count)
    model = decoder(map_size=size)
    found = model.reference_map(tokens(0, count, count), grid, FixedBank(distances, torch.ones(2)))
    peak = found.flatten(1).argmax(dim=1)
    y, x = peak // size, peak % size
    row, column = torch.arange(count) // columns, torch.arange(count) % columns
    # Pixel i covers [i, i + 1); the patch covers its share of the side.
    for pixel, cell, cells in ((y, row, rows), (x, column, columns)):
        assert ((pixel + 1) * cells > cell * size).all()
        assert (pixel * cells < (cell + 1) * size).all()


def test_learned_states_need_no_text_and_learn() -> None:
    """Gradients reach the projections of all stages and both states."""
    model = decoder(learned_states=True)
    found = model.anomaly_map(tokens(0), GRID)
    found.square().mean().backward()
    assert model.states.grad is not None
    assert (model.states.grad.norm(dim=1) > 0).all()
    for projection in model.fc:
        assert projection.weight.grad is not None
        assert projection.weight.grad.norm() > 0


def test_learned_states_are_fused_with_references_as_words_are() -> None:
    model, bank, query = decoder(learned_states=True), references(), tokens(0)
    words, seen = model.text_map(query, GRID), model.reference_map(query, GRID, bank)
    found = model.anomaly_map(query, GRID, memory_bank=bank)
    torch.testing.assert_close(found, (words + seen) / 2)


def test_text_side_without_features_says_so() -> None:
    with pytest.raises(DecoderError, match="text features are needed"):
        decoder().text_map(tokens(0), GRID)


@pytest.mark.parametrize("side", ["text", "reference"])
def test_stages_and_grid_must_fit_the_decoder(side: str) -> None:
    model, bank, text = decoder(), references(), states(1)

    def draw(stages: list[Tensor], grid: tuple[int, int]) -> Tensor:
        if side == "text":
            return model.text_map(stages, grid, text)
        return model.reference_map(stages, grid, bank)

    with pytest.raises(DecoderError, match=r"widths \(8,\)"):
        draw(tokens(0)[:1], GRID)
    with pytest.raises(DecoderError, match="3×5 needs 15 patches"):
        draw(tokens(0), (3, 5))


def test_image_score_is_the_mean_of_the_worst_hundredth() -> None:
    constant = torch.full((2, 20, 20), 0.25)
    torch.testing.assert_close(image_score(constant), torch.tensor([0.25, 0.25]))
    spots = torch.zeros(2, 20, 20)
    spots[0, 0, :4] = spots[1, 19, 19] = 1.0
    torch.testing.assert_close(image_score(spots), torch.tensor([1.0, 0.25]))
    assert image_score(torch.tensor([[[0.1, 0.9]]])).item() == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stage_widths": ()}, "stage_widths"),
        ({"stage_widths": (8, 0)}, "stage_widths"),
        ({"learned_states": True, "text_width": None}, "learned_states needs text_width"),
        ({"formulation": "other"}, "formulation"),
        ({"text_weight": 1.5}, "text_weight"),
        ({"map_size": 0}, "map_size"),
    ],
)
def test_impossible_configurations_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DecoderConfig(**{"stage_widths": WIDTHS, **changes})


def test_patches_at_the_edge_do_not_count_double() -> None:
    """An odd patch scores at most what it would score in the middle; one cell is still scored."""
    decoder = ImageDecoder(DecoderConfig(stage_widths=(2,), map_size=40))

    def score(row: int, column: int) -> float:
        cells = torch.zeros(1, 1, 4, 4)
        cells[0, 0, row, column] = 1.0
        drawn = torch.nn.functional.interpolate(cells, size=(40, 40), mode="bilinear")[:, 0]
        return float(decoder.score(drawn, (4, 4)))

    for row, column in ((0, 0), (0, 2), (3, 1), (3, 3)):
        assert score(row, column) <= score(2, 2)
    assert float(decoder.score(torch.full((1, 40, 40), 0.5), (1, 1))) == 0.5


def distances_of(map_: Tensor) -> Tensor:
    """The distance r of r² / (1 + r²)."""
    return (map_ / (1 - map_)).sqrt()


def test_what_differs_everywhere_is_taken_off() -> None:
    """Light that lifts all distances alike changes little; a spot keeps its height above them."""
    ground = torch.full((1, 1, 16), 0.4)
    ground[..., 5] = 0.4 + 0.9
    bank = FixedBank(ground, torch.ones(1))
    plain, free = (decoder(map_size=4, level_share=share) for share in (0.0, 0.5))
    high, low = (
        distances_of(each.reference_map(tokens(0, batch=1), GRID, bank)).flatten()
        for each in (plain, free)
    )
    torch.testing.assert_close(high - low, torch.full((16,), 0.2), rtol=1e-4, atol=1e-4)


def test_a_wrong_part_is_not_taken_for_light() -> None:
    far = FixedBank(torch.full((1, 1, 16), 3.0), torch.ones(1))
    found = decoder(map_size=4, level_share=0.5).reference_map(tokens(0, batch=1), GRID, far)
    assert distances_of(found).min() == pytest.approx(2.5, rel=1e-3)


def test_nothing_lies_below_identical() -> None:
    distances = torch.rand(1, 3, 16, generator=torch.Generator().manual_seed(0))
    bank = FixedBank(distances, torch.ones(1))
    found = decoder(map_size=4, level_share=1.0).reference_map(tokens(0, batch=3), GRID, bank)
    assert (found == 0).any()
    assert found.min() == 0


def test_a_lone_reference_is_trusted_less() -> None:
    """Also where it is left alone while others are measured: then the scale is that of all."""
    lone, both = MemoryBank(), MemoryBank()
    for bank, seeds in ((lone, (10,)), (both, (10, 11))):
        for seed in seeds:
            bank.add(tokens(seed, batch=1), name=str(seed), varied=tokens(seed + 50, batch=2))
    usual, careful = (decoder(map_size=4, lone_factor=factor) for factor in (1.0, 1.25))
    query = tokens(0)
    for bank, factor in ((lone, 1.25), (both, 1.0), (both.without("11"), 1.0)):
        before, after = (
            distances_of(each.reference_map(query, GRID, bank)) for each in (usual, careful)
        )
        torch.testing.assert_close(before / after, torch.full_like(before, factor))


@pytest.mark.parametrize("settings", [{}, {"level_share": 0.2}, {"lone_factor": 1.3}])
def test_each_reference_left_out_has_the_usual_score_on_average(settings: dict[str, float]) -> None:
    parts = {str(seed): tokens(seed, batch=1) for seed in (10, 11, 12)}
    bank = MemoryBank()
    for name, part in parts.items():
        bank.add(part, name=name)
    drawing = decoder(map_size=4, usual_score=0.8, **settings)
    scores = [
        distances_of(drawing.reference_map(part, GRID, bank.without(name))).max()
        for name, part in parts.items()
    ]
    assert torch.stack(scores).log().mean().exp() == pytest.approx(0.8, rel=1e-3)


def test_parts_that_lie_alike_are_scaled_by_place_too() -> None:
    part = tokens(10, batch=1)
    bank = MemoryBank(fixed_pose=True)
    for seed in (11, 12, 13):
        bank.add([p + 0.3 * n for p, n in zip(part, tokens(seed, batch=1), strict=True)])
    found = [
        decoder(usual_score=score, by_place=True, map_size=4).reference_map(part, GRID, bank)
        for score in (0.4, 0.8)
    ]
    torch.testing.assert_close(2 * distances_of(found[0]), distances_of(found[1]))


def test_two_references_say_too_little_to_be_scaled_by() -> None:
    query = tokens(0)
    scaled, plain = (decoder(usual_score=score) for score in (0.1, None))
    torch.testing.assert_close(
        scaled.reference_map(query, GRID, references()),
        plain.reference_map(query, GRID, references()),
    )


def test_references_that_are_copies_of_each_other_leave_the_map_finite() -> None:
    bank = MemoryBank()
    for _ in range(3):
        bank.add(tokens(10, batch=1))
    found = decoder(usual_score=0.8).reference_map(tokens(0), GRID, bank)
    assert torch.isfinite(found).all()


@pytest.mark.parametrize(
    "bad",
    [
        {"lone_factor": 0.0},
        {"level_share": -0.1},
        {"level_share": 1.5},
        {"usual_score": -1.0},
    ],
)
def test_factors_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        DecoderConfig(WIDTHS, **bad)  # type: ignore[arg-type]
