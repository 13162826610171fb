"""What the drawing server answers and refuses, over HTTP."""

from __future__ import annotations

import base64
import io
import zipfile
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from anomalygpt.data.tools.drawing import mask_of_runs, runs_of

SIZE = (120, 200)


def blob() -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[10:30, 50:90] = True
    return mask


_messages = count(1)


def address(drawn: Any, what: str, number: int = 0) -> str:
    """Where a page sends what it drew last."""
    base = drawn.told(f"photos/{number}/mask")["version"]
    return f"photos/{number}/{what}?base={base}&page=test&number={next(_messages)}"


def test_photos_are_listed_and_shown_upright(drawn: Any) -> None:
    told = drawn.told("photos")
    assert [each["name"] for each in told["photos"]] == ["000.png", "001.png", "002.jpg"]
    assert {each["group"] for each in told["photos"]} == {"crack"}
    assert not told["proposes"]
    status, headers, content = drawn.ask("photos/2/picture")
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    assert Image.open(io.BytesIO(content)).size == (60, 90)
    runs = base64.b64decode(drawn.told("photos/2/mask")["runs"])
    assert np.array_equal(mask_of_runs(runs, (90, 60)), np.zeros((90, 60), bool))


def test_a_draft_then_a_mask(drawn: Any) -> None:
    path = drawn.folder / "ground_truth" / "crack" / "000_mask.png"
    told = drawn.told(address(drawn, "draft"), method="POST", body=runs_of(blob()))
    assert told["regions"] == 1
    assert not path.exists()
    assert [each["state"] for each in drawn.told("photos")["photos"]] == ["draft", "empty", "empty"]
    drawn.told(address(drawn, "mask"), method="POST", body=runs_of(blob()))
    assert np.array_equal(np.asarray(Image.open(path)), blob() * np.uint8(255))
    assert drawn.told("photos/0/mask")["state"] == "saved"
    # A draft that is given up leaves the mask as it was saved.
    drawn.told(address(drawn, "draft"), method="POST", body=runs_of(~blob()))
    assert drawn.told("photos/0/mask")["state"] == "draft"
    assert drawn.ask(address(drawn, "draft"), method="DELETE")[0] == 200
    told = drawn.told("photos/0/mask")
    assert told["state"] == "saved"
    assert np.array_equal(mask_of_runs(base64.b64decode(told["runs"]), SIZE), blob())


def test_masks_can_be_kept_as_files(drawn: Any) -> None:
    drawn.told(address(drawn, "mask"), method="POST", body=runs_of(blob()))
    drawn.told(address(drawn, "draft", 1), method="POST", body=runs_of(~blob()))
    status, headers, content = drawn.ask("photos/0/mask.png")
    assert headers["content-disposition"] == 'attachment; filename="000_mask.png"'
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), blob() * np.uint8(255))
    status, headers, content = drawn.ask("masks.zip")
    assert status == 200
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = ["ground_truth/crack/000_mask.png", "ground_truth/crack/001_mask.png"]
        assert archive.namelist() == names
        second = np.asarray(Image.open(io.BytesIO(archive.read(names[1]))))
    assert np.array_equal(second, ~blob() * np.uint8(255))


@pytest.mark.parametrize("what", ["draft", "mask"])
def test_masks_that_do_not_fit_are_refused(drawn: Any, what: str) -> None:
    for body, why in (
        (runs_of(np.ones((60, 40), bool)), "its photo 200×120"),
        (b"", "are no mask"),
        (b"\x89PNG\r\n\x1a\n", "the mask is"),
    ):
        status, _, content = drawn.ask(address(drawn, what), method="POST", body=body)
        assert status == 400
        assert why in content.decode()
    assert not (drawn.folder / "ground_truth").exists()


def test_a_mask_of_too_many_bytes_is_not_read_to_its_end(drawn: Any) -> None:
    body = b"\0" * (65 * 1024**2)
    try:
        status = drawn.ask(address(drawn, "draft"), method="POST", body=body)[0]
    except (BrokenPipeError, ConnectionResetError):  # the server had enough before we had ended
        status = 413
    assert status == 413
    assert drawn.told("photos/0/mask")["state"] == "empty"


