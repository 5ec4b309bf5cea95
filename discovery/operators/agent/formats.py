"""Requests of agents in the formats of OpenAI, Anthropic and Gemini: which there are, what they may ask for, and what they cost.

An agent has no network but its model. So a request may not have the provider go to the network for it: search, fetching of
addresses, code that runs there, connectors. What it may name are functions that are called in the jail.
Read of: the API references of OpenAI (chat completions, responses), Anthropic (messages, 2023-06-01) and Gemini (v1beta).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from discovery.llm.tokens import estimate_tokens
from discovery.llm.upstream import Format

Kind: TypeAlias = Literal["chat", "responses", "messages", "generate"]

MAX_DEPTH = 60
_PATHS: Mapping[str, Kind] = {"/chat/completions": "chat", "/responses": "responses", "/messages": "messages"}
_GENERATE = re.compile(r"/models/[\w.@-]{1,120}:(generateContent|streamGenerateContent)")
_VERSION = re.compile(r"^/v1(?:beta)?(?=/)")
_FORMATS: Mapping[Kind, Format] = {
    "chat": "openai",
    "responses": "openai",
    "messages": "anthropic",
    "generate": "gemini",
}
_REMOTE_FIELDS = frozenset(
    (
        *(
            "mcp_servers",
            "container",
            "background",
            "modalities",
            "audio",
            "cachedContent",
            "prompt",
            "plugins",
            "models",
            "route",
        ),
        *("extensions", "tool_resources", "documents", "provider", "extra_body"),
    )
)
_FETCHED_TYPES = ("image_url", "input_image", "input_file", "file", "url", "video_url", "audio_url")
_LOCAL_TOOLS = (
    "function",
    "custom",
    "local_shell",
    "bash_",
    "text_editor_",
    "memory_",
    "apply_patch",
    "shell",
)
_COUNTS = (
    ("prompt_tokens", "completion_tokens"),
    ("input_tokens", "output_tokens"),
    ("promptTokenCount", "candidatesTokenCount"),
)
_ALSO_ASKED = ("cache_creation_input_tokens", "cache_read_input_tokens")
_ALSO_ANSWERED = ("thoughtsTokenCount",)


class RefusedError(Exception):
    """A request that is not passed on; the message tells the agent why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it is passed on.

    Attributes:
        kind, format: what it is.
        path: where it goes, after the address.
        body: with the run's own model.
        streams: whether the answer is a stream of events.
        prompt_tokens: about how many it has.
    """

    kind: Kind
    format: Format
    path: str
    body: Mapping[str, Any]
    streams: bool
    prompt_tokens: int


def read_request(path: str, body: Any, model: str) -> Asked:
    """Returns a request, for `model` whatever model it names.

    Raises:
        RefusedError: it is no chat, or asks for what leaves the jail.
    """
    plain = _VERSION.sub("", path.partition("?")[0])
    generate = _GENERATE.fullmatch(plain)
    kind: Kind | None = "generate" if generate else _PATHS.get(plain)
    if kind is None:
        raise RefusedError(
            "only chats are passed on: /v1/chat/completions, /v1/responses, /v1/messages, /v1beta/models/..."
        )
    if not isinstance(body, dict):
        raise RefusedError("the body must be a JSON object")
    _check(kind, body)
    body = dict(body)
    body.pop("service_tier", None)
    streams = bool(body.get("stream"))
    if generate:
        action = generate[1]
        streams = action == "streamGenerateContent"
        plain = f"/models/{model}:{action}" + ("?alt=sse" if streams else "")
    else:
        body["model"] = model
    if kind == "chat" and streams:
        body["stream_options"] = {"include_usage": True}
    if kind == "responses":
        body["store"] = False
    return Asked(kind, _FORMATS[kind], plain, body, streams, count_text(body))


def _check(kind: Kind, body: Mapping[str, Any]) -> None:
    if found := sorted(name for name in body if body[name] and (name in _REMOTE_FIELDS or "search" in name)):
        raise RefusedError(f"what reaches beyond the jail is not passed on: {', '.join(found)[:100]}")
    for name in ("n", "best_of"):
        if body.get(name) not in (None, 1):
            raise RefusedError("one answer is passed on for each request")
    settings = body.get("generationConfig")
    if isinstance(settings, dict) and settings.get("candidateCount") not in (None, 1):
        raise RefusedError("one answer is passed on for each request")
    tools = body.get("tools") or []
    if not isinstance(tools, list):
        raise RefusedError("tools must be a list")
    for tool in tools:
        _check_tool(kind, tool)
    for part in _walk(body):
        if _is_fetched(part):
            raise RefusedError(
                "addresses that the provider would fetch are not passed on; send the data itself"
            )


def _is_fetched(part: Mapping[str, Any]) -> bool:
    """Returns whether a part of a message names a file by its address, in any of the three ways."""
    if part.get("type") not in _FETCHED_TYPES and not {"fileUri", "file_uri"} & part.keys():
        return False
    named = [part.get(name) for name in ("url", "image_url", "file_url", "fileUri", "file_uri")]
    plain = [one.get("url") if isinstance(one, dict) else one for one in named]
    return any(isinstance(one, str) and not one.startswith("data:") for one in plain)


def _check_tool(kind: Kind, tool: Any) -> None:
    if not isinstance(tool, dict):
        raise RefusedError("a tool must be an object")
    if kind == "generate":
        others = sorted(set(tool) - {"functionDeclarations", "function_declarations"})
        if others:
            raise RefusedError(
                f"tools that the provider would run are not passed on: {', '.join(others)[:100]}"
            )
        return
    name = tool.get("type", "custom" if kind == "messages" else "function")
    is_local = isinstance(name, str) and name.startswith(_LOCAL_TOOLS)
    if name == "shell" and tool.get("environment", {}).get("type", "local") != "local":
        is_local = False
    if not is_local:
        raise RefusedError(f"tools that the provider would run are not passed on: {str(name)[:60]}")


def _walk(value: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    if depth > MAX_DEPTH:
        raise RefusedError("the body is nested too deep")
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from _walk(one, depth + 1)
    elif isinstance(value, list):
        for one in value:
            yield from _walk(one, depth + 1)


def count_text(value: Any) -> int:
    """Returns about how many tokens all texts in a JSON value have."""
    if isinstance(value, str):
        return estimate_tokens(value) if len(value) < 200_000 else len(value) // 3
    if isinstance(value, dict):
        return sum(map(count_text, value.values()))
    return sum(map(count_text, value)) if isinstance(value, list) else 0


class UsageReader:
    """Reads from an answer, or from the events of a stream, what it cost.

    Attributes:
        counts: the largest counts of tokens so far, asked and answered; None where none were told.
        answered: about how many tokens of text came.
    """

    def __init__(self) -> None:
        self.counts: tuple[int | None, int | None] = (None, None)
        self.answered = 0

    def take(self, value: Any) -> None:
        """Takes in one JSON value of an answer."""
        if not isinstance(value, dict):
            return
        self.answered += count_text(
            {k: v for k, v in value.items() if k in ("choices", "delta", "content", "candidates", "output")}
        )
        for place in (value, value.get("response"), value.get("message")):
            usage = (place.get("usage") or place.get("usageMetadata")) if isinstance(place, dict) else None
            if isinstance(usage, dict):
                self._learn(usage)

    def _learn(self, usage: Mapping[str, Any]) -> None:
        for asked, answered in _COUNTS:
            found = _sum(usage, (asked, *_ALSO_ASKED)), _sum(usage, (answered, *_ALSO_ANSWERED))
            if asked in usage or answered in usage:
                known = self.counts
                self.counts = _larger(known[0], found[0]), _larger(known[1], found[1])

    def believed(self, prompt_tokens: int) -> tuple[int, int, bool]:
        """Returns the tokens asked and answered, and whether they are estimated: what was told is none, or nonsense."""
        asked, answered = self.counts
        is_sound = asked is not None and answered is not None and 0 < asked <= 10 * prompt_tokens + 10_000
        if asked is None or answered is None or not is_sound or not 0 <= answered <= 1_000_000:
            return prompt_tokens, max(self.answered, 1), True
        return asked, answered, False


def _sum(usage: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    found = [
        value for name in names if isinstance(value := usage.get(name), int) and not isinstance(value, bool)
    ]
    return sum(found) if found else None


def _larger(one: int | None, other: int | None) -> int | None:
    return max((value for value in (one, other) if value is not None), default=None)
