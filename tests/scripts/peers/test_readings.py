"""What every method offers, and ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalygpt import AnomalyGPT
from decoder.config import Formulation
from peers.ours import Ours
from peers.readings import bounded, open_photo

pytestmark = pytest.mark.usefixtures("one_thread")


def test_ours_is_what_inspect_says(assistant: AnomalyGPT, data: Path) -> None:
    """The same score and map, in both formulations."""
    references = sorted((data / "plate" / "train" / "good").iterdir())[:2]
    photo = data / "plate" / "test" / "dent" / "0.png"
    formulations: tuple[Formulation, ...] = ("published", "normalised")
    for formulation in formulations:
        method = Ours(assistant, formulation)
        method.fit(references, open_photo(assistant, references[0])[0])
        found = method.read(open_photo(assistant, photo)[0])
        expected = assistant.inspect(photo, references, map_only=True, formulation=formulation)
        assert found.score == pytest.approx(expected.anomaly_score, abs=1e-6)
        assert np.allclose(found.anomaly_map, expected.small_map, atol=1e-6)


@given(
    values=st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=50),
    scale=st.floats(1e-3, 1e3),
)
def test_bounded_maps_keep_their_order(values: list[float], scale: float) -> None:
    distances = np.array(values, np.float32)
    found = bounded(distances, scale)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    assert (np.diff(found[np.argsort(distances, kind="stable")]) >= 0).all()
