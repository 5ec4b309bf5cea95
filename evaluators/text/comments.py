"""Where the comments of a text begin, in the languages whose comments are known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from evaluators.text import grammars

_C_STRINGS = r"""|"(?:[^"\\\n]|\\[\s\S])*"?|'(?:[^'\\\n]|\\[\s\S])*'?"""


@dataclass(frozen=True, slots=True)
class Comments:
    """How comments are written.

    Attributes:
        sign: what begins a comment, as people write it.
        pattern: what matches a comment, in a group `comment`, or a string, in which no comment begins.
    """

    sign: str
    pattern: str


def _slashes(strings: str = _C_STRINGS) -> Comments:
    return Comments("//", r"(?P<comment>//[^\n]*|/\*[\s\S]*?(?:\*/|\Z))" + strings)


_DASHES = Comments("--", r"""(?P<comment>--[^\n]*|/\*[\s\S]*?(?:\*/|\Z))|'[^']*'?|"[^"]*"?""")
_SEMICOLONS = Comments(";", r"""(?P<comment>;[^\n]*|\#\|[\s\S]*?(?:\|\#|\Z))|"(?:[^"\\]|\\[\s\S])*"?|\#\\.""")
_PERCENT = Comments(
    "%",
    r"(?P<comment>(?<!\\)%[^\n]*)|\\begin\{(?P<raw>verbatim|comment|lstlisting)\}[\s\S]*?(?:\\end\{(?P=raw)\}|\Z)|\\.",
)
_ANGLES = Comments("<!--", r"(?P<comment><!--[\s\S]*?(?:-->|\Z))")
_TEMPLATES = _C_STRINGS + r"|`(?:[^`\\]|\\[\s\S])*`?"

_BY_ENDING = {
    ".go": _slashes(_C_STRINGS + "|`[^`]*`?"),
    ".java": _slashes(r'|"""(?:[^\\"]|\\[\s\S]|"(?!""))*(?:""")?' + _C_STRINGS),
    ".js": _slashes(_TEMPLATES),
    ".ts": _slashes(_TEMPLATES),
    ".sql": _DASHES,
    ".html": _ANGLES,
    ".htm": _ANGLES,
    ".xml": _ANGLES,
    ".svg": _ANGLES,
    ".tex": _PERCENT,
    ".el": _SEMICOLONS,
    ".lisp": _SEMICOLONS,
    ".scm": _SEMICOLONS,
}


def sign(path: str) -> str:
    """Returns what begins a comment in a file of this name; `#` where that is not known."""
    if grammars.of(path) is not None:
        return "//"
    known = _of(path)
    return known.sign if known is not None else "#"


def starts(text: str, path: str) -> frozenset[int] | None:
    """Returns the characters at which comments begin; None for a file whose comments are not known."""
    if (grammar := grammars.of(path)) is not None:
        return frozenset(token.start for token in grammars.read(text, grammar).comments)
    if (known := _of(path)) is None:
        return None
    found = _compiled(known.pattern).finditer(text)
    return frozenset(match.start("comment") for match in found if match["comment"])


def is_continued(text: str, line_start: int, path: str) -> bool:
    """Returns whether a line goes on what the line before it began: after a backslash, where a preprocessor reads."""
    grammar = grammars.of(path)
    before = text[:line_start].removesuffix("\n").removesuffix("\r")
    return grammar is not None and grammar.has_directives and before.endswith("\\")


def _of(path: str) -> Comments | None:
    return next((one for ending, one in _BY_ENDING.items() if path.endswith(ending)), None)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
