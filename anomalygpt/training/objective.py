"""The training objective: what the losses of a batch add up to (paper, section 3.4).

Sums and counts, not means: whoever splits a batch over processes or over time divides by the
counts of the whole batch, and the gradient stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from anomalygpt.encoders import ImageFeatures
from anomalygpt.errors import ConfigError
from anomalygpt.evidence import looked_at_closely
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.training.batches import Batch
from decoder import DEFAULT_CATEGORY, MemoryBank, dice_loss, focal_loss
from decoder.scale import fused

if TYPE_CHECKING:
    from anomalygpt.language.language_model import LanguageModel
    from anomalygpt.model import AnomalyGPT
    from anomalygpt.training.rows import Turns

# Token ids, and the same where the loss covers them and `IGNORED` elsewhere.
Tokens = tuple[list[int], list[int]]

IGNORED = -100


@dataclass(frozen=True)
class LossSums:
    """Losses of some rows.

    Attributes:
        ce: cross-entropy, summed over answer tokens.
        focal: focal loss, summed over rows and stages.
        dice: dice loss, summed over rows and stages.
    """

    ce: Tensor
    focal: Tensor
    dice: Tensor

    def detached(self) -> Tensor:
        """(3,) on the CPU, for logs."""
        return torch.stack([self.ce, self.focal, self.dice]).detach().float().cpu()


class Objective(nn.Module):
    """What is minimised: the losses of an assistant's answers and maps.

    Attributes:
        assistant: what is trained.
    """

    def __init__(self, assistant: AnomalyGPT) -> None:
        super().__init__()
        self.assistant = assistant

    def forward(
        self, batch: Batch, dialogues: Sequence[Tokens], banks: Sequence[MemoryBank] | None
    ) -> LossSums:
        """Losses of a batch; gradients reach the decoder and the prompt learner.

        The pixel losses always judge the text side, which is what has parameters. The language
        model reads the text side's map, or the map that references give.

        Args:
            batch: rows.
            dialogues: of each row, from `tokenize`; not read without a language model.
            banks: references of each row; None, or an empty bank, leaves it to the text side.
        """
        assistant = self.assistant
        features = frozen_features(assistant, batch.pixels)
        zero = features.embedding.new_zeros((), dtype=torch.float32)
        stage_maps = text_stage_maps(assistant, features)
        focal = dice = zero
        if batch.masks is not None and stage_maps:
            masks = batch.masks.to(zero.device)
            focal = len(batch) * torch.stack([focal_loss(m, masks) for m in stage_maps]).sum()
            dice = len(batch) * torch.stack([dice_loss(m[:, 1], masks) for m in stage_maps]).sum()
        if assistant.language_model is None:
            return LossSums(zero, focal, dice)
        maps = training_maps(assistant, features, stage_maps, banks, batch.photos)
        return LossSums(answer_loss(assistant, features, maps, dialogues), focal, dice)


def frozen_features(assistant: AnomalyGPT, pixels: Tensor) -> ImageFeatures:
    """Encode without gradients, in tensors that gradients may pass later."""
    weight = next(assistant.encoder.parameters())
    # Not inference_mode: its tensors cannot be kept for a backward pass.
    with torch.no_grad():
        return assistant.encoder(pixels.to(weight.device, weight.dtype))


def text_stage_maps(assistant: AnomalyGPT, features: ImageFeatures) -> list[Tensor]:
    """[normal, abnormal] of each stage, (B, 2, M, M); [] without a text side."""
    if not assistant.decoder.has_text_side:
        return []
    text = assistant.category_features(DEFAULT_CATEGORY)
    # Kept under inference_mode by the assistant; a copy may pass gradients.
    text = None if text is None else text.clone()
    return assistant.decoder.text_stage_maps(features.stages, features.grid, text)


def training_maps(
    assistant: AnomalyGPT,
    features: ImageFeatures,
    stage_maps: Sequence[Tensor],
    banks: Sequence[MemoryBank] | None,
    photos: Sequence[np.ndarray | None] = (),
) -> Tensor:
    """(B, M, M): the map that the assistant would draw, from words, references, or both; looked at
    closely where there are photos for it."""
    config = assistant.decoder.config
    text_map = torch.stack(list(stage_maps)).mean(dim=0)[:, 1] if stage_maps else None
    banks = banks or [MemoryBank()] * len(features)
    if text_map is None and not all(map(len, banks)):
        raise ConfigError(
            "this decoder has no text side to draw a map without references; set "
            "reference_share to 1"
        )
    maps = []
    for row, bank in enumerate(banks):
        if not len(bank):
            maps.append(text_map[row])  # type: ignore[index]
            continue
        with torch.no_grad():
            stages = features[row : row + 1].stages
            drawn = assistant.decoder.reference_map(stages, features.grid, bank)[0].clamp(0.0, 1.0)
            photo = photos[row] if photos and config.formulation == "normalised" else None
            if photo is not None:
                drawn = _looked_at_closely(assistant, drawn, photo, bank)
        if config.formulation == "published" or text_map is None:
            maps.append(drawn)
        else:
            maps.append(fused(drawn, text_map[row], config.text_weight))
    return torch.stack(maps)


def _looked_at_closely(
    assistant: AnomalyGPT, drawn: Tensor, photo: np.ndarray, bank: MemoryBank
) -> Tensor:
    """The reference map (M, M) with what a closer look shows."""
    encoder = assistant.config.encoder
    where = ImageGeometry.fit((len(photo), len(photo[0])), encoder.input_size, encoder.resize)
    look = assistant.photos.closer(Image.fromarray(photo), bank.detail)
    return looked_at_closely(drawn[None], bank, assistant.decoder, [where], [look])[0]


def answer_loss(
    assistant: AnomalyGPT, features: ImageFeatures, maps: Tensor, dialogues: Sequence[Tokens]
) -> Tensor:
    """Cross-entropy of the answers, summed over their tokens."""
    language_model, projection = assistant.language_model, assistant.projection
    assert language_model is not None
    assert projection is not None
    image = projection(features.embedding.to(projection.weight)).unsqueeze(1)
    learner = assistant.prompt_learner
    prompts = None if learner is None else learner(maps.to(projection.weight.device))
    prompt = language_model.prompt_embeddings(image, prompts)
    # Padding comes last: what a causal model reads there changes nothing before it.
    words = language_model.embed(_padded([ids for ids, _ in dialogues], 0))
    embeddings = torch.cat([prompt, words.to(prompt.dtype)], dim=1)
    # The last position of the prompt says the first word.
    logits = language_model.last_logits(embeddings, words.shape[1] + 1)[:, :-1].float()
    expected = torch.tensor(
        _padded([targets for _, targets in dialogues], IGNORED), device=logits.device
    )
    return F.cross_entropy(
        logits.flatten(0, 1), expected.flatten(), ignore_index=IGNORED, reduction="sum"
    )


def tokenize(assistant: AnomalyGPT, dialogues: Sequence[Turns], limit: int) -> list[Tokens]:
    """Token ids of dialogues, and the same with all but the answers ignored.

    Args:
        assistant: whose language model will read them.
        dialogues: question and answer, in order.
        limit: tokens of a dialogue with its picture; later turns that do not fit are left
            out, the first is cut.

    Raises:
        ConfigError: the picture alone takes that many.
    """
    language_model = assistant.language_model
    if language_model is None:
        return [([], [])] * len(dialogues)
    learner = assistant.prompt_learner
    prompts = 0 if learner is None else learner.prompt_count
    limit = min(limit, language_model.context_length)
    room = limit - language_model.prompt_length(prompts)
    if room < 1:
        raise ConfigError(
            f"dialogues of {limit} tokens have no room for words beside the picture and the "
            f"map, which take {limit - room}; give a larger --max-tokens"
        )
    return [_dialogue_tokens(language_model, turns, room) for turns in dialogues]


def count_targets(dialogues: Sequence[Tokens]) -> int:
    """Answer tokens, which the cross-entropy is the mean over."""
    return sum(target != IGNORED for _, targets in dialogues for target in targets)


def _dialogue_tokens(language_model: LanguageModel, turns: Turns, room: int) -> Tokens:
    ids: list[int] = []
    targets: list[int] = []
    pieces = language_model.template.training_segments(list(turns))
    for (asked, _), (answered, _) in zip(pieces[::2], pieces[1::2], strict=True):
        question, answer = language_model.encode(asked), language_model.encode(answered)
        if ids and len(ids) + len(question) + len(answer) > room:
            break
        ids += question + answer
        targets += [IGNORED] * len(question) + answer
    return ids[:room], targets[:room]


def _padded(rows: Sequence[Sequence[int]], filler: int) -> list[list[int]]:
    longest = max(len(row) for row in rows)
    return [[*row, *[filler] * (longest - len(row))] for row in rows]
