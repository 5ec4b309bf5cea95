"""Passes an agent's requests on to its model, with the key, which the agent never sees, and counts each of them.

A request counts from the moment before it goes out; what it did cost replaces what it was taken to cost. None goes out that the job has no
allowance for, or once the run ends. Where it goes and with which key is ours to say; of the agent's own headers three are passed on.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from discovery.core.allowance import Usage
from discovery.core.redaction import redact
from discovery.core.texts import one_line
from discovery.core.types import Allowance, ModelCall, ModelError
from discovery.llm.upstream import Upstream
from discovery.operators.agent.formats import Asked, RefusedError, UsageReader, count_text, read_request
from discovery.operators.agent.gateway import Exchange

UNKNOWN_REPLY_TOKENS = 1000
_PASSED_ON = ("anthropic-version", "anthropic-beta", "accept")
_MAX_ANSWER_BYTES = 32 << 20
_MAX_LINE_BYTES = 8 << 20
_FATAL = (401, 402, 403, 404)


class ModelProxy:
    """Serves the model's door of one jail. Thread-safe.

    Args:
        upstream: where requests go; its meter counts them.
        allowance: what the job may use.
        log: is told of each request, in a line.

    Attributes:
        failure: why the last request failed at the endpoint; None where one succeeded after it.
        succeeded: how many did.
    """

    def __init__(self, upstream: Upstream, allowance: Allowance, log: Callable[[str], None]) -> None:
        self._upstream = upstream
        self._allowance = allowance
        self._log = log
        self._lock = threading.Lock()
        self.failure: ModelError | None = None
        self.succeeded = 0

    def __call__(self, exchange: Exchange) -> None:
        """Answers one request."""
        path = exchange.path.partition("?")[0]
        if exchange.method == "GET":
            models = [{"id": self._upstream.called, "object": "model", "created": 0, "owned_by": "run"}]
            known = path.rstrip("/").endswith("/models")
            exchange.answer(
                200 if known else 404, {"object": "list", "data": models} if known else _error("not found")
            )
        elif path.endswith(("/count_tokens", ":countTokens")):
            tokens = count_text(exchange.body)
            exchange.answer(200, {"input_tokens": tokens, "totalTokens": tokens})
        else:
            try:
                asked = read_request(exchange.path, exchange.body, self._upstream.called)
                if asked.format not in self._upstream.formats:
                    raise RefusedError(
                        f"model {self._upstream.name} is not reached in the format of this request"
                    )
                number, expected = self._begin(asked)
            except (RefusedError, RecursionError) as error:
                self._log(f"request refused: {error}")
                exchange.answer(403, _error(str(error)))
                return
            self._pass_on(exchange, asked, number, expected)

    def _begin(self, asked: Asked) -> tuple[int, ModelCall]:
        """Books a request, if the job may make it.

        Raises:
            RefusedError: it may not.
        """
        allowed, upstream = self._allowance, self._upstream
        price = upstream.price(asked.prompt_tokens, UNKNOWN_REPLY_TOKENS)
        expected = ModelCall(upstream.name, asked.prompt_tokens, UNKNOWN_REPLY_TOKENS, price, 0.0, True)
        with self._lock:
            used = Usage.of(upstream.meter.calls)
            if allowed.calls is not None and used.calls >= allowed.calls:
                raise RefusedError(f"the {allowed.calls} calls of this job are used up; finish")
            if allowed.tokens is not None and used.tokens + asked.prompt_tokens >= allowed.tokens:
                raise RefusedError(f"the {allowed.tokens} tokens of this job are used up; finish")
            if allowed.cost_usd is not None and (price is None or used.unpriced):
                raise RefusedError("the money of this job is limited, and the price of its model is unknown")
            if allowed.cost_usd is not None and used.cost_usd + (price or 0.0) > allowed.cost_usd:
                raise RefusedError(f"the {allowed.cost_usd:g} USD of this job are used up; finish")
            try:
                return upstream.meter.begin(expected), expected
            except ModelError as error:
                raise RefusedError(str(error)) from error

    def _pass_on(self, exchange: Exchange, asked: Asked, number: int, expected: ModelCall) -> None:
        begun_s = time.perf_counter()
        reader, is_sent, status = UsageReader(), False, 0
        connection = _connect(self._upstream, asked)
        try:
            with contextlib.closing(connection):
                connection.connect()
                is_sent = True
                url = urlsplit(self._upstream.url(asked.format, asked.path))
                headers = {name: exchange.headers[name] for name in _PASSED_ON if name in exchange.headers}
                headers |= {"Content-Type": "application/json"} | self._upstream.headers(asked.format)
                target = url.path + (f"?{url.query}" if url.query else "")
                connection.request("POST", target, json.dumps(asked.body).encode(), headers)
                response = connection.getresponse()
                status = response.status
                if status >= 300:
                    self._tell_failure(exchange, status, response.read(20_000))
                else:
                    self._relay(exchange, asked, response, reader)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if not status:
                self._fail(f"cannot be reached ({type(error).__name__})", is_fatal=False)
                with contextlib.suppress(OSError):
                    exchange.answer(502, _error("the model's endpoint cannot be reached"))
        finally:
            self._end(number, expected, reader, begun_s, is_paid=is_sent and (not status or status < 300))

    def _relay(
        self, exchange: Exchange, asked: Asked, response: http.client.HTTPResponse, reader: UsageReader
    ) -> None:
        """Hands an answer on as it comes, without what looks like the key."""
        with self._lock:
            self.succeeded, self.failure = self.succeeded + 1, None
        if not asked.streams:
            data = response.read(_MAX_ANSWER_BYTES)
            with contextlib.suppress(ValueError, RecursionError):
                reader.take(json.loads(data))
            exchange.begin(200, "application/json")
            exchange.write(self._masked(data))
            return
        exchange.begin(200, "text/event-stream")
        size = 0
        while (line := response.readline(_MAX_LINE_BYTES)) and (size := size + len(line)) < _MAX_ANSWER_BYTES:
            if line.startswith(b"data:"):
                with contextlib.suppress(ValueError, RecursionError):
                    reader.take(json.loads(line[5:]))
            exchange.write(self._masked(line))

    def _tell_failure(self, exchange: Exchange, status: int, said: bytes) -> None:
        text = one_line(redact(said.decode("utf-8", "replace")), 300)
        self._fail(f"the endpoint answered with status {status} ({text})", is_fatal=status in _FATAL)
        exchange.answer(
            status if status >= 400 else 502, _error(f"the model's endpoint answered with status {status}")
        )

    def _fail(self, what: str, *, is_fatal: bool) -> None:
        where = redact(self._upstream.address)
        with self._lock:
            self.failure = ModelError(
                f"model {self._upstream.name} at {where}: {what}",
                is_fatal=is_fatal,
                model=self._upstream.name,
            )

    def _end(
        self, number: int, expected: ModelCall, reader: UsageReader, begun_s: float, *, is_paid: bool
    ) -> None:
        seconds = time.perf_counter() - begun_s
        if not is_paid:
            self._upstream.meter.end(number, None)
            self._log(f"call {number}: failed")
            return
        asked, answered, is_estimated = reader.believed(expected.prompt_tokens)
        if reader.counts == (None, None) and not reader.answered:  # nothing came back
            answered = expected.completion_tokens
        call = replace(
            expected,
            prompt_tokens=asked,
            completion_tokens=answered,
            cost_usd=self._upstream.price(asked, answered),
            seconds=seconds,
            is_estimated=is_estimated,
        )
        self._upstream.meter.end(number, call)
        cost = "price unknown" if call.cost_usd is None else f"${call.cost_usd:.6f}"
        self._log(f"call {number}: {asked} tokens asked, {answered} answered, {cost}, {seconds:.2f} s")

    def _masked(self, data: bytes) -> bytes:
        for secret in self._upstream.secrets:
            data = data.replace(secret.encode(), b"[redacted]")
        return data


def _connect(upstream: Upstream, asked: Asked) -> http.client.HTTPConnection:
    url = urlsplit(upstream.url(asked.format, asked.path))
    if url.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(
            url.hostname or "", url.port, timeout=upstream.timeout_s, context=context
        )
    return http.client.HTTPConnection(url.hostname or "", url.port, timeout=upstream.timeout_s)


def _error(message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": "invalid_request_error", "message": message, "code": None}}
