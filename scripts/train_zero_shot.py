"""Learns prompts for any part on the labelled test photos of one data set (AnomalyCLIP, AD-CLIP).

    python scripts/train_zero_shot.py DATA OUTPUT --clip ViT-L-14-336px.pt
    python scripts/train_zero_shot.py DATA OUTPUT --clip ViT-B-32.pt --preset ad-clip
    python scripts/train_zero_shot.py DATA OUTPUT --model FOLDER --epochs 5

With --clip the prompts begin from chance, with --model from those of a folder that `anomalygpt
convert --anomalyclip` wrote. After each epoch OUTPUT has `epoch_N.pth` in the published form, which
`convert` reads, `log.csv` and `curves.png`, and at the end OUTPUT/assistant, for --model: the best
epoch by photos that were held out (--validation-share), else the last one. Ctrl-C ends and loses
the epoch that has begun; the same command with --resume goes on. The result is for other data sets:
on this one its test photos say nothing any more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from anomalygpt import AnomalyGPT, AnomalyGPTError
from anomalygpt.cli.shared import parse_options
from anomalygpt.data import open_data
from anomalygpt.errors import ConfigError
from anomalygpt.training.zero_shot import ASSISTANT, PromptTrainer, new_assistant
from anomalygpt.training.zero_shot_batches import labelled_photos
from anomalygpt.training.zero_shot_settings import PROMPT_PRESETS, ZeroShotSettings

INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("data", metavar="DATA", type=Path, help="a data set with masks")
    made.add_argument("output", metavar="OUTPUT", type=Path, help="a folder")
    start = made.add_mutually_exclusive_group(required=True)
    start.add_argument("--clip", metavar="FILE", help="CLIP's file; prompts begin from chance")
    start.add_argument("--model", metavar="DIR", help="a folder with learned prompts")
    made.add_argument(
        "--clip-option", nargs="+", default=[], metavar="KEY=VALUE", help="see anomalygpt convert"
    )
    made.add_argument("--layout", default="auto", help="of the data set (default: found out)")
    made.add_argument("--categories", nargs="+", metavar="NAME", help="products (default: all)")
    made.add_argument(
        "--preset",
        choices=PROMPT_PRESETS,
        default="anomalyclip",
        help="whose losses and settings (default: anomalyclip); what is given beside it counts",
    )
    made.add_argument(
        "--dpam", type=int, metavar="N", help="with ad-clip: 10 to 13 for ViT-B, 20 to 24 for ViT-L"
    )
    made.add_argument("--epochs", type=int, help="15; ad-clip 200")
    made.add_argument("--batch-size", type=int, help="8")
    made.add_argument("--learning-rate", type=float, help="0.001; ad-clip 0.0001")
    made.add_argument(
        "--validation-share",
        type=float,
        metavar="SHARE",
        help="of the photos, held out to measure each epoch and choose the best; 0, ad-clip 0.2",
    )
    made.add_argument("--seed", type=int, help="111")
    made.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1")
    made.add_argument("--resume", action="store_true", help="go on from the last epoch")
    return made


def settings_of(options: argparse.Namespace) -> ZeroShotSettings:
    """The preset's settings, and what was given instead."""
    names = ("epochs", "batch_size", "learning_rate", "validation_share", "seed")
    given = {name: getattr(options, name) for name in names}
    changes = {name: value for name, value in given.items() if value is not None}
    return replace(PROMPT_PRESETS[options.preset], **changes)


def run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    if options.dpam is not None and (options.model or options.preset != "ad-clip"):
        raise ConfigError("--dpam goes with --clip and --preset ad-clip")
    samples = labelled_photos(open_data(options.data, options.layout, options.categories))
    if options.clip is not None:
        given = parse_options(options.clip_option)
        dpam = (options.dpam or 0) if options.preset == "ad-clip" else None
        assistant = new_assistant(
            options.clip, options=given, dpam=dpam, seed=settings.seed, device=options.device
        )
    elif options.clip_option:
        raise ConfigError("--clip-option goes with --clip; a folder brings its own settings")
    else:
        assistant = AnomalyGPT.from_pretrained(
            options.model, device=options.device, dtype="float32", map_only=True
        )
    trainer = PromptTrainer(assistant, samples, settings, options.output, resume=options.resume)
    damaged = sum(sample.is_anomalous for sample in samples)
    kept = f", {len(trainer.measured)} of them held out" if trainer.measured else ""
    print(f"{len(samples)} photos, {damaged} of them damaged{kept}, on {assistant.device}")
    if not trainer.run():
        print(f"stopped after {trainer.epoch} epochs; go on with --resume", file=sys.stderr)
        return INTERRUPTED
    print(
        f"written: {options.output / ASSISTANT}; use it with --model {options.output / ASSISTANT}"
    )
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return run(options)
    except (AnomalyGPTError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
