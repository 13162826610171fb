"""`anomalygpt evaluate --dataset mmad`: benchmarks of multiple-choice questions."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomalygpt.cli.status import INTERRUPTED, OK, SOME_FAILED, say
from anomalygpt.cli.voices import OF_EXPERTS, dismiss, voice_of
from anomalygpt.constants import QUESTION_LAYOUTS
from anomalygpt.errors import ConfigError
from anomalygpt.experts.manner import check_notation

if TYPE_CHECKING:
    from PIL.Image import Image

    from anomalygpt.evaluation.questions.answering import Answerer
    from anomalygpt.evaluation.questions.embedded import EmbeddedAnswerer
    from anomalygpt.experts.voice import Voice
    from anomalygpt.results.inspection import Inspection

PARSERS = ("probability", "published", "strict")
TEMPLATES = ("random", "similar")
PROTOCOLS = ("separate", "cumulative")

# Options of this module, with what they are where nobody says anything.
_OWN: Mapping[str, Any] = {
    "templates": "random",
    "knowledge": None,
    "parser": "probability",
    "shuffle_options": None,
    "protocol": "separate",
    "think": False,
}
# Options about maps, masks and draws, which questions do not have.
_OTHERS = (
    *("seeds", "references", "mask_size", "leave_out_seen", "verdict", "map"),
    *("no_decoder", "no_prompt_learner", "own_words", "batch_size", "examples"),
)


def add_question_options(parser: argparse.ArgumentParser) -> None:
    """What only MMAD and RobustMAD have."""
    group = parser.add_argument_group(
        "multiple-choice benchmarks (--dataset mmad or robustmad)",
        "--shots then counts templates, which the benchmark names for each photo",
    )
    group.add_argument(
        "--templates",
        choices=TEMPLATES,
        default=_OWN["templates"],
        help="which list of templates, the first of which are taken (default random)",
    )
    group.add_argument(
        "--knowledge",
        metavar="FILE",
        help="tell what a file of MMAD's shape (domain_knowledge.json) says about the product; "
        "where that covers the defects that are asked about, both figures are shown, with their "
        "texts and without",
    )
    group.add_argument(
        "--parser",
        choices=PARSERS,
        default=_OWN["parser"],
        help="how answers become letters: by the probability of each option where the model tells "
        "any (default), as MMAD's code does, or strictly",
    )
    group.add_argument(
        "--shuffle-options",
        type=int,
        metavar="SEED",
        help="shuffle the options of each question by a seed (default: the order of the file)",
    )
    group.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default=_OWN["protocol"],
        help="ask a foreign model each question alone (default), or after the earlier ones and its "
        "answers",
    )
    group.add_argument(
        "--think", action="store_true", help="let a foreign model describe the photo first"
    )


def asks_questions(options: argparse.Namespace) -> bool:
    """Whether the data is a benchmark of questions.

    Raises:
        ConfigError: options of this module for other data.
        DataError: the layout is to be found out, and cannot be.
    """
    layout = options.dataset
    if layout == "auto":
        from anomalygpt.data.mmad import is_mmad
        from anomalygpt.data.robustmad import is_robustmad

        if is_mmad(Path(options.data)) or is_robustmad(Path(options.data)):
            return True
    if layout in QUESTION_LAYOUTS:
        return True
    own = {**_OWN, **dict.fromkeys(("expert", *OF_EXPERTS), None), "offline": False}
    if given := [name for name, usual in own.items() if getattr(options, name) != usual]:
        raise ConfigError(
            f"--{given[0].replace('_', '-')} belongs to multiple-choice benchmarks; give "
            "--dataset mmad or robustmad, or leave it out"
        )
    return False


def run_questions(options: argparse.Namespace, usual: Mapping[str, Any]) -> int:
    """Ask all questions, and print the figures; status 1 when photos could not be asked about.

    Args:
        options: the command line.
        usual: what options of `evaluate` are where nobody says anything.

    Raises:
        ConfigError: options that questions do not have.
    """
    from anomalygpt.evaluation.questions.report import PAGE, terminal_summary
    from anomalygpt.evaluation.questions.run import evaluate_questions
    from anomalygpt.evaluation.questions.settings import QuestionSettings

    if given := [name for name in _OTHERS if not _is_usual(getattr(options, name), usual[name])]:
        raise ConfigError(
            f"--{given[0].replace('_', '-')} does not go with multiple-choice questions; leave it "
            "out"
        )
    settings = QuestionSettings(
        data=options.data,
        dataset=options.dataset,
        categories=None if options.category is None else tuple(options.category),
        shots=tuple(options.shots),
        templates=options.templates,
        knowledge=options.knowledge,
        parser=options.parser,
        shuffle=options.shuffle_options,
        limit=options.limit,
    )
    command = shlex.join(["anomalygpt", *options.typed])
    voice = voice_of(options)
    answerer = answerer_of(options, voice)
    try:
        results = evaluate_questions(answerer, settings, options.output, command=command)
    except KeyboardInterrupt:
        print(
            "anomalygpt: interrupted; what was answered is kept, the same command goes on",
            file=sys.stderr,
        )
        return INTERRUPTED
    finally:
        dismiss(voice, options)
    print(terminal_summary(results))
    print(f"report: {options.output / PAGE}")
    for each in results["findings"]:
        say(f"{each['severity']}: {each['problem']} ({each['count']})")
    for each in results["skipped"]:
        say(f"skipped: {each['photo']}: {each['reason']}")
    return SOME_FAILED if results["skipped"] else OK


def _is_usual(value: Any, usual: Any) -> bool:
    return value == (list(usual) if isinstance(usual, tuple) else usual)


def answerer_of(options: argparse.Namespace, voice: Voice | None) -> Answerer:
    """Who answers: the expert, with an assistant's evidence if one likes, or the assistant.

    Args:
        options: the command line.
        voice: that of --expert.

    Raises:
        ConfigError: options that only foreign models have, or a kind of evidence that is none.
    """
    if voice is None:
        for name in ("think", "protocol"):
            if getattr(options, name) != _OWN[name]:
                raise ConfigError(
                    f"--{name} is for foreign models: an assistant answers from one look at the "
                    "photo, and no answer depends on an earlier one; leave it out"
                )
        return _assistant(options)
    from anomalygpt.evaluation.questions.voices import VoiceAnswerer

    notes: dict[str, Any] = {}
    inspect: Callable[[Path, Sequence[Path]], Inspection] | None = None
    evidence: Callable[[Path, Inspection], tuple[str | Image, ...]] | None = None
    if options.evidence is not None:
        from anomalygpt.experts.briefing import evidence_parts

        assistant = _assistant(options)
        inspect = assistant.inspect
        evidence = partial(evidence_parts, notation=check_notation(options.evidence))
        notes = {"notation": options.evidence, "assistant": assistant.mark}
    return VoiceAnswerer(
        voice,
        by_probability=options.parser == "probability",
        protocol=options.protocol,
        think=options.think,
        inspect=inspect,
        evidence=evidence,
        notes=notes,
    )


def _assistant(options: argparse.Namespace) -> EmbeddedAnswerer:
    from anomalygpt.cli.assistant import assistant_of
    from anomalygpt.evaluation.questions.embedded import EmbeddedAnswerer

    return EmbeddedAnswerer(
        assistant_of(options, needs_words=True),
        rotations=options.rotations,
        flips=options.flips,
        fixed_pose=options.fixed_pose,
        detail=options.detail,
        bit_depth=options.bit_depth,
    )
