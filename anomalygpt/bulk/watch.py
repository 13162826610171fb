"""Inspecting what arrives in a folder: each photo once, also after a restart."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from anomalygpt.bulk.arrivals import Arrivals
from anomalygpt.bulk.placing import Placing
from anomalygpt.bulk.sinks import Delivery
from anomalygpt.bulk.sources import Found, found_file
from anomalygpt.bulk.spool import Spool
from anomalygpt.bulk.table import Row

PAUSE = 0.1  # seconds between two looks, where nothing is to do


class Stream:
    """Photos that arrive, and what becomes of them."""

    def __init__(
        self,
        arrivals: Arrivals,
        spool: Spool,
        inspect: Callable[[Sequence[Found]], list[Row]],
        *,
        delivery: Delivery,
        sinks: Sequence[str] = (),
        placing: Placing | None = None,
        told: Callable[[Row], None] = lambda row: None,
    ) -> None:
        """
        Args:
            arrivals: what has come.
            spool: what is done.
            inspect: gives a row for each photo, see `run.inspect_photos`.
            delivery: tells the sinks.
            sinks: their names.
            placing: where photos go; None leaves them.
            told: hears each row once it is kept.
        """
        self._arrivals, self._spool, self._inspect = arrivals, spool, inspect
        self._delivery, self._sinks, self._placing, self._told = delivery, sinks, placing, told

    def run(
        self, stopped: Callable[[], bool], *, most: int = 8, once: bool = False
    ) -> tuple[int, int]:
        """Inspect until somebody stops it.

        Args:
            stopped: asked after each batch; True ends.
            most: photos of a batch.
            once: end when everything is done that lies there.

        Returns:
            How many photos were inspected, and how many of them could not be.

        Raises:
            OutputError: a result cannot be kept, or a photo not put where it belongs.
        """
        done = failed = 0
        while not stopped():
            found = self._arrivals.complete(most)
            fresh = [each for each in found if self._is_fresh(each)]
            for each, row in self._inspected(fresh):
                self._spool.keep(each, row, self._sinks, settled=self._placing is None)
                self._told(row)
                self._put(each, row)
                done, failed = done + 1, failed + (row["error"] is not None)
            self._delivery.wake()
            if not found:
                if once and not self._arrivals.waiting:
                    break
                time.sleep(PAUSE)
        return done, failed

    def _is_fresh(self, found: Found) -> bool:
        """Whether a photo has to be inspected; one that was, and not put away, is now."""
        row = self._spool.unsettled(found)
        if row is not None:
            self._put(found, row)
            return False
        return not self._spool.knows(found)

    def _inspected(self, photos: Sequence[Found]) -> list[tuple[Found, Row]]:
        """Rows of photos that did not change meanwhile, and of which more cannot be hoped for."""
        rows = self._inspect(photos) if photos else []
        return [
            (found, row)
            for found, row in zip(photos, rows, strict=True)
            if found_file(Path(found.place)).version == found.version
            and not (row["error"] is not None and self._arrivals.put_back(found))
        ]

    def _put(self, found: Found, row: Row) -> None:
        if self._placing is not None:
            self._placing.place(Path(found.place), found.image, row)
            self._spool.settle(found)
