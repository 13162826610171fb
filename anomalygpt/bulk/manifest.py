"""What a run has to do: its settings, and its photos in batches that stay the same."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from anomalygpt.bulk.sources import Found
from anomalygpt.errors import OutputError
from anomalygpt.files import shown, write_atomically

# Photos of a batch lie in memory at one time: no more of them when their files have so many bytes.
BATCH_BYTES = 24 * 1024**2

_VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """What a run has to do.

    Attributes:
        settings: what decides over results, by the names that people know; JSON values.
        batches: photos of batch 1, 2, …; a photo stays in its batch as long as the run lasts.
        notes: what the run found out once and for all, such as the bit depth; JSON values.
    """

    settings: Mapping[str, Any]
    batches: Sequence[Sequence[Found]]
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def photos(self) -> list[Found]:
        """All photos."""
        return [found for batch in self.batches for found in batch]

    def save(self, path: Path) -> None:
        """Write it as JSON lines, whole or not at all.

        Raises:
            OutputError: no space or no permission.
        """
        head = {"manifest": _VERSION, "settings": self.settings, "notes": self.notes}
        lines = [json.dumps(head)]
        for number, batch in enumerate(self.batches, start=1):
            lines += [json.dumps({"batch": number, **vars(found)}) for found in batch]
        write_atomically(path, lambda file: file.write("\n".join([*lines, ""]).encode()))

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Read what `save` wrote.

        Raises:
            OutputError: the file is damaged, or of another version of this program.
        """
        batches: dict[int, list[Found]] = {}
        try:
            with path.open(encoding="utf-8") as lines:
                head = json.loads(next(lines))
                known = head["manifest"] == _VERSION
                for line in lines:
                    values = json.loads(line)
                    batches.setdefault(values.pop("batch"), []).append(Found(**values))
            numbered = [batches[number] for number in range(1, len(batches) + 1)]
            found = cls(head["settings"], numbered, head["notes"])
        except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
            raise OutputError(
                f"{shown(path)} cannot be read ({type(error).__name__}); remove its folder to "
                "begin again"
            ) from error
        if not known:
            raise OutputError(f"{shown(path)} is of another version; remove its folder")
        return found

    def with_photos(self, found: Sequence[Found], most: int) -> Manifest:
        """The same with what is there now: changed photos in their new version, new ones in new
        batches of at most `most`; those that are gone stay, for they may be done already."""
        now = {each.image: each for each in found}
        old = [[now.get(each.image, each) for each in batch] for batch in self.batches]
        known = {each.image for batch in old for each in batch}
        return replace(
            self, batches=[*old, *cut((each for each in found if each.image not in known), most)]
        )


def cut(photos: Iterable[Found], most: int, most_bytes: int = BATCH_BYTES) -> list[list[Found]]:
    """Photos in batches, in order.

    Args:
        photos: each once.
        most: photos of a batch, at least 1.
        most_bytes: of their files; a single photo may have more.
    """
    batches: list[list[Found]] = []
    size = 0
    for found in photos:
        if not batches or len(batches[-1]) >= most or size + found.size > most_bytes:
            batches.append([])
            size = 0
        batches[-1].append(found)
        size += found.size
    return batches


def difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Which settings differ, in words; "" where none does."""
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    return ", ".join(
        f"{name} ({_told(then.get(name))}, now {_told(now.get(name))})" for name in names
    )


def _told(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