def test_what_was_changed_elsewhere_is_not_written_over(drawn: Any) -> None:
    first = address(drawn, "draft")
    drawn.told(first, method="POST", body=runs_of(blob()))
    other = first.replace("page=test", "page=other")
    status, _, content = drawn.ask(other, method="POST", body=runs_of(~blob()))
    assert status == 409
    assert "changed elsewhere" in content.decode()


def test_nothing_is_answered_without_the_word(drawn: Any) -> None:
    word = drawn.path.split("/")[2]
    assert len(word) >= 32
    wrong = "x" * len(word)
    for path in ("", "photos", "photos/0/picture", "photos/0/mask", "masks.zip"):
        assert drawn.ask(path)[0] == 200
        assert drawn.ask(f"/draw/{wrong}/{path}")[0] == 404
    for method, what in (("POST", "draft"), ("POST", "mask"), ("DELETE", "draft")):
        path = f"/draw/{wrong}/photos/0/{what}"
        assert drawn.ask(path, method=method, body=runs_of(blob()))[0] == 404
    assert drawn.ask("/")[0] == 404
    assert drawn.told("photos/0/mask")["state"] == "empty"


def test_other_pages_cannot_ask(drawn: Any) -> None:
    path = address(drawn, "draft")
    for headers in (
        {"Host": "evil.example"},
        {"Host": f"evil.example:{drawn.port}"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "[::1"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ):
        assert drawn.ask("photos", **headers)[0] in (400, 403), headers
        assert drawn.ask(path, method="POST", body=runs_of(blob()), **headers)[0] in (400, 403)
    # By any of its own names, also through a tunnel with another port.
    for host in (f"localhost:{drawn.port}", "localhost:9000", f"[::1]:{drawn.port}"):
        assert drawn.ask("photos", Host=host)[0] == 200
    own = f"http://127.0.0.1:{drawn.port}"
    assert drawn.ask(path, method="POST", body=runs_of(blob()), Origin=own)[0] == 200


@pytest.mark.parametrize(
    "name",
    [
        "../../test/crack/000.png",
        "..%2f..%2fpyproject.toml",
        "%2e%2e/%2e%2e/draw.html",
        "....//draw.html",
        "/etc/passwd",
        "routes.py",
        "../routes.py",
    ],
)
def test_no_path_leads_out(drawn: Any, name: str) -> None:
    for path in (f"/draw/static/{name}", f"{drawn.path}{name}", f"{drawn.path}photos/{name}/mask"):
        status, _, content = drawn.ask(path)
        assert status == 404, path
        assert b"root:" not in content
    for number in ("-1", "3", "99999999999999999999", "0x1", quote("0/../1")):
        assert drawn.ask(f"photos/{number}/picture")[0] in (400, 404)


def test_the_page_may_load_nothing_from_elsewhere(drawn: Any) -> None:
    for path in ("", "photos", "photos/0/picture", "/draw/static/draw.js", "/draw/static/no.js"):
        _, headers, _ = drawn.ask(path)
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    page = drawn.ask("")[2].decode()
    assert "http:" not in page
    assert "https:" not in page


def test_errors_do_not_tell_where_the_folder_lies(drawn: Any) -> None:
    (drawn.folder / "test" / "crack" / "001.png").write_bytes(b"none")
    status, _, content = drawn.ask("photos/1/picture")
    assert status == 400
    assert "001.png" in content.decode()
    assert str(drawn.folder) not in content.decode()
    # A file where the folder of the masks belongs.
    (drawn.folder / "ground_truth").write_text("in the way", encoding="utf-8")
    path = address(drawn, "mask")
    status, _, content = drawn.ask(path, method="POST", body=runs_of(blob()))
    assert status == 507
    assert str(drawn.folder) not in content.decode()


def test_a_proposal_is_told(serve_drawing: Any, product: Path) -> None:
    drawn = serve_drawing(product, lambda photo: blob())
    told = drawn.told("photos/0/mask")
    assert (told["state"], told["regions"]) == ("proposed", 1)
    assert drawn.told("photos")["proposes"]
    runs = base64.b64decode(drawn.told("photos/0/proposal")["runs"])
    assert np.array_equal(mask_of_runs(runs, SIZE), blob())
