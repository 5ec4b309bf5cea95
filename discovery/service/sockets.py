"""Where the service listens, and how long it waits for a caller to say what it wants."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from discovery.core.errors import ConfigError

HEAD_WAIT_S = 30.0
"""How long the head of a request may take."""
BODY_WAIT_S = 300.0
"""How long its body may."""


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens; port 0 takes a free one.

    Raises:
        ConfigError: the address or the port cannot be had.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}, port {port}: {error.strerror}; name another with --port, or a free one with --port 0"
        ) from error


class PatientProtocol(H11Protocol):
    """A connection that is closed when the caller takes too long to say what it wants; answers may take as long as they like."""

    head_wait_s = HEAD_WAIT_S
    body_wait_s = BODY_WAIT_S
    _timer: asyncio.TimerHandle | None = None
    _stage: Any = None
    _since_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait."""
        super().connection_made(transport)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no more."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        """Closes the connection where the caller has been at one stage for too long; else looks again later."""
        now_s, state = self.loop.time(), str(self.conn.their_state)
        stage = (state, id(self.cycle))
        if stage != self._stage:
            self._stage, self._since_s = stage, now_s
        wait_s = {"IDLE": self.head_wait_s, "SEND_BODY": self.body_wait_s}.get(state)
        if wait_s is not None and now_s - self._since_s >= wait_s:
            self.transport.abort()
            return
        self._timer = self.loop.call_later(min(self.head_wait_s, self.body_wait_s) / 4, self._look)
