"""Small folders of knowledge, made here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

ZIPPER = """# Zipper

## Normal state

Two tapes of black cloth hold the chain. All teeth are of one length and stand 1.2 mm apart.

## Broken teeth

A gap in the chain, or a tooth with a bright, rough end.

### Causes

A worn punching die breaks teeth. Usually it happens after about 200 000 strokes.

### What to do

Set the zipper aside. Change the die and check the last fifty pieces of the lot.

## Loose threads

Ends of sewing thread at the border of the tape, longer than 3 mm.

### Causes

The hot knife at the end of the line is too cold.
"""
NUT = {
    "good": "A hexagon with a clean thread and an even silver finish.",
    "rust": "Brown spots, mostly in the thread. They come from coolant that was not dried off. "
    "Degrease the nut again; scrap it where the thread is pitted.",
}
HANDBOOK = """# Handbook

## Photos

Wipe the lens every morning. Keep the lamp 30 cm above the part.

## Whom to call

Quality office: extension 4711. The shift lead decides about scrap.
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Writes files, given by name and text or bytes, into a folder, which it returns."""

    def write(files: dict[str, str | bytes], folder: str = "knowledge") -> Path:
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        for name, content in files.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return place

    return write


@pytest.fixture
def two_products(written: Callable[..., Path]) -> Path:
    """A zipper in markdown, a metal nut in JSON, and a page about no product."""
    nut = json.dumps(NUT)
    return written({"zipper/notes.md": ZIPPER, "metal nut/nut.json": nut, "handbook.md": HANDBOOK})


@pytest.fixture
def pdf() -> Callable[..., bytes]:
    """Makes a PDF whose pages show one line of text each; "" is a page without any."""

    def make(*pages: str) -> bytes:
        kids = " ".join(f"{3 + 2 * number} 0 R" for number in range(len(pages)))
        font = 3 + 2 * len(pages)
        objects = [
            "<< /Type /Catalog /Pages 2 0 R >>",
            f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        ]
        for number, text in enumerate(pages):
            drawn = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET" if text else ""
            objects += [
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792]"
                f" /Contents {4 + 2 * number} 0 R /Resources << /Font << /F1 {font} 0 R >> >> >>",
                f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream",
            ]
        objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
        body, places = b"%PDF-1.4\n", []
        for number, each in enumerate(objects, start=1):
            places.append(len(body))
            body += f"{number} 0 obj\n{each}\nendobj\n".encode()
        table = "".join(f"{place:010d} 00000 n \n" for place in places)
        size = len(objects) + 1
        end = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>"
        return body + f"{end}\nstartxref\n{len(body)}\n%%EOF\n".encode()

    return make
