"""Steps of training of the small language model: the loss, the optimizer, the learning rate."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from anomalygpt.language.language_model import LanguageModel
from embedded.language_batches import Batches, MicroBatch, PromptNoise, cell_scale

PEAK_RATE, WARMUP, LAST_RATE = 2e-3, 0.03, 0.05
BETAS, DECAY, CLIP = (0.9, 0.95), 0.05, 1.0


class Trainer:
    """Model, optimizer and how far they are."""

    def __init__(self, language_model: LanguageModel, batches: Batches, precision: str) -> None:
        self.language_model = language_model
        self.model: Any = language_model.model
        self.model.requires_grad_(True)
        self.batches = batches
        self.precision = getattr(torch, precision)
        if language_model.device.type == "cpu":
            # For rows this short it trains a third faster than the fused kernel.
            self.model.set_attn_implementation("eager")  # type: ignore[operator]
        self.step = 0
        self.seconds = 0.0
        decayed = [weight for weight in self.model.parameters() if weight.ndim > 1]
        plain = [weight for weight in self.model.parameters() if weight.ndim == 1]
        groups = [
            {"params": decayed, "weight_decay": DECAY},
            {"params": plain, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=BETAS)

    def advance(self) -> dict[str, float]:
        """One step; the losses per token, and the tokens."""
        begun = time.monotonic()
        micros = self.batches(self.step)
        share = self.batches.text_share(self.step)
        wanted = {"text": 0, "speech": 0}
        for micro in micros:
            wanted[_kind(micro)] += int(micro.targets.sum())
        losses = {"text": 0.0, "speech": 0.0}
        for micro in micros:
            kind = _kind(micro)
            loss = self.loss(micro) / wanted[kind]
            weight = share if kind == "text" else 1 - share
            (weight * loss).backward()
            losses[kind] += loss.item()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        for group in self.optimizer.param_groups:
            group["lr"] = PEAK_RATE * rate(self.step, self.batches.steps)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.seconds += time.monotonic() - begun
        tokens = sum(micro.ids.numel() for micro in micros)
        return {"loss_text": losses["text"], "loss_speech": losses["speech"], "tokens": tokens}

    def loss(self, micro: MicroBatch) -> Tensor:
        """Cross-entropy summed over the targets."""
        device = self.language_model.device
        ids, targets = micro.ids.to(device), micro.targets.to(device)
        embedding: Any = self.model.get_input_embeddings()
        embedded = embedding(ids)
        if micro.prompts is not None:
            embedded = self._blurred(embedded, embedding, micro.prompts)
        with torch.autocast(device.type, self.precision, self.precision != torch.float32):
            hidden = self.model.model(inputs_embeds=embedded, use_cache=False).last_hidden_state
        chosen = hidden[:, :-1][targets[:, 1:]].float()
        logits = F.linear(chosen, embedding.weight)
        return F.cross_entropy(logits, ids[:, 1:][targets[:, 1:]], reduction="sum")

    def _blurred(self, embedded: Tensor, embedding: Any, prompts: PromptNoise) -> Tensor:
        """The prompts mixed and with noise, everything else as it is."""
        device = embedded.device
        at = torch.tensor(self.batches.prompt_positions, device=device)
        share, noise = prompts.share.to(device), prompts.noise.to(device)
        other = embedding(prompts.other.to(device))
        read = share * embedded[:, at] + (1 - share) * other
        return embedded.index_copy(1, at, read + cell_scale(self.language_model) * noise)

    def state(self) -> dict[str, Any]:
        """What a later run goes on from."""
        model, optimizer = self.model.state_dict(), self.optimizer.state_dict()
        return {"step": self.step, "seconds": self.seconds, "model": model, "optimizer": optimizer}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]


def _kind(micro: MicroBatch) -> str:
    return "text" if micro.prompts is None else "speech"


def rate(step: int, steps: int) -> float:
    """The learning rate of a step in units of the peak: warm-up, then a cosine."""
    warm = max(1, round(WARMUP * steps))
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + float(np.cos(np.pi * done)))
