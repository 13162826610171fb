"""Photos of the example plate."""

from __future__ import annotations

from pathlib import Path

PLATE = Path(__file__).resolve().parents[1] / "examples" / "plate"
GOOD, OTHER_GOOD, BAD = (PLATE / f"{name}.jpg" for name in ("good_1", "good_2", "scratched"))
