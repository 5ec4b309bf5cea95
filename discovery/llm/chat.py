"""Chats with endpoints that speak the OpenAI format, over HTTP, without litellm: a fifth of its processor time per call."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Mapping
from typing import Any

import httpx

from discovery.llm.routes import Route

_CONNECTIONS = 1024
_made = threading.Lock()


class StatusError(Exception):
    """An endpoint answered with a status that is no success.

    Attributes:
        status_code: which.
        response: the answer, with its headers.
    """

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(_words(response))
        self.status_code = response.status_code
        self.response = response


class FormatError(ValueError):
    """An endpoint answered something else than a chat."""


def post_chat(route: Route, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns what an endpoint answers to a chat. Thread-safe; a time-out counts from the last byte that came.

    Redirections are not followed: a key goes to the address it is meant for.

    Raises:
        StatusError: it refused. FormatError: it answered something else.
        httpx.HTTPError: it was not reached, took too long, or broke off.
    """
    headers = {**route.headers(), **({"Authorization": f"Bearer {key}"} if (key := route.key()) else {})}
    address = f"{route.address}/chat/completions"
    response = _client().post(address, json=body, headers=headers, timeout=route.timeout_s)
    if not response.is_success:
        raise StatusError(response)
    if "text/event-stream" in response.headers.get("content-type", ""):
        return _assembled(response.text)
    try:
        answer = response.json()
    except ValueError as error:
        raise FormatError(f"no JSON: {response.text[:200]!r}") from error
    if not isinstance(answer, Mapping):
        raise FormatError(f"no object: {response.text[:200]!r}")
    return answer


def _assembled(stream: str) -> Mapping[str, Any]:
    """Returns the answer whose pieces are the events of a stream.

    Raises:
        FormatError: they are none, or one tells of a failure.
    """
    message: dict[str, Any] = {"content": ""}
    answer: dict[str, Any] = {"choices": [{"message": message, "finish_reason": None}]}
    pieces = 0
    for line in stream.splitlines():
        field, _, data = line.partition(":")
        if field != "data" or data.strip() in ("", "[DONE]"):
            continue
        try:
            event = json.loads(data)
        except ValueError as error:
            raise FormatError(f"no JSON in a stream: {data[:200]!r}") from error
        if not isinstance(event, Mapping) or "error" in event:
            raise FormatError(f"a stream that broke off: {data[:200]!r}")
        answer["usage"] = event.get("usage") or answer.get("usage")
        for choice in (event.get("choices") or ())[:1]:
            pieces += 1
            answer["choices"][0]["finish_reason"] = choice.get("finish_reason")
            for name, text in (choice.get("delta") or {}).items():
                if isinstance(text, str) and name != "role":
                    message[name] = message.get(name, "") + text
    if not pieces:
        raise FormatError(f"a stream without a reply: {stream[:200]!r}")
    return answer


def close_connections() -> None:
    """Closes the connections that are kept open; the next call opens new ones."""
    with _made:
        if _client_made.cache_info().currsize:
            _client_made().close()
            _client_made.cache_clear()


def _client() -> httpx.Client:
    with _made:
        return _client_made()


@functools.cache
def _client_made() -> httpx.Client:
    limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
    return httpx.Client(limits=limits, follow_redirects=False)


def _words(response: httpx.Response) -> str:
    """Returns an endpoint's own words for a failure, and where it wanted to send the request, if it did."""
    if response.is_redirect:
        return f"it redirects to {response.headers.get('location', '')[:200]}; give that address"
    try:
        said: Any = json.loads(response.text)
    except ValueError:
        return response.text[:2000]
    while isinstance(said, Mapping):  # {"error": {"message": ...}}, {"detail": ...}, {"message": ...}
        said = next((said[key] for key in ("error", "message", "detail") if said.get(key)), json.dumps(said))
    return str(said)[:2000]
