"""`anomalygpt evaluate --attack`: what attacks do to the verdict."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import TYPE_CHECKING, Any

from anomalygpt.cli.status import INTERRUPTED, OK, SOME_FAILED, say
from anomalygpt.errors import ConfigError

if TYPE_CHECKING:
    from anomalygpt.evaluation.settings import EvaluationSettings

# The same as in `evaluation.robustness.attacks`, which brings torch; a test compares them.
ATTACK_NAMES = ("fgsm", "pgd", "deepfool")
EPSILONS = (1, 2, 4, 8)

_OWN = ("epsilon", "attack_photos", "attack_steps", "attack_seed")


def add_attack_options(parser: argparse.ArgumentParser) -> None:
    """Which attacks, and how strong."""
    group = parser.add_argument_group(
        "attacks (docs/robustness.md)",
        "changes of the photos, made with the model's own gradients, that turn its verdict; they "
        "see photos whole, at the size the encoder reads, and need the extra attacks",
    )
    group.add_argument(
        "--attack", nargs="+", choices=ATTACK_NAMES, default=[], help="attacks to try"
    )
    group.add_argument(
        "--epsilon",
        nargs="+",
        type=int,
        metavar="N",
        help="how far each value may be changed, in steps of 1/255, 0 to 64 (default "
        f"{' '.join(map(str, EPSILONS))})",
    )
    group.add_argument(
        "--attack-photos",
        type=int,
        metavar="N",
        help="attack at most N photos of a product, half of them good (default: all)",
    )
    group.add_argument("--attack-steps", type=int, metavar="N", help="steps of pgd (default 10)")
    group.add_argument(
        "--attack-seed", type=int, metavar="N", help="of the random start of pgd (default 0)"
    )


def attacks(options: argparse.Namespace) -> bool:
    """Whether attacks are asked for.

    Raises:
        ConfigError: options of theirs without them.
    """
    if options.attack:
        return True
    if given := [name for name in _OWN if getattr(options, name) is not None]:
        raise ConfigError(
            f"--{given[0].replace('_', '-')} is for attacks; name some with --attack "
            f"{' '.join(ATTACK_NAMES)}, or leave it out"
        )
    return False


def run_attacks(options: argparse.Namespace, settings: EvaluationSettings) -> int:
    """Attack, and print the table; status 1 when a photo could not be read.

    Args:
        options: the command line.
        settings: that it stands for.

    Raises:
        ConfigError: a value out of range, or settings that attacks do not have.
        MissingExtraError: the library of attacks is not installed.
    """
    from anomalygpt.cli.assistant import assistant_of
    from anomalygpt.evaluation.robustness.attacks import AttackSettings, require_library
    from anomalygpt.evaluation.robustness.report import NOTE, PAGE, terminal_table
    from anomalygpt.evaluation.robustness.run import attack

    given: dict[str, Any] = {"attacks": tuple(options.attack)}
    if options.epsilon is not None:
        given["epsilons"] = tuple(options.epsilon)
    for name, field in (
        ("attack_photos", "photos"),
        ("attack_steps", "steps"),
        ("attack_seed", "seed"),
    ):
        if getattr(options, name) is not None:
            given[field] = getattr(options, name)
    chosen = AttackSettings(**given, pictures=settings.examples)
    require_library()  # before minutes of other work
    words = not options.encoder and settings.verdicts != ("threshold",)
    assistant = assistant_of(options, needs_words=words)
    command = shlex.join(["anomalygpt", *options.typed])
    try:
        results = attack(assistant, settings, chosen, options.output, command=command)
    except KeyboardInterrupt:
        print(
            "anomalygpt: interrupted; what was attacked is kept, the same command goes on",
            file=sys.stderr,
        )
        return INTERRUPTED
    print(terminal_table(results))
    print(NOTE)
    print(f"report: {options.output / PAGE}")
    for each in results["skipped"]:
        say(f"skipped: {each['reason']}")
    return SOME_FAILED if results["skipped"] else OK
