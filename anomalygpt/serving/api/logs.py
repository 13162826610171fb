"""What the service does, one JSON object a line."""

from __future__ import annotations

import json
import sys
import threading
import traceback
from typing import TextIO

from anomalygpt.records.database import now


class Log:
    """Lines for programs that collect logs. No photo, name of a photo, answer or key is in them."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """
        Args:
            stream: to write to; None for stderr.
        """
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, event: str, **details: object) -> None:
        """One line."""
        line = json.dumps({"at": now(), "event": event, **details}, default=str)
        with self._lock:
            print(line, file=self._stream or sys.stderr, flush=True)

    def failed(self, error: BaseException, **details: object) -> None:
        """An error that nobody expected, with where it came from."""
        trace = "".join(traceback.format_exception(error))[-4000:]
        self.write("error", error=type(error).__name__, trace=trace, **details)
