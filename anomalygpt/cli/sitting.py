"""Someone at the terminal: the verdict, a small picture of the map, then questions and commands."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from PIL import Image

from anomalygpt.chat import Talk
from anomalygpt.cli.assistant import reference_paths, remember
from anomalygpt.cli.half_blocks import LINES_OF_TEXT, can_draw, half_blocks, picture_size
from anomalygpt.cli.plants import Stored
from anomalygpt.cli.status import plain, say
from anomalygpt.errors import AnomalyGPTError, ConfigError, DialogueTooLongError, OutputError
from anomalygpt.experts.briefing import Exhibits
from anomalygpt.experts.consultation import Consultation
from anomalygpt.experts.consulting import Consultants
from anomalygpt.files import shown, write_atomically
from anomalygpt.images.listing import list_images
from anomalygpt.images.pages import pages_of
from anomalygpt.images.reading import common_bit_depth, load_image
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.model import AnomalyGPT
from anomalygpt.results.pictures import overlay, save_image
from anomalygpt.results.sentences import regions, sentence
from decoder import MemoryBank

HELP = {
    "/image [PHOTO]": "look at the next photo, with the same references; alone: begin anew",
    "/reference [PHOTO...]": "add photos of good parts, and look again; alone: list them",
    "/reference clear": "do without references",
    "/map": "draw the map again",
    "/thoughts": "what an expert wrote down before it answered (--think)",
    "/save PATH": "write the findings (.json), the map (.png) or the talk (.txt, .md)",
    "/save! PATH": "the same, over an older file",
    "/help": "this list",
    "/quit": "end; Ctrl-D does the same, and Ctrl-C stops an answer",
}


class Sitting:
    """Someone at the terminal: a photo, its references, and the chat about it.

    A command that fails leaves all three as they were.

    Attributes:
        interactive: False in a pipe: no prompt, no picture, each answer in one line.
        talk: the chat about the photo.
        references: photos of good parts.
    """

    def __init__(
        self,
        assistant: AnomalyGPT,
        options: argparse.Namespace,
        consultants: Consultants | None = None,
        kept: Stored | None = None,
    ) -> None:
        """Read the references, and inspect the photo.

        Args:
            assistant: that inspects.
            options: of `anomalygpt chat`.
            consultants: experts and knowledge that take part.
            kept: the product whose references these are; what is found goes on record.

        Raises:
            ImageError, SourceError: a photo cannot be used; it is named.
            MissingPartError: neither a reference nor a trained text side.
        """
        self.interactive = is_interactive()
        self._assistant = assistant
        self._options = options
        self._consultants = consultants
        self._answering = GenerationOptions(
            max_new_tokens=options.max_new_tokens,
            temperature=options.temperature,
            seed=options.seed,
        )
        self._inputs: list[Path] = []
        self._kept = kept
        self._bank = MemoryBank(assistant.encoder_id)
        self.references: list[Path] = []
        if kept is not None:
            self._bank = kept.bank(assistant)
        self._look(Path(options.image), None if kept else reference_paths(options))

    def handle(self, line: str) -> bool:
        """Answer a question or obey a command; False when it was the last.

        Errors become one line on stderr. Ctrl-C stops what is being done, not the sitting,
        except in a pipe.
        """
        try:
            if line.startswith("/"):
                return self._command(line)
            self._answer(line)
        except KeyboardInterrupt:
            if not self.interactive:
                raise
            print("(stopped)", flush=True)
        except BrokenPipeError:
            raise
        except DialogueTooLongError as error:
            _report(error, "; /image begins a new one about the same photo")
        except (AnomalyGPTError, OSError) as error:
            _report(error)
        return True

    def show(self) -> None:
        """Print the verdict, the picture and the regions."""
        inspection = self.talk.inspection
        print(plain(sentence(inspection)))
        if self.interactive and not self._options.no_picture and can_draw():
            print(self._picture())
        print(regions(inspection, in_one_line=not self.interactive), flush=True)

    def _look(self, photo: Path, references: Sequence[Path] | None = None) -> None:
        """Begin a chat about a photo; without references with those there are."""
        if references is None:
            references, bank = self.references, self._bank
        else:
            # All are read again: how each is turned depends on how many there are.
            depth = self._options.bit_depth or common_bit_depth([photo, *references])
            bank = remember(self._assistant, references, self._options, depth)
        talk = self._begin(photo, bank, references)
        # Only now: a photo that cannot be read must leave everything as it was.
        self.talk, self._photo, self._bank = talk, photo, bank
        self.references = list(references)
        self._inputs += [photo, *references]
        if len(pages := pages_of(photo)[0]) > 1:
            say(
                f"the first of {len(pages)} photos in {shown(photo)}; the next is {shown(pages[1])}"
            )

    def _begin(self, photo: Path, bank: MemoryBank, references: Sequence[Path]) -> Talk:
        options, assistant = self._options, self._assistant
        evidence = assistant.examine(
            assistant.encode([photo], bit_depth=options.bit_depth or bank.bit_depth),
            bank,
            description=options.description,
            category=options.category,
            formulation=options.formulation,
        )
        chat = assistant.chat_about(evidence)
        talk: Talk = chat
        if self._consultants is not None:
            first = next(iter(references), self._kept.first if self._kept else None)
            exhibits = Exhibits(photo, first, options.bit_depth or bank.bit_depth)
            talk = self._consultants.talk(assistant, chat, evidence, exhibits)
        talk.judge()  # later answers then go with the verdict; what can fail does so here
        if self._kept is not None:
            self._kept.record(talk.inspection, photo, assistant)
        return talk

    def _answer(self, question: str) -> None:
        pieces = self.talk.stream(question, self._answering)
        try:
            with closing(pieces):  # type: ignore[type-var]
                for piece in pieces:
                    print(plain(piece, keep_lines=self.interactive), end="", flush=True)
        finally:
            print(flush=True)
        if isinstance(self.talk, Consultation) and (signed := self.talk.turns[-1].signature):
            print(plain(signed), flush=True)

    def _command(self, line: str) -> bool:
        name, _, rest = line.partition(" ")
        rest = rest.strip()
        if name == "/quit":
            return False
        does = {
            "/image": lambda: self._image(rest),
            "/reference": lambda: self._reference(rest),
            "/map": self._map,
            "/thoughts": self._thoughts,
            "/save": lambda: self._save(rest, replace_file=False),
            "/save!": lambda: self._save(rest, replace_file=True),
            "/help": _print_help,
        }
        if name not in does:
            known = ", ".join([*does, "/quit"])
            raise ConfigError(f"{plain(name)} is no command; there are {known}")
        does[name]()
        return True

    def _image(self, text: str) -> None:
        self._look(_path(text) if text else self._photo)
        self.show()

    def _reference(self, text: str) -> None:
        if self._kept is not None:
            if text:
                raise ConfigError(
                    "a product has its own references; change them with `anomalygpt product add`"
                )
            print(plain(f"references: {', '.join(self._bank.names)}"), flush=True)
            return
        if not text:
            print(_names(self.references), flush=True)
            return
        if text == "clear":
            wanted: list[Path] = []
        else:
            given = list_images([Path(word).expanduser() for word in _words(text)])
            new = [path for path in given if not _is_among(path, self.references)]
            if not new:
                raise ConfigError(f"{_names(given)}: already among the references; nothing changed")
            wanted = [*self.references, *new]
        self._look(self._photo, wanted)
        print(_names(self.references))
        self.show()

    def _map(self) -> None:
        if not self.interactive or not can_draw():
            raise ConfigError(
                "this is no colour terminal that is wide enough for a picture; "
                "/save map.png writes one"
            )
        print(self._picture(), flush=True)

    def _thoughts(self) -> None:
        turns = self.talk.turns if isinstance(self.talk, Consultation) else []
        thoughts = [turn.thoughts for turn in turns if turn.thoughts]
        if not thoughts:
            raise ConfigError("nothing was written down before an answer; --think asks for it")
        print(plain(thoughts[-1], keep_lines=self.interactive), flush=True)

    def _picture(self) -> str:
        terminal = shutil.get_terminal_size()
        photo = self._overlay(max_side=512, boxes=False)
        size = picture_size(photo.size, terminal.columns, terminal.lines - LINES_OF_TEXT)
        return half_blocks(np.asarray(photo.resize(size, Image.Resampling.BOX)))

    def _overlay(self, *, max_side: int = 2048, boxes: bool = True) -> Image.Image:
        inspection = self.talk.inspection
        drawn = inspection if boxes else replace(inspection, regions=())
        depth = self._options.bit_depth or self._bank.bit_depth
        return overlay(load_image(self._photo, depth), drawn, max_side=max_side)

    def _save(self, text: str, *, replace_file: bool) -> None:
        if not text:
            raise ConfigError("name a file, such as /save findings.json")
        path = _path(text)
        _check_target(path, self._inputs, replace_file)
        kind = path.suffix.lower()
        if kind == ".png":
            save_image(self._overlay(), path, is_result=True)
        elif kind == ".json":
            _write(path, findings_json(self.talk))
        elif kind in (".txt", ".md"):
            _write(path, chat_text(self.talk, markdown=kind == ".md"))
        else:
            raise OutputError(
                f"{path}: a name ends in .json (findings), .png (map), .txt or .md (chat)"
            )
        print(f"written: {shown(path)}", flush=True)


def is_interactive() -> bool:
    """Whether someone types and reads; in a pipe there is no prompt and no picture."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def findings_json(talk: Talk) -> str:
    """The inspection with its map, as `Inspection.from_json` reads it, and the chat."""
    values = talk.inspection.to_dict(include_map=True)
    if isinstance(talk, Consultation):
        values["conversation"] = [asdict(turn) for turn in talk.turns]
    else:
        values["conversation"] = [
            {"question": question, "answer": answer} for question, answer in talk.history
        ]
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


