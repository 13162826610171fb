"""The training loop, on Accelerate: one CPU, one GPU or many processes.

Every process computes its share of a step's rows. Gradients of sums are added over processes and
divided by the counts of the whole batch, so that they do not depend on how it was split.
"""

from __future__ import annotations

import math
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from anomalygpt.data import Instruction, Sample, open_instructions
from anomalygpt.errors import AnomalyGPTError, ConfigError, TrainingError, WorkerError
from anomalygpt.images.detail import Detail
from anomalygpt.interruptions import stopping
from anomalygpt.references.banks import FileBanks
from anomalygpt.training import checkpoints
from anomalygpt.training.arguments import TrainingArguments
from anomalygpt.training.batches import Batch, StepBatches
from anomalygpt.training.log import TrainingLog
from anomalygpt.training.objective import Objective, Tokens, count_targets, tokenize
from anomalygpt.training.processes import accelerator_of, add_gradients, added
from anomalygpt.training.rows import InspectionRows, InstructionRows
from anomalygpt.training.start import (
    TrainingData,
    hash_photos,
    starting_assistant,
    trainable_parameters,
    training_data,
)
from anomalygpt.training.validation import Validation, mean_losses

BETAS = (0.9, 0.95)
# Two signals within so many seconds are one.
SAME_SIGNAL = 1.0
ASSISTANT_FOLDER = "assistant"


