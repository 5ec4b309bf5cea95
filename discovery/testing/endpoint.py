"""A chat endpoint on loopback that speaks the OpenAI format; what it answers is a script (a plain function).

with ChatEndpoint(recorded("Hello")) as endpoint:
    litellm.completion(model="openai/any", api_base=endpoint.api_base, api_key="none", messages=[...])
"""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np

CHARS_PER_TOKEN = 4
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request as it arrived: its number (from 0), model, messages, the whole body, headers (`Like-This`), path."""

    number: int
    model: str
    messages: Sequence[Mapping[str, Any]]
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = ""

    @property
    def prompt(self) -> str:
        """Returns the text of the last message."""
        return text_of(self.messages[-1]) if self.messages else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint sends back.

    Attributes:
        text: the reply of the model (None is JSON null).
        status: HTTP status; from 400 on, `text` is the error message.
        usage: token counts to report; None reports none, by default they are counted at 4 characters each.
        body: sent in place of the chat format.
        headers: further headers.
        delay_s: seconds to wait before sending.
        hangs_up: closes the connection without an answer.
        finish_reason: as reported ("length": cut off).
    """

    text: str | None = ""
    status: int = 200
    usage: Mapping[str, Any] | None = field(default_factory=lambda: {"count": True})
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    hangs_up: bool = False
    finish_reason: str = "stop"


def text_of(message: Mapping[str, Any]) -> str:
    """Returns the text of a message, whose content may come in parts."""
    content = message["content"]
    return "".join(map(_part_text, content)) if isinstance(content, list) else str(content)


def _part_text(part: Any) -> str:
    return str(part.get("text", "")) if isinstance(part, Mapping) else str(part)


Script: TypeAlias = Callable[[ChatRequest], Answer]


def recorded(*replies: str | Answer) -> Script:
    """Returns a script that gives these replies in order, the last one for ever."""
    answers = [Answer(reply) if isinstance(reply, str) else reply for reply in replies]
    return lambda request: answers[min(request.number, len(answers) - 1)]


def unused_api_base() -> str:
    """Returns the address of an endpoint that refuses connections (the port was free just now)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


@dataclass(frozen=True, slots=True)
class Latency:
    """A lognormal distribution of seconds with a given mean; draw n depends on the seed and n alone."""

    mean_s: float = 2.0
    sigma: float = 0.5
    seed: int = 0

    def seconds(self, number: int) -> float:
        """Returns the seconds that request `number` takes."""
        if self.mean_s <= 0:
            return 0.0
        rng = np.random.default_rng([self.seed, number])
        return float(rng.lognormal(math.log(self.mean_s) - self.sigma**2 / 2, self.sigma))


class ChatEndpoint:
    """A context manager: an HTTP server on 127.0.0.1 that answers `POST .../chat/completions` by its script.

    `POST .../messages`, as Anthropic has it, is answered in that format.

    The script is called from one thread per connection. `latency` adds its seconds to every answer.
    """

    def __init__(self, script: Script, *, latency: Latency | None = None, port: int = 0) -> None:
        self._script = script
        self._latency = latency
        self._requests: list[ChatRequest] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), self._serve)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": _POLL_S},
            name="chat-endpoint",
            daemon=True,
        )

    @property
    def api_base(self) -> str:
        """Returns the address that a client takes as its `api_base`."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def requests(self) -> tuple[ChatRequest, ...]:
        """Returns the requests so far, in the order of their arrival."""
        with self._lock:
            return tuple(self._requests)

    def __enter__(self) -> ChatEndpoint:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
        with self._lock:
            request = ChatRequest(
                len(self._requests), str(body.get("model", "")), body.get("messages", ()), body, headers, path
            )
            self._requests.append(request)
        answer = self._script(request)
        delay_s = answer.delay_s + (self._latency.seconds(request.number) if self._latency else 0.0)
        if delay_s:
            self._server.stopping.wait(delay_s)
        return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(
        self, address: tuple[str, int], serve: Callable[[str, Mapping[str, Any], Mapping[str, str]], Answer]
    ) -> None:
        super().__init__(address, _Handler)
        self.serve = serve
        self.stopping = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size) or b"{}")
        if not self.path.endswith(("/chat/completions", "/messages")):
            self._send(404, _error(404, f"no such path: {self.path}"), {})
            return
        answer = self.server.serve(
            self.path, body, {name.title(): value for name, value in self.headers.items()}
        )
        if answer.hangs_up or self.server.stopping.is_set():
            self.close_connection = True
            return
        self._send(answer.status, answer.body or _encode(answer, body, self.path), answer.headers)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        try:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client's time-out

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def _error(status: int, message: str | None) -> bytes:
    return json.dumps({"error": {"message": message, "type": "error", "code": status}}).encode()


def _encode(answer: Answer, body: Mapping[str, Any], path: str) -> bytes:
    if answer.status >= 400:
        return _error(answer.status, answer.text)
    if path.endswith("/messages"):
        return _encode_message(answer, body)
    reply: dict[str, Any] = {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body.get("model", ""),
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": answer.text},
                "finish_reason": answer.finish_reason,
            }
        ],
    }
    if answer.usage is not None:
        prompt = sum(len(str(message.get("content"))) for message in body.get("messages", ()))
        counts = (prompt // CHARS_PER_TOKEN, len(answer.text or "") // CHARS_PER_TOKEN)
        counted = {"prompt_tokens": counts[0], "completion_tokens": counts[1], "total_tokens": sum(counts)}
        reply["usage"] = counted if answer.usage.get("count") is True else dict(answer.usage)
    return json.dumps(reply).encode()


def _encode_message(answer: Answer, body: Mapping[str, Any]) -> bytes:
    """Returns an answer in Anthropic's format."""
    text = answer.text or ""
    asked = sum(len(str(message.get("content"))) for message in body.get("messages", ()))
    reply = {
        "id": "msg_0",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", ""),
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": asked // CHARS_PER_TOKEN, "output_tokens": len(text) // CHARS_PER_TOKEN},
    }
    return json.dumps(reply).encode()