def chat_text(talk: Talk, *, markdown: bool = False) -> str:
    """The verdict, the regions and all questions and answers, for people."""
    inspection = talk.inspection
    strong = "**" if markdown else ""
    parts = [
        sentence(inspection),
        f"References: {', '.join(inspection.references) or 'none'}",
        regions(inspection, in_one_line=True),
    ]
    speakers = [turn.speaker for turn in talk.turns] if isinstance(talk, Consultation) else []
    for number, (question, answer) in enumerate(talk.history):
        by = f" ({speakers[number]})" if speakers else ""
        parts.append(f"{strong}Question:{strong} {question}")
        parts.append(f"{strong}Answer{by}:{strong} {answer.strip()}")
    return ("\n\n" if markdown else "\n").join(parts) + "\n"


def _names(references: Sequence[Path]) -> str:
    if not references:
        return "no references; /reference PHOTO adds one"
    return f"references: {plain(', '.join(map(str, references)))}"


def _print_help() -> None:
    width = max(map(len, HELP))
    lines = [f"  {name:{width}}  {text}" for name, text in HELP.items()]
    print("\n".join(["Ask about the photo, or type:", *lines]), flush=True)


def _path(text: str) -> Path:
    """One path as people type it: with or without quotes, `~`, or spaces."""
    words = _words(text)
    return Path(words[0] if len(words) == 1 else text).expanduser()


def _words(text: str) -> list[str]:
    """Paths as people type them; a name with spaces that is there needs no quotes."""
    with suppress(OSError, RuntimeError, ValueError):
        if Path(text).expanduser().exists():
            return [text]
    try:
        # Backslashes are part of names on Windows, and quote a space elsewhere.
        words = shlex.split(text, posix=os.name != "nt")
    except ValueError:
        return [text]
    return [word.strip("\"'") for word in words] if os.name == "nt" else words


def _is_among(path: Path, others: Sequence[Path]) -> bool:
    """Whether it is one of the files, also under another name."""
    if path.resolve() in {other.resolve() for other in others}:
        return True
    with suppress(OSError):
        return any(path.samefile(other) for other in others if other.exists())
    return False


def _check_target(path: Path, photos: Sequence[Path], replace_file: bool) -> None:
    if _is_among(path, photos):
        raise OutputError(f"{path} is one of the photos and would be overwritten; name another")
    if path.exists() and not path.is_dir() and not replace_file:
        raise OutputError(f"{path} is there already; /save! {path} overwrites it")


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode("utf-8", "replace")))


def _report(error: Exception, advice: str = "") -> None:
    say(f"{plain(' '.join(str(error).split()))}{advice}")
