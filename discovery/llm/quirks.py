"""What an endpoint does not take, learned from its refusals: a 400 that names a parameter is answered by asking without it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

_STREAM = re.compile(
    r"(?i)\bstream\b.{0,80}\b(only|must|requires?d?|true|enabled?)\b|\b(only|must|requires?)\b.{0,80}\bstream"
)
_SYSTEM = re.compile(
    r"(?i)\b(system|developer)\b.{0,80}\b(not|un\w+|only|invalid|must alternate)\b|\b(not|un\w+|invalid)\b.{0,60}\bsystem\b"
)
_ROOM = re.compile(
    r"(?i)max_tokens.{0,200}?(?:at most|maximum|less than or equal to|up to|<=)\D{0,60}?(\d{2,7})"
)
_NEEDED = frozenset({"model", "messages", "stream"})


@dataclass(frozen=True, slots=True)
class Quirks:
    """How a model's requests differ from the usual.

    Attributes:
        left_out: parameters that it does not take.
        most_tokens: the longest reply that may be asked for; None as far as is known.
        is_renamed: whether it wants `max_completion_tokens` for `max_tokens`.
        is_streaming: whether it only answers in a stream.
        has_system: whether it takes system messages; else they stand before the first question.
    """

    left_out: frozenset[str] = frozenset()
    most_tokens: int | None = None
    is_renamed: bool = False
    is_streaming: bool = False
    has_system: bool = True

    def apply(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Returns a request as the model takes it."""
        found = dict(body)
        if self.most_tokens is not None and "max_tokens" in found:
            found["max_tokens"] = min(found["max_tokens"], self.most_tokens)
        if self.is_renamed and "max_tokens" in found:
            found["max_completion_tokens"] = found.pop("max_tokens")
        if self.is_streaming:
            found |= {"stream": True, "stream_options": {"include_usage": True}}
        if not self.has_system:
            found["messages"] = _without_system(found["messages"])
        return {name: value for name, value in found.items() if name not in self.left_out}


def learned(quirks: Quirks, sent: Mapping[str, Any], said: str, *, may_stream: bool) -> Quirks:
    """Returns what is known of a model after it refused a request; the same where the refusal names nothing in it.

    Args:
        quirks: what was known.
        sent: the request, as it went out.
        said: the endpoint's words.
        may_stream: whether streams can be read from it.
    """
    if "max_completion_tokens" in said and "max_tokens" in sent:
        return replace(quirks, is_renamed=True)
    if "max_tokens" in sent and (found := _ROOM.search(said)) and int(found[1]) < sent["max_tokens"]:
        return replace(quirks, most_tokens=int(found[1]))
    named = [name for name in sent if name not in _NEEDED and re.search(rf"\b{re.escape(name)}\b", said)]
    if named:
        return replace(quirks, left_out=quirks.left_out | {named[0]})
    if may_stream and "stream" not in sent and _STREAM.search(said):
        return replace(quirks, is_streaming=True)
    if _has_system(sent["messages"]) and _SYSTEM.search(said):
        return replace(quirks, has_system=False)
    return quirks


def _has_system(messages: Sequence[Mapping[str, Any]]) -> bool:
    return any(message.get("role") == "system" for message in messages)


def _without_system(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    system = "\n\n".join(str(one["content"]) for one in messages if one.get("role") == "system")
    rest = [one for one in messages if one.get("role") != "system"]
    if not system or not rest:
        return list(messages)
    return [{**rest[0], "content": f"{system}\n\n{rest[0]['content']}"}, *rest[1:]]
