"""`anomalygpt feedback`: "good after all" and "damaged, here", and what follows of it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from anomalygpt.cli.plants import add_place, plant_there, who
from anomalygpt.cli.shared import positive
from anomalygpt.cli.status import OK, plain, say

if TYPE_CHECKING:
    from anomalygpt.feedback.feedback import Feedback, Proposed
    from anomalygpt.feedback.preview import Finding, Preview
    from anomalygpt.feedback.said import Said

SUMMARY = "say that a verdict was wrong, and let the product learn from it"

_KINDS = ("reference", "ignore", "limit", "count", "remove")


def run(options: argparse.Namespace) -> int:
    """`anomalygpt feedback ID good|damaged`, `feedback undo ID` or `feedback list`."""
    from anomalygpt.errors import ConfigError
    from anomalygpt.feedback.feedback import Feedback
    from anomalygpt.model import AnomalyGPT

    words = options.words
    feedback = Feedback(
        plant_there(options), lambda name: AnomalyGPT.from_pretrained(name, device=options.device)
    )
    if words == ["list"]:
        return _list(feedback, options)
    if len(words) == 2 and words[0] == "undo":
        product = feedback.undo(words[1], who=who())
        print(plain(f"undone: {product.name} is as before, version {product.version}"))
        return OK
    if len(words) == 2 and words[1] in ("good", "damaged"):
        return _say(feedback, words[0], _said(options, words[1]), options)
    raise ConfigError(
        f"expected `ID good`, `ID damaged`, `undo ID` or `list`, got {' '.join(words)!r}; "
        "`anomalygpt audit list` names inspections"
    )


def _list(feedback: Feedback, options: argparse.Namespace) -> int:
    for item in reversed(feedback.all(options.product, options.limit)):
        if options.json:
            print(json.dumps(item.to_dict()))
            continue
        kind = f" ({item.kind})" if item.kind else ""
        line = (
            f"{item.id}  {item.at[:19]}Z  {item.who}  inspection {item.inspection}: "
            f"{item.said['verdict']}, {item.state}{kind}"
        )
        print(plain(line))
    return OK


def _say(feedback: Feedback, identity: str, said: Said, options: argparse.Namespace) -> int:
    """Take down, propose, show, and apply once it is confirmed."""
    proposed = feedback.propose(identity, said, who=who())
    chosen = options.apply
    if chosen is None and options.yes and proposed.consequences:
        chosen = proposed.consequences[0].kind
    if options.json:
        _say_json(feedback, proposed, chosen, options)
        return OK
    print(plain(f"feedback {proposed.id}: {said.verdict}"))
    for number, each in enumerate(proposed.consequences):
        best = " (proposed)" if number == 0 else ""
        print(plain(f"  {each.kind}{best}: {each.text}; {each.why}"))
    for note in proposed.notes:
        print(plain(f"  note: {note}"))
    if chosen is None and not proposed.consequences:
        return OK
    if chosen is None:
        if not sys.stdin.isatty():
            say("nothing was changed; say --apply KIND, with --yes where nobody can be asked")
            return OK
        chosen = proposed.consequences[0].kind
    from anomalygpt.progress import with_bar

    preview = feedback.preview(proposed.id, chosen, most=options.limit, watch=with_bar)
    _show(preview)
    if not options.yes and not _confirmed(chosen):
        print("nothing was changed")
        return OK
    product = feedback.apply(proposed.id, chosen, who=who(), expected_version=proposed.version)
    print(plain(f"applied: {product.name} is now version {product.version}"))
    print(plain(f"`anomalygpt feedback undo {proposed.id}` takes it back"))
    return OK


def _say_json(
    feedback: Feedback, proposed: Proposed, chosen: str | None, options: argparse.Namespace
) -> None:
    """One object; nothing is asked, and nothing is changed without --yes."""
    preview = product = None
    if chosen is not None:
        preview = feedback.preview(proposed.id, chosen, most=options.limit).to_dict()
    if chosen is not None and options.yes:
        product = feedback.apply(
            proposed.id, chosen, who=who(), expected_version=proposed.version
        ).to_dict()
    told = {**proposed.to_dict(), "chosen": chosen, "preview": preview, "product": product}
    print(json.dumps(told))


def _show(preview: Preview) -> None:
    changed = preview.changed
    print(f"of the last {len(preview.rows)} inspections {len(changed)} would end otherwise")
    for row in changed:
        said = f", said: {row.feedback}" if row.feedback else ""
        line = f"  {row.id}  {row.photo_name}: {_told(row.before)} → {_told(row.after)}{said}"
        print(plain(line))
    if preview.left_out:
        print(f"  {preview.left_out} photos are not kept, and were not looked at")


def _told(found: Finding) -> str:
    verdict = {True: "anomalous", False: "good", None: "no verdict"}[found.is_anomalous]
    return f"{verdict} ({found.anomaly_score:.3f})"


def _confirmed(kind: str) -> bool:
    try:
        answer = input(f"apply {kind}? [y/N] ")
    except EOFError:
        return False
    return answer.strip().casefold() in ("y", "yes")


def _said(options: argparse.Namespace, verdict: str) -> Said:
    """
    Raises:
        ConfigError: a box that is none.
        SourceError: the mask is not there.
    """
    from anomalygpt.errors import ConfigError, SourceError
    from anomalygpt.feedback.said import Box, Said
    from anomalygpt.files import shown

    edges: list[int] = options.box
    if len(edges) % 4:
        raise ConfigError(f"--box takes X0 Y0 X1 Y1 for each box, got {len(edges)} numbers")
    boxes: list[Box] = [
        (edges[at], edges[at + 1], edges[at + 2], edges[at + 3]) for at in range(0, len(edges), 4)
    ]
    mask: bytes | None = None
    if options.mask is not None:
        try:
            mask = options.mask.read_bytes()
        except OSError as error:
            raise SourceError(f"{shown(options.mask)} cannot be read: {error.strerror}") from None
    return Said("good" if verdict == "good" else "damaged", tuple(boxes), mask)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `anomalygpt feedback`."""
    parser.usage = "anomalygpt feedback ID good|damaged [options] | undo ID | list"
    parser.description = (
        "Say that the verdict of an inspection was wrong. What may follow for the product is "
        "proposed and shown on its last inspections; it is applied once it is confirmed, and can "
        "be undone at any time."
    )
    parser.add_argument(
        "words",
        nargs="+",
        metavar="WORD",
        help="an inspection and `good` or `damaged`; `undo` and a feedback; or `list`",
    )
    parser.add_argument(
        "--box",
        nargs="+",
        type=int,
        action="extend",
        default=[],
        metavar="N",
        help="where, X0 Y0 X1 Y1 in pixels of the photo, for each place",
    )
    parser.add_argument(
        "--mask", type=Path, metavar="FILE", help="where: a picture that is white there"
    )
    parser.add_argument("--apply", choices=_KINDS, help="which consequence; else the one proposed")
    parser.add_argument("--yes", action="store_true", help="apply it without asking")
    parser.add_argument("--product", metavar="NAME", help="with `list`: of this product alone")
    parser.add_argument(
        "--limit",
        type=positive,
        default=20,
        metavar="N",
        help="the last N inspections are looked at, or listed (default 20)",
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1 …")
    parser.add_argument("--json", action="store_true", help="print JSON; nothing is asked")
    add_place(parser)
