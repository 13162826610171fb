"""Dialogues about pictures, as PandaGPT published them: one JSON file and a folder of images.

The file is a list of {"image_name": …, "conversation": [{"from": "human", "value": …}, {"from":
"gpt", "value": …}, …]}; an image name without a suffix means .jpg.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomalygpt.data.files import is_file, is_folder
from anomalygpt.errors import DataError
from anomalygpt.files import shown
from anomalygpt.images.listing import IMAGE_SUFFIXES

JSON_NAME = "pandagpt4_visual_instruction_data.json"
IMAGES = "images"

_ROLES = ("human", "gpt")

# Where other programs put the picture; here the template does that.
_PICTURE_MARKS = re.compile(r"<image>|<Img>\s*<ImageHere>\s*</Img>|<ImageHere>", re.IGNORECASE)


@dataclass(frozen=True)
class Instruction:
    """A dialogue about a picture.

    Attributes:
        image: the picture.
        turns: (question, answer) in order, at least one; no text is empty.
    """

    image: Path
    turns: tuple[tuple[str, str], ...]


def open_instructions(root: str | Path, limit: int | None = None) -> list[Instruction]:
    """Read PandaGPT's visual instruction data.

    Args:
        root: the folder with `pandagpt4_visual_instruction_data.json` and `images/`, or that
            file, or another JSON file of this form beside `images/`.
        limit: read only that many dialogues, from the first on.

    Raises:
        DataError: the file is missing or broken, a dialogue does not alternate between human
            and gpt or has empty texts, or its picture is not there.
    """
    path = find_json(Path(root))
    if path is None:
        raise DataError(
            f"{shown(root)} holds no {JSON_NAME}; give the folder of PandaGPT's instruction data"
        )
    found = []
    for number, entry in enumerate(read_entries(path)[:limit], 1):
        instruction = read_entry(entry, path.parent / IMAGES)
        problem = instruction if isinstance(instruction, str) else _missing(instruction)
        if isinstance(instruction, str) or problem:
            raise DataError(
                f"{shown(path)}, dialogue {number}: {problem}; correct it or take it out, "
                "`anomalygpt data check` lists all of them"
            )
        found.append(instruction)
    if not found:
        raise DataError(f"{shown(path)} holds no dialogue; download it again")
    return found


def find_json(root: Path) -> Path | None:
    """The file of dialogues that a path means; None where there is none."""
    if is_file(root) and root.suffix.lower() == ".json":
        return root
    path = root / JSON_NAME
    return path if is_file(path) else None


def read_entries(path: Path) -> list[Any]:
    """The entries of the file, not looked at yet.

    Raises:
        DataError: it is no JSON, or no list.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{shown(path)} cannot be read as JSON ({error}); download it again"
        ) from None
    if not isinstance(entries, list):
        raise DataError(
            f"{shown(path)} holds a {type(entries).__name__}; expected a list of dialogues"
        )
    return entries


def read_entry(entry: object, images: Path) -> Instruction | str:
    """A dialogue, or in words what is wrong with it."""
    if not isinstance(entry, dict) or not {"image_name", "conversation"} <= set(entry):
        return "image_name or conversation is missing"
    name, turns = entry["image_name"], entry["conversation"]
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        return f"image_name is {name!r}, not a name"
    if not isinstance(turns, list) or not turns:
        return "the conversation is empty"
    if not all(isinstance(turn, dict) and isinstance(turn.get("value"), str) for turn in turns):
        return "a turn has no text in value"
    roles = [turn.get("from") for turn in turns]
    if len(roles) % 2 or any(role != _ROLES[index % 2] for index, role in enumerate(roles)):
        return f"speakers are {', '.join(map(str, roles[:5]))}; expected human, gpt in turn"
    texts = [_PICTURE_MARKS.sub("", turn["value"]).strip() for turn in turns]
    if not all(texts):
        return "a text is empty"
    if Path(name).suffix.lower() not in IMAGE_SUFFIXES:
        name += ".jpg"
    return Instruction(images / name, tuple(zip(texts[::2], texts[1::2], strict=True)))


def _missing(instruction: Instruction) -> str:
    if is_file(instruction.image):
        return ""
    if not is_folder(instruction.image.parent):
        return f"there is no folder {shown(instruction.image.parent)}"
    return f"{shown(instruction.image)} is not there"
