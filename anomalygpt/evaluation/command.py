"""`anomalygpt evaluate`."""

from __future__ import annotations

import argparse
import shlex
import sys

from tqdm import tqdm

from anomalygpt.cli import INTERRUPTED, OK, SOME_FAILED
from anomalygpt.commands import assistant_of
from anomalygpt.evaluation.files import REPORT
from anomalygpt.evaluation.options import settings_of
from anomalygpt.evaluation.report import terminal_summary
from anomalygpt.evaluation.run import evaluate


def run(options: argparse.Namespace) -> int:
    """Measure, and print the means; status 1 when a photo could not be read."""
    settings = settings_of(options)
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
        tqdm.write(
            f"anomalygpt: {len(results['left_out'])} photos left out that the model or the "
            "references know; the report names them",
            sys.stderr,
        )
    for line in results.get("notes", ()):  # older results have none
        tqdm.write(f"anomalygpt: {line}", sys.stderr)
    for each in results["skipped"]:
        tqdm.write(f"anomalygpt: skipped: {each['reason']}", sys.stderr)
    return SOME_FAILED if results["skipped"] else OK
