"""Losses against direct computations, and what their gradients reach."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from PIL import Image

from anomalygpt.errors import ConfigError
from anomalygpt.references.banks import FileBanks
from anomalygpt.training.batches import Batch
from anomalygpt.training.objective import (
    IGNORED,
    Objective,
    count_targets,
    frozen_features,
    text_stage_maps,
    tokenize,
    training_maps,
)
from anomalygpt.training.rows import InspectionRows, model_pixels
from anomalygpt.training.start import trainable_parameters, training_data
from decoder import MemoryBank, dice_loss, focal_loss

ROWS = 5
SHORT = [("Where?", "There.")]
LONG = [("Is there any anomaly in the image?", "Yes, at the top left."), ("Where is it?", "Here.")]


@pytest.fixture(scope="module")
def trained(build_assistant):
    """A tiny assistant with the gradients of a run; weights stay as they are."""
    assistant = build_assistant()
    trainable_parameters(assistant)
    return assistant


@pytest.fixture
def rows(trained, training_arguments):
    arguments = training_arguments(dialogues="rich")
    data = training_data(arguments)
    map_size = trained.decoder.config.map_size
    return InspectionRows(
        arguments, trained.config.encoder, map_size, data.samples, data.normal_photos
    )


@pytest.fixture
def batch(rows) -> Batch:
    """Rows with dialogues of different lengths."""
    return Batch.of([rows.row(number, with_references=True) for number in range(ROWS)])


def row_of(batch: Batch, row: int) -> Batch:
    return list(batch.split(1))[row]


def sums_of(assistant, batch, side, limit=512, rotations=None):
    banks = None
    if side == "references":
        cached = FileBanks(assistant.library.in_memory(100), rotations=rotations)
        formulation = assistant.config.decoder.formulation
        banks = [cached.bank(references, formulation) for references in batch.references]
    return Objective(assistant)(batch, tokenize(assistant, batch.turns, limit), banks)


def made_for(assistant, formulation) -> None:
    """Let it be one whose maps are drawn so by default."""
    decoder = dataclasses.replace(assistant.config.decoder, formulation=formulation)
    assistant.config = dataclasses.replace(assistant.config, decoder=decoder)
    assistant.decoder.config = decoder


def gradients(assistant) -> dict[str, torch.Tensor | None]:
    parts = dict(assistant.named_parameters())
    if assistant.language_model is not None:
        words = assistant.language_model.model.named_parameters()
        parts |= {f"language_model.{name}": weight for name, weight in words}
    found = {name: weight.grad for name, weight in parts.items()}
    for weight in parts.values():
        weight.grad = None
    return found


@pytest.mark.parametrize("learner", [True, False])
def test_the_cross_entropy_is_that_of_transformers(trained, batch, learner, monkeypatch):
    if not learner:
        monkeypatch.setitem(trained._modules, "prompt_learner", None)
    language_model = trained.language_model
    expected = 0.0
    with torch.no_grad():
        for row in range(ROWS):
            one = row_of(batch, row)
            features = frozen_features(trained, one.pixels)
            maps = trained.decoder.text_map(features.stages, features.grid)
            image = trained.projection(features.embedding).unsqueeze(1)
            prompts = trained.prompt_learner(maps) if learner else None
            parts = [language_model.prompt_embeddings(image, prompts)]
            labels = [IGNORED] * parts[0].shape[1]
            template = language_model.template
            for text, is_answer in template.training_segments(list(one.turns[0])):
                ids = language_model.encode(text)
                parts.append(language_model.embed([ids]))
                labels += ids if is_answer else [IGNORED] * len(ids)
            output = language_model.model(
                inputs_embeds=torch.cat(parts, dim=1), labels=torch.tensor([labels])
            )
            count = sum(label != IGNORED for label in labels)
            expected += float(output.loss) * count
            assert count == count_targets(tokenize(trained, one.turns, 512))
        assert float(sums_of(trained, batch, "text").ce) == pytest.approx(expected, rel=1e-4)


def test_pixel_losses_are_those_of_the_decoder_row_by_row(trained, batch):
    focal = dice = 0.0
    with torch.no_grad():
        for row in range(ROWS):
            one = row_of(batch, row)
            features = frozen_features(trained, one.pixels)
            for maps in trained.decoder.text_stage_maps(features.stages, features.grid):
                focal += float(focal_loss(maps, one.masks))
                dice += float(dice_loss(maps[:, 1], one.masks))
        for side in ("text", "references"):
            found = sums_of(trained, batch, side)
            assert float(found.focal) == pytest.approx(focal, rel=1e-4)
            assert float(found.dice) == pytest.approx(dice, rel=1e-4)


def test_everyday_pictures_have_no_pixel_losses(trained, batch):
    everyday = dataclasses.replace(batch, masks=None, references=[()] * ROWS)
    with torch.no_grad():
        found = sums_of(trained, everyday, "text")
        whole = sums_of(trained, batch, "text")
    assert (float(found.focal), float(found.dice)) == (0.0, 0.0)
    assert float(found.ce) == pytest.approx(float(whole.ce), rel=1e-5)


@pytest.mark.parametrize("side", ["text", "references"])
def test_parts_add_up_to_the_whole_and_so_do_gradients(trained, batch, side):
    results = []
    for size in (ROWS, 2, 1):
        sums = torch.zeros(3)
        for part in batch.split(size):
            # Turned copies bring distances so near to each other that rounding shows.
            found = sums_of(trained, part, side, rotations=1)
            (found.ce / 50 + found.focal + found.dice).backward()
            sums += found.detached()
        results.append((sums, gradients(trained)))
    (whole, expected), *others = results
    for sums, grads in others:
        torch.testing.assert_close(sums, whole, rtol=1e-4, atol=1e-4)
        for name, gradient in expected.items():
            if gradient is None:
                assert grads[name] is None
            else:
                scale = float(gradient.abs().max()) + 1e-6
                # Single precision through a deep random model; a row too few is far off.
                torch.testing.assert_close(grads[name], gradient, rtol=0, atol=0.01 * scale)


def test_a_longer_neighbour_changes_nothing(trained, batch):
    first, second = row_of(batch, 0), row_of(batch, 1)

    def ce(*turns) -> float:
        pixels = torch.cat([first.pixels, second.pixels])[: len(turns)]
        rows = Batch(pixels, None, turns, [()] * len(turns))
        with torch.no_grad():
            return float(sums_of(trained, rows, "text").ce)

    alone = ce(SHORT)
    assert ce(SHORT, SHORT) - alone == pytest.approx(
        ce(LONG, SHORT) - ce(LONG), rel=1e-3
    )  # what the second row costs
    assert ce(SHORT, LONG) - ce(LONG, LONG) == pytest.approx(alone - ce(LONG), rel=1e-3)


@pytest.mark.parametrize("side", ["text", "references"])
def test_gradients_reach_decoder_and_prompt_learner_alone(trained, batch, side):
    found = sums_of(trained, batch, side)
    (found.ce + found.focal + found.dice).backward()
    grads = gradients(trained)
    reached = {name for name, gradient in grads.items() if gradient is not None}
    expected = {name for name in grads if name.startswith(("decoder.", "prompt_learner."))}
    assert reached == expected
    assert all(torch.isfinite(grads[name]).all() for name in reached)
    # A bias before a ReLU or under a length-1 scaling may be still; no whole weight is.
    weights = [name for name in reached if grads[name].dim() > 1]
    assert all(grads[name].abs().sum() > 0 for name in weights)


@pytest.mark.parametrize(
    ("side", "formulation", "reaches_decoder"),
    [
        ("text", "normalised", True),
        ("references", "normalised", True),
        ("text", "published", True),
        ("references", "published", False),
    ],
)
def test_the_words_teach_the_prompt_learner_on_both_sides(
    build_assistant, batch, side, formulation, reaches_decoder
):
    assistant = build_assistant()
    trainable_parameters(assistant)
    made_for(assistant, formulation)
    sums_of(assistant, batch, side).ce.backward()
    grads = gradients(assistant)
    assert grads["prompt_learner.base_prompts"].abs().sum() > 0
    assert grads["prompt_learner.meta_net.0.weight"].abs().sum() > 0
    reached = grads["decoder.fc.0.weight"] is not None
    assert reached == reaches_decoder
    assert not reached or grads["decoder.fc.0.weight"].abs().sum() > 0


@pytest.mark.parametrize("formulation", ["normalised", "published"])
@pytest.mark.parametrize("shots", [0, 1, 2])
def test_the_map_in_training_is_the_map_of_an_inspection(
    build_assistant, training_arguments, discs, formulation, shots
):
    assistant = build_assistant()
    made_for(assistant, formulation)
    # Not one half, or the two sides could change places.
    assistant.decoder.config = dataclasses.replace(assistant.decoder.config, text_weight=0.3)
    arguments = training_arguments(normal_variation=False, shots=(max(1, shots),))
    data = training_data(arguments)
    read = []
    assistant.prompt_learner.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    for sample in data.samples[:2]:
        rows = InspectionRows(
            arguments, assistant.config.encoder, 224, [sample], data.normal_photos
        )
        batch = Batch.of([rows.row(0, with_references=shots > 0)])
        assert len(batch.references[0]) == shots
        expected = assistant.examine(assistant.encode(sample.image), list(batch.references[0]))
        with torch.no_grad():
            sums_of(assistant, batch, "references" if shots else "text")
        torch.testing.assert_close(read[-1], expected.maps.clone(), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(read[0], read[1], atol=1e-3)


def test_distances_beyond_the_map_s_range_are_cut_as_in_an_inspection(
    build_assistant, batch, monkeypatch
):
    assistant = build_assistant()
    made_for(assistant, "published")
    distances = assistant.decoder.reference_map

    def spread(*inputs):
        found = distances(*inputs)
        return 0.5 + (found - found.mean()) / found.std()

    monkeypatch.setattr(assistant.decoder, "reference_map", spread)
    one = row_of(batch, 0)
    bank = assistant.remember(list(one.references[0]))
    features = frozen_features(assistant, one.pixels)
    found = training_maps(assistant, features, text_stage_maps(assistant, features), [bank])
    with torch.no_grad():
        raw = assistant.decoder.reference_map(features.stages, features.grid, bank)
    assert raw.max() > 1
    assert raw.min() < 0
    torch.testing.assert_close(found, raw.clamp(0, 1))


def test_later_turns_that_do_not_fit_are_left_out_whole(trained):
    language_model = trained.language_model
    turns = [*LONG, *SHORT]
    prompts = trained.prompt_learner.prompt_count
    ends = []
    for count in range(1, 4):
        ((ids, targets),) = tokenize(trained, [turns[:count]], 512)
        assert len(ids) == len(targets)
        ends.append(len(ids))
        segments = language_model.template.training_segments(turns[:count])
        answers = [text for text, is_answer in segments if is_answer]
        said = [token for token in targets if token != IGNORED]
        assert said == [token for text in answers for token in language_model.encode(text)]
        assert all(t in (token, IGNORED) for token, t in zip(ids, targets, strict=True))
    ((whole, whole_targets),) = tokenize(trained, [turns], 512)
    taken = language_model.prompt_length(prompts)
    for limit in range(taken + 1, taken + ends[-1] + 2):
        ((ids, targets),) = tokenize(trained, [turns], limit)
        room = limit - taken
        fitting = [end for end in ends if end <= room]
        # The first turn is cut where it does not fit.
        assert len(ids) == (max(fitting) if fitting else room)
        assert (ids, targets) == (whole[: len(ids)], whole_targets[: len(ids)])


def test_the_model_s_own_context_is_a_limit_too(trained):
    ((ids, _),) = tokenize(trained, [SHORT * 200], 10**6)
    taken = trained.language_model.prompt_length(trained.prompt_learner.prompt_count)
    assert 400 < len(ids) + taken <= trained.language_model.context_length


@pytest.mark.parametrize("limit", [1, 10, 20])
def test_no_room_for_words_is_an_error(trained, limit):
    with pytest.raises(ConfigError, match="--max-tokens"):
        tokenize(trained, [SHORT], limit)


def test_a_batch_cut_to_questions_has_no_loss(trained, batch):
    taken = trained.language_model.prompt_length(trained.prompt_learner.prompt_count)
    dialogues = tokenize(trained, batch.turns, taken + 3)
    assert count_targets(dialogues) == 0
    with torch.no_grad():
        found = Objective(trained)(batch, dialogues, None)
    assert float(found.ce) == 0.0
    assert math.isfinite(float(found.focal))


def test_without_a_language_model_the_pixels_remain(build_assistant, trained, batch):
    mute = build_assistant(words=False)
    mute.decoder.load_state_dict(trained.decoder.state_dict())
    trainable_parameters(mute)
    dialogues = tokenize(mute, batch.turns, 100)
    assert count_targets(dialogues) == 0
    found, whole = Objective(mute)(batch, dialogues, None), sums_of(trained, batch, "text")
    torch.testing.assert_close(found.detached()[1:], whole.detached()[1:])
    assert float(found.ce) == 0.0
    (found.focal + found.dice).backward()
    assert mute.decoder.fc[0].weight.grad.abs().sum() > 0


def test_a_decoder_without_text_side_needs_references(build_assistant, batch):
    assistant = build_assistant()
    assistant.decoder.fc = torch.nn.ModuleList()
    features = frozen_features(assistant, batch.pixels)
    assert text_stage_maps(assistant, features) == []
    with pytest.raises(ConfigError, match="reference_share"):
        training_maps(assistant, features, [], None)
    found = sums_of(assistant, batch, "references")
    assert (float(found.focal), float(found.dice)) == (0.0, 0.0)
    assert float(found.ce.detach()) > 0


def test_a_row_without_references_reads_the_text_side_beside_rows_that_have_some(trained, batch):
    features = frozen_features(trained, batch.pixels)
    stage_maps = text_stage_maps(trained, features)
    bank = trained.remember(list(batch.references[0]))
    banks = [MemoryBank() if row % 2 else bank for row in range(len(batch))]
    with torch.no_grad():
        mixed = training_maps(trained, features, stage_maps, banks)
        text = training_maps(trained, features, stage_maps, None)
        reference = training_maps(trained, features, stage_maps, [bank] * len(batch))
    for row in range(len(batch)):
        expected, other = (text, reference) if row % 2 else (reference, text)
        torch.testing.assert_close(mixed[row], expected[row], rtol=0, atol=0)
        assert not torch.equal(mixed[row], other[row])


@pytest.mark.parametrize("detail", ["whole", "auto"])
def test_a_large_photo_has_the_map_of_an_inspection(assistant, detail):
    generator = np.random.default_rng(0)
    good, photo = (
        Image.fromarray(generator.integers(0, 255, (120, 150, 3), np.uint8)) for _ in range(2)
    )
    bank = assistant.remember([good], detail=detail)
    encoded = assistant.encode([photo])
    expected = assistant.examine(encoded, bank).maps
    features = frozen_features(assistant, model_pixels(photo, assistant.config.encoder)[None])
    found = training_maps(
        assistant, features, text_stage_maps(assistant, features), [bank], [np.asarray(photo)]
    )
    torch.testing.assert_close(found.detach(), expected, atol=1e-5, rtol=1e-4)
    if detail == "auto":
        whole = training_maps(assistant, features, text_stage_maps(assistant, features), [bank])
        assert not torch.allclose(found, whole, atol=1e-2)
