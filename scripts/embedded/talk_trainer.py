"""Steps of training of the installed language model: a LoRA, and embeddings of the cells' words.

The weights themselves stay frozen, in bfloat16. What is trained is in float32. In everyday
dialogues the model is held to what it says without the LoRA (Kullback-Leibler divergence), so that
it keeps its English without anybody having to know what it was trained on.
"""

from __future__ import annotations

import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomalygpt.language.language_model import LanguageModel
from anomalygpt.language.lora import PUBLISHED_TARGETS
from embedded.language_batches import MicroBatch, PromptNoise
from embedded.language_trainer import rate
from embedded.notation import COUNTS, LEVELS
from embedded.talk_batches import TalkBatches

RANK, ALPHA = 16, 32
TABLE_RATE = 4  # of the table, times that of the LoRA
BETAS, CLIP = (0.9, 0.99), 1.0
KEPT_WEIGHT = 1.0
# What the words of cells begin as: the mean of these words' embeddings.
_SIZES = ("tiny", "very small", "small", "smaller", "medium", "large", "larger", "huge")


def first_table(language_model: LanguageModel) -> Tensor:
    """Embeddings of image, base prompt and the cells' words to begin with, in float32.

    Returns:
        (28, width), in the order of `notation`: natural words of the same meaning.
    """
    assert len(_SIZES) == LEVELS
    placed = [f" {count} {size} defect" for count in COUNTS for size in _SIZES]
    texts = [" photo", " inspection", " clean", " touched", *placed]
    return torch.stack(
        [language_model.embed_text(text)[0].float().mean(dim=0).detach() for text in texts]
    )


class TalkTrainer:
    """The language model with a new LoRA, the table of words, the optimizer, and how far they are.

    Attributes:
        language_model: its LoRA is trained.
        table: (28, width), embeddings of image, base prompt and the cells' words.
    """

    def __init__(
        self,
        language_model: LanguageModel,
        batches: TalkBatches,
        *,
        precision: str,
        peak: float,
        seed: int,
    ) -> None:
        """
        Args:
            language_model: without a LoRA.
            batches: what it learns from.
            precision: "bfloat16" or "float32", of what is computed.
            peak: the LoRA's highest learning rate.
            seed: of its first weights.
        """
        self.language_model, self.batches = language_model, batches
        self.precision = getattr(torch, precision)
        self.table = nn.Parameter(first_table(language_model))
        torch.manual_seed(seed)
        language_model.add_lora(RANK, ALPHA, PUBLISHED_TARGETS)
        self.lora: dict[str, Tensor] = {}
        for name, weight in language_model.model.named_parameters():
            if "lora_" in name:
                weight.data = weight.data.float()
                self.lora[name] = weight.requires_grad_(True)
        self.step, self.seconds, self.tokens = 0, 0.0, 0
        groups = [
            {"params": list(self.lora.values()), "peak": peak},
            {"params": [self.table], "peak": TABLE_RATE * peak},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=peak, betas=BETAS, weight_decay=0.0)

    def advance(self) -> dict[str, float]:
        """One step; losses per token, and tokens of the step and a second."""
        begun = time.monotonic()
        step = self.batches(self.step)
        losses = {"loss_spoken": 0.0, "loss_kept": 0.0}
        for name, micros in (("loss_spoken", step.spoken), ("loss_kept", step.general)):
            wanted = sum(int(micro.targets.sum()) for micro in micros)
            for micro in micros:
                loss = (self.spoken_loss if micro.prompts is not None else self.kept_loss)(micro)
                loss = loss / wanted
                (KEPT_WEIGHT * loss if name == "loss_kept" else loss).backward()
                losses[name] += loss.item()
        nn.utils.clip_grad_norm_([*self.lora.values(), self.table], CLIP)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * rate(self.step, self.batches.steps)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        seconds = time.monotonic() - begun
        tokens = sum(micro.ids.numel() for micro in (*step.spoken, *step.general))
        self.step += 1
        self.seconds += seconds
        self.tokens += tokens
        return {**losses, "tokens": tokens, "tokens_per_second": tokens / seconds}

    def spoken_loss(self, micro: MicroBatch) -> Tensor:
        """Cross-entropy summed over what the model is to say."""
        assert micro.prompts is not None
        ids, targets = micro.ids.to(self.device), micro.targets.to(self.device)
        logits = self._logits(self._embedded(ids, micro.prompts), targets)
        return F.cross_entropy(logits, ids[:, 1:][targets[:, 1:]], reduction="sum")

    def kept_loss(self, micro: MicroBatch) -> Tensor:
        """Divergence from what the model says without the LoRA, summed over positions."""
        ids, targets = micro.ids.to(self.device), micro.targets.to(self.device)
        embedded = self._rows(ids)
        model: Any = self.language_model.model
        with torch.no_grad(), model.disable_adapter():
            before = self._logits(embedded, targets).log_softmax(dim=-1)
        after = self._logits(embedded, targets).log_softmax(dim=-1)
        return F.kl_div(after, before, reduction="sum", log_target=True)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.table.device

    def prompts(self, rows: Tensor) -> Tensor:
        """Embeddings of rows of the table, (…) of 0 to 27 -> (…, width)."""
        return self.table[rows]

    def _logits(self, embedded: Tensor, targets: Tensor) -> Tensor:
        """(targets, V) in float32: what is said at the positions before those that are wanted."""
        peft: Any = self.language_model.model
        model = peft.get_base_model()
        with torch.autocast(self.device.type, self.precision, self.precision != torch.float32):
            inner = getattr(model, model.base_model_prefix)
            hidden = inner(inputs_embeds=embedded, use_cache=False).last_hidden_state
            logits: Tensor = model.get_output_embeddings()(hidden[:, :-1][targets[:, 1:]])
        return logits.float()

    def _rows(self, ids: Tensor) -> Tensor:
        embedding: Any = self.language_model.model.get_input_embeddings()  # type: ignore[operator]
        found: Tensor = embedding(ids)
        return found

    def _embedded(self, ids: Tensor, prompts: PromptNoise) -> Tensor:
        """Tokens from the model, prompts from the table, mixed and with noise."""
        pieces = self.batches.pieces
        at = torch.tensor(self.batches.prompt_positions, device=self.device)
        share, noise = prompts.share.to(self.device), prompts.noise.to(self.device)
        own, other = ids[:, at] - pieces, prompts.other.to(self.device) - pieces
        read = share * self.prompts(own) + (1 - share) * self.prompts(other)
        read = read + self.table[2:].detach().square().mean().sqrt() * noise
        words = self._rows(ids.masked_fill(ids >= pieces, 0))
        return words.index_copy(1, at, read.to(words.dtype))

    def state(self) -> dict[str, Any]:
        """What a later run goes on from."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "tokens": self.tokens,
            "lora": {name: weight.detach() for name, weight in self.lora.items()},
            "table": self.table.detach(),
            "optimizer": self.optimizer.state_dict(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        with torch.no_grad():
            for name, weight in self.lora.items():
                weight.copy_(state["lora"][name])
            self.table.copy_(state["table"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.tokens = state["step"], state["seconds"], state["tokens"]
