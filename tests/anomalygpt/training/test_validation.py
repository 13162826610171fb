"""Figures on held-out rows: right on small cases, and the same every time."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from anomalygpt.constants import ANOMALY_QUESTION, LOCATIONS
from anomalygpt.language.answer_words import AnswerProbabilities
from anomalygpt.language.speaking import Speech
from anomalygpt.references.banks import FileBanks
from anomalygpt.training.objective import Objective, count_targets, tokenize
from anomalygpt.training.rows import InspectionRows
from anomalygpt.training.start import training_data
from anomalygpt.training.validation import (
    Validation,
    best_threshold,
    mean_losses,
    pixel_auroc,
    place_accuracy,
)
from simulation import PLACES, find_defects
from simulation.dialogues import facts_of, inspection_dialogue
from simulation.dialogues.english.reading import places_in
from simulation.dialogues.english.wording import place_words

GENERATOR = np.random.default_rng


@pytest.fixture
def validation_of(training_arguments):
    """Makes the validation of an assistant on `discs`."""

    def make(assistant, **changes) -> Validation:
        arguments = training_arguments(**changes)
        data = training_data(arguments)
        size = assistant.decoder.config.map_size
        encoder = assistant.config.encoder
        rows = InspectionRows(arguments, encoder, size, data.held_out, data.normal_photos)
        return Validation(arguments, rows, FileBanks(assistant.library.in_memory(100)))

    return make


class Knowing:
    """Makes an assistant one that recognises the held-out photos and knows the truth about them.

    It draws the masks or their opposite, each side as it is told to. It says the truth where it
    sees a right map, and nothing but untruths where it sees another.
    """

    def __init__(self, assistant, batches, *, text, reference):
        self._right = {"text": text, "reference": reference}
        self._masks = torch.cat([batch.masks for batch in batches])
        self._places = [set(places) for batch in batches for places in batch.places]
        with torch.no_grad():
            seen = [assistant.encoder(batch.pixels) for batch in batches]
        self._stages = torch.cat([features.stages[0] for features in seen])
        self._embeddings = torch.cat([features.embedding for features in seen])

    def draws(self, decoder, monkeypatch):
        """Let the decoder draw such maps; neither side is mixed into the other's map."""

        def text_stage_maps(stages, grid, text_features=None, formulation=None):
            drawn = self._map("text", stages)
            return [torch.stack([1 - drawn, drawn], dim=1)] * len(stages)

        def reference_map(stages, grid, memory_bank, formulation=None):
            assert len(memory_bank) > 0
            return self._map("reference", stages)

        monkeypatch.setattr(decoder, "text_stage_maps", text_stage_maps)
        monkeypatch.setattr(decoder, "reference_map", reference_map)
        alone = dataclasses.replace(decoder.config, text_weight=0.0)
        monkeypatch.setattr(decoder, "config", alone)

    def open_dialogue(self, embedding, maps, prompts="map"):
        rows = nearest(embedding, self._embeddings)
        masks = self._masks[rows]
        right = ((maps > 0.5) == masks).flatten(1).all(dim=1)
        return Told(masks.flatten(1).any(dim=1), [self._places[row] for row in rows], right)

    def _map(self, side, stages):
        masks = self._masks[nearest(stages[0], self._stages)].float()
        return masks if self._right[side] else 1 - masks


class Told:
    """A dialogue about photos of which it is known what they show."""

    def __init__(self, damaged, places, right):
        self._damaged, self._places, self._right = damaged, places, right
        self._asked = False

    def ask(self, question):
        assert question == ANOMALY_QUESTION
        self._asked = True

    def probabilities(self):
        assert self._asked
        yes = torch.where(self._damaged == self._right, 0.9, 0.1)
        token = torch.zeros(len(yes), dtype=torch.long)
        return AnswerProbabilities(yes, 1 - yes, yes, token, token)

    def answers(self, options):
        assert self._asked
        return [
            f"I see it at the {', the '.join(places if right else {*PLACES} - places)}."
            for places, right in zip(self._places, self._right, strict=True)
        ]


