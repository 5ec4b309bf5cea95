"""Foreign text made safe to show: on a terminal, in a commit message, in a page.

Programs, models and their output are not trusted: a text of theirs may hold terminal escapes, line breaks
that pretend to be ours, or letters that turn the reading direction round.
"""

from __future__ import annotations

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_ELLIPSIS = "…"

SELF_SCORED = "self-scored: the folder's own evaluator gave the score, in one process with the program, which could have forged it"
"""What to think of the scores of a problem whose `run` gives the score itself."""


def printable(text: str, limit: int | None = None) -> str:
    """Returns `text` with only printable characters and line feeds, cut to at most `limit` characters.

    Tabs become four spaces; control, format, private and unpaired characters (terminal escapes, bidirectional
    marks, zero-width letters) become U+FFFD; a carriage return before a line feed goes.
    """
    if limit is not None and len(text) > limit:
        text = text[: max(limit - 1, 0)] + _ELLIPSIS
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\t", "    ")
    return "\n".join(line if line.isprintable() else _replaced(line) for line in text.split("\n"))


def one_line(text: str, limit: int | None = None) -> str:
    """Returns `text` as one printable line: runs of white space become one space."""
    return printable(" ".join(text.split()), limit)


def indented(text: str, limit: int | None = None, prefix: str = "    ") -> str:
    """Returns printable `text` with `prefix` before each line that is not empty, without empty ends."""
    lines = (line.rstrip() for line in printable(text, limit).strip("\n").split("\n"))
    return "\n".join(prefix + line if line else "" for line in lines)


def _replaced(line: str) -> str:
    return "".join(c if c.isprintable() else " " if c.isspace() else REPLACEMENT for c in line)
