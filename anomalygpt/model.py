"""The assistant: photo → features → map → prompts → words, put together from its parts.

photos ─ encode ─▶ EncodedPhotos ─ examine ─▶ Evidence ─ judge ─▶ Inspection
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from anomalygpt.chat import Chat
from anomalygpt.config import AnomalyGPTConfig
from anomalygpt.encoders.photos import EncodedPhotos, PhotoEncoder
from anomalygpt.errors import ConfigError, ImageError, MissingPartError
from anomalygpt.evidence import Evidence, cautions_of, drawn_maps, scores_of
from anomalygpt.images.detail import Detail
from anomalygpt.images.reading import ImageSource, is_single, listed, photo_name, try_load
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.pretrained import Parts, encoder_alone, load_parts, save_parts
from anomalygpt.references.cache import ReferenceCache, cache_folder
from anomalygpt.references.library import ReferenceLibrary, References, Watch, unwatched
from anomalygpt.results.inspection import Inspection
from anomalygpt.verdict import judge
from anomalygpt.version import __version__
from decoder import DEFAULT_CATEGORY, ImageDecoder, MemoryBank
from decoder.config import Formulation
from prompt_learner import PromptLearner

if TYPE_CHECKING:
    from anomalygpt.language.dialogue import Dialogue
    from anomalygpt.language.language_model import LanguageModel
    from anomalygpt.language.speaking import Prompts, Speech


class AnomalyGPT(nn.Module):
    """A conversational inspector.

    Made by `from_pretrained` or `from_encoder`; the constructor takes built parts.

    Attributes:
        config: what the parts were built from.
        name: what the assistant is called in results.
        training_photos: SHA-256 of the photos it was trained on or chosen by, where that is known.
        photos, library: encode photos; read references, and keep encoded files between runs.
    """

    def __init__(
        self,
        config: AnomalyGPTConfig,
        encoder: nn.Module,
        decoder: ImageDecoder,
        *,
        prompt_learner: PromptLearner | None = None,
        projection: nn.Linear | None = None,
        language_model: LanguageModel | None = None,
        name: str = "anomalygpt",
        training_photos: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        if language_model is not None and projection is None:
            raise MissingPartError("a language model needs an image projection beside it")
        self.config = config
        self.name = name
        self.training_photos = training_photos
        self.encoder = encoder
        self.decoder = decoder
        self.prompt_learner = prompt_learner
        self.projection = projection
        self.language_model = language_model
        self.photos = PhotoEncoder(encoder, config.encoder)
        self.library = ReferenceLibrary(self.photos, ReferenceCache(cache_folder()))
        self.eval()

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        device: str | torch.device = "auto",
        dtype: str | torch.dtype = "auto",
        quantization: Literal["4bit", "8bit"] | None = None,
        map_only: bool = False,
    ) -> AnomalyGPT:
        """Load an assistant.

        Args:
            source: "embedded" or "talk", a folder that `convert` or `save_pretrained` wrote, or
                the name of one on the hub.
            device: "auto", "cpu", "cuda" or "cuda:1". With "auto" a language model is spread
                over all GPUs there are.
            dtype: number format of the language model, and of the encoder on a GPU.
            quantization: "4bit" or "8bit" weights of the language model, on a GPU.
            map_only: True leaves the language model on the disk.

        Raises:
            SourceError: the files are not there.
            CheckpointError: weights are damaged, incomplete or of another model.
            ConfigError, DeviceError, MissingExtraError: a setting cannot be used here.
        """
        parts = load_parts(
            source, device=device, dtype=dtype, quantization=quantization, map_only=map_only
        )
        return cls(**vars(parts))

    @classmethod
    def from_encoder(
        cls,
        name: str,
        weights: str | Path | None = None,
        *,
        options: dict[str, Any] | None = None,
        formulation: Formulation = "normalised",
        device: str | torch.device = "auto",
        dtype: str | torch.dtype = "auto",
    ) -> AnomalyGPT:
        """An assistant of an image encoder alone: it draws maps against references, mute.

        Args:
            name: such as "imagebind_huge" or a timm name, see `encoders.encoder_config`.
            weights: a weight file; None fetches them by name where that is possible.
            options: input_size, mean, std, stages, resize, or arguments of the architecture.
            formulation: how distances become a map, see `DecoderConfig`.
            device, dtype: as in `from_pretrained`; "auto" is float32 on a CPU.

        Raises:
            ConfigError, SourceError, CheckpointError: see `encoders.open_encoder`.
        """
        parts = encoder_alone(
            name, weights, options=options, formulation=formulation, device=device, dtype=dtype
        )
        return cls(**vars(parts))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write everything into a folder that `from_pretrained` reads.

        Raises:
            OutputError: the folder is not empty, or cannot be written; nothing of it is left.
        """
        parts = {each.name: getattr(self, each.name) for each in fields(Parts)}
        save_parts(Parts(**parts), Path(folder))

    @property
    def device(self) -> torch.device:
        """Where photos are encoded."""
        return self.photos.device

    @property
    def encoder_id(self) -> str:
        """A mark of the encoder's settings and weights, the same for the same features."""
        return self.photos.mark

    def encode(
        self, images: ImageSource | Sequence[ImageSource], *, bit_depth: int | None = None
    ) -> EncodedPhotos:
        """Read and encode photos, all in one batch; see `PhotoEncoder.encode`."""
        return self.photos.encode(images, bit_depth=bit_depth)

    def remember(
        self,
        references: ImageSource | Iterable[ImageSource],
        *,
        rotations: int | None = None,
        flips: bool = False,
        fixed_pose: bool = False,
        bank: MemoryBank | None = None,
        bit_depth: int | None = None,
        detail: Detail | None = None,
        formulation: Formulation | None = None,
        watch: Watch = unwatched,
    ) -> MemoryBank:
        """Read good parts into a memory bank, which any number of inspections can use.

        The arguments and errors are those of `ReferenceLibrary.remember`; without a formulation
        the model's own.
        """
        return self.library.remember(
            references,
            formulation or self.config.decoder.formulation,
            rotations=rotations,
            flips=flips,
            fixed_pose=fixed_pose,
            bank=bank,
            bit_depth=bit_depth,
            detail=detail,
            watch=watch,
        )

    @property
    def is_narrow(self) -> bool:
        """Whether the language model knows little but inspections, see `LanguageModelConfig`."""
        return self.config.language_model is not None and self.config.language_model.narrow

    @property
    def card(self) -> dict[str, str]:
        """What results say about the assistant that made them."""
        return {
            "name": self.name,
            "version": __version__,
            "encoder": self.encoder_id,
            "formulation": self.config.decoder.formulation,
        }

    def examine(
        self,
        photos: EncodedPhotos,
        references: References = (),
        *,
        description: str | None = None,
        category: str | None = None,
        formulation: Formulation | None = None,
    ) -> Evidence:
        """Draw the maps of encoded photos.

        Args:
            photos: from `encode`.
            references: photos of good parts (or a single one), a memory bank of them, or None.
            description, category: see `inspect`; the category is "object" by default.
            formulation: how distances become a map; None takes what the model was made for.

        Raises:
            MissingPartError: no reference, and no trained text side to do without.
            ConfigError: an unknown formulation, or a bank of another encoder.
        """
        kind = formulation or self.config.decoder.formulation
        bank, _ = self.library.alike((), references, kind)
        text = self.category_features(category or DEFAULT_CATEGORY)
        drawn = drawn_maps(self.decoder, photos, bank, text, kind)
        maps = drawn.clamp(0.0, 1.0)  # outside of inference mode, to go on computing
        config = self.decoder.config
        return Evidence(
            replace(photos, closer=()),  # a result need not hold the photo
            maps,
            scores_of(self.decoder, photos.features, maps, bank, text, kind).detach(),
            bank.names,
            description,
            kind,
            config.region_level,
            cautions_of(photos.marks, photos.features.embedding, bank, config.least_likeness),
            reads_description=not self.is_narrow,
            limit=bank.limit,
        )

    def judge(
        self,
        evidence: Evidence,
        *,
        prompts: Prompts = "map",
        own_words: GenerationOptions | None = None,
    ) -> list[Inspection]:
        """Let the language model say yes or no about each photo; the regions say where.

        Args:
            evidence: from `examine`.
            prompts: "base" and "none" keep the map from the language model, to measure what it
                adds; regions still come from the map.
            own_words: see `verdict.judge`.

        Raises:
            MissingPartError: there is no language model.
        """
        return judge(evidence, self.open_dialogue(evidence, prompts), self.card, own_words)

    def measure(self, evidence: Evidence) -> list[Inspection]:
        """Maps, scores and regions alone; no language model is asked."""
        return [evidence.inspection(row, self.card) for row in range(len(evidence.photos))]

    def inspect(
        self,
        image: ImageSource,
        references: References = (),
        *,
        description: str | None = None,
        category: str | None = None,
        map_only: bool = False,
        bit_depth: int | None = None,
        formulation: Formulation | None = None,
    ) -> Inspection:
        """Inspect one photo.

        Args:
            image: a path, a Pillow image, or an array.
            references: photos of good parts, or a memory bank from `remember`.
            description: a sentence about the part for the language model.
            category: what the part is called, such as "leather".
            map_only: True asks no language model.
            bit_depth: bits that photo and references use, see `load_image`; None finds it out.
            formulation: how distances become a map, see `examine`.

        Raises:
            ImageError: a photo cannot be used; it is named.
            MissingPartError: no language model, or neither a reference nor a trained text side.
        """
        found = next(
            self.inspect_batch(
                [image],
                references,
                description=description,
                category=category,
                map_only=map_only,
                bit_depth=bit_depth,
                formulation=formulation,
            )
        )
        if isinstance(found, ImageError):
            raise found
        return found

    def inspect_batch(
        self,
        images: Iterable[ImageSource],
        references: References = (),
        *,
        description: str | None = None,
        category: str | None = None,
        map_only: bool = False,
        batch_size: int = 8,
        bit_depth: int | None = None,
        formulation: Formulation | None = None,
    ) -> Iterator[Inspection | ImageError]:
        """Inspect many photos against the same references, several at a time.

        Photos of more than 8 bits are read like the references, with the given bit depth, or one
        that all of them need, as far as the photos are known: those of an iterator are not.

        Yields:
            One `Inspection` per photo, in order. In place of a photo that cannot be used comes
            the `ImageError` that names it, and the rest goes on.

        Raises:
            ImageError: a reference cannot be used; it is named.
            MissingPartError: see `inspect`.
        """
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
        if not map_only and self.language_model is None:
            raise MissingPartError(
                f"{self.name} has no language model to answer; call with map_only=True"
            )
        photos = listed(images) if is_single(images) else images
        known = photos if isinstance(photos, Sequence) else ()
        kind = formulation or self.config.decoder.formulation
        bank, depth = self.library.alike(known, references, kind, bit_depth)
        examine = partial(
            self.examine,
            references=bank,
            description=description,
            category=category,
            formulation=kind,
        )
        judge_or_measure = self.measure if map_only else self.judge
        return self._inspect_batches(
            iter(photos), depth, batch_size, lambda found: judge_or_measure(examine(found))
        )

    def _inspect_batches(
        self,
        images: Iterator[ImageSource],
        bit_depth: int | None,
        batch_size: int,
        inspect: Callable[[EncodedPhotos], list[Inspection]],
    ) -> Iterator[Inspection | ImageError]:
        while batch := list(islice(images, batch_size)):
            loaded = [try_load(image, bit_depth) for image in batch]
            good = {
                row: photo for row, photo in enumerate(loaded) if not isinstance(photo, ImageError)
            }
            found: Iterator[Inspection] = iter(())
            if good:
                names = [photo_name(batch[row]) for row in good]
                found = iter(inspect(replace(self.encode([*good.values()]), names=names)))
            for photo in loaded:
                yield photo if isinstance(photo, ImageError) else next(found)

    def chat(
        self,
        image: ImageSource,
        references: References = (),
        *,
        description: str | None = None,
        category: str | None = None,
        bit_depth: int | None = None,
        formulation: Formulation | None = None,
    ) -> Chat:
        """Begin a chat about one photo, which is encoded here; the arguments are `inspect`'s.

        Raises:
            ImageError: a photo cannot be used; it is named.
            MissingPartError: no language model, or neither a reference nor a trained text side.
        """
        _ = self.speech  # before anything is encoded
        kind = formulation or self.config.decoder.formulation
        bank, depth = self.library.alike([image], references, kind, bit_depth)
        evidence = self.examine(
            self.encode([image], bit_depth=depth),
            bank,
            description=description,
            category=category,
            formulation=kind,
        )
        return self.chat_about(evidence)

    def chat_about(self, evidence: Evidence) -> Chat:
        """Begin a chat about a photo that was examined already.

        Raises:
            MissingPartError: there is no language model.
        """
        manner = self.config.language_model
        return Chat(evidence, self.card, partial(self.open_dialogue, evidence), manner)

    def open_dialogue(self, evidence: Evidence, prompts: Prompts = "map") -> Dialogue:
        """A dialogue that begins with photos and their maps.

        Raises:
            MissingPartError: there is no language model.
        """
        return self.speech.open_dialogue(evidence.photos.features.embedding, evidence.maps, prompts)

    @property
    def speech(self) -> Speech:
        """The parts that talk.

        Raises:
            MissingPartError: there is no language model.
        """
        if self.language_model is None or self.projection is None:
            raise MissingPartError(
                f"{self.name} has no language model to answer; ask for the map alone"
            )
        from anomalygpt.language.speaking import Speech  # transformers takes a second to load

        return Speech(self.language_model, self.projection, self.prompt_learner)

    def category_features(self, category: str) -> Tensor | None:
        """[normal, abnormal] of a category, (2, C), kept; None without a text tower. Learned
        prompts are the same for all."""
        if self.decoder.prompts is not None:
            return self.photos.prompt_features(self.decoder.prompts)
        return self.photos.text_features(category) if self.decoder.has_text_side else None