def nearest(asked, known):
    """Which of the known photos these are, by what an encoder makes of them."""
    return torch.cdist(asked.flatten(1), known.flatten(1)).argmin(dim=1)


@pytest.mark.parametrize("levels", [3, 1000])
def test_pixel_auroc_counts_pairs(levels):
    generator = GENERATOR(levels)
    maps = torch.from_numpy(generator.integers(0, levels, (2, 5, 6)) / levels)
    masks = torch.from_numpy(generator.random((2, 5, 6)) < 0.3)
    bad, good = maps[masks][:, None], maps[~masks][None]
    pairs = (bad > good).double() + 0.5 * (bad == good).double()
    found = pixel_auroc(maps, masks)
    assert found == pytest.approx(float(pairs.mean()))
    assert found == pytest.approx(roc_auc_score(masks.flatten(), maps.flatten()))
    assert pixel_auroc(masks.float(), masks) == 1.0
    assert pixel_auroc(1 - masks.float(), masks) == 0.0


@pytest.mark.parametrize("value", [False, True])
def test_pixel_auroc_of_one_class_is_nan(value):
    assert math.isnan(pixel_auroc(torch.rand(2, 3, 3), torch.full((2, 3, 3), value)))


def test_places_that_an_answer_names():
    assert LOCATIONS == PLACES
    for place in LOCATIONS:
        assert places_in(
            f"Yes, there is an anomaly in the image, at the {place} of the image."
        ) == {place}
        for other in LOCATIONS:
            assert places_in(f"At the {place} and {other.upper()}.") == {place, other}
    assert places_in("No, there is no anomaly in the image.") == set()
    assert places_in("") == set()
    assert places_in("top, top left and bottom") == {"top", "top left", "bottom"}
    assert places_in("Stop: the topmost label is bright.") == set()


def test_places_by_all_the_names_that_are_taught():
    names = {place: place_words(place).strip("[]").split("|") for place in PLACES}
    assert len({name for each in names.values() for name in each}) > len(PLACES)
    for place, its_names in names.items():
        for name in its_names:
            assert places_in(f"At the {name} of the image.") == {place}
            for other, others in names.items():
                assert places_in(f"At the {name} and {others[-1]}.") == {place, other}


def test_rich_answers_to_the_question_of_the_validation():
    generator, checked = GENERATOR(0), 0
    for _ in range(150):
        mask = np.zeros((64, 64), bool)
        for top, left in generator.integers(0, 56, (generator.integers(0, 3), 2)):
            mask[top : top + 6, left : left + 6] = True
        facts = facts_of(find_defects(mask), mask.shape)
        question, answer = inspection_dialogue(facts, generator, category="disc")[0]
        if question == ANOMALY_QUESTION:
            checked += 1
            assert places_in(answer) == set(facts.places)
    assert checked > 10


def test_place_accuracy_is_of_damaged_rows_and_exact():
    places = [("top",), (), ("left", "right"), ("top left",)]
    exact = [set(there) for there in places]
    assert place_accuracy(exact, places) == 1.0
    # What is said about good rows does not count, and neither does the order.
    assert place_accuracy([exact[0], {"top"}, {"right", "left"}, exact[3]], places) == 1.0
    assert place_accuracy([{"top", "left"}, set(), {"left"}, exact[3]], places) == pytest.approx(
        1 / 3
    )
    assert math.isnan(place_accuracy([set(), {"top"}], [(), ()]))


