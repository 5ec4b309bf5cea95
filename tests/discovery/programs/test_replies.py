from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.operators.chat import read_child
from discovery.programs.replies import answer_text
from discovery.programs.search_replace import EditError
from discovery.programs.unified_diff import has_hunks, parse_hunks
from tests.discovery.programs.reply_corpus import CORPUS, DRAFT, EDIT, PY, Refused


def test_the_corpus_is_large_and_has_no_shape_twice() -> None:
    assert len({name for name, *_ in CORPUS}) == len(CORPUS) >= 150
    assert len({(reply, base.text) for _, base, reply, _ in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize(
    ("base", "reply", "wanted"), [rest for _, *rest in CORPUS], ids=[name for name, *_ in CORPUS]
)
@pytest.mark.parametrize("kind", ["diff", "rewrite"])
def test_a_reply_is_read_as_it_is_meant_whatever_was_asked_for(kind, base, reply, wanted) -> None:
    if isinstance(wanted, Refused):
        with pytest.raises(EditError) as caught:
            read_child(kind, base, reply)
        assert wanted.words in str(caught.value)
    else:
        assert read_child(kind, base, reply).text == wanted


PIECES = [
    "<think>",
    "</think>",
    "\n",
    "```",
    "x",
    "[/THINK]",
    "<answer>",
    "@@",
    "+",
    "-",
    " ",
    "<<<<<<< SEARCH",
    "=======",
    "{",
]


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_any_reply_is_read_or_refused(reply: str) -> None:
    try:
        child = read_child("diff", PY, reply)
    except EditError:
        return
    assert child.files.keys() == PY.files.keys()


@pytest.mark.parametrize(
    "piece",
    ["<think>", "</think>\n", "`</think>`", "<|channel|>final<|message|>", "@@\n", "{", "[", '{"code": ', "+++ a.py\n", "<<<<<<< SEARCH\n",
     "# ... existing code ", "```\n", "\ufeff", "<answer>\n"],
)  # fmt: skip
def test_long_replies_are_read_in_time_that_grows_with_their_length(piece: str) -> None:
    """Counts the lines of Python that run; twice the reply may take no more than thrice of them."""
    counts = []
    for times in (1000, 2000, 4000):
        counts.append(_lines_run(lambda reply=piece * times: _read(reply)))
    assert counts[2] <= 3 * counts[1] + 2000
    assert counts[1] <= 3 * counts[0] + 2000


def test_the_reasoning_is_gone_and_the_answer_is_whole() -> None:
    assert answer_text(f"<think>\n{DRAFT}\n</think>\n\n{EDIT}").strip() == EDIT


def _read(reply: str) -> None:
    try:
        answer = answer_text(reply)
        if has_hunks(answer):
            parse_hunks(answer)
    except EditError:
        pass


def _lines_run(call) -> int:
    import sys

    count = 0

    def trace(frame, event, arg):
        nonlocal count
        count += event == "line"
        return trace

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(former)
    return count
