"""parents.json: which photos of a data set are changed copies of others, and of which."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anomalygpt.data.files import is_file
from anomalygpt.data.samples import Finding, Sample
from anomalygpt.errors import DataError
from anomalygpt.files import shown

# What `anomalygpt data augment` writes beside its copies.
PARENTS = "parents.json"


def read_parents(root: Path) -> list[Mapping[str, Any]]:
    """The copies of a folder, each with `path`, `sha256`, `parent` and `parent_sha256`; [] where
    there is no such file.

    Raises:
        DataError: the file cannot be read, or lacks one of these.
    """
    place = root / PARENTS
    if not is_file(place):
        return []
    try:
        told = json.loads(place.read_text(encoding="utf-8"))["files"]
        for each in told:
            for key in ("path", "sha256", "parent", "parent_sha256"):
                if not isinstance(each[key], str):
                    raise TypeError(f"{key} is no text")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{shown(place)} cannot be read ({type(error).__name__}: {error}); restore it, or "
            "remove it if there are no copies"
        ) from None
    found: list[Mapping[str, Any]] = told
    return found


def leaked_copies(root: Path, digests: Mapping[Sample, str]) -> Iterator[Finding]:
    """Training photos that are copies of photos kept for testing or validation, also if they were
    moved or renamed.

    Args:
        root: the data set.
        digests: SHA-256 of each photo that can be read.

    Raises:
        DataError: see `read_parents`.
    """
    made_of = {each["sha256"]: each["parent_sha256"] for each in read_parents(root)}
    held = {digest: sample for sample, digest in digests.items() if sample.split != "train"}
    for sample, digest in digests.items():
        parent = held.get(made_of.get(digest, ""))
        if sample.split == "train" and parent is not None:
            yield Finding(
                "error",
                sample.image,
                "training photos that are copies of photos to test with",
                "take the copies out of train; measured on what it has learned, a model looks too "
                "good",
                f"copy of {shown('/'.join(parent.image.parts[-3:]))}",
            )
