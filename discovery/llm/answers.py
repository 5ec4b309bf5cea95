"""What an endpoint's answer says: text, reasoning, tokens; whatever form it has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from discovery.llm.chat import FormatError
from discovery.llm.prices import Usage

_REASONING = ("reasoning_content", "reasoning", "thinking")


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """One answer.

    Attributes:
        text: of the reply; reasoning: what it says of its thinking, where that stands apart.
        finish_reason: why it ended, in the endpoint's word; "" where it says nothing.
        usage: the tokens that it reports, as they are; empty for none.
    """

    text: str
    reasoning: str
    finish_reason: str
    usage: Mapping[str, Any]


def read_answer(answer: Mapping[str, Any]) -> ChatAnswer:
    """Returns what an answer in the chat format says.

    Content may be a text, a list of parts, or none where the model called a tool; then the arguments are the text.

    Raises:
        FormatError: it is no chat.
    """
    choices = answer.get("choices")
    if not isinstance(choices, Sequence) or isinstance(choices, str) or not choices:
        raise FormatError(f"no choices: {json.dumps(answer, default=str)[:200]}")
    choice = choices[0]
    message = choice.get("message") if isinstance(choice, Mapping) else None
    if not isinstance(message, Mapping):
        raise FormatError("a choice without a message")
    text, thought = _text_of(message.get("content"))
    apart = [value for name in _REASONING if isinstance(value := message.get(name), str) and value.strip()]
    usage = answer.get("usage")
    return ChatAnswer(
        text if text.strip() else _tool_text(message) or text,
        "\n".join([*apart[:1], *([thought] if thought else [])]),
        str(choice.get("finish_reason") or ""),
        usage if isinstance(usage, Mapping) else {},
    )


def _text_of(content: object) -> tuple[str, str]:
    """Returns the text of a content, and the reasoning among its parts."""
    if content is None or isinstance(content, str):
        return content or "", ""
    if not isinstance(content, list | tuple):
        raise FormatError(f"a content that is no text: {content!r:.80}")
    texts: list[str] = []
    thoughts: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping):
            found = part.get("text") or part.get("content") or part.get("thinking") or ""
            if isinstance(found, list):  # [{"type": "thinking", "thinking": [{"type": "text", ...}]}]
                found = _text_of(found)[0]
            is_thought = str(part.get("type", "text")) in ("thinking", "reasoning", "redacted_thinking")
            (thoughts if is_thought else texts).append(str(found))
    return "".join(texts), "\n".join(thoughts)


def _tool_text(message: Mapping[str, Any]) -> str:
    """Returns what a reply that only calls tools gives them, one call after the other, in the form that replies are read from."""
    calls = message.get("tool_calls")
    single = message.get("function_call")
    found = (
        [call.get("function") for call in calls or () if isinstance(call, Mapping)]
        if isinstance(calls, list)
        else []
    )
    texts = []
    for function in [*found, single]:
        if isinstance(function, Mapping):
            arguments = function.get("arguments", "")
            texts.append(arguments if isinstance(arguments, str) else json.dumps(arguments))
    return "\n".join(texts)


def usage_of(
    reported: Mapping[str, Any], guess: tuple[int, int], *, most_completion: int
) -> tuple[Usage, bool]:
    """Returns the tokens of a call, and whether they are estimated because what was reported is not to be believed.

    Args:
        reported: as the endpoint has it.
        guess: tokens of the question and of the reply, by their texts.
        most_completion: the longest reply that was asked for.
    """
    prompt = _believable(reported.get("prompt_tokens"), guess[0], most=guess[0])
    completion = _believable(reported.get("completion_tokens"), guess[1], most=most_completion)
    if prompt is None or completion is None:
        return Usage(prompt or guess[0], completion or guess[1]), True
    reasoning = _detail(reported, "completion_tokens_details", "reasoning_tokens")
    if reasoning and reported.get("total_tokens") == prompt + completion + reasoning:
        completion += reasoning  # some count it apart, most within
    cached = _detail(reported, "prompt_tokens_details", "cached_tokens")
    for name in ("prompt_cache_hit_tokens", "cache_read_input_tokens"):
        cached = cached or _count(reported.get(name))
    return Usage(prompt, completion, min(cached, prompt), min(reasoning, completion)), False


def _detail(reported: Mapping[str, Any], table: str, name: str) -> int:
    details = reported.get(table)
    return _count(details.get(name)) if isinstance(details, Mapping) else 0


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _believable(count: object, guess: int, *, most: int) -> int | None:
    """Returns a reported token count; None where it is nonsense: none at all, or over ten times too many."""
    if not isinstance(count, int) or isinstance(count, bool) or (guess > 0 and count == 0):
        return None
    return count if 0 <= count <= 10 * most + 1000 else None
