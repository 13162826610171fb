"""The assistant: photo → features → map → prompts → words, put together from its parts.

photos ─ encode ─▶ EncodedPhotos ─ examine ─▶ Evidence ─ judge ─▶ Inspection
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from anomalygpt import __version__
from anomalygpt.cautions import cautions_of
from anomalygpt.chat import Chat
from anomalygpt.config import AnomalyGPTConfig
from anomalygpt.devices import resolve_device, resolve_dtype
from anomalygpt.encoders import ImageFeatures, TextEncoder, encoder_mark, open_encoder
from anomalygpt.errors import ConfigError, ImageError, MissingPartError
from anomalygpt.evidence import EncodedPhotos, Evidence, decoder_errors
from anomalygpt.generation import GenerationOptions
from anomalygpt.image_io import (
    ImageSource,
    common_bit_depth,
    is_single,
    listed,
    load_image,
    photo_name,
    try_load,
)
from anomalygpt.preprocessing import ImageGeometry, preprocess
from anomalygpt.reference_cache import ReferenceCache, cache_folder, cache_key
from anomalygpt.references import (
    PICTURES_VERSION,
    EncodedReference,
    ReferenceViews,
    pixels_mark,
    reference_pictures,
    turns_of_each,
)
from anomalygpt.results import Inspection
from anomalygpt.verdict import judge
from decoder import (
    DEFAULT_CATEGORY,
    DecoderConfig,
    ImageDecoder,
    MemoryBank,
    ensemble_features,
)
from decoder.config import Formulation
from prompt_learner import PromptLearner

if TYPE_CHECKING:
    from anomalygpt.dialogue import Dialogue
    from anomalygpt.language_model import LanguageModel
    from anomalygpt.training.batches import Batch
    from anomalygpt.training.objective import LossSums, Tokens

# Photos of good parts, a single one, or a memory bank of them.
References: TypeAlias = "ImageSource | Sequence[ImageSource] | MemoryBank | None"

# Turned copies that are encoded at one time, so that many of them do not fill the memory.
VIEW_BATCH = 4

# Which prompts the language model sees: base prompts and the map, base prompts alone (the paper's
# ablation without a decoder), or none (without a prompt learner).
Prompts: TypeAlias = Literal["map", "base", "none"]


class AnomalyGPT(nn.Module):
    """A conversational inspector.

    Made by `from_pretrained` or `from_encoder`; the constructor takes built parts.

    Attributes:
        config: what the parts were built from.
        name: what the assistant is called in results.
        training_photos: SHA-256 of the photos it was trained on or chosen by, where that is known.
        reference_cache: where `remember` keeps encoded reference files between runs.
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
    ) -> None:
        super().__init__()
        if language_model is not None and projection is None:
            raise MissingPartError("a language model needs an image projection beside it")
        self.config = config
        self.name = name
        self.training_photos: frozenset[str] = frozenset()
        self.encoder = encoder
        self.decoder = decoder
        self.prompt_learner = prompt_learner
        self.projection = projection
        self.language_model = language_model
        self._text_features: dict[str, Tensor] = {}
        self.reference_cache = ReferenceCache(cache_folder())
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
            source: "embedded", a folder that `anomalygpt convert` or `save_pretrained` wrote, or
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
        from anomalygpt.pretrained import load_assistant

        return load_assistant(
            source, device=device, dtype=dtype, quantization=quantization, map_only=map_only
        )

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
            name: "imagebind_huge", "clip/ViT-B-16" or a timm name.
            weights: a weight file; None fetches them by name where that is possible.
            options: input_size, mean, std, stages, resize, or arguments of the architecture.
            formulation: how distances become a map, see `DecoderConfig`.
            device: "auto", "cpu", "cuda" or "cuda:1".
            dtype: number format of the encoder; "auto" is float32 on a CPU.

        Raises:
            ConfigError, SourceError, CheckpointError: see `encoders.open_encoder`.
        """
        place = resolve_device(device)
        number_format = resolve_dtype(dtype, place)
        encoder: Any = open_encoder(name, weights, options)
        decoder_config = DecoderConfig(encoder.stage_widths, formulation=formulation)
        config = AnomalyGPTConfig(encoder.config, decoder_config)
        return cls(config, encoder, ImageDecoder(decoder_config), name=name).to(
            place, number_format
        )

    def forward(
        self, batch: Batch, conversations: Sequence[Tokens], banks: Sequence[MemoryBank] | None
    ) -> LossSums:
        """Training losses of a batch, see `anomalygpt.training.objective.loss_sums`."""
        from anomalygpt.training.objective import loss_sums

        return loss_sums(self, batch, conversations, banks)

    def set_formulation(self, formulation: Formulation) -> None:
        """Draw maps as "normalised" or as "published" from now on.

        Raises:
            ConfigError: another word.
        """
        try:
            config = replace(self.config.decoder, formulation=formulation)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        self.config = replace(self.config, decoder=config)
        self.decoder.config = config

    def save_pretrained(self, folder: str | Path) -> None:
        """Write everything into a folder that `from_pretrained` reads.

        Raises:
            OutputError: the folder is not empty, or cannot be written; nothing of it is left.
        """
        from anomalygpt.pretrained import save_assistant

        save_assistant(self, Path(folder))

    @property
    def device(self) -> torch.device:
        """Where photos are encoded."""
        return next(self.encoder.parameters()).device

    def encode(
        self, images: ImageSource | Sequence[ImageSource], *, bit_depth: int | None = None
    ) -> EncodedPhotos:
        """Read and encode photos, all in one batch.

        Args:
            images: paths, Pillow images or arrays.
            bit_depth: see `load_image`; None takes one for all of them.

        Raises:
            ImageError: a photo cannot be used.
        """
        images = listed(images)
        depth = bit_depth or common_bit_depth(images)
        photos = [load_image(image, depth) for image in images]
        features, geometries = self._encode(photos)
        names = [photo_name(image) for image in images]
        return EncodedPhotos(features, geometries, names, [pixels_mark(each) for each in photos])

    def remember(
        self,
        references: ImageSource | Sequence[ImageSource],
        *,
        rotations: int | None = None,
        flips: bool = False,
        fixed_pose: bool = False,
        bank: MemoryBank | None = None,
        bit_depth: int | None = None,
    ) -> MemoryBank:
        """Read good parts into a memory bank, which any number of inspections can use.

        Args:
            references: photos of good parts.
            rotations: evenly spaced turns of each, the photo itself included. None takes 12 of a
                single reference, 6 of two, and 1 from three on or for published maps. 1 is right
                for parts that must not be turned, more for parts that lie in any pose.
            flips: True adds mirrored copies.
            fixed_pose: True for parts that always lie the same in the photo: they are not turned,
                and compared place by place, so that a hole which is missing, extra or moved, or a
                mirrored part, differs. A bank that was begun so goes on so.
            bank: an existing bank to add to.
            bit_depth: see `load_image`; None takes that of the bank, else one for all references.
                The bank keeps it, and photos are read like its references.

        Raises:
            ImageError: a reference cannot be used; it is named.
            ConfigError: the bank was made with another encoder or for any pose, or turned or
                mirrored copies are asked for in a fixed pose.
        """
        if rotations is not None and rotations < 1:
            raise ConfigError(f"rotations counts the photo itself, so at least 1; got {rotations}")
        bank = MemoryBank(self.encoder_id, fixed_pose=fixed_pose) if bank is None else bank
        self._check_bank(bank)
        if fixed_pose and not bank.fixed_pose:
            raise ConfigError("the memory bank was begun for parts in any pose; begin a new one")
        if bank.fixed_pose and ((rotations or 1) > 1 or flips):
            raise ConfigError("a fixed pose goes without turned and mirrored copies; leave one out")
        references = listed(references)
        depth = _depth_with(bank, bit_depth) or common_bit_depth(references)
        formulation = self.config.decoder.formulation
        total = len(bank) + len(references)
        turns = 1 if bank.fixed_pose else rotations or turns_of_each(total, formulation)
        # All are read before the first is added: a broken one leaves the bank as it was.
        encoded = [
            (photo_name(each), *self._remembered(each, turns, flips, bank.fixed_pose, depth))
            for each in references
        ]
        bank.bit_depth = depth
        for name, mark, (stages, varied, whole) in encoded:
            with decoder_errors():
                # The same photo may be given twice; its second name is then a number.
                name = None if name in bank.names else name
                bank.add(stages, name=name, varied=varied, marks=[mark], embedding=whole)
        return bank

    def _remembered(
        self,
        reference: ImageSource,
        rotations: int,
        flips: bool,
        fixed_pose: bool,
        bit_depth: int | None,
    ) -> tuple[str, EncodedReference]:
        """A reference and the mark of its pixels; that of a file is kept on the disk."""
        photo = load_image(reference, bit_depth)
        mark = pixels_mark(photo)
        # What is in memory alone stays there, and automatic casting gives other numbers.
        if not isinstance(reference, str | Path) or torch.is_autocast_enabled(self.device.type):
            return mark, self._encode_reference(photo, rotations, flips, fixed_pose)
        weight = next(self.encoder.parameters())
        numbers = (str(weight.dtype), weight.device.type, PICTURES_VERSION)
        key = cache_key(mark, self.encoder_id, rotations, flips, fixed_pose, *numbers)
        found = self.reference_cache.get(key, weight.device)
        if found is None:
            found = self._encode_reference(photo, rotations, flips, fixed_pose)
            self.reference_cache.put(key, found)
        return mark, found

    def reference_views(
        self,
        reference: ImageSource,
        rotations: int = 1,
        flips: bool = False,
        fixed_pose: bool = False,
        bit_depth: int | None = None,
    ) -> ReferenceViews:
        """What `remember` puts into a memory bank for one reference.

        Returns:
            Patch tokens per stage, (V, P, C), of the photo in all its turns, and (M, P, C) of its
            simulated other photos. The same photo always gives the same.

        Raises:
            ImageError: the reference cannot be used; it is named.
        """
        photo = load_image(reference, bit_depth)
        found = self._encode_reference(photo, rotations, flips, fixed_pose)
        return found.stages, found.varied

    def _encode_reference(
        self, photo: Image.Image, rotations: int, flips: bool, fixed_pose: bool
    ) -> EncodedReference:
        pixels = np.asarray(photo)
        views, varied = reference_pictures(pixels, rotations, flips, fixed_pose)
        copies = [*views, *varied]
        parts = [
            self._encode([Image.fromarray(copy) for copy in copies[start : start + VIEW_BATCH]])[0]
            for start in range(0, len(copies), VIEW_BATCH)
        ]
        features = ImageFeatures.cat(parts)
        first, others = features[: len(views)], features[len(views) :]
        return EncodedReference(first.stages, others.stages, first.embedding[0])

    def _bank_of(self, references: References) -> MemoryBank:
        """A bank as it is, or one of the photos; an empty one of nothing.

        Raises:
            ImageError: a reference cannot be used; it is named.
            ConfigError: the bank was made with another encoder.
        """
        if not isinstance(references, MemoryBank):
            return self.remember(() if references is None else references)
        self._check_bank(references)
        return references

    def _check_bank(self, bank: MemoryBank) -> None:
        if bank.encoder not in (None, self.encoder_id):
            raise ConfigError(
                f"the memory bank was made with another encoder or other settings (its mark is "
                f"{bank.encoder}, this one's {self.encoder_id}); read the references again"
            )

    @cached_property
    def encoder_id(self) -> str:
        """A mark of the encoder's settings and weights, the same for the same features."""
        return encoder_mark(self.encoder)

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
    ) -> Evidence:
        """Draw the maps of encoded photos.

        Args:
            photos: from `encode`.
            references: photos of good parts (or a single one), a memory bank of them, or None.
            description: a sentence about the part for the language model.
            category: what the part is called, for the text side; "object" by default.

        Raises:
            MissingPartError: no reference, and no trained text side to do without.
        """
        bank = self._bank_of(references)
        text = self.category_features(category or DEFAULT_CATEGORY)
        features = photos.features
        with torch.inference_mode(), decoder_errors():
            maps = self.decoder.anomaly_map(
                features.stages, features.grid, text_features=text, memory_bank=bank
            )
        maps = maps.clamp(0.0, 1.0)
        raw = len(bank) > 0 and self.decoder.config.formulation == "published"
        scores = self.decoder.score(maps, features.grid)
        return Evidence(
            photos,
            maps,
            scores,
            bank.names,
            raw,
            description,
            self.decoder.config.region_level,
            cautions_of(photos.marks, features.embedding, bank, self.decoder.config.least_likeness),
            reads_description=not self.is_narrow,
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
            own_words: for comparison, takes the language model's own sentence, of this length
                and sampling, instead of one that is put together from the regions.

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
    ) -> Inspection:
        """Inspect one photo.

        Args:
            image: a path, a Pillow image, or an array.
            references: photos of good parts, or a memory bank from `remember`.
            description: a sentence about the part, such as "This is a photo of a leather, which
                should be brown and without any hole."
            category: what the part is called, such as "leather".
            map_only: True asks no language model.
            bit_depth: bits that photo and references use, see `load_image`; None finds it out.

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
    ) -> Iterator[Inspection | ImageError]:
        """Inspect many photos against the same references, several at a time.

        Photos and references of more than 8 bits are read with one bit depth: the given one, that
        of the memory bank, or the one that all of them need. Of an iterator the photos to come are
        not known; they are read like the references.

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
        bank, depth = self._read_alike(photos, references, bit_depth)
        return self._inspect_batches(
            iter(photos), bank, depth, description, category, map_only, batch_size
        )

    def _read_alike(
        self, photos: Iterable[ImageSource], references: References, bit_depth: int | None
    ) -> tuple[MemoryBank, int | None]:
        """A bank of the references, and the bit depth of all photos."""
        known = photos if isinstance(photos, Sequence) else ()
        if isinstance(references, MemoryBank):
            self._check_bank(references)
            return references, _depth_with(references, bit_depth) or common_bit_depth(known)
        good = listed(() if references is None else references)
        depth = bit_depth or common_bit_depth([*good, *known])
        return self.remember(good, bit_depth=depth), depth

    def _inspect_batches(
        self,
        images: Iterator[ImageSource],
        bank: MemoryBank,
        bit_depth: int | None,
        description: str | None,
        category: str | None,
        map_only: bool,
        batch_size: int,
    ) -> Iterator[Inspection | ImageError]:
        while batch := list(islice(images, batch_size)):
            loaded = [try_load(image, bit_depth) for image in batch]
            good = [photo for photo in loaded if not isinstance(photo, ImageError)]
            found: Iterator[Inspection] = iter(())
            if good:
                names = [
                    photo_name(image)
                    for image, photo in zip(batch, loaded, strict=True)
                    if not isinstance(photo, ImageError)
                ]
                photos = replace(self.encode(good), names=names)
                evidence = self.examine(photos, bank, description=description, category=category)
                found = iter(self.measure(evidence) if map_only else self.judge(evidence))
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
    ) -> Chat:
        """Begin a conversation about one photo; the photo is encoded here, once.

        The arguments are those of `inspect`.

        Raises:
            ImageError: a photo cannot be used; it is named.
            MissingPartError: no language model, or neither a reference nor a trained text side.
        """
        self._speech()
        bank, depth = self._read_alike([image], references, bit_depth)
        photo = self.encode([image], bit_depth=depth)
        evidence = self.examine(photo, bank, description=description, category=category)
        return Chat(self, evidence)

    def open_dialogue(self, evidence: Evidence, prompts: Prompts = "map") -> Dialogue:
        """A conversation that begins with photos and their maps.

        Raises:
            MissingPartError: there is no language model.
        """
        return self.open_dialogue_about(evidence.photos.features.embedding, evidence.maps, prompts)

    def open_dialogue_about(
        self, embedding: Tensor, maps: Tensor, prompts: Prompts = "map"
    ) -> Dialogue:
        """A conversation that begins with encoded photos and maps.

        Args:
            embedding: (B, D), photos as a whole.
            maps: (B, S, S) in [0, 1].
            prompts: which of the prompts the language model sees, see `judge`.

        Raises:
            MissingPartError: there is no language model.
        """
        prompt_learner, projection, language_model = self._speech()
        with torch.inference_mode():
            place = projection.weight.device
            image = projection(embedding.to(place, projection.weight.dtype)).unsqueeze(1)
            # PandaGPT without AnomalyGPT's part has no prompt learner: it sees no map.
            words = None
            if prompt_learner is not None and prompts == "map":
                words = prompt_learner(maps.to(place))
            elif prompt_learner is not None and prompts == "base":
                words = prompt_learner.base(len(maps))
        return language_model.start(image, words)

    def _speech(self) -> tuple[PromptLearner | None, nn.Linear, LanguageModel]:
        if self.language_model is None or self.projection is None:
            raise MissingPartError(
                f"{self.name} has no language model to answer; ask for the map alone"
            )
        return self.prompt_learner, self.projection, self.language_model

    def _encode(self, photos: Sequence[Image.Image]) -> tuple[ImageFeatures, list[ImageGeometry]]:
        settings = self.config.encoder
        prepared = [
            preprocess(
                photo,
                size=settings.input_size,
                mean=settings.mean,
                std=settings.std,
                resize=settings.resize,
            )
            for photo in photos
        ]
        weight = next(self.encoder.parameters())
        pixels = torch.stack([pixels for pixels, _ in prepared]).to(weight.device, weight.dtype)
        with torch.inference_mode():
            features = self.encoder(pixels)
        return features, [geometry for _, geometry in prepared]

    def category_features(self, category: str) -> Tensor | None:
        """[normal, abnormal] of a category, (2, C), kept; None without a text tower."""
        if not self.decoder.has_text_side or not isinstance(self.encoder, TextEncoder):
            return None
        if category not in self._text_features:
            with torch.inference_mode():
                features = ensemble_features(self.encoder.encode_text, category)
            self._text_features[category] = features
        return self._text_features[category]


def _depth_with(bank: MemoryBank, bit_depth: int | None) -> int | None:
    """The bit depth of photos that are compared with a bank; None where nothing says it."""
    if bit_depth is not None and len(bank) and bank.bit_depth not in (None, bit_depth):
        raise ConfigError(
            f"the memory bank was made from photos of {bank.bit_depth} bits, bit_depth is "
            f"{bit_depth}; leave it out, or read the references again"
        )
    return bit_depth or bank.bit_depth
