"""What the next author of a kernel is told: what the compiler minds, cut to what helps; words are made harmless."""

from __future__ import annotations

import re

from evaluators.sandbox.clean import clean

_MAX_MESSAGES = 8
_MAX_CHARACTERS = 1600
_MESSAGE = re.compile(r"^[\w./+-]+:\d+(?::\d+)?: (fatal error|error|warning|optimized|missed): ?(.*)$")
_MEMORY_ERROR = re.compile(r"ERROR: AddressSanitizer: ([a-z-]+)")
_ACCESS = re.compile(r"^(READ|WRITE) of size", re.MULTILINE)
_LINKER = re.compile(r"undefined reference to|cannot find -l|ld returned|ld: ")


def compiler_errors(log: str) -> str:
    """Returns the first errors of a compiler's log with the lines they point at, then the first warnings."""
    return _cut([*_messages(log, ("fatal error", "error")), *_messages(log, ("warning",)), *_linker(log)])


def compiler_remarks(log: str) -> str:
    """Returns the warnings, and which loops were vectorised."""
    return _cut([*_messages(log, ("warning",)), *_messages(log, ("optimized",), with_source=False)])


def memory_error(log: str) -> str:
    """Returns what AddressSanitizer found, "" if it found nothing.

    Sizes and addresses are left out: they would tell of hidden shapes.
    """
    found = _MEMORY_ERROR.search(log)
    access = _ACCESS.search(log)
    return f"{found[1]}{f', a {access[1].lower()}' if access else ''}" if found else ""


def vectorised_loops(log: str) -> int:
    """Returns how many loops or blocks gcc says it vectorised (-fopt-info-vec).

    A program can print such lines itself, so this is an axis of behaviour and nothing more.
    """
    return sum(" vectorized using" in line for line in log.splitlines())


def _messages(log: str, kinds: tuple[str, ...], *, with_source: bool = True) -> list[str]:
    found: list[str] = []
    is_wanted = False
    for line in log.splitlines():
        match = _MESSAGE.match(line)
        if match is not None:
            is_wanted = match[1] in kinds
            if is_wanted:
                found.append(line)
        elif is_wanted and with_source and re.match(r"\s*(?:\d+\s*)?\|", line) and found:
            found[-1] += "\n" + line
    return found[:_MAX_MESSAGES]


def _linker(log: str) -> list[str]:
    return [line for line in log.splitlines() if _LINKER.search(line)][:_MAX_MESSAGES]


def _cut(messages: list[str]) -> str:
    return clean("\n".join(dict.fromkeys(messages)), _MAX_CHARACTERS)
