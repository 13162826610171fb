"""Talk stage: an installed language model learns to read nine words, and to answer open questions.

As the paper does with Vicuna: a LoRA on conversations about evidence, beside everyday dialogues in
which the model must stay as it is; then it is frozen, and `talk_prompts` teaches a prompt learner
through it. The weights come from a GGUF file, see `anomalygpt.checkpoints.gguf`.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from anomalygpt.checkpoints.gguf import installed_gguf
from anomalygpt.errors import DataError
from anomalygpt.files import hash_file, share_with_readers, write_atomically
from anomalygpt.interruptions import stopping
from anomalygpt.language.language_model import LanguageModel
from anomalygpt.language.lora import save_adapter
from anomalygpt.progress import with_bar
from embedded.logs import forget, note
from embedded.talk_batches import TalkBatches, read_dialogues
from embedded.talk_checks import check
from embedded.talk_trainer import TalkTrainer

CHECKS = 8  # of a run
ASKED, ASKED_AT_END = 6, 40  # open questions in a check
# Options that decide the weights; a run that goes on must have the same.
SETTINGS = ("steps", "batch_tokens", "rate", "seed", "precision")
STATE, ADAPTER, TABLE = "state.pt", "adapter", "words.safetensors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.add_argument("--text", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--gguf", type=Path, metavar="FILE", help="by default the installed one")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch-tokens", type=int, default=1536, help="of one step")
    parser.add_argument("--rate", type=float, default=2e-3, help="highest, of the LoRA")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--save-minutes", type=float, default=5.0, help="between states")
    parser.add_argument("--answers", type=int, default=ASKED_AT_END, help="asked for at the end")


def run(options: argparse.Namespace) -> int:
    """Train, from where an earlier run into the same folder stopped; 130 after Ctrl-C."""
    torch.set_num_threads(options.threads)
    output: Path = options.output
    output.mkdir(parents=True, exist_ok=True)
    base = options.gguf or installed_gguf()
    dialogues = read_dialogues(options.text)
    language_model = LanguageModel.from_pretrained(base, template="chat", dtype=options.precision)
    batches = TalkBatches(
        language_model,
        dialogues,
        tokens=options.batch_tokens,
        steps=options.steps,
        seed=options.seed,
    )
    trainer = TalkTrainer(
        language_model, batches, precision=options.precision, peak=options.rate, seed=options.seed
    )
    settings = {
        "base": hash_file(base),
        **{name: getattr(options, name) for name in SETTINGS},
    }
    if (output / STATE).is_file():
        trainer.resume(_begun(output / STATE, settings, trainer.device))
        print(f"resumed after step {trainer.step}")
    if not train(trainer, output, settings, options.save_minutes):
        print(f"stopped after step {trainer.step}; the same command goes on from there")
        return 130
    _check(trainer, output, {}, options.answers)
    _write(trainer, output)
    speed = trainer.tokens / max(trainer.seconds, 1e-9)
    print(f"written: {output}; {trainer.tokens:,} tokens in {trainer.seconds:.0f} s, {speed:.0f}/s")
    return 0


def train(
    trainer: TalkTrainer, output: Path, settings: dict[str, Any], save_minutes: float
) -> bool:
    """Go through the steps that are left; False where Ctrl-C ended that.

    Args:
        trainer: as it is, resumed or new.
        output: for state and tables.
        settings: kept with the state, and compared by a later run.
        save_minutes: between states.
    """
    steps = trainer.batches.steps
    for name in ("log.csv", "checks.csv"):
        forget(output / name, trainer.step)
    if trainer.step == 0:
        _check(trainer, output, {})
    saved = time.monotonic()
    with stopping() as asked:
        for _ in with_bar(range(trainer.step, steps), steps - trainer.step, "steps"):
            losses = trainer.advance()
            note(output / "log.csv", trainer.step, {**losses, "seconds": trainer.seconds})
            if trainer.step % max(1, steps // CHECKS) == 0 and trainer.step < steps:
                _check(trainer, output, losses)
            stop = asked.is_set()
            if stop or trainer.step == steps or time.monotonic() - saved > 60 * save_minutes:
                kept = {**trainer.state(), "settings": settings}
                write_atomically(output / STATE, partial(torch.save, kept))
                saved = time.monotonic()
            if stop:
                return False
    return True


def _begun(path: Path, settings: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """What an earlier run saved.

    Raises:
        DataError: it had other settings, or another language model.
    """
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    differing = [name for name, value in settings.items() if state["settings"].get(name) != value]
    if differing:
        raise DataError(
            f"{path} was begun with another {' and '.join(differing)}; delete {path.parent}, or "
            "name another folder"
        )
    return state


def _write(trainer: TalkTrainer, output: Path) -> None:
    save_adapter(trainer.language_model.model, output / ADAPTER)
    save_file({"table": trainer.table.detach().cpu().contiguous()}, output / TABLE)
    share_with_readers(output)


def _check(
    trainer: TalkTrainer, output: Path, losses: dict[str, float], answers: int = ASKED
) -> None:
    found = check(trainer, 1, answers)
    note(output / "checks.csv", trainer.step, found)
    figures = "  ".join(f"{name} {value:.3f}" for name, value in {**losses, **found}.items())
    print(f"step {trainer.step}, {trainer.seconds:.0f} s: {figures}", flush=True)
