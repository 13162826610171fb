"""Names of files as people read them."""

from __future__ import annotations

import os


def shown(name: object) -> str:
    """A file name on one line, even with line breaks or bytes that are no text in it."""
    text = os.fsdecode(name) if isinstance(name, bytes) else str(name)
    return text if text.isprintable() else repr(text)
