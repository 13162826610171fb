"""Voices in this process: vision-language models, and text-only ones, through transformers."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    StoppingCriteria,
    TextIteratorStreamer,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

from anomalygpt.checkpoints.gguf import is_gguf
from anomalygpt.checkpoints.hub import resolve
from anomalygpt.devices import resolve_device, resolve_dtype
from anomalygpt.errors import ConfigError, DialogueTooLongError, ExpertError
from anomalygpt.experts.voice import Message, Usage
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.language.loading import (
    Quantization,
    check_source,
    load_causal_lm,
    load_tokenizer,
    plain_errors,
    quantization_config,
)

_WHAT = "the expert's weights and tokenizer"


class TransformersVoice:
    """A model from a folder, a hub name or a GGUF file; one answer is written at a time."""

    def __init__(
        self,
        source: str,
        *,
        device: str = "auto",
        dtype: str = "auto",
        quantization: Quantization | None = None,
        sees: bool = True,
    ) -> None:
        """
        Args:
            source: a folder in Hugging Face format, a name on the hub, or a GGUF file. No code that
                comes with it is run.
            sees: False shows it no pictures, also where its config says that it sees.
            device, dtype, quantization: as in `LanguageModel.from_pretrained`.

        Raises:
            SourceError: it is not there.
            CheckpointError: it cannot be loaded as it is.
            ConfigError: it has no chat template, or an unknown setting.
            DeviceError: the device is not there, or too small.
        """
        place = resolve_device(device)
        number_format = resolve_dtype(dtype, place)
        quantized = quantization_config(quantization, place, number_format)
        path = Path(source) if is_gguf(source) else resolve(source, kind="folder", what=_WHAT)
        check_source(path)
        self.name = Path(source).name
        self._has_eyes = not is_gguf(path) and _sees(path)
        self.sees = sees and self._has_eyes
        if self._has_eyes:
            with plain_errors(path):
                self._processor: Any = AutoProcessor.from_pretrained(path, trust_remote_code=False)
            self._tokenizer: Any = self._processor.tokenizer
        else:
            self._tokenizer = self._processor = load_tokenizer(path)
        if not getattr(self._processor, "chat_template", None):
            raise ConfigError(f"{source} has no chat template; name a model that was made to talk")
        kind = AutoModelForImageTextToText if self._has_eyes else AutoModelForCausalLM
        spread = device == "auto" and place.type == "cuda" and torch.cuda.device_count() > 1
        self._model: Any = load_causal_lm(path, place, number_format, quantized, spread, kind)
        self._model.eval().requires_grad_(False)
        self._usage = Usage()
        self._lock = threading.Lock()

    @property
    def usage(self) -> Usage:
        """Tokens of the model's own tokenizer; pictures count as what they become."""
        return self._usage + Usage()

    def stream(self, messages: Sequence[Message], options: GenerationOptions) -> Iterator[str]:
        """See `Voice.stream`. Closing the iterator ends the writing after the word at hand.

        Raises:
            DialogueTooLongError: more than the model can read.
            ExpertError: the model broke off.
        """
        with self._lock:
            inputs = self._inputs(messages, options.max_new_tokens)
            streamer = TextIteratorStreamer(
                self._tokenizer, skip_prompt=True, skip_special_tokens=True
            )
            writing = _Writing(self._model, inputs, options, streamer)
            writing.start()
            try:
                yield from (piece for piece in streamer if piece)
            finally:
                writing.stop()
                self._usage += Usage(1, inputs["input_ids"].shape[1], writing.written)
            if writing.fault is not None:
                raise ExpertError(f"{self.name} broke off: {writing.fault}") from writing.fault

    @torch.inference_mode()
    def choose(self, messages: Sequence[Message], words: Sequence[str]) -> list[float] | None:
        """See `Voice.choose`; from the tokens that the spellings of a word begin with, but for
        those with which another word begins, too."""
        with self._lock:
            inputs = self._inputs(messages, 1)
            logits = self._model(**inputs).logits[0, -1].float()
            self._usage += Usage(1, inputs["input_ids"].shape[1], 0)
        shares = logits.softmax(dim=-1)
        firsts = [self._first_tokens(word) for word in words]
        mass = []
        for own in firsts:
            others = set().union(*(each for each in firsts if each is not own))
            mass.append(float(shares[sorted(own - others)].sum()))
        total = sum(mass)
        return [each / total for each in mass] if total > 0 else None

    def close(self) -> None:
        """Nothing: the model goes with the object."""

    def _first_tokens(self, word: str) -> set[int]:
        # A single small letter is most often an article.
        cases = (word,) if len(word) == 1 else (word, word.lower(), word.upper())
        texts = [f"{space}{each}" for each in cases for space in ("", " ")]
        encode = self._tokenizer
        found = [encode(text, add_special_tokens=False)["input_ids"] for text in texts]
        return {ids[0] for ids in found if ids} - self._spaces()

    def _spaces(self) -> set[int]:
        """Tokens that are a space alone: they begin every word."""
        return set(self._tokenizer(" ", add_special_tokens=False)["input_ids"])

    def _inputs(self, messages: Sequence[Message], room: int) -> dict[str, Tensor]:
        """What the model reads, on its device."""
        pictures = [p for message in messages for p in message.parts if not isinstance(p, str)]
        if pictures and not self.sees:
            raise ConfigError(f"{self.name} reads no pictures; hand over words (--evidence words)")
        text = self._written(messages)
        if self._has_eyes:
            images = [picture.convert("RGB") for picture in pictures] or None
            inputs = self._processor(
                text=[text], images=images, return_tensors="pt", add_special_tokens=False
            )
        else:
            inputs = self._tokenizer(text, return_tensors="pt", add_special_tokens=False)
        length = inputs["input_ids"].shape[1]
        most = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        if most is not None and length + room > most:
            raise DialogueTooLongError(
                f"{self.name} reads at most {most} tokens, the chat has {length} and the answer "
                f"may have {room}; begin a new chat"
            )
        device, dtype = self._model.device, self._model.dtype
        # Some tokenizers make more than their models take.
        known = inspect.signature(self._model.forward).parameters
        return {
            name: value.to(device, dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
            if isinstance(value, Tensor) and (name != "token_type_ids" or name in known)
        }

    def _written(self, messages: Sequence[Message]) -> str:
        """The messages in the model's own chat template."""
        from jinja2 import TemplateError

        try:
            return self._templated(messages)
        except TemplateError:
            # Some models know no system role: then its text begins the first question.
            first, second, *rest = messages
            if first.role != "system":
                raise
            return self._templated([Message(second.role, first.parts + second.parts), *rest])

    def _templated(self, messages: Sequence[Message]) -> str:
        spoken = [
            {"role": each.role, "content": _parts(each) if self._has_eyes else _text(each)}
            for each in messages
        ]
        text: str = self._processor.apply_chat_template(
            spoken, add_generation_prompt=True, tokenize=False
        )
        return text


class _Writing(threading.Thread):
    """`generate` in a thread of its own, which can be stopped."""

    def __init__(
        self, model: Any, inputs: dict[str, Tensor], options: GenerationOptions, streamer: Any
    ) -> None:
        super().__init__(name="expert", daemon=True)
        self._model, self._inputs, self._options = model, inputs, options
        self._streamer, self._stopped = streamer, threading.Event()
        self.fault: Exception | None = None
        self.written = 0

    def run(self) -> None:
        options, sampled = self._options, self._options.temperature > 0
        chance: dict[str, Any] = {"do_sample": sampled}
        if sampled:
            chance |= {"temperature": options.temperature, "top_p": options.top_p}
        else:  # what a model's own settings say would be warned about
            chance |= {"temperature": None, "top_p": None, "top_k": None}
        try:
            with torch.inference_mode():
                if sampled and options.seed is not None:
                    torch.manual_seed(options.seed)
                made = self._model.generate(
                    **self._inputs,
                    **chance,
                    max_new_tokens=options.max_new_tokens,
                    streamer=self._streamer,
                    stopping_criteria=[_Until(self._stopped)],
                )
            self.written = made.shape[1] - self._inputs["input_ids"].shape[1]
        except Exception as error:
            self.fault = error
            self._streamer.end()

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self._stopped.set()
        self.join()


class _Until(StoppingCriteria):
    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        value = self._stopped.is_set()
        return torch.full((len(input_ids),), value, dtype=torch.bool, device=input_ids.device)


def _sees(folder: Path) -> bool:
    with plain_errors(folder):
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    return config.model_type in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES


def _parts(message: Message) -> list[dict[str, str]]:
    return [
        {"type": "text", "text": part} if isinstance(part, str) else {"type": "image"}
        for part in message.parts
    ]


def _text(message: Message) -> str:
    return "\n\n".join(str(part) for part in message.parts)
