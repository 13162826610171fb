"""Our map from a few good photos against other ways to read the same encoder.

    python scripts/compare_peers.py DATA --shots 1 4 --seeds 0 1 2 --encoder resnet18 \
        --encoder-weights FILE --encoder-option input_size=256 --output comparison.md

All methods see the same references (those of `anomalygpt evaluate`), the same test photos as the
same pixels, and the same encoder weights:

- ours, with the normalised and the published map;
- PatchCore-style and SPADE-style readings, written plainly below; they take the encoder's levels
  as they are, before our encoder weighs and joins them;
- anomalib's models (extra `peers`), built from their own code with our encoder's weights loaded
  into them. Before anything is measured, the levels that each of them computes from a photo are
  compared with ours. Models that need weights of their own or long training are left out; the
  report lists them.

Maps of peers are distances d without a bound. Figures only depend on the order of values, so d is
written as d / (c + d), with c the median of the map of a simulated other photo of the first
reference.

Time is that of encoding and matching one photo on the CPU, without reading the file and without
bringing the map back to the photo's own size. All methods read a photo before the next one comes,
in another order for each photo, and one photo is read by each before the clock starts. The time
to learn the references ("build") is apart; ours includes reading their files once more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import torch

from anomalygpt import AnomalyGPT, AnomalyGPTError
from anomalygpt.cli.shared import parse_options
from anomalygpt.data import open_data
from anomalygpt.errors import ConfigError, DataError
from anomalygpt.evaluation.protocol import CategoryPlan, plan
from anomalygpt.evaluation.settings import EvaluationSettings
from anomalygpt.files import write_atomically
from peers.anomalib_models import open_peers
from peers.ours import Ours
from peers.plain import PatchCoreStyle, SpadeStyle
from peers.readings import Method
from peers.recipes import RECIPES
from peers.table import report
from peers.trials import measure

GROUPS = {"all": list(RECIPES), "none": []}


def compare(options: argparse.Namespace, arguments: Sequence[str]) -> str:
    """The whole comparison, as markdown."""
    names = chosen(options.peers)
    plans = planned(options)
    if options.threads:
        torch.set_num_threads(options.threads)
    cv2.setNumThreads(torch.get_num_threads())
    assistant = AnomalyGPT.from_encoder(
        options.encoder,
        options.encoder_weights,
        options=parse_options(options.encoder_option),
        device="cpu",
    )
    peers, notes = open_peers(names, assistant, plans[0].trials[0].order[0])
    print("\n".join(notes), file=sys.stderr)
    methods: list[Method] = [
        *(Ours(assistant, formulation) for formulation in ("normalised", "published")),
        *(PatchCoreStyle(assistant.encoder), SpadeStyle(assistant.encoder)),
        *peers,
    ]
    return report(measure(methods, assistant, plans), plans, notes, arguments)


def chosen(peers: Sequence[str]) -> list[str]:
    """Names of recipes, each once.

    Raises:
        ConfigError: "all" or "none" together with another name.
    """
    names = list(dict.fromkeys(peers))
    group = next((name for name in names if name in GROUPS), None)
    if group is None:
        return names
    if len(names) > 1:
        raise ConfigError(f"--peers {group} goes with no other name; got {' '.join(peers)}")
    return GROUPS[group]


def planned(options: argparse.Namespace) -> list[CategoryPlan]:
    """Photos and references, by the rules of `anomalygpt evaluate`.

    Raises:
        ConfigError, DataError: an option or the data set cannot be used.
    """
    if min(options.shots) < 1:
        raise ConfigError(f"--shots counts from 1 on; got {min(options.shots)}")
    settings = EvaluationSettings(
        data=str(options.data),
        categories=tuple(options.categories) if options.categories else None,
        shots=tuple(options.shots),
        seeds=tuple(options.seeds),
        limit=options.limit,
    )
    plans = plan(open_data(options.data, categories=settings.categories), settings)
    if any(each.own_references for each in plans):
        raise DataError(
            f"{options.data} has a reference for every photo; here they are drawn from train/good"
        )
    return plans


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("data", type=Path, metavar="DATA", help="a data set with train/good")
    made.add_argument("--categories", nargs="+", help="only these products")
    made.add_argument("--shots", nargs="+", type=int, default=[1, 4])
    made.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    made.add_argument("--encoder", required=True)
    made.add_argument("--encoder-weights", type=Path)
    made.add_argument("--encoder-option", nargs="+", default=[], metavar="KEY=VALUE")
    made.add_argument("--limit", type=int, help="at most so many test photos of a category")
    made.add_argument(
        "--peers",
        nargs="+",
        choices=[*RECIPES, *GROUPS],
        default=["all"],
        metavar="NAME",
        help=f"of anomalib: {', '.join(RECIPES)}; or all (default), or none",
    )
    made.add_argument("--threads", type=int, default=0, help="0 leaves the choice to torch")
    made.add_argument("--output", type=Path, metavar="FILE.md", help="also write the report here")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(arguments)
    try:
        text = compare(options, arguments)
        print(text)
        if options.output is not None:
            write_atomically(options.output, lambda file: file.write(f"{text}\n".encode()))
    except AnomalyGPTError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