@pytest.mark.parametrize("seed", range(6))
def test_no_threshold_is_better_than_the_best(seed):
    generator = GENERATOR(seed)
    scores = torch.from_numpy(generator.integers(0, 8, 12) / 8).float()
    damaged = torch.from_numpy(generator.random(12) < (0.5, 0.1, 0.9)[seed % 3])
    accuracy, threshold = best_threshold(scores, damaged)
    assert float(((scores > threshold) == damaged).float().mean()) == pytest.approx(accuracy)
    tried = [float(((scores > t) == damaged).float().mean()) for t in np.arange(-1, 2, 0.01)]
    assert accuracy == pytest.approx(max(tried))


def test_a_threshold_between_two_groups():
    accuracy, threshold = best_threshold(
        torch.tensor([0.1, 0.9, 0.2, 0.8]), torch.tensor([False, True, False, True])
    )
    assert accuracy == 1.0
    assert 0.2 < threshold < 0.8
    same = torch.full((4,), 0.5)
    assert best_threshold(same, torch.tensor([True, True, True, False]))[0] == 0.75
    assert best_threshold(same, torch.tensor([False, True, False, False]))[0] == 0.75


def test_mean_losses_are_weighted(training_arguments):
    arguments = training_arguments(ce_weight=2.0, focal_weight=0.5, dice_weight=0.0)
    found = mean_losses(arguments, torch.tensor([6.0, 8.0, 12.0]), tokens=3, rows=4)
    assert found == {"loss": 5.0, "ce": 2.0, "focal": 2.0, "dice": 3.0}
    assert mean_losses(arguments, torch.zeros(3), 0, 0)["loss"] == 0.0


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("reference", [True, False])
def test_a_perfect_assistant_and_its_opposite(
    validation_of, build_assistant, monkeypatch, text, reference
):
    """Also one that is perfect on one side alone: its answers are those of the text side."""
    assistant = build_assistant()
    validation = validation_of(assistant, validation_rows=6, micro_batch_size=3)
    assert len(validation.batches) == 2
    knowing = Knowing(assistant, validation.batches, text=text, reference=reference)
    knowing.draws(assistant.decoder, monkeypatch)
    monkeypatch.setattr(Speech, "open_dialogue", knowing.open_dialogue)
    figures = validation.run(Objective(assistant))
    for side, right in (("text", text), ("reference", reference)):
        assert figures.pop(f"{side}_pixel_auroc") == float(right)
        assert figures.pop(f"{side}_verdict_accuracy") == float(right)
    assert figures.pop("place_accuracy") == float(text)
    assert set(figures) == {"loss", "ce", "focal", "dice"}


def test_figures_are_the_same_again_and_change_nothing(validation_of, build_assistant):
    assistant = build_assistant()
    assistant.decoder.train()
    modes = {name: part.training for name, part in assistant.named_modules()}
    language_model = assistant.language_model.model
    weights = {
        **assistant.state_dict(),
        **{f"language_model.{name}": w for name, w in language_model.state_dict().items()},
    }
    before = {name: weight.clone() for name, weight in weights.items()}
    state = torch.get_rng_state()
    validation = validation_of(assistant)
    first = validation.run(Objective(assistant))
    assert validation.run(Objective(assistant)) == first
    assert validation_of(assistant).run(Objective(assistant)) == first
    assert all(torch.equal(weight, before[name]) for name, weight in weights.items())
    assert {name: part.training for name, part in assistant.named_modules()} == modes
    assert not language_model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(weight.grad is None for weight in assistant.parameters())
    with torch.no_grad():
        assistant.decoder.states.add_(1.0)
    assert validation.run(Objective(assistant))["loss"] != first["loss"]


def test_figures_do_not_depend_on_the_parts(validation_of, assistant):
    whole, parts = (
        validation_of(assistant, micro_batch_size=size).run(Objective(assistant))
        for size in (50, 1)
    )
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        assert parts[name] == pytest.approx(value, rel=1e-3), name


