"""How long one inspection takes, stage by stage, and a further question about the same photo.

    python scripts/benchmark_inspect.py [PHOTO --reference R ...] --model embedded --threads 2 \
        --repeat 20

Median and 90 % over the repetitions, in milliseconds, after one that is not counted. Loading the
model and reading the references happen once for any number of photos, so they are apart and
measured once. "One inspection" is measured by itself, from the file to the sentence; it also finds
regions and writes the result.

A further question is one that the language model answers in its own words; what the result itself
tells takes no time to speak of. It goes on in the chat: only its own words are new. The
published code (AnomalyGPT's web demo) encodes the photo and the references again for each
question, compares them, and reads the whole chat so far again; "as published" does that in
the same run, for the same questions, with the references encoded once each (no turned or varied
copies) and the chat starting from our map, so that the answers are the same or nearly so.

Peak memory is that of a fresh process that loads the model, inspects the photo once and answers
one further question.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from anomalygpt import AnomalyGPT, AnomalyGPTError, GenerationOptions
from anomalygpt.constants import ANOMALY_QUESTION
from anomalygpt.errors import ConfigError, DialogueTooLongError, MissingPartError
from anomalygpt.evaluation.provenance import machine, peak_memory_mb
from anomalygpt.evidence import EncodedPhotos, Evidence
from anomalygpt.images.preprocessing import preprocess
from anomalygpt.images.reading import load_image
from anomalygpt.language.language_model import LanguageModel
from anomalygpt.progress import with_bar
from anomalygpt.references.cache import ReferenceCache
from anomalygpt.verdict import judge, leading_word
from decoder import DEFAULT_CATEGORY, MemoryBank

EXAMPLES = Path(__file__).parents[1] / "examples" / "plate"
QUESTIONS = (
    "Where is it?",
    "How many defects are there?",
    "How large is it?",
    "Is the center fine?",
    "What should I do with it?",
)

FURTHER, PUBLISHED = "further question", "further question, as published"

# Answers of a chat; so short that all questions fit, whatever a model says.
ANSWER = GenerationOptions(max_new_tokens=64)


class Exchange(NamedTuple):
    """One further question: what it took, in seconds, and how many tokens were written."""

    seconds: float
    tokens: int


class Clock:
    """Seconds by stage, in the order in which the stages came up first."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self._device = device

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Measure what happens inside; work on a GPU is waited for."""
        self._wait()
        start = time.perf_counter()
        yield
        self._wait()
        self.seconds[stage].append(time.perf_counter() - start)

    def forget(self) -> None:
        """Drop what was measured so far: the first time is slower."""
        self.seconds.clear()

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def measure(options: argparse.Namespace) -> str:
    """The whole benchmark, as markdown.

    Raises:
        AnomalyGPTError: the assistant or a photo cannot be used.
    """
    if options.repeat < 1:
        raise ConfigError(f"--repeat counts from 1 on; got {options.repeat}")
    if options.threads:
        torch.set_num_threads(options.threads)
    start = time.perf_counter()
    assistant = AnomalyGPT.from_pretrained(options.model, device=options.device)
    loaded = time.perf_counter() - start
    speech(assistant)
    clock = Clock(assistant.device)
    assistant.library.cache = ReferenceCache(None)  # reading them is measured
    with clock("remember"):
        bank = assistant.remember(options.reference)
    once = {"load the model": loaded, "read the references": clock.seconds["remember"][0]}
    published: list[Exchange] = []
    ours: list[Exchange] = []
    for number in with_bar(range(options.repeat + 1), options.repeat + 1, "repetitions"):
        if number <= 1:
            clock.forget()
            ours, published = [], []
        evidence = inspect_in_stages(assistant, options.photo, bank, clock)
        with clock("one inspection"):
            assistant.inspect(options.photo, bank)
        found, history = further_questions(assistant, options.photo, bank, clock)
        ours += found
        published += further_questions_as_published(
            assistant, options.photo, options.reference, evidence, history, clock
        )
    lines = [
        head(options, assistant.device),
        table(once, clock.seconds),
        further(ours, published),
        memory_line(in_own_process(options)),
    ]
    return "\n\n".join(lines)


def inspect_in_stages(
    assistant: AnomalyGPT, photo: Path, bank: MemoryBank, clock: Clock
) -> Evidence:
    """What `AnomalyGPT.inspect` does, each stage measured."""
    settings = assistant.config.encoder
    with clock("read the photo"):
        image = load_image(photo)
        pixels, geometry = preprocess(
            image,
            size=settings.input_size,
            mean=settings.mean,
            std=settings.std,
            resize=settings.resize,
        )
    weight = next(assistant.encoder.parameters())
    with clock("encode it"), torch.inference_mode():
        features = assistant.encoder(pixels[None].to(weight.device, weight.dtype))
    with clock("draw the map"):  # with a closer look, where the photo is large
        closer = [partial(assistant.photos.closer, image)]
        encoded = EncodedPhotos(features, [geometry], [str(photo)], closer=closer)
        evidence = assistant.examine(encoded, bank)
    with clock("verdict"):
        dialogue = assistant.open_dialogue(evidence)
        judge(evidence, dialogue, assistant.card)
    return evidence


def further_questions(
    assistant: AnomalyGPT, photo: Path, bank: MemoryBank, clock: Clock
) -> tuple[list[Exchange], list[tuple[str, str]]]:
    """The questions in one dialogue, after the first; those that do not fit any more are left out.

    Returns:
        What each took, and (question, answer) of the whole chat.
    """
    dialogue = assistant.open_dialogue(assistant.examine(assistant.encode([photo]), bank))
    dialogue.ask(ANOMALY_QUESTION)
    history = [(ANOMALY_QUESTION, dialogue.answer(ANSWER, leading_word(dialogue)))]
    found = []
    for question in QUESTIONS:
        try:
            with clock(FURTHER):
                dialogue.ask(question)
                answer = dialogue.answer(ANSWER, leading_word(dialogue))
        except DialogueTooLongError:
            break
        history.append((question, answer))
        found.append(Exchange(clock.seconds[FURTHER][-1], tokens(assistant, answer)))
    return found, history


def further_questions_as_published(
    assistant: AnomalyGPT,
    photo: Path,
    references: Sequence[Path],
    evidence: Evidence,
    history: Sequence[tuple[str, str]],
    clock: Clock,
) -> list[Exchange]:
    """The questions of a chat after the first, each with everything before done again.

    Photos are encoded and compared as published, but what is read starts from our map: so the
    same is said, and as much is written.
    """
    found = []
    for turn in range(1, len(history)):
        with clock(PUBLISHED):
            compare_again(assistant, photo, references)
            answer = answer_again(assistant, evidence, history[:turn], history[turn][0])
        found.append(Exchange(clock.seconds[PUBLISHED][-1], tokens(assistant, answer)))
    return found


def compare_again(assistant: AnomalyGPT, photo: Path, references: Sequence[Path]) -> None:
    """Encode the photo and the references, one view each, and draw both maps."""
    good = assistant.encode(references).features
    seen = assistant.encode([photo]).features
    bank = MemoryBank(assistant.encoder_id)
    for row in range(len(references)):
        bank.add(good[row : row + 1].stages)
    decoder = assistant.decoder
    with torch.inference_mode():
        bank.distances(seen.stages)
        if decoder.has_text_side:
            text = assistant.category_features(DEFAULT_CATEGORY)
            decoder.text_map(seen.stages, seen.grid, text)


def answer_again(
    assistant: AnomalyGPT, evidence: Evidence, said: Sequence[tuple[str, str]], question: str
) -> str:
    """Read the chat so far from its first word, and answer a question."""
    template = speech(assistant).template
    whole = template.render([*said, (question, None)])
    # What precedes the first question and follows the last is written by the dialogue itself.
    start = whole.index(said[0][0])
    dialogue = assistant.open_dialogue(evidence)
    dialogue.ask(whole[start : len(whole) - len(template.answer_cue)])
    return dialogue.answer(ANSWER, leading_word(dialogue))


def tokens(assistant: AnomalyGPT, answer: str) -> int:
    """How many tokens an answer has, with its end."""
    language_model = speech(assistant)
    return len(language_model.encode(language_model.template.answer(answer)))


def speech(assistant: AnomalyGPT) -> LanguageModel:
    """The language model.

    Raises:
        MissingPartError: there is none.
    """
    if assistant.language_model is None:
        raise MissingPartError(f"{assistant.name} has no language model to answer")
    return assistant.language_model


# --- memory -------------------------------------------------------------------------------------


def in_own_process(options: argparse.Namespace) -> dict[str, float | None]:
    """Peak memory in MiB of a fresh process, "process" and "gpu", see `run_once`."""
    given = [str(options.photo), "--model", str(options.model), "--device", options.device]
    given += ["--threads", str(options.threads), "--reference", *map(str, options.reference)]
    command = [sys.executable, __file__, *given, "--worker"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the process whose memory is measured ended with {done.returncode}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def run_once(options: argparse.Namespace) -> dict[str, float | None]:
    """Load, inspect once, answer one further question; the peak memory of this process."""
    if options.threads:
        torch.set_num_threads(options.threads)
    assistant = AnomalyGPT.from_pretrained(options.model, device=options.device)
    bank = assistant.remember(options.reference)
    assistant.inspect(options.photo, bank)
    chat = assistant.chat(options.photo, bank)
    chat.ask(ANOMALY_QUESTION, ANSWER)
    chat.ask(QUESTIONS[0], ANSWER)
    return peak_memory_mb(assistant.device)


# --- writing ------------------------------------------------------------------------------------


def head(options: argparse.Namespace, device: torch.device) -> str:
    """What was measured, and on what."""
    photo = load_image(options.photo)
    on = machine(device)
    return (
        f"Photo {photo.width}×{photo.height}, references: {len(options.reference)}, model "
        f"{options.model}, {on['system']}, {on['device']}, {on['threads']} threads, torch "
        f"{torch.__version__}, {options.repeat} repetitions."
    )


def table(once: Mapping[str, float], seconds: Mapping[str, Sequence[float]]) -> str:
    """What happens once, and the stages that happen for each photo or question."""
    lines = ["| once | ms |", "|---|---:|"]
    lines += [f"| {name} | {value * 1e3:.1f} |" for name, value in once.items()]
    lines += ["", "| stage | median ms | 90 % ms |", "|---|---:|---:|"]
    lines += [f"| {name} | {cells(values)} |" for name, values in seconds.items()]
    return "\n".join(lines)


def further(ours: Sequence[Exchange], published: Sequence[Exchange]) -> str:
    """Means over the further questions, and how much is written in a second."""
    if not ours:
        return "No further question fits into what the language model reads."
    times = [sum(each.seconds for each in every) / len(every) for every in (ours, published)]
    written = [sum(each.tokens for each in every) / len(every) for every in (ours, published)]
    return (
        f"A further question takes {times[0] * 1e3:.1f} ms on average for {written[0]:.1f} tokens "
        f"({written[0] / times[0]:.1f} tokens/s); as published {times[1] * 1e3:.1f} ms for "
        f"{written[1]:.1f} tokens, {times[1] / times[0]:.2f} times as long."
    )


def memory_line(peaks: Mapping[str, float | None]) -> str:
    """Peak memory; what is not known is left out."""
    known = [f"{name} {value:.0f} MiB" for name, value in peaks.items() if value is not None]
    return f"Peak memory, one inspection and one further question: {', '.join(known)}."


def cells(values: Sequence[float]) -> str:
    """Median and 90 % quantile of seconds, as cells in milliseconds."""
    median, high = np.quantile(values, (0.5, 0.9)) * 1e3
    return f"{median:.1f} | {high:.1f}"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument(
        "photo", type=Path, nargs="?", default=EXAMPLES / "scratched.jpg", metavar="PHOTO"
    )
    made.add_argument(
        "--reference", type=Path, nargs="+", default=[EXAMPLES / "good_1.jpg"], metavar="PHOTO"
    )
    made.add_argument("--model", default="embedded", metavar="MODEL", help="embedded, or a folder")
    made.add_argument("--device", default="auto")
    made.add_argument("--threads", type=int, default=0, help="0 leaves the choice to torch")
    made.add_argument("--repeat", type=int, default=20)
    made.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        print(json.dumps(run_once(options)) if options.worker else measure(options))
    except AnomalyGPTError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