class Trainer:
    """One run: `Trainer(arguments).run()`.

    Attributes:
        assistant: what is trained.
        step: optimiser steps done.
    """

    def __init__(self, arguments: TrainingArguments, *, resume: bool = False) -> None:
        """Load everything, and the last checkpoint when resuming.

        Args:
            arguments: of the run.
            resume: True goes on from the last checkpoint in `arguments.output`, if there is one.

        Raises:
            ConfigError: the output folder holds another run, or settings do not fit.
            DataError, SourceError, CheckpointError: data or weights cannot be used.
        """
        self.arguments = arguments
        self.output = Path(arguments.output)
        self._last = checkpoints.last(self.output, resume)
        if self._last is not None:
            arguments.check_resumable(self._last)
        self.accelerator = accelerator_of(arguments)
        if arguments.batch_size < self.accelerator.num_processes:
            raise ConfigError(
                f"a batch of {arguments.batch_size} rows cannot be split over "
                f"{self.accelerator.num_processes} processes; give a larger --batch-size"
            )
        self.step = 0
        self.best: dict[str, float] = {}
        self._asked = threading.Event()
        self._stop = False
        self._told: set[str] = set()
        data, instructions = training_data(arguments), self._instructions()
        self.assistant = starting_assistant(arguments, self.accelerator.device)
        self.objective = Objective(self.assistant)
        self.trainable = trainable_parameters(self.assistant)
        self._prepare_language_model()
        self._optimizer = self.accelerator.prepare_optimizer(
            torch.optim.AdamW(
                self.trainable.values(),
                lr=arguments.learning_rate,
                betas=BETAS,
                weight_decay=arguments.weight_decay,
            )
        )
        # Published maps know no closer look, and need no larger photos.
        published = self.assistant.config.decoder.formulation == "published"
        self._detail: Detail = "whole" if published else arguments.detail
        self._banks = FileBanks(
            self.assistant.library.in_memory(arguments.cache_mb),
            rotations=arguments.rotations,
            depths=data.depths,
            detail=self._detail,
        )
        self._prepare_rows(data, instructions)
        if self._last is not None:
            self._restore(self._last)
        self._note_photos(data, instructions)

    def _prepare_rows(self, data: TrainingData, instructions: Sequence[Instruction]) -> None:
        """Batches of the steps, and the rows that are held out for validation."""
        arguments, encoder = self.arguments, self.assistant.config.encoder
        map_size = self.assistant.decoder.config.map_size

        def rows(samples: Sequence[Sample]) -> InspectionRows:
            return InspectionRows(
                replace(arguments, detail=self._detail),
                encoder,
                map_size,
                samples,
                data.normal_photos,
                data.depths,
            )

        self._batches = StepBatches(
            arguments,
            rows(data.samples),
            InstructionRows(arguments, encoder, instructions) if instructions else None,
            self.accelerator.process_index,
            self.accelerator.num_processes,
        )
        held_out = data.held_out and arguments.validation_rows
        self._held_out = rows(data.held_out) if held_out else None

    @property
    def total_steps(self) -> int:
        """Optimiser steps of the whole run."""
        return len(self._batches)

    def run(self) -> bool:
        """Train to the end.

        Returns:
            True when the run is complete; False when Ctrl-C ended it after saving.

        Raises:
            OutputError: a checkpoint or log cannot be written; earlier ones are untouched.
            TrainingError: the loss is no longer a number.
        """
        try:
            with stopping(self._tell_stopping, apart=SAME_SIGNAL) as self._asked:
                return self._run()
        except TrainingError:
            # The same command would end at the same place again.
            raise
        except AnomalyGPTError as error:
            raise type(error)(f"{error}; {self.how_to_go_on()}") from error

    def how_to_go_on(self) -> str:
        """What to do after a run was stopped."""
        saved = checkpoints.existing(self.output)
        if not saved:
            return "nothing was saved yet"
        return (
            f"saved up to step {checkpoints.step_of(saved[-1])} of {self.total_steps}; go on with "
            "the same command and --resume"
        )

    def _run(self) -> bool:
        main = self.accelerator.is_main_process
        self._log = TrainingLog(self.output, self.step) if main else None
        self._validation = (
            Validation(self.arguments, self._held_out, self._banks)
            if main and self._held_out is not None
            else None
        )
        self._tell_skipped(self._validation.skipped if self._validation else ())
        self._begun = time.monotonic() - (self._log.seconds if self._log else 0.0)
        self._step_time = time.monotonic()
        if self.step == 0:
            self._record({}, self._validate())
        with self._progress() as bar:
            if not self._steps(bar):
                return False
        if self._log is not None:
            self._log.draw()
            self._log.close()
        self._save()
        self._export()
        return True

    def _steps(self, bar: tqdm) -> bool:
        """The steps that are left; False when the run was stopped before the last, and saved."""
        alone = self.accelerator.num_processes == 1
        try:
            # Between two steps a process may stop without asking the others, if there are none.
            for batch in self._batches.loader(self.step, lambda: alone and self._asked.is_set()):
                self._do_step(batch, bar)
                if self._stop:
                    break
        except WorkerError:
            if alone:
                self._save()
            raise
        if self._stop or self.step < self.total_steps:
            self._save()
            return False
        return True

    def _do_step(self, batch: Batch, bar: tqdm) -> None:
        losses = self._optimise(batch)
        self.step += 1
        arguments, last = self.arguments, self.step == self.total_steps
        self._tell_skipped(batch.skipped)
        bar.set_postfix(loss=f"{losses['loss']:.3f}", refresh=False)
        bar.update()
        figures = {}
        if self.step % arguments.validate_every == 0 or last:
            figures = self._validate()
        if self.step % arguments.log_every == 0 or figures or last:
            self._record(losses, figures)
            self._say_progress(losses, bar)
        if figures:
            if self._log is not None:
                self._log.draw()
            if figures["loss"] < self.best.get("loss", math.inf):
                self.best = {"step": self.step, "loss": figures["loss"]}
                self._save()
        if self.step % arguments.save_every == 0:
            self._save()

    def _optimise(self, batch: Batch) -> dict[str, Any]:
        """One optimiser step over this process's rows and those of the others."""
        arguments, accelerator = self.arguments, self.accelerator
        dialogues = tokenize(self.assistant, batch.turns, arguments.max_tokens)
        shared = torch.tensor([count_targets(dialogues), float(self._asked.is_set())])
        tokens, asked = added(accelerator, shared).tolist()
        # Ctrl-C reaches one process before the others; they agree here after which step to stop.
        self._stop = asked > 0
        self._set_learning_rate()
        self._optimizer.zero_grad()
        sums = torch.zeros(3)
        formulation = self.assistant.config.decoder.formulation
        for part, told in self._parts(batch, dialogues):
            banks = [self._banks.bank(names, formulation) for names in part.references]
            with accelerator.autocast():
                found = self.objective(part, told, banks)
            loss = (
                arguments.ce_weight * found.ce / max(1.0, tokens)
                + arguments.focal_weight * found.focal / arguments.batch_size
                + arguments.dice_weight * found.dice / arguments.batch_size
            )
            if loss.requires_grad:
                accelerator.backward(loss)
            sums += found.detached()
        losses = mean_losses(arguments, added(accelerator, sums), int(tokens), arguments.batch_size)
        if not math.isfinite(losses["loss"]):
            raise TrainingError(
                f"the loss of step {self.step + 1} is {losses['loss']}; train into a "
                "new folder with a lower --learning-rate, or another --mixed-precision"
            )
        add_gradients(accelerator, self.trainable.values())
        norm = accelerator.clip_grad_norm_(list(self.trainable.values()), arguments.clip)
        self._optimizer.step()
        return {
            **losses,
            "kind": "instruction" if batch.masks is None else "simulated",
            "gradient_norm": float(norm),
        }

    def _parts(self, batch: Batch, dialogues: list[Tokens]) -> Iterator[tuple[Batch, list[Tokens]]]:
        start = 0
        for part in batch.split(self.arguments.micro_batch_size):
            yield part, dialogues[start : start + len(part)]
            start += len(part)

    def _set_learning_rate(self) -> None:
        rate = learning_rate(self.arguments, self.step, self.total_steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate

    def _validate(self) -> dict[str, float]:
        """Figures on the held-out rows, on every process; {} where nothing is held out."""
        if self._held_out is None:
            return {}
        found = torch.zeros(1)
        figures: dict[str, float] = {}
        if self._validation is not None:
            with self.accelerator.autocast():
                figures = self._validation.run(self.objective)
            found[0] = figures["loss"]
        # The others need the loss to know which checkpoint is the best.
        return {**figures, "loss": float(added(self.accelerator, found))}

    def _record(self, losses: dict[str, Any], figures: dict[str, float]) -> None:
        if self._log is None or not (losses or figures):
            return
        now = time.monotonic()
        former = int(self._log.rows[-1]["step"]) if self._log.rows else 0
        rows = (self.step - former) * self.arguments.batch_size
        self._log.add(
            {
                "step": self.step,
                "epoch": self._epoch,
                "seconds": now - self._begun,
                "rows_per_second": rows / max(now - self._step_time, 1e-9) if losses else None,
                "learning_rate": self._optimizer.param_groups[0]["lr"],
                **losses,
                **{f"validation_{name}": value for name, value in figures.items()},
            }
        )
        self._step_time = time.monotonic()

    @property
    def _epoch(self) -> float:
        """Passes over the photos so far."""
        return self.arguments.epochs * self.step / max(1, self._batches.full_length)

    def _save(self) -> None:
        """Write a checkpoint of this step, and remove all but this one and the best."""
        if self.step == 0:
            return  # a new run is the same
        states: list[Any] = [torch.get_rng_state()]
        if torch.cuda.is_available():
            states.append(torch.cuda.get_rng_state(self.accelerator.device))
        scaler = self.accelerator.scaler
        if self.accelerator.is_main_process:
            state = {
                "optimizer": self._optimizer.state_dict(),
                "scaler": None if scaler is None else scaler.state_dict(),
                "random": states,
                "best": self.best,
                "training_photos": sorted(self.assistant.training_photos),
            }
            checkpoints.save(self.output, self.step, self.trainable, state, self.arguments)
            checkpoints.prune(self.output, {self.step, int(self.best.get("step", self.step))})
        self.accelerator.wait_for_everyone()

    def _restore(self, folder: Path) -> None:
        """Become what the run was when it wrote a checkpoint."""
        weights, state = checkpoints.load(folder)
        checkpoints.set_weights(self.trainable, weights, folder)
        self._optimizer.load_state_dict(state["optimizer"])
        if self.accelerator.scaler is not None and state["scaler"] is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["random"][0])
        if len(state["random"]) > 1 and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["random"][1], self.accelerator.device)
        self.best = dict(state["best"])
        # Those that were replaced or moved since then have been trained on all the same.
        self.assistant.training_photos |= set(state.get("training_photos", ()))
        self.step = int(state["step"])

    def _export(self) -> None:
        """Write the assistant with the best weights into `OUTPUT/assistant`."""
        if not self.accelerator.is_main_process:
            return
        best = int(self.best.get("step", self.step))
        folder = self.output / checkpoints.FOLDER / f"step-{best:08d}"
        checkpoints.set_weights(self.trainable, checkpoints.load(folder)[0], folder)
        target, fresh = self.output / ASSISTANT_FOLDER, self.output / f".{ASSISTANT_FOLDER}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self.assistant.save_pretrained(fresh)
        # The former one goes only when the new one is whole.
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)

    def _prepare_language_model(self) -> None:
        language_model = self.assistant.language_model
        if language_model is not None and self.arguments.gradient_checkpointing:
            # transformers checkpoints only in training mode; a LLaMA has no dropout to wake.
            model: Any = language_model.model
            model.train()
            # Its name in older transformers.
            former = "gradient_checkpointing_enable"
            enable = getattr(model, "activation_checkpointing_enable", None) or getattr(
                model, former
            )
            enable({"use_reentrant": False})

    def _instructions(self) -> list[Instruction]:
        folder = self.arguments.instructions
        return [] if folder is None else open_instructions(Path(folder))

    def _note_photos(self, data: TrainingData, instructions: Iterable[Instruction]) -> None:
        """Let the assistant remember what it is trained on, besides what it knows already."""
        # Only the main process saves it.
        if self.accelerator.is_main_process:
            pictures = {item.image for item in instructions}
            self.assistant.training_photos |= hash_photos(data.photos | pictures)

    def _tell_stopping(self) -> None:
        if self.accelerator.is_main_process:
            tqdm.write("stopping after this step; again to stop at once", sys.stderr)

    def _progress(self) -> tqdm:
        watched = self.accelerator.is_main_process and sys.stderr.isatty()
        return tqdm(total=self.total_steps, initial=self.step, unit=" steps", disable=not watched)

    def _say_progress(self, losses: dict[str, Any], bar: tqdm) -> None:
        """A line for a log file, which shows no bar."""
        if self._log is None or not bar.disable:
            return
        row = self._log.rows[-1]
        seconds_per_step = (time.monotonic() - self._begun) / self.step
        left = timedelta(seconds=round(seconds_per_step * (self.total_steps - self.step)))
        print(
            f"step {self.step}/{self.total_steps}  loss {losses['loss']:.4f}  "
            f"{float(row['rows_per_second']):.1f} rows/s  about {left} left",
            file=sys.stderr,
            flush=True,
        )

    def _tell_skipped(self, reasons: Iterable[str]) -> None:
        for reason in reasons:
            if reason not in self._told:
                self._told.add(reason)
                tqdm.write(
                    f"anomalygpt: skipped, another photo takes its place: {reason}", sys.stderr
                )


def learning_rate(arguments: TrainingArguments, step: int, total: int) -> float:
    """The rate of step `step`, from 0: rising, then falling as a half cosine towards 0."""
    rising = math.ceil(arguments.warmup * total)
    if step < rising:
        return arguments.learning_rate * (step + 1) / rising
    progress = (step - rising) / max(1, total - rising)
    return arguments.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
