"""What decides over the results of a run, so that nobody goes on with other settings unawares."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import torch

from anomalygpt.bulk.run import How

if TYPE_CHECKING:
    from anomalygpt.model import AnomalyGPT
    from decoder import MemoryBank

# So many values of each tensor are looked at: enough to see that it was trained further.
_SAMPLE = 64


def settings_of(
    assistant: AnomalyGPT, bank: MemoryBank, how: How, **others: object
) -> dict[str, Any]:
    """Settings by the names that people know, as JSON values.

    Args:
        assistant, bank: that inspect.
        how: how they do.
        others: more that decides, such as how references are turned.
    """
    marks = sorted("".join(sorted(marks)) for marks in bank.marks)
    return {
        "model": assistant.name,
        "weights": weights_mark(assistant, words=not how.map_only),
        "references": hashlib.sha256("\n".join(marks).encode()).hexdigest()[:16],
        "limit": None if bank.limit is None else bank.limit.to_dict(),
        "detail": bank.detail,
        "fixed_pose": bank.fixed_pose,
        "description": how.description,
        "category": how.category,
        "map_only": how.map_only,
        "formulation": how.formulation or assistant.config.decoder.formulation,
        **others,
    }


def weights_mark(assistant: AnomalyGPT, *, words: bool = True) -> str:
    """16 hexadecimal digits, the same for the same weights: all of the encoder's, and of the other
    parts a sample of each tensor.

    Args:
        assistant: that inspects.
        words: False leaves out what only a verdict needs.
    """
    digest = hashlib.sha256(assistant.encoder_id.encode())
    parts: list[Any] = [assistant.decoder]
    if words:
        parts += [assistant.prompt_learner, assistant.projection]
        parts += [getattr(assistant.language_model, "model", None)]
    for part in parts:
        for name, tensor in sorted(part.state_dict().items()) if part is not None else ():
            flat = tensor.detach().reshape(-1)
            places = torch.linspace(0, max(0, len(flat) - 1), min(_SAMPLE, len(flat))).long()
            values = flat[places.to(flat.device)].cpu()
            digest.update(f"{name} {tuple(tensor.shape)} {values.tolist()}".encode())
    return digest.hexdigest()[:16]
