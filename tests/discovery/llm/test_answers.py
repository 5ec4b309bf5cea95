from __future__ import annotations

from typing import Any

import pytest

from discovery.llm.answers import read_answer, usage_of
from discovery.llm.chat import FormatError


def answered(**message: Any) -> tuple[str, str]:
    found = read_answer({"choices": [{"message": {"role": "assistant", **message}, "finish_reason": "stop"}]})
    return found.text, found.reasoning


@pytest.mark.parametrize(
    ("message", "text", "reasoning"),
    [
        ({"content": "x = 1"}, "x = 1", ""),
        ({"content": None}, "", ""),
        ({}, "", ""),
        ({"content": [{"type": "text", "text": "x"}, {"type": "text", "text": " = 1"}]}, "x = 1", ""),
        ({"content": ["x", " = 1"]}, "x = 1", ""),
        ({"content": [{"type": "output_text", "text": "x = 1"}]}, "x = 1", ""),
        ({"content": "x = 1", "reasoning_content": "so"}, "x = 1", "so"),
        ({"content": "x = 1", "reasoning": "so"}, "x = 1", "so"),
        ({"content": "x = 1", "reasoning": {"effort": "high"}}, "x = 1", ""),
        ({"content": [{"type": "thinking", "thinking": "so"}, {"type": "text", "text": "x = 1"}]}, "x = 1", "so"),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "so"}]}, {"type": "text", "text": "x"}]},
            "x",
            "so",
        ),
        ({"content": "", "tool_calls": [{"function": {"name": "edit", "arguments": '{"code": "x = 1"}'}}]}, '{"code": "x = 1"}', ""),
        ({"content": None, "tool_calls": [{"function": {"name": "edit", "arguments": {"code": "x"}}}]}, '{"code": "x"}', ""),
        ({"content": None, "function_call": {"name": "edit", "arguments": '{"code": "x"}'}}, '{"code": "x"}', ""),
        ({"content": "x = 1", "tool_calls": [{"function": {"arguments": "{}"}}]}, "x = 1", ""),
        ({"content": "", "tool_calls": "none"}, "", ""),
    ],
)  # fmt: skip
def test_an_answer_is_read_in_whatever_form_it_comes(
    message: dict[str, Any], text: str, reasoning: str
) -> None:
    assert answered(**message) == (text, reasoning)


@pytest.mark.parametrize(
    "answer",
    [
        {}, {"choices": []}, {"choices": "x"}, {"choices": [5]}, {"choices": [{}]}, {"choices": [{"message": None}]},
        {"choices": [{"message": {"content": 5}}]}, {"error": {"message": "busy"}},
    ],
)  # fmt: skip
def test_what_is_no_chat_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        read_answer(answer)


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ({"prompt_tokens": 100, "completion_tokens": 50}, (100, 50, 0, 0)),
        ({"prompt_tokens": 100, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 60}}, (100, 50, 60, 0)),
        ({"prompt_tokens": 100, "completion_tokens": 50, "prompt_cache_hit_tokens": 60}, (100, 50, 60, 0)),
        ({"prompt_tokens": 100, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 600}}, (100, 50, 100, 0)),
        (
            {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150, "completion_tokens_details": {"reasoning_tokens": 40}},
            (100, 50, 0, 40),
        ),
        (
            {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 190, "completion_tokens_details": {"reasoning_tokens": 40}},
            (100, 90, 0, 40),
        ),
        ({"prompt_tokens": 100, "completion_tokens": 50, "completion_tokens_details": None}, (100, 50, 0, 0)),
    ],
)  # fmt: skip
def test_tokens_are_counted_as_the_provider_counts_them(
    reported: dict[str, Any], expected: tuple[int, ...]
) -> None:
    usage, is_estimated = usage_of(reported, (100, 50), most_completion=1000)
    assert (usage.prompt, usage.completion, usage.cached, usage.reasoning) == expected
    assert not is_estimated
