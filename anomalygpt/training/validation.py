"""Validation on held-out simulated data, the same rows every time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from anomalygpt.constants import ANOMALY_QUESTION
from anomalygpt.encoders import ImageFeatures
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.references.banks import FileBanks
from anomalygpt.training.arguments import TrainingArguments
from anomalygpt.training.batches import Batch
from anomalygpt.training.objective import (
    LossSums,
    Objective,
    count_targets,
    frozen_features,
    text_stage_maps,
    tokenize,
    training_maps,
)
from anomalygpt.training.rows import InspectionRows, Row
from anomalygpt.verdict import says_yes
from decoder import MemoryBank, image_score
from simulation.dialogues.english.reading import places_in

if TYPE_CHECKING:
    from anomalygpt.model import AnomalyGPT

# Of the answers that places are read from; one sentence names them.
ANSWER_OPTIONS = GenerationOptions(max_new_tokens=40)


class Validation:
    """Losses and figures of an assistant on rows that no training step sees.

    Attributes:
        batches: the rows, in the parts in which they are measured.
        skipped: why photos were replaced by others.
    """

    def __init__(
        self, arguments: TrainingArguments, rows: InspectionRows, banks: FileBanks
    ) -> None:
        count = min(arguments.validation_rows, len(rows))
        self._arguments = arguments
        self._banks = banks
        made: list[Row] = [rows.row(number, with_references=True) for number in range(count)]
        self.skipped = [reason for row in made for reason in row.skipped]
        size = arguments.micro_batch_size
        self.batches = [Batch.of(made[start : start + size]) for start in range(0, count, size)]

    @torch.no_grad()
    def run(self, objective: Objective) -> dict[str, float]:
        """Figures of the objective's assistant by name; what cannot be measured is left out.

        The text side is judged alone, without references; the reference side with the references
        of each row. Losses are those of the text side's map.
        """
        assistant = objective.assistant
        parts = [self._measure(objective, batch) for batch in self.batches]
        figures = _losses(self._arguments, parts)
        masks = torch.cat([part["masks"] for part in parts])
        damaged = masks.flatten(1).any(dim=1)
        for side in ("text", "reference"):
            if side not in parts[0]["maps"]:
                continue
            maps = torch.cat([part["maps"][side] for part in parts])
            figures[f"{side}_pixel_auroc"] = pixel_auroc(maps, masks)
            if "probabilities" in parts[0]:
                said = says_yes(torch.cat([part["probabilities"][side] for part in parts]))
                figures[f"{side}_verdict_accuracy"] = float((said == damaged).float().mean())
        if "named" in parts[0]:
            named = [places for part in parts for places in part["named"]]
            places = [places for batch in self.batches for places in batch.places]
            figures["place_accuracy"] = place_accuracy(named, places)
        if assistant.language_model is None and "text" in parts[0]["maps"]:
            scores = torch.cat([image_score(part["maps"]["text"]) for part in parts])
            figures["threshold_accuracy"], figures["threshold"] = best_threshold(scores, damaged)
        return {name: value for name, value in figures.items() if not np.isnan(value)}

    def _measure(self, objective: Objective, batch: Batch) -> dict[str, Any]:
        assistant = objective.assistant
        dialogues = tokenize(assistant, batch.turns, self._arguments.max_tokens)
        formulation = assistant.config.decoder.formulation
        # As the steps of training make them: automatic casting would give other numbers.
        with torch.autocast(assistant.device.type, enabled=False):
            banks = [self._banks.bank(names, formulation) for names in batch.references]
        text_side = assistant.decoder.has_text_side
        sums = objective(batch, dialogues, None if text_side else banks)
        features = frozen_features(assistant, batch.pixels)
        maps = _maps(assistant, features, banks, batch.photos)
        assert batch.masks is not None
        found: dict[str, Any] = {
            "rows": len(batch),
            "tokens": count_targets(dialogues),
            "sums": sums,
            "masks": batch.masks,
            "maps": {side: drawn.float().cpu() for side, drawn in maps.items()},
        }
        if assistant.language_model is not None:
            found["probabilities"] = {
                side: _probabilities(assistant, features, drawn) for side, drawn in maps.items()
            }
            found["named"] = _named_places(assistant, features, maps.get("text", maps["reference"]))
        return found


def pixel_auroc(maps: Tensor, masks: Tensor) -> float:
    """Area under the ROC curve over all pixels; NaN where all are normal.

    Args:
        maps: (B, M, M).
        masks: (B, M, M) bool.
    """
    truth = masks.flatten().numpy()
    if truth.all() or not truth.any():
        return float("nan")
    return float(roc_auc_score(truth, maps.flatten().numpy()))


def place_accuracy(named: Sequence[set[str]], places: Sequence[Collection[str]]) -> float:
    """Share of damaged rows whose answer names exactly the places of the defects; NaN for none."""
    pairs = [(said, set(there)) for said, there in zip(named, places, strict=True) if there]
    return float(np.mean([said == there for said, there in pairs])) if pairs else float("nan")


def best_threshold(scores: Tensor, damaged: Tensor) -> tuple[float, float]:
    """Accuracy at the best threshold on the scores, and that threshold."""
    ordered = scores.sort().values
    between = (ordered[1:] + ordered[:-1]) / 2
    candidates = torch.cat([ordered[:1] - 1e-6, between, ordered[-1:]])
    right = ((scores[None] > candidates[:, None]) == damaged[None]).float().mean(dim=1)
    best = int(right.argmax())
    return float(right[best]), float(candidates[best])


def _losses(arguments: TrainingArguments, parts: Sequence[dict[str, Any]]) -> dict[str, float]:
    sums = [part["sums"] for part in parts]
    rows = sum(part["rows"] for part in parts)
    tokens = sum(part["tokens"] for part in parts)
    return mean_losses(arguments, sum(LossSums.detached(s) for s in sums), tokens, rows)  # type: ignore[arg-type]


def mean_losses(
    arguments: TrainingArguments, sums: Tensor, tokens: int, rows: int
) -> dict[str, float]:
    """The three losses and their weighted sum, from the sums over a whole batch."""
    ce, focal, dice = (float(value) for value in sums)
    means = {"ce": ce / max(1, tokens), "focal": focal / max(1, rows), "dice": dice / max(1, rows)}
    weights = (arguments.ce_weight, arguments.focal_weight, arguments.dice_weight)
    loss = sum(weight * value for weight, value in zip(weights, means.values(), strict=True))
    return {"loss": loss, **means}


def _maps(
    assistant: AnomalyGPT,
    features: ImageFeatures,
    banks: Sequence[MemoryBank],
    photos: Sequence[np.ndarray | None],
) -> dict[str, Tensor]:
    stage_maps = text_stage_maps(assistant, features)
    maps = {"text": training_maps(assistant, features, stage_maps, None)} if stage_maps else {}
    return maps | {"reference": training_maps(assistant, features, stage_maps, banks, photos)}


def _dialogue(assistant: AnomalyGPT, features: ImageFeatures, maps: Tensor) -> Any:
    dialogue = assistant.speech.open_dialogue(features.embedding, maps)
    dialogue.ask(ANOMALY_QUESTION)
    return dialogue


def _probabilities(assistant: AnomalyGPT, features: ImageFeatures, maps: Tensor) -> Tensor:
    return _dialogue(assistant, features, maps).probabilities().anomaly.float().cpu()


def _named_places(assistant: AnomalyGPT, features: ImageFeatures, maps: Tensor) -> list[set[str]]:
    answers = _dialogue(assistant, features, maps).answers(ANSWER_OPTIONS)
    return [places_in(answer) for answer in answers]
