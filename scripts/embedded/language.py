"""Training of the small language model that comes with the product.

It reads photos as nine words (`embedded.notation`) where the product will put its prompts: image
embedding, nine base prompts, nine prompts of cells. It learns English from books and everyday
dialogues, and inspection from made dialogues, in exactly the product's format. What it reads
is blurred by noise and by mixtures of words, since trained prompts will not hit a word's
embedding exactly; a mixture of "clean" and a defect is answered with the odds of the mixture, so
that yes against no stays a probability.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from anomalygpt.files import share_with_readers, write_atomically
from anomalygpt.interruptions import stopping
from anomalygpt.language.language_model import LanguageModel
from anomalygpt.language.loading import load_tokenizer, quiet
from anomalygpt.language.templates import VICUNA_V0
from anomalygpt.progress import with_bar
from embedded.corpus import read_corpus, read_texts, sentences
from embedded.language_batches import Batches
from embedded.language_checks import CHECKED, FOLLOWED, check
from embedded.language_trainer import Trainer
from embedded.logs import forget, note
from embedded.notation import EXTRA_ROWS
from tokenizer import write_tokenizer

CONTEXT = 768  # more than the longest row of training: that leaves room for an answer
CHECKS = 10  # of a run
STATE, MODEL_FOLDER = "state.pt", "language_model"


def new_model(options: argparse.Namespace) -> LlamaForCausalLM:
    """A LLaMA with random weights, and rows for the cells' words."""
    torch.manual_seed(options.seed)
    config = LlamaConfig(
        vocab_size=options.pieces + EXTRA_ROWS,
        hidden_size=options.width,
        intermediate_size=int(2.75 * options.width),
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        # With the usual 0.02 a model this narrow hardly looks at what it reads.
        initializer_range=0.04,
    )
    return LlamaForCausalLM(config)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.add_argument("--text", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--pieces", type=int, default=3044, help="vocabulary of the tokenizer")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--steps", type=int, default=2100)
    parser.add_argument("--batch-tokens", type=int, default=4096, help="of one step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--save-minutes", type=float, default=5.0, help="between states")


def run(options: argparse.Namespace) -> int:
    """Train, from where an earlier run into the same folder stopped; 130 after Ctrl-C."""
    torch.set_num_threads(options.threads)
    output: Path = options.output
    folder = output / MODEL_FOLDER
    texts = read_texts(options.text)
    if not (folder / "tokenizer_config.json").is_file():
        write_tokenizer(folder, options.pieces, sentences(texts, options.seed), 0.9999)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = new_model(options).to(device)
    model.config.save_pretrained(folder)
    language_model = LanguageModel(model, load_tokenizer(folder), VICUNA_V0)
    batches = Batches(
        language_model,
        read_corpus(texts, folder / "tokenizer.model"),
        pieces=options.pieces,
        tokens=options.batch_tokens,
        steps=options.steps,
        seed=options.seed,
    )
    trainer = Trainer(language_model, batches, options.precision)
    if (output / STATE).is_file():
        trainer.resume(torch.load(output / STATE, map_location=device, weights_only=True))
        print(f"resumed after step {trainer.step}")
    if not train(trainer, output, options.save_minutes):
        print(f"stopped after step {trainer.step}; the same command goes on from there")
        return 130
    note(output / "checks.csv", trainer.step, check(language_model, options.pieces, 1, CHECKED))
    write_model(model, folder)
    print(f"written: {folder}, {model.num_parameters():,} parameters, {trainer.seconds:.0f} s")
    return 0


def train(trainer: Trainer, output: Path, save_minutes: float) -> bool:
    """Go through the steps that are left; False where Ctrl-C ended that."""
    steps, pieces = trainer.batches.steps, trainer.batches.pieces
    for name in ("log.csv", "checks.csv"):
        forget(output / name, trainer.step)
    saved = time.monotonic()
    with stopping() as asked:
        for _ in with_bar(range(trainer.step, steps), steps - trainer.step, "steps"):
            losses = trainer.advance()
            note(output / "log.csv", trainer.step, {**losses, "seconds": trainer.seconds})
            if trainer.step % max(1, steps // CHECKS) == 0 and trainer.step < steps:
                found = check(trainer.language_model, pieces, 1, FOLLOWED)
                note(output / "checks.csv", trainer.step, found)
                _show(trainer, losses, found)
            stop = asked.is_set()
            if stop or trainer.step == steps or time.monotonic() - saved > 60 * save_minutes:
                write_atomically(output / STATE, lambda file: torch.save(trainer.state(), file))
                saved = time.monotonic()
            if stop:
                return False
    return True


def write_model(model: LlamaForCausalLM, folder: Path) -> None:
    """Weights in float16 beside the tokenizer, in Hugging Face format."""
    state = {name: value.half() for name, value in model.state_dict().items()}
    del state["lm_head.weight"]  # the embedding matrix once more
    model.config.dtype = torch.float16
    with quiet():
        model.save_pretrained(folder, state_dict=state)
    share_with_readers(folder)


def _show(trainer: Trainer, losses: dict[str, float], found: dict[str, float]) -> None:
    figures = "  ".join(f"{name} {value:.3f}" for name, value in {**losses, **found}.items())
    print(f"step {trainer.step}, {trainer.seconds:.0f} s: {figures}", flush=True)