def test_figures_agree_with_an_inspection(validation_of, assistant):
    """Verdicts and losses are those that the assistant has outside of training."""
    validation = validation_of(assistant, validation_rows=4)
    figures = validation.run(Objective(assistant))
    (batch,) = validation.batches
    assert len(batch) == 4
    damaged = batch.masks.flatten(1).any(dim=1)
    assert damaged.tolist() == [False, True, False, True]
    with torch.no_grad():
        features = assistant.encoder(batch.pixels)
        text_maps = assistant.decoder.anomaly_map(features.stages, features.grid)
        reference_maps = torch.cat(
            [
                assistant.decoder.anomaly_map(
                    features[row : row + 1].stages,
                    features.grid,
                    memory_bank=assistant.remember(list(batch.references[row])),
                )
                for row in range(4)
            ]
        )
        dialogues = tokenize(assistant, batch.turns, 1024)
        sums = Objective(assistant)(batch, dialogues, None).detached()
    for side, maps in (("text", text_maps), ("reference", reference_maps.clamp(0, 1))):
        dialogue = assistant.speech.open_dialogue(features.embedding, maps)
        dialogue.ask("Is there any anomaly in the image?")
        said = dialogue.probabilities().anomaly > 0.5
        expected = float((said == damaged).float().mean())
        assert figures[f"{side}_verdict_accuracy"] == expected
        assert figures[f"{side}_pixel_auroc"] == pytest.approx(
            pixel_auroc(maps.clone(), batch.masks), abs=1e-4
        )
    assert figures["ce"] == pytest.approx(float(sums[0]) / count_targets(dialogues), rel=1e-4)
    assert figures["focal"] == pytest.approx(float(sums[1]) / 4, rel=1e-4)
    assert figures["dice"] == pytest.approx(float(sums[2]) / 4, rel=1e-4)


def test_without_words_a_threshold_decides(validation_of, build_assistant, monkeypatch):
    assistant = build_assistant(words=False)
    validation = validation_of(assistant, ablation="decoder-only", micro_batch_size=2)
    figures = validation.run(Objective(assistant))
    assert {"threshold", "threshold_accuracy", "text_pixel_auroc"} <= set(figures)
    assert not {"place_accuracy", "text_verdict_accuracy"} & set(figures)
    assert figures["ce"] == 0.0
    knowing = Knowing(assistant, validation.batches, text=True, reference=False)
    knowing.draws(assistant.decoder, monkeypatch)
    assert validation.run(Objective(assistant))["threshold_accuracy"] == 1.0


@pytest.mark.parametrize(("rows", "expected"), [(1, 1), (3, 3), (50, 4)])
def test_as_many_rows_as_there_are(validation_of, assistant, rows, expected):
    validation = validation_of(assistant, validation_rows=rows)
    assert sum(len(batch) for batch in validation.batches) == expected
    # A good row alone has no area under a curve, and no place.
    names = {"text_pixel_auroc", "reference_pixel_auroc", "place_accuracy"}
    if rows == 1:
        assert not names & set(validation.run(Objective(assistant)))


@pytest.mark.parametrize("resize", ["square", "pad"])
def test_expected_places_are_those_of_the_dialogue(
    training_arguments, make_discs_in, assistant, tmp_path, resize
):
    """Also where a photo does not fill the square that the map covers."""
    data = make_discs_in(tmp_path / "data", good=6, size=(60, 200))
    arguments = training_arguments(data=str(data), validation_share=0.5, validation_rows=6)
    chosen = training_data(arguments)
    encoder = dataclasses.replace(assistant.config.encoder, resize=resize)
    rows = InspectionRows(arguments, encoder, 224, chosen.held_out, chosen.normal_photos)
    validation = Validation(
        arguments, rows, FileBanks(assistant.library.in_memory(10), rotations=1)
    )
    answers = [turns[0][1] for batch in validation.batches for turns in batch.turns]
    expected = [places for batch in validation.batches for places in batch.places]
    assert place_accuracy([places_in(answer) for answer in answers], expected) == 1.0
