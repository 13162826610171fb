"""The model of the box, and consultations about a plate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from anomalygpt.evidence import Evidence
from anomalygpt.experts.briefing import Exhibits
from anomalygpt.experts.consultation import Consultation
from anomalygpt.experts.manner import Manner
from anomalygpt.knowledge.store import Knowledge
from anomalygpt.model import AnomalyGPT
from tests.plates import BAD, GOOD, OTHER_GOOD
from tests.voices import ScriptedVoice


@pytest.fixture(scope="session")
def embedded() -> AnomalyGPT:
    return AnomalyGPT.from_pretrained("embedded", device="cpu")


@pytest.fixture(scope="session")
def seen(embedded) -> dict[Path, Evidence]:
    bank = embedded.remember([GOOD])
    return {path: embedded.examine(embedded.encode([path]), bank) for path in (OTHER_GOOD, BAD)}


@pytest.fixture
def begin(embedded, seen) -> Callable[..., Consultation]:
    """Begins a consultation about a photo; it is not judged yet."""

    def make(
        voice: ScriptedVoice | None,
        photo: Path = BAD,
        manner: Manner | None = None,
        knowledge: Knowledge | None = None,
    ) -> Consultation:
        chat = embedded.chat_about(seen[photo])
        known = None if knowledge is None else knowledge.search
        return Consultation(chat, seen[photo], Exhibits(photo, GOOD), voice, manner, known)

    return make


@pytest.fixture
def knowledge(tmp_path: Path) -> Knowledge:
    folder = tmp_path / "known"
    (folder / "plate").mkdir(parents=True)
    (folder / "plate" / "plate.md").write_text(
        "# plate\n\n## normal\nA good plate is brushed evenly from left to right.\n\n"
        "## scratch\nScratches come from chips that are trapped under the clamp. Clean the clamp "
        "and polish plates with scratches under 0.1 mm.\n",
        encoding="utf-8",
    )
    return Knowledge.open(folder)
