"""Options of experts and knowledge, which several commands have."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from anomalygpt.cli.plants import add_place
from anomalygpt.cli.status import say
from anomalygpt.errors import ConfigError
from anomalygpt.experts.addresses import Address, read_address
from anomalygpt.experts.manner import DEFAULT_NOTATION, Manner

if TYPE_CHECKING:
    from anomalygpt.experts.consulting import Consultants
    from anomalygpt.experts.voice import Voice

# Options that mean nothing without --expert.
OF_EXPERTS = ("evidence", "expert_timeout", "expert_price", "offline")
_OF_TALKS = ("think", "verdict")


def add_expert_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Who speaks or answers instead of the model's own language model."""
    group = parser.add_argument_group(
        "experts", "a foreign model as the voice, with our map as its evidence; docs/experts.md"
    )
    group.add_argument(
        "--expert",
        metavar="SPEC",
        help="openai:MODEL@URL, on a server that speaks as OpenAI's (its key in "
        "ANOMALYGPT_EXPERT_KEY), or transformers:NAME, a hub name, folder or GGUF file",
    )
    group.add_argument(
        "--evidence",
        metavar="KIND",
        help="what it is handed beside the photos: bbox, contour, highlight, mask or heatmap; with "
        "words no picture at all is handed over, not even the photo",
    )
    group.add_argument(
        "--expert-timeout",
        type=float,
        metavar="SECONDS",
        help="after so long without a sign of life its server is given up (default 120)",
    )
    group.add_argument(
        "--expert-price",
        nargs=2,
        type=float,
        metavar=("IN", "OUT"),
        help="of a million tokens that it reads and writes; what was spent is told at the end",
    )
    group.add_argument(
        "--offline", action="store_true", help="refuse an expert on any other machine"
    )
    return group


def add_talk_options(parser: argparse.ArgumentParser) -> None:
    """Who takes part in talks, how, and what is known."""
    group = add_expert_options(parser)
    group.add_argument(
        "--think", action="store_true", help="let it write down what it sees before it answers"
    )
    group.add_argument(
        "--verdict",
        choices=["own", "expert"],
        help="whose yes or no counts: the measured one (own, the default) or the expert's",
    )
    group.add_argument(
        "--knowledge",
        type=Path,
        metavar="DIR",
        help="a folder of what is known about products; docs/knowledge.md",
    )
    group.add_argument(
        "--product",
        help="which product this is: one that `anomalygpt product` keeps, or one of --knowledge "
        "(by default found out by the photos that lie in it, else all of it is searched)",
    )
    add_place(group)


def address_of(options: argparse.Namespace) -> Address | None:
    """Where the model is that --expert names; None without.

    Raises:
        ConfigError: an option of experts without --expert, or one that is out of its range.
    """
    if options.expert is None:
        # "evaluate" has options of its own that are called like those of talks.
        is_talk = hasattr(options, "product")
        for name in (*OF_EXPERTS, *(_OF_TALKS if is_talk else ())):
            if getattr(options, name):
                raise ConfigError(f"--{name.replace('_', '-')} needs --expert SPEC")
        return None
    if options.expert_price is not None and min(options.expert_price) < 0:
        raise ConfigError("--expert-price is two prices from 0 on")
    return read_address(options.expert, offline=options.offline)


def manner_of(options: argparse.Namespace) -> Manner:
    """How consultations are held.

    Raises:
        ConfigError: an unknown evidence.
    """
    return Manner(options.evidence or DEFAULT_NOTATION, options.think, options.verdict or "own")


def voice_of(options: argparse.Namespace) -> Voice | None:
    """The voice that --expert names, or None.

    Raises:
        ConfigError: see `address_of`.
        AnomalyGPTError: the expert cannot be used.
    """
    address = address_of(options)
    if address is None:
        return None
    from anomalygpt.experts.opening import open_voice

    return open_voice(
        address,
        timeout=options.expert_timeout,
        device=options.device,
        dtype=options.dtype,
        quantization=getattr(options, "quantization", None),
        sees=options.evidence != "words",
    )


def consultants_of(options: argparse.Namespace) -> Consultants | None:
    """Experts and knowledge that options name; None where they name neither.

    Raises:
        ConfigError: options do not go together.
        AnomalyGPTError: the expert or the folder cannot be used.
    """
    voice = voice_of(options)
    if voice is None and options.knowledge is None:
        return None
    from anomalygpt.experts.consulting import Consultants
    from anomalygpt.knowledge.store import Knowledge

    knowledge = None if options.knowledge is None else Knowledge.open(options.knowledge)
    for problem in () if knowledge is None else knowledge.problems:
        say(problem)
    return Consultants(voice, manner_of(options), knowledge, options.product)


def dismiss(voice: Voice | None, options: argparse.Namespace) -> None:
    """Let a voice go, and tell what it has cost in one line; nothing where it was not asked."""
    if voice is None:
        return
    voice.close()
    if not voice.usage.requests:
        return
    usage = voice.usage
    text = f"{voice.name}: {usage.requests} request{'s' if usage.requests > 1 else ''}, "
    if not usage.prompt_tokens:
        say(f"{text}tokens that its server does not count")
        return
    text += f"{usage.prompt_tokens} tokens read, {usage.completion_tokens} written"
    if options.expert_price is not None:
        price_in, price_out = options.expert_price
        cost = (price_in * usage.prompt_tokens + price_out * usage.completion_tokens) / 1e6
        text += f", {cost:.4f} by the prices given"
    say(text)
