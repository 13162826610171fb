"""A frozen language model that reads a picture as embeddings and talks about it.

`LanguageModel` holds what all dialogues share and never changes while they run: weights,
tokenizer, template. `anomalygpt.language.dialogue.Dialogue` is one dialogue on it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from anomalygpt.checkpoints.gguf import is_gguf
from anomalygpt.constants import TemplateName
from anomalygpt.devices import resolve_device, resolve_dtype
from anomalygpt.errors import CheckpointError, ConfigError
from anomalygpt.files import share_with_readers
from anomalygpt.language import lora
from anomalygpt.language.answer_words import AnswerProbabilities, AnswerWords
from anomalygpt.language.loading import (
    Quantization,
    check_source,
    load_causal_lm,
    load_tokenizer,
    quantization_config,
    quiet,
)
from anomalygpt.language.templates import VICUNA_V0, DialogueTemplate, chat_template

_CONTEXT_SETTINGS = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx")


class LanguageModel:
    """Any Hugging Face causal language model, frozen.

    Attributes:
        model: the transformers model, wrapped by peft after `add_lora`.
        tokenizer: the Hugging Face tokenizer.
        template: how a dialogue is written.
    """

    def __init__(self, model: nn.Module, tokenizer: Any, template: DialogueTemplate) -> None:
        self.tokenizer = tokenizer
        self.template = template
        arguments = inspect.signature(model.forward).parameters
        self._keeps_last_logits = "logits_to_keep" in arguments
        # transformers 5.24 renamed it, and takes the old name no longer from 5.40 on.
        self._cache_argument = "cache" if "cache" in arguments else "past_key_values"
        self._config: Any = model.config
        self._generation_config: Any = getattr(model, "generation_config", None)
        self._freeze(model)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        template: TemplateName | DialogueTemplate = "vicuna_v0",
        device: str | torch.device = "auto",
        dtype: str | torch.dtype = "auto",
        quantization: Quantization | None = None,
        adapter: Path | None = None,
    ) -> LanguageModel:
        """Load a language model; no code that comes with it is run.

        Args:
            source: a folder in Hugging Face format, a name on the hub, or a GGUF file.
            template: "vicuna_v0", "chat" for the tokenizer's own, or a template.
            device: "auto" uses CUDA where there is some (all of it where there are several),
                otherwise the CPU.
            dtype: "auto" is bfloat16 or float16 on CUDA, float32 elsewhere.
            quantization: "4bit" or "8bit" weights, on CUDA.
            adapter: a folder with a LoRA that peft saved.

        Raises:
            SourceError: files are not there; the message says which go where.
            CheckpointError: weights are missing, unknown, damaged or of another shape.
            ConfigError: an unknown setting, or no usable chat template.
            DeviceError: the device is not there, or too small.
            MissingExtraError: bitsandbytes is not installed, or gguf for a GGUF file.
        """
        place = resolve_device(device)
        number_format = resolve_dtype(dtype, place)
        quantized = quantization_config(quantization, place, number_format)
        check_source(source)
        if quantized is not None and is_gguf(source):
            raise ConfigError(f"{source} brings its own quantization; leave {quantization} out")
        tokenizer = load_tokenizer(source)
        pieces = _resolve_template(template, tokenizer)
        spread = device == "auto" and place.type == "cuda" and torch.cuda.device_count() > 1
        model = load_causal_lm(source, place, number_format, quantized, spread)
        language_model = cls(model, tokenizer, pieces)
        if adapter is not None:
            language_model._freeze(lora.load_adapter(model, Path(adapter)))
        return language_model

    @property
    def width(self) -> int:
        """Size of a token embedding."""
        return self._embedding.embedding_dim

    @property
    def device(self) -> torch.device:
        """Where embeddings go in."""
        return self._embedding.weight.device

    @property
    def context_length(self) -> int:
        """Tokens, image and map prompts that the model can read in one dialogue."""
        config = self._config.get_text_config()
        lengths = [getattr(config, name, None) for name in _CONTEXT_SETTINGS]
        return next((int(length) for length in lengths if length), sys.maxsize)

    def encode(self, text: str) -> list[int]:
        """Token ids of one piece of a dialogue, without special tokens around it.

        A SentencePiece tokenizer puts a space before every piece; one space that `text` begins
        with is that space and is not doubled.

        Raises:
            CheckpointError: the tokenizer knows more tokens than the model.
        """
        if text.startswith(" ") and self._adds_space:
            text = text[1:]
        ids = list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        rows = self._embedding.num_embeddings
        if ids and max(ids) >= rows:
            raise CheckpointError(
                f"the tokenizer gives id {max(ids)}, the language model has {rows} embeddings; "
                "take tokenizer and weights from the same model"
            )
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of token ids, special tokens left out."""
        return self.tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )

    def embed(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Embeddings (B, n, width) of B rows with n token ids each."""
        tokens = torch.tensor(ids, dtype=torch.long, device=self.device)
        return self._embedding(tokens)

    def embed_text(self, text: str) -> Tensor:
        """Embeddings (1, n, width) of a piece of text, tokenized alone."""
        return self.embed([self.encode(text)])

    def prompt_embeddings(self, image_embedding: Tensor, map_prompts: Tensor | None) -> Tensor:
        """The start of a dialogue, up to the first question; gradients flow through.

        Args:
            image_embedding: (B, 1, width).
            map_prompts: (B, P, width), or None to leave them out.

        Returns:
            (B, n, width): BOS, `before_image`, image, `after_image`, map prompts.

        Raises:
            ConfigError: a shape does not fit.
        """
        parts = [image_embedding] if map_prompts is None else [image_embedding, map_prompts]
        batch = len(image_embedding)
        for part in parts:
            if part.ndim != 3 or part.shape[0] != batch or part.shape[-1] != self.width:
                raise ConfigError(
                    f"the language model reads image and map prompts of shape "
                    f"(B, tokens, {self.width}), got {[tuple(part.shape) for part in parts]}"
                )
        bos = self.tokenizer.bos_token_id if self.template.add_bos else None
        start = [] if bos is None else [bos]
        before = self.embed([start + self.encode(self.template.before_image)])
        after = self.embed_text(self.template.after_image)
        image, *prompts = (part.to(before) for part in parts)
        row = [before.expand(batch, -1, -1), image, after.expand(batch, -1, -1), *prompts]
        return torch.cat(row, dim=1)

    def prompt_length(self, map_prompts: int) -> int:
        """Positions of `prompt_embeddings` with so many map prompts."""
        bos = self.tokenizer.bos_token_id if self.template.add_bos else None
        pieces = self.encode(self.template.before_image) + self.encode(self.template.after_image)
        return (bos is not None) + len(pieces) + 1 + map_prompts

    def last_logits(self, embeddings: Tensor, count: int) -> Tensor:
        """Read whole rows without a cache; gradients flow through.

        Args:
            embeddings: (B, n, width).
            count: of the last positions whose logits are wanted.

        Returns:
            (B, count, V).
        """
        options = {"logits_to_keep": count} if self._keeps_last_logits else {}
        output = self.model(inputs_embeds=embeddings, use_cache=False, **options)
        return output.logits[:, -count:]

    def answer_probabilities(self, logits: Tensor) -> AnswerProbabilities:
        """Yes against no in next-token logits (B, V).

        Raises:
            ConfigError: the tokenizer cannot tell yes from no at the first token.
            DeviceError: the logits are not numbers.
        """
        return self.answer_words.probabilities(logits)

    def add_lora(
        self, r: int = 32, alpha: int = 32, targets: Sequence[str] = lora.PUBLISHED_TARGETS
    ) -> None:
        """Add a LoRA (by default PandaGPT's), frozen and without effect until weights come.

        Raises:
            ConfigError: there is a LoRA already, or the targets are not in the model.
        """
        self._freeze(lora.add_lora(self.model, r, alpha, targets))

    def merge_lora(self) -> None:
        """Work the LoRA into the weights.

        Raises:
            MissingPartError: there is no LoRA.
        """
        self._freeze(lora.merge(self.model))

    def save(self, folder: Path, adapter: str) -> None:
        """Write weights and tokenizer in Hugging Face format, a LoRA into the folder `adapter`.

        Args:
            folder: made if needed.
            adapter: name of the folder inside of it.
        """
        model: Any = self.model
        state = None
        if self.has_adapter:
            lora.save_adapter(model, folder / adapter)
            model = model.get_base_model()
            state = lora.base_state(model)
        with quiet():
            model.save_pretrained(folder, state_dict=state)
            self.tokenizer.save_pretrained(folder)
        share_with_readers(folder)

    @property
    def has_adapter(self) -> bool:
        """Whether a LoRA lies beside the weights, not merged."""
        return lora.has_adapter(self.model)

    @cached_property
    def answer_words(self) -> AnswerWords:
        """Token ids of yes and no."""
        return AnswerWords.from_tokenizer(self.tokenizer, self.encode)

    @cached_property
    def answer_end_ids(self) -> list[int]:
        """Token ids of `answer_end` as they follow an answer."""
        end = self.template.answer_end
        # A tokenizer may merge the end with what stands before it; some letter does not.
        for letter in "axo.":
            alone, together = self.encode(letter), self.encode(letter + end)
            if together[: len(alone)] == alone:
                return together[len(alone) :]
        return self.encode(end)

    @cached_property
    def stop_ids(self) -> frozenset[int]:
        """Tokens that end an answer by themselves."""
        known = {*self.tokenizer.all_special_tokens, *self.tokenizer.get_added_vocab()}
        special = [text for text in self.template.stop_strings if text in known]
        ids = {self.tokenizer.convert_tokens_to_ids(text) for text in special}
        for owner in (self.tokenizer, self._generation_config):
            eos = getattr(owner, "eos_token_id", None)
            ids.update(eos if isinstance(eos, list) else [eos])
        return frozenset(token for token in ids if token is not None)

    @torch.no_grad()
    def next_logits(self, embeddings: Tensor, cache: DynamicCache) -> Tensor:
        """Run the model over `embeddings` (B, n, width), which follow what `cache` holds.

        Returns:
            (B, V) logits of the token after them; `cache` has grown by n.
        """
        options: dict[str, Any] = {self._cache_argument: cache}
        if self._keeps_last_logits:
            options["logits_to_keep"] = 1
        output = self.model(inputs_embeds=embeddings, use_cache=True, **options)
        return output.logits[:, -1].to(self.device)

    def _freeze(self, model: nn.Module) -> None:
        self.model = model.requires_grad_(False).eval()

    @property
    def _embedding(self) -> nn.Embedding:
        return self.model.get_input_embeddings()  # type: ignore[operator]

    @cached_property
    def _adds_space(self) -> bool:
        pieces = self.tokenizer("a", add_special_tokens=False)["input_ids"]
        return str(self.tokenizer.convert_ids_to_tokens(pieces[0])).startswith("\u2581")


def _resolve_template(template: str | DialogueTemplate, tokenizer: Any) -> DialogueTemplate:
    if isinstance(template, DialogueTemplate):
        return template
    if template == "vicuna_v0":
        return VICUNA_V0
    if template == "chat":
        return chat_template(tokenizer)
    names = " or ".join(map(repr, get_args(TemplateName)))
    raise ConfigError(f"template is {names}, got {template!r}")
