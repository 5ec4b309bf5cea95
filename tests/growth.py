"""How the time of a call grows with the length of its input: what is linear stays usable on hostile text.

The clock is the CPU time of this thread, so the load of the machine hardly counts, and what is judged is a ratio over
a large step of length, with room for everything but another power: 16 times the text may take 4 times as much per
character (an exponent of 1.5; 1.7 leaves room for what else the machine does); quadratic time takes 16 times as much.
"""

from __future__ import annotations

import math
import re
import string
import time
from collections.abc import Callable, Iterator
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

LARGEST = 16_384
LEAST_S = 0.002
"""Less counts as nothing on a text of `LARGEST` characters."""
ENOUGH_S = 0.25
"""Where one call takes as long as this, longer texts are not tried."""
EXPONENT = 1.7

Text = Callable[[int], str]


def seconds(call: Callable[[str], object], text: str) -> float:
    """CPU seconds of a call; of several, if they are so short that something else may have come between."""
    least = float("inf")
    for _ in range(5):
        begun = time.thread_time()
        call(text)
        least = min(least, time.thread_time() - begun)
        if not LEAST_S <= least <= ENOUGH_S:
            break
    return least


def exponent(call: Callable[[str], object], text: Text, largest: int = LARGEST) -> float:
    """The exponent of growth over the last factor of 16 in length; 0 where the longest text takes next to nothing.

    The lengths go up by steps, so that what grows quickly is found out on short texts.
    """
    size, times = 16, [seconds(call, text(16))]
    while size < largest and times[-1] < ENOUGH_S:
        size *= 4
        times.append(seconds(call, text(size)))
    if times[-1] < LEAST_S or len(times) < 3:
        return 0.0
    return math.log(times[-1] / max(times[-3], 1e-6)) / math.log(16)


# --- worst cases for a regular expression, made from the expression itself ---


def attacks(pattern: str, flags: int = 0) -> Iterator[tuple[str, Text]]:
    """Texts that grow: what each part of an expression matches, again and again, before and behind what it needs."""
    tree = _parser.parse(pattern, flags)
    samples = [one for one in dict.fromkeys(_samples(tree)) if one]
    heads = [one for one in dict.fromkeys(_heads(tree)) if one]
    pumps = list(
        dict.fromkeys([*samples, *heads, *(one + "\n" for one in heads), "a", " ", "\n", "0", "_", "a "])
    )
    starts = list(dict.fromkeys(["", *heads, "x"]))
    for start in starts:
        for pump in pumps:
            for end in ("", "\0"):
                yield (
                    f"{start!r} + {pump!r} * n + {end!r}",
                    lambda n, s=start, p=pump, e=end: s + p * (n // len(p)) + e,
                )


def _one(item: Any) -> str:
    """The shortest sample of one node."""
    return next(iter(_sample_sequence([item])), "")


def _samples(tree: Any) -> Iterator[str]:
    """Samples of everything in a tree that can be repeated, and of each of its sequences."""
    yield from _sample_sequence(tree)
    for op, value in tree:
        for inner in _inner(op, value):
            yield from _samples(inner)


def _heads(tree: Any) -> Iterator[str]:
    """What an expression matches up to each of its parts; letters that follow each other are one."""
    items = list(tree)
    for end in range(1, len(items)):
        if items[end - 1][0] is not _constants.LITERAL or items[end][0] is not _constants.LITERAL:
            yield "".join(_one(item) for item in items[:end])
    for op, value in items:
        for inner in _inner(op, value):
            yield from _heads(inner)


def _inner(op: Any, value: Any) -> list[Any]:
    if op in (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT):
        return [value[2]]
    if op is _constants.SUBPATTERN:
        return [value[3]]
    if op is _constants.BRANCH:
        return list(value[1])
    if op in (_constants.ASSERT, _constants.ASSERT_NOT):
        return [value[1]]
    return [value] if op is _constants.ATOMIC_GROUP else []


def _sample_sequence(tree: Any) -> Iterator[str]:
    """One or a few strings that a sequence matches."""
    found = [""]
    for op, value in tree:
        if op is _constants.LITERAL:
            choices = [chr(value)]
        elif op is _constants.NOT_LITERAL:
            choices = ["a" if value != ord("a") else "b"]
        elif op is _constants.ANY:
            choices = ["a"]
        elif op is _constants.IN:
            choices = _members(value)[:4]
        elif op in (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT):
            choices = [one * max(value[0], 1) for one in list(_sample_sequence(value[2]))[:3]]
        elif op is _constants.SUBPATTERN:
            choices = list(_sample_sequence(value[3]))[:3]
        elif op is _constants.ATOMIC_GROUP:
            choices = list(_sample_sequence(value))[:3]
        elif op is _constants.BRANCH:
            choices = [one for branch in value[1] for one in list(_sample_sequence(branch))[:1]]
        else:
            choices = [""]
        found = [head + one for head in found for one in choices][:8]
    yield from found


def _members(items: Any) -> list[str]:
    text = re.compile("[" + "".join(_class_source(item) for item in items) + "]")
    wanted = " \t\n" + string.ascii_letters + string.digits + string.punctuation
    kinds = [" \t", "\n", string.ascii_lowercase, string.ascii_uppercase, string.digits, string.punctuation]
    found = [next((c for c in kind if text.fullmatch(c)), "") for kind in kinds]
    return [c for c in found if c] or [next((c for c in wanted if text.fullmatch(c)), "a")]


def _class_source(item: Any) -> str:
    op, value = item
    if op is _constants.NEGATE:
        return "^"
    if op is _constants.LITERAL:
        return re.escape(chr(value))
    if op is _constants.RANGE:
        return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
    return {
        "CATEGORY_DIGIT": r"\d", "CATEGORY_NOT_DIGIT": r"\D", "CATEGORY_SPACE": r"\s",
        "CATEGORY_NOT_SPACE": r"\S", "CATEGORY_WORD": r"\w", "CATEGORY_NOT_WORD": r"\W",
    }[str(value)]  # fmt: skip
