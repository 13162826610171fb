"""Connections that are opened and then say nothing, or their headers one letter at a time."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

# Seconds within which a request's headers are to come, up to twice as many.
HEADER_SECONDS = 15.0


class Impatient(H11Protocol):
    """HTTP that closes a connection on which no request is under way for a while."""

    _was_idle = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self.loop.call_later(HEADER_SECONDS, self._look)

    def _look(self) -> None:
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return  # gone, or a web socket by now
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self._was_idle:
            self.transport.close()
            return
        self._was_idle = is_idle
        self.loop.call_later(HEADER_SECONDS, self._look)
