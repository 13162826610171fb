"""`anomalygpt evaluate`: measuring an assistant on a data set."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from anomalygpt.cli.attacks import add_attack_options, attacks, run_attacks
from anomalygpt.cli.questions import add_question_options, asks_questions, run_questions
from anomalygpt.cli.shared import add_detail, add_model_options
from anomalygpt.cli.status import INTERRUPTED, OK, SOME_FAILED, say
from anomalygpt.cli.voices import add_expert_options
from anomalygpt.constants import QUESTION_LAYOUTS
from anomalygpt.errors import ConfigError
from anomalygpt.evaluation.settings import DATASETS, MAPS, VERDICTS, EvaluationSettings

SUMMARY = "measure the assistant on a data set"

_DEFAULTS = EvaluationSettings("")


def run(options: argparse.Namespace) -> int:
    """Measure, and print the means; status 1 when a photo could not be read."""
    from anomalygpt.cli.assistant import assistant_of
    from anomalygpt.evaluation.reports.files import REPORT
    from anomalygpt.evaluation.reports.report import terminal_summary
    from anomalygpt.evaluation.run import evaluate

    is_attack = attacks(options)
    if asks_questions(options):
        if is_attack:
            raise ConfigError("attacks are on verdicts; leave --attack out with questions")
        return run_questions(options, vars(_DEFAULTS) | {"verdict": [], "map": []})
    settings = settings_of(options)
    if is_attack:
        return run_attacks(options, settings)
    asks_nobody = settings.verdicts == ("threshold",) and not (
        settings.no_decoder or settings.no_prompt_learner
    )
    assistant = assistant_of(options, needs_words=False if options.encoder else not asks_nobody)
    command = shlex.join(["anomalygpt", *options.typed])
    try:
        results = evaluate(assistant, settings, options.output, command=command)
    except KeyboardInterrupt:
        print(
            "anomalygpt: interrupted; what was measured is kept, the same command goes on",
            file=sys.stderr,
        )
        return INTERRUPTED
    print(terminal_summary(results))
    print(f"report: {options.output / REPORT}")
    if results["left_out"]:
        say(
            f"{len(results['left_out'])} photos left out that the model or the "
            "references know; the report names them",
        )
    for line in results.get("notes", ()):  # older results have none
        say(f"{line}")
    for each in results["skipped"]:
        say(f"skipped: {each['reason']}")
    return SOME_FAILED if results["skipped"] else OK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `anomalygpt evaluate`."""
    parser.description = (
        "Measure an assistant on labelled photos and write results.json, results.csv, "
        "results.md, photos.csv and report.html. Ctrl-C keeps what was measured; the same command "
        "goes on. Status 0: all photos were measured; 1: some photos or masks could not be read "
        "(they are named in the results); 2: nothing could be measured; 130: interrupted."
    )
    parser.add_argument("data", metavar="ROOT", help="folder of a data set")
    parser.add_argument(
        "--output", metavar="DIR", type=Path, required=True, help="a new folder for the results"
    )
    _add_data(parser)
    _add_variants(parser)
    add_attack_options(parser)
    add_question_options(parser)
    add_expert_options(parser)
    add_model_options(parser)


def settings_of(options: argparse.Namespace) -> EvaluationSettings:
    """The settings that a command line stands for.

    Raises:
        ConfigError: a value out of range.
    """
    given: dict[str, Any] = {
        "data": options.data,
        "dataset": options.dataset,
        "categories": None if options.category is None else tuple(options.category),
        "maps": tuple(options.map),
        "verdicts": tuple(options.verdict),
        "shots": tuple(options.shots),
        "seeds": tuple(options.seeds),
        "detail": options.detail or _DEFAULTS.detail,
    }
    for name in (
        *("references", "limit", "mask_size", "no_decoder", "no_prompt_learner", "own_words"),
        *("rotations", "flips", "fixed_pose", "bit_depth", "batch_size", "examples"),
        "leave_out_seen",
    ):
        given[name] = getattr(options, name)
    return EvaluationSettings(**given)


def _add_data(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("photos")
    group.add_argument(
        "--dataset",
        choices=[*DATASETS, *QUESTION_LAYOUTS],
        default=_DEFAULTS.dataset,
        help="layout (default auto: found by its folders)",
    )
    group.add_argument(
        "--category", nargs="+", metavar="NAME", help="only these products (default: all)"
    )
    _add_numbers(group, "shots", "K", "numbers of references; 0 is the text side alone")
    _add_numbers(group, "seeds", "N", "one draw of references each")
    group.add_argument(
        "--references",
        choices=["random", "first"],
        default=_DEFAULTS.references,
        help="how references are chosen from the good training photos (default random)",
    )
    group.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="at most N test photos of a category, half of them good",
    )
    group.add_argument(
        "--mask-size",
        type=int,
        metavar="PIXELS",
        help="compare maps and masks on a square of this side, as papers do with 256 (default: "
        "on the photo's own pixels)",
    )
    group.add_argument(
        "--leave-out-seen",
        action="store_true",
        help="leave out test photos that are training photos or references, instead of refusing",
    )


def _add_variants(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is measured, all on the same photos in one run")
    group.add_argument(
        "--verdict",
        nargs="+",
        choices=VERDICTS,
        default=[],
        help="who says yes or no: the language model (default where there is one), a threshold "
        "that comes from the references alone, or both",
    )
    group.add_argument(
        "--map",
        nargs="+",
        choices=MAPS,
        default=[],
        help="how distances become a map (default: what the model was made for)",
    )
    group.add_argument(
        "--no-decoder", action="store_true", help="also ask the language model without the map"
    )
    group.add_argument(
        "--no-prompt-learner",
        action="store_true",
        help="also ask the language model without any learned prompt",
    )
    group.add_argument(
        "--own-words",
        action="store_true",
        help="measure the places in the language model's own sentence instead of those that users "
        "read, which are the regions'",
    )
    group.add_argument(
        "--rotations",
        type=int,
        metavar="N",
        help="turned copies of every reference, the photo included (default: as `inspect` does)",
    )
    group.add_argument("--flips", action="store_true", help="also compare with mirrored references")
    group.add_argument(
        "--fixed-pose",
        action="store_true",
        help="parts always lie the same: compare place by place, without turns (as `inspect` does)",
    )
    add_detail(group)
    group.add_argument(
        "--bit-depth",
        type=int,
        metavar="N",
        help="bits in use, 8 to 16, where 16-bit photos do not say it themselves",
    )
    _add_number(group, "batch-size", "photos at a time")
    _add_number(group, "examples", "worst photos of each kind in the report")


def _add_numbers(group: Any, name: str, metavar: str, text: str) -> None:
    default = getattr(_DEFAULTS, name)
    shown = " ".join(map(str, default))
    group.add_argument(
        f"--{name}",
        nargs="+",
        type=int,
        default=list(default),
        metavar=metavar,
        help=f"{text} (default {shown})",
    )


def _add_number(group: Any, name: str, text: str) -> None:
    default = getattr(_DEFAULTS, name.replace("-", "_"))
    group.add_argument(
        f"--{name}", type=int, default=default, metavar="N", help=f"{text} (default {default})"
    )
