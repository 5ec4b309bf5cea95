"""Where the service listens, and whom it waits for."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from discovery.core.errors import ConfigError
from discovery.service.sockets import PatientProtocol, listen


class Hasty(PatientProtocol):
    head_wait_s = 0.4
    body_wait_s = 0.8


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers once the body is there, and later than anybody may take to ask."""
    body = b""
    while (message := await receive()).get("more_body"):
        body += message["body"]
    await _sleep(1.5)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def _sleep(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, http=Hasty, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    end_s = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < end_s
        time.sleep(0.02)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(60)
    assert not thread.is_alive()


def said_to(port: int, *parts: bytes) -> bytes:
    """Returns all that is answered until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as caller:
        for part in parts:
            caller.sendall(part)
        answer = b""
        try:
            while piece := caller.recv(4096):
                answer += piece
        except ConnectionResetError:
            pass
        return answer


@pytest.mark.parametrize(
    "part",
    [b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf"],
    ids=["no word", "half a head", "half a body"],
)
def test_who_does_not_finish_asking_is_not_waited_for(port: int, part: bytes) -> None:
    assert said_to(port, part) == b""


def test_an_answer_may_take_longer(port: int) -> None:
    answer = said_to(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"ok")


def test_a_taken_port_is_named_with_the_remedy() -> None:
    with listen("127.0.0.1", 0) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {number}: .*name another with --port"):
            listen("127.0.0.1", number)
