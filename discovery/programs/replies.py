"""What of a model's reply is the answer: without reasoning, channels, tool calls' wrapping and foreign line ends.

Reasoning models, chat templates and gateways wrap answers in many ways. Everything here turns them into the two forms that
search_replace.py and rewrites.py read: SEARCH/REPLACE blocks, and fenced code. All scans are linear in the reply.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from discovery.programs.search_replace import (
    MAX_REPLY_CHARS,
    Edit,
    EditError,
    check_reply,
    format_edits,
    has_edits,
)

_REASONING = (
    "think", "thinking", "thought", "thoughts", "reasoning", "reason", "analysis", "reflection", "scratchpad", "seed:think",
)  # fmt: skip
_OPENERS = (
    *tuple(form.format(word) for word in _REASONING for form in ("<{}>", "[{}]", "◁{}▷", "<|{}|>")),
    "<|begin_of_thought|>",
)
_CLOSERS = (
    *tuple(form.format(word) for word in _REASONING for form in ("</{}>", "[/{}]", "◁/{}▷", "<|/{}|>")),
    "<|end_of_thought|>",
)
_WRAPPERS = frozenset(
    f"<{slash}{word}>"
    for word in ("answer", "final_answer", "output", "response", "result", "solution", "final")
    for slash in ("", "/")
) | {"<|begin_of_solution|>", "<|end_of_solution|>", "<|begin_of_box|>", "<|end_of_box|>"}
_SPECIAL = re.compile(r"<\|(?:im_start|end|return|start|assistant)\|>(?:assistant)?")
_TURN_END = re.compile(r"<\|(?:im_end|eot_id|endoftext|end_of_text)\|>|<end_of_turn>")
_CHANNEL = re.compile(r"<\|channel\|>(\w{1,20})[^<\n]{0,80}<\|message\|>")
_SEARCH_KEYS = ("search", "old_string", "old_str", "old_text", "old", "original", "find", "before")
_REPLACE_KEYS = ("replace", "new_string", "new_str", "new_text", "new", "updated", "replacement", "after")
_CODE_KEYS = (
    "code", "program", "source", "new_code", "file_text", "content", "contents", "full_code", "updated_code", "text",
)  # fmt: skip
_LIST_KEYS = ("edits", "changes", "diffs", "replacements", "blocks", "patches")
_CALL_KEYS = ("arguments", "parameters", "input", "args", "function")
_PATH_KEYS = ("path", "file", "file_path", "filename", "target_file")
_CALL_TAG = re.compile(
    r"</?(?:tool_call|function_call|tool_use|tools?|invoke)>|<\|tool_calls?_(?:begin|end)\|>|\[TOOL_CALLS\]"
)
_JSON_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})(?:json|JSON)?[ \t]*\n")
_MAX_DEPTH = 4


def answer_text(reply: str) -> str:
    """Returns the answer of a reply: what stands outside its reasoning, with plain line ends, tool calls unpacked.

    Raises:
        EditError: the reply is empty, too long, or ends within its reasoning.
    """
    check_reply(reply)
    text = (
        reply.removeprefix("\ufeff")
        .replace("\r\n", "\n")
        .replace("\r", "\n")
        .replace("\u200b", "")
        .replace("\ufeff", "")
    )
    text = _without_reasoning(_final_channel(text))
    if (end := _TURN_END.search(text)) is not None and text[: end.start()].strip():
        text = text[: end.start()]  # what follows is a turn that the model made up
    lines = text.split("\n")
    if any(line.strip().lower() in _WRAPPERS for line in (*lines[:3], *lines[-3:])):
        lines = [line for line in lines if line.strip().lower() not in _WRAPPERS]
    text = "\n".join(_SPECIAL.sub("", line) if "<" in line else line for line in lines)
    if not text.strip():
        raise EditError("the reply holds reasoning and no answer; answer after it")
    return _unpacked(text)


def _final_channel(text: str) -> str:
    """Returns the last message to the user, where a reply has channels (the "harmony" format)."""
    found = list(_CHANNEL.finditer(text))
    if not found:
        return text
    final = [one for one in found if one[1] == "final"]
    if not final:
        raise EditError("the reply ended within its reasoning; answer more briefly")
    rest = text[final[-1].end() :]
    return rest.split("<|end|>", 1)[0].split("<|return|>", 1)[0]


def _without_reasoning(text: str) -> str:
    """Returns what follows the reasoning.

    It ends at the last closing tag that begins or ends a line, for reasoning quotes such tags within lines. Its opening tag may
    be missing, where the chat template has given it to the model.
    """
    start = text.lstrip()
    opened = start.startswith(_OPENERS) or start[:40].lower().startswith(_OPENERS)
    end = 0
    at = 0
    for line in text.split("\n"):
        low = line.strip().lower()
        if low.endswith(_CLOSERS):
            end = at + len(line)
        elif low.startswith(_CLOSERS):
            tag = next(tag for tag in _CLOSERS if low.startswith(tag))
            end = at + line.lower().index(tag) + len(tag)
        elif opened and not end and (inline := _first_closer(line)):
            end = at + inline
        at += len(line) + 1
    if end and text[end:].strip():
        return text[end:]
    if opened and end:
        raise EditError("the reply holds reasoning and no answer; answer after it")
    if opened:
        raise EditError("the reply ended within its reasoning; answer more briefly")
    return text


def _first_closer(line: str) -> int:
    """Returns where the first closing tag of a line ends, 0 where it has none."""
    low = line.lower()
    ends = [low.find(tag) + len(tag) for tag in _CLOSERS if tag in low]
    return min(ends, default=0)


def _unpacked(text: str) -> str:
    """Returns the edits or the code of a reply that is JSON or a tool call; any other as it is."""
    if has_edits(text):
        return text
    bare = _CALL_TAG.sub("", text).strip()
    if (fence := _JSON_FENCE.match(bare)) is not None:
        bare = bare[fence.end() :].rstrip("`~ \n")
    if not bare.startswith(("{", "[")) or len(bare) > MAX_REPLY_CHARS:
        return text
    try:
        found, _ = json.JSONDecoder(strict=False).raw_decode(bare)
    except (ValueError, RecursionError):
        return text
    if edits := tuple(_edits(found, _MAX_DEPTH)):
        return format_edits(edits)
    if (code := _code(found, _MAX_DEPTH)) is not None:
        fence_line = "`" * max(3, 1 + _longest_run(code))
        return f"{fence_line}\n{code}\n{fence_line}"
    return text


def _edits(found: Any, depth: int) -> Iterator[Edit]:
    if depth == 0:
        return
    if isinstance(found, str) and found.lstrip().startswith(("{", "[")):
        found = _parsed(found)
    if isinstance(found, list):
        for one in found:
            yield from _edits(one, depth - 1)
    elif isinstance(found, Mapping):
        search, replace = _first(found, _SEARCH_KEYS), _first(found, _REPLACE_KEYS)
        if search is not None and replace is not None:
            yield Edit(_lines(search), _lines(replace), _first(found, _PATH_KEYS))
            return
        for key in (*_LIST_KEYS, *_CALL_KEYS):
            if key in found:
                yield from _edits(found[key], depth - 1)


def _code(found: Any, depth: int) -> str | None:
    if depth == 0:
        return None
    if isinstance(found, str) and found.lstrip().startswith("{"):
        found = _parsed(found)
    if isinstance(found, list):
        return next((code for one in reversed(found) if (code := _code(one, depth - 1)) is not None), None)
    if not isinstance(found, Mapping):
        return None
    if (code := _first(found, _CODE_KEYS)) is not None:
        return _unfenced(code)
    return next((code for key in _CALL_KEYS if (code := _code(found.get(key), depth - 1)) is not None), None)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _first(found: Mapping[str, Any], keys: Sequence[str]) -> str | None:
    return next((found[key] for key in keys if isinstance(found.get(key), str)), None)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.removesuffix("\n").split("\n")) if text else ()


def _unfenced(code: str) -> str:
    """Returns the code without one fence around all of it."""
    lines = code.strip("\n").split("\n")
    if len(lines) > 2 and lines[0].startswith(("```", "~~~")) and lines[-1].strip() == lines[0][:3]:
        return "\n".join(lines[1:-1])
    return code


def _longest_run(code: str) -> int:
    return max((len(line) - len(line.lstrip("`")) for line in code.split("\n")), default=0)
