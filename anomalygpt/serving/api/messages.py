"""Messages as OpenAI's clients send them, read as a photo, good parts, turns and a question."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from anomalygpt.serving.api.conversations import Conversation
from anomalygpt.serving.api.depths import depth_among, depth_of
from anomalygpt.serving.api.inspections import check_asked
from anomalygpt.serving.api.photos import decoded, read_photo
from anomalygpt.serving.api.problems import Problem
from anomalygpt.serving.api.products import find
from anomalygpt.serving.api.service import Service
from anomalygpt.serving.requests import Request

_MOST_PICTURES = 9
_LONGEST_QUESTION = 2000


@dataclass
class Said:
    """One message: who says it, its words, its pictures."""

    role: str
    text: str
    pictures: list[bytes] = field(default_factory=list)


def conversation_of(
    service: Service,
    who: str,
    messages: Sequence[dict[str, Any]],
    *,
    model: str,
    product: str | None,
    description: str | None,
) -> Conversation:
    """What is asked about which photo: that of the last message with pictures.

    Args:
        service: whose products and limits hold.
        who: asks.
        messages: the whole conversation.
        model: that is asked, where there is no product.
        product: its name; None where good parts are among the pictures.
        description: a sentence about the part.

    Raises:
        Problem: there is no photo, or what came cannot be used.
        AnomalyGPTError: there is no such product, or a photo cannot be read.
    """
    said = [_read(message) for message in messages]
    said = [each for each in said if each.role in ("user", "assistant")]
    if not said or said[-1].role != "user":
        raise _bad("the last message is to be the user's, with what is asked")
    at = max((place for place, each in enumerate(said) if each.pictures), default=None)
    if at is None:
        raise _bad(
            "there is no photo in the conversation: send the photo of the part as an image_url "
            "with a data URL, and photos of good parts after it, or name a product"
        )
    turns, question = _turns(said[at:])
    if len(question) > _LONGEST_QUESTION:
        raise _bad(f"a question has at most {_LONGEST_QUESTION} letters; ask a shorter one")
    pictures = said[at].pictures
    if len(pictures) > _MOST_PICTURES:
        raise _bad(f"at most {_MOST_PICTURES} pictures: the part, and photos of good parts")
    part = None if product is None else find(service, product)
    check_asked(service, part, len(pictures) - 1, model)
    depth = depth_among(pictures) if part is None else depth_of(service.plant, part)
    photo, *good = (read_photo(service, "the picture", each, depth) for each in pictures)
    request = Request(
        photo,
        "photo",
        tuple(good),
        description,
        model if part is None else part.settings.model,
        tuple(f"good part {number + 1}" for number in range(len(good))),
        product=None if part is None else part.id,
        content=pictures[0],
        who=who,
        on_record=not turns,  # later turns look at the same photo again
    )
    about = [who, request.model, description, part and [part.id, part.version]]
    about.append([hashlib.sha256(each).hexdigest() for each in pictures])
    return Conversation(request, turns, question, json.dumps(about))


def _turns(said: Sequence[Said]) -> tuple[list[tuple[str, str]], str]:
    """Questions with their answers, and the question that has none yet."""
    turns: list[tuple[str, str]] = []
    question = ""
    for each in said:
        if each.role == "user":
            question = f"{question}\n{each.text}".strip()
        else:
            turns.append((question, each.text))
            question = ""
    return turns, question


def _read(message: dict[str, Any]) -> Said:
    role, content = message.get("role"), message.get("content")
    if role not in ("system", "developer", "user", "assistant", "tool", "function"):
        raise _bad(f"a message's role is system, user or assistant, got {str(role)[:40]!r}")
    found = Said(str(role), "")
    if isinstance(content, str):
        found.text = content.strip()
    elif isinstance(content, list):
        for part in content:
            _take(part, found)
        found.text = found.text.strip()
    elif content is not None:
        raise _bad("a message's content is text, or a list of parts")
    return found


def _take(part: Any, found: Said) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("text", "input_text", "output_text", "refusal"):
        found.text += f"\n{part.get('text') or part.get('refusal') or ''}"
        return
    address = part.get("image_url") if kind in ("image_url", "input_image") else None
    address = address.get("url") if isinstance(address, dict) else address
    if not isinstance(address, str):
        raise _bad(f"a part is a text or an image_url, got {str(kind)[:40]!r}")
    if found.role == "user":  # others' pictures are nobody's part
        found.pictures.append(decoded(address))


def _bad(detail: str) -> Problem:
    return Problem(400, "invalid-request", detail)
