"""The files of an inspection that a visitor can keep: findings, pictures and report."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from PIL import Image

from anomalygpt.files import write_atomically
from anomalygpt.images.listing import result_mark
from anomalygpt.results.pictures import overlay
from anomalygpt.serving.desk.report import report_page
from anomalygpt.serving.desk.sessions import Desk
from anomalygpt.serving.desk.visits import Visit


def _json_file(visit: Visit, weights: str) -> bytes:
    """The findings, with when, what was said, and what the inspector wrote.

    The keys beyond those of `Inspection.to_dict` are described in docs/inspection-results.md.
    """
    found = visit.inspection.to_dict()
    model = found["model"] if isinstance(found["model"], dict) else {"name": found["model"]}
    written = {
        **found,
        "model": {**model, "hash": weights},
        "inspected_at": visit.at.astimezone().isoformat(timespec="seconds"),
        "conversation": [_turn(visit, place) for place in range(len(visit.turns))],
        "part_number": visit.sheet.part_number or None,
        "inspector": visit.sheet.inspector or None,
        "note": visit.sheet.note or None,
    }
    return json.dumps(written, indent=2, allow_nan=False).encode()


def _turn(visit: Visit, place: int) -> dict[str, Any]:
    """A turn of the chat; with who spoke where others took part."""
    question, answer = visit.turns[place]
    turn: dict[str, Any] = {"question": question, "answer": answer}
    if place in visit.notes:
        note = visit.notes[place]
        turn |= {"speaker": note.speaker, "sources": [*note.sources], "thoughts": note.thoughts}
    return turn


def _overlay_file(visit: Visit, weights: str) -> bytes:
    return png(overlay(visit.photo(), visit.inspection))


def _mask_file(visit: Visit, weights: str) -> bytes:
    mask = visit.inspection.mask() if visit.inspection.is_anomalous else None
    height, width = visit.inspection.image_size
    empty = Image.new("L", (width, height))
    return png(empty if mask is None else Image.fromarray(mask.astype("uint8") * 255))


def _report_file(visit: Visit, weights: str) -> bytes:
    return report_page(visit, datetime.now(), weights).encode()


def png(picture: Image.Image) -> bytes:
    """A picture as the bytes of a PNG file, marked as drawn by this program."""
    file = io.BytesIO()
    picture.save(file, "PNG", pnginfo=result_mark())
    return file.getvalue()


def written(desk: Desk, name: str, content: bytes) -> str:
    """The path of a file to be handed out."""
    # Gradio copies what it hands out; this one is overwritten, and goes with the desk.
    path = desk.folder / "downloads" / name
    write_atomically(path, lambda file: file.write(content))
    return str(path)


# Each makes the bytes of a file from a visit and the hash of the model's weights.
FILES: dict[str, tuple[str, Callable[[Visit, str], bytes]]] = {
    "report": ("report.html", _report_file),
    "overlay": ("overlay.png", _overlay_file),
    "mask": ("mask.png", _mask_file),
    "json": ("inspection.json", _json_file),
}
