"""The way out of a jail: an HTTP server on a listening socket that the jail made, which is reached from inside it only.

Whatever comes is foreign: connections, sizes and times are bounded, and a request that fails ends no thread of ours but its own.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

MAX_BODY_BYTES = 16 << 20
_MAX_CONNECTIONS = 32
_IDLE_S = 120.0
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Exchange:
    """One request, and the way back for its answer.

    Attributes:
        method, path, headers: as they came; header names in small letters.
        body: the JSON value of it, None where there is none.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    _handler: _Handler = field(repr=False)

    def answer(self, status: int, value: Any) -> None:
        """Sends a whole answer."""
        self.begin(status, "application/json")
        self.write(json.dumps(value).encode())

    def begin(self, status: int, content_type: str) -> None:
        """Begins an answer that ends with the connection."""
        self._handler.send_response_only(status)
        self._handler.send_header("Content-Type", content_type)
        self._handler.send_header("Connection", "close")
        self._handler.end_headers()
        self._handler.close_connection = True

    def write(self, data: bytes) -> None:
        """Sends a piece of it.

        Raises:
            OSError: the other side is gone.
        """
        self._handler.wfile.write(data)
        self._handler.wfile.flush()


Serve: TypeAlias = Callable[[Exchange], None]


@contextmanager
def serving(door: socket.socket, serve: Serve) -> Iterator[None]:
    """Answers what comes through `door` by `serve`, in threads, as long as the block lasts."""
    server = _Server(door, serve)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="gateway", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.hang_up()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, door: socket.socket, serve: Serve) -> None:
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = door
        self.serve = serve
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def verify_request(self, request: Any, _address: Any) -> bool:
        with self._lock:
            if len(self._open) >= _MAX_CONNECTIONS:
                return False
            self._open.add(request)
        return True

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, _address: Any) -> None:
        """Says nothing of what is the other side's; a fault of ours is told with its place."""
        if not isinstance(sys.exception(), OSError):
            _log.exception("a request of an agent failed")

    def hang_up(self) -> None:
        """Ends all connections."""
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    server: _Server

    def do_POST(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        exchange = Exchange(self.command, self.path, headers, None, self)
        size = headers.get("content-length", "0")
        if (
            not size.isdecimal()
            or len(size) > 12
            or int(size) > MAX_BODY_BYTES
            or "transfer-encoding" in headers
        ):
            exchange.answer(
                413, {"error": {"message": f"a body must have a length of at most {MAX_BODY_BYTES} bytes"}}
            )
            return
        data = self.rfile.read(int(size))
        try:
            exchange.body = json.loads(data) if data else None
        except (ValueError, RecursionError):
            exchange.answer(400, {"error": {"message": "the body is no JSON"}})
            return
        self.server.serve(exchange)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""
