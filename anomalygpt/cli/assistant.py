"""The assistant and the references that options of a command name."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from anomalygpt.cli.shared import parse_options
from anomalygpt.errors import ConfigError, MissingPartError
from anomalygpt.images.listing import list_images
from anomalygpt.model import AnomalyGPT
from anomalygpt.progress import with_bar
from decoder import MemoryBank


def assistant_of(options: argparse.Namespace, *, needs_words: bool) -> AnomalyGPT:
    """The assistant that --model or --encoder and their companions name.

    Raises:
        ConfigError, SourceError, CheckpointError: they do not go together, or are not there.
        MissingPartError: words are needed, and an encoder alone has none.
    """
    return opener_of(options, needs_words=needs_words)()


def opener_of(options: argparse.Namespace, *, needs_words: bool) -> Callable[[], AnomalyGPT]:
    """What loads that assistant; it can be called in another process, too.

    Raises:
        ConfigError: options do not go together.
        MissingPartError: see `assistant_of`.
    """
    if options.encoder is None:
        if options.encoder_weights or options.encoder_option:
            raise ConfigError("--encoder-weights and --encoder-option need --encoder NAME")
        return partial(
            AnomalyGPT.from_pretrained,
            options.model or "embedded",
            device=options.device,
            dtype=options.dtype,
            quantization=options.quantization,
            map_only=not needs_words,
        )
    for name in ("model", "quantization"):
        if getattr(options, name) is not None:
            raise ConfigError(f"--{name} does not go with --encoder; leave one of them out")
    if needs_words:
        raise MissingPartError(
            "an encoder alone cannot answer in words; add --map-only, or give --model with a "
            "language model"
        )
    return partial(
        AnomalyGPT.from_encoder,
        options.encoder,
        options.encoder_weights,
        options=parse_options(options.encoder_option),
        device=options.device,
        dtype=options.dtype,
    )


def remember(
    assistant: AnomalyGPT,
    paths: Sequence[Path],
    options: argparse.Namespace,
    bit_depth: int | None = None,
) -> MemoryBank:
    """Encode references one by one, with a bar where there are many of them.

    Args:
        assistant: the one that will compare with them.
        paths: photos of good parts; none gives an empty bank.
        options: its rotations, flips, fixed_pose, detail and formulation say how they are read.
        bit_depth: of the photos and these references together, see `common_bit_depth`.

    Raises:
        ImageError: a reference cannot be used; it is named.
        ConfigError: a fixed pose with turned or mirrored copies.
    """
    return assistant.remember(
        paths,
        rotations=options.rotations,
        flips=options.flips,
        fixed_pose=options.fixed_pose,
        detail=options.detail,
        bit_depth=bit_depth,
        formulation=options.formulation,
        watch=with_bar,
    )


def reference_paths(options: argparse.Namespace) -> list[Path]:
    """The photos that --reference names.

    Raises:
        SourceError: none of them is there.
    """
    return list_images(options.reference) if options.reference else []
