"""C programs as tokens over their text (CUDA and OpenCL look the same from here).

The one reader of C that everything shares: fingerprints, measures, blocks and the operators that need no model.
It never fails: what is not closed runs to the end of its line or of the text. Whether a text is a program is for
the compiler to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

SUFFIXES = (".c", ".h", ".cu", ".cuh", ".cl")
LANGUAGES = {".cu": "cuda", ".cuh": "cuda", ".py": "python"}

Kind = Literal["comment", "directive", "string", "char", "number", "name", "mark"]

_TOKEN = re.compile(
    r"""
    (?P<space>(?:[\s\f\v]|\\\r?\n)+)
    |(?P<comment>//(?:[^\\\n]|\\[\s\S]?)*|/\*[\s\S]*?(?:\*/|\Z))
    |(?P<string>(?:u8|[uUL])?"(?:[^"\\\n]|\\[\s\S])*(?:"|(?=\n)|\Z))
    |(?P<char>[uUL]?'(?:[^'\\\n]|\\[\s\S])*(?:'|(?=\n)|\Z))
    |(?P<number>\.?[0-9](?:[eEpP][+-]|[\w.])*)
    |(?P<name>[^\W\d][\w$]*)
    |(?P<mark><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|\#\#|[\s\S])
    """,
    re.VERBOSE,
)
_DIRECTIVE = re.compile(
    r"""\#(?:/\*[\s\S]*?(?:\*/|\Z)|//(?:[^\\\n]|\\[\s\S]?)*|"(?:[^"\\\n]|\\[\s\S])*"|\\\r?\n|[^\n])*"""
)
_OPENING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Token:
    """One token: characters [start, end) of its text. A preprocessor line is one token, see `inside`."""

    kind: Kind
    text: str
    start: int
    end: int


def is_c(path: str) -> bool:
    """Returns whether a file of this name is read as C."""
    return path.endswith(SUFFIXES)


def language(path: str) -> str:
    """Returns the name of a file's language as the first line of a code fence spells it."""
    for suffix, name in LANGUAGES.items():
        if path.endswith(suffix):
            return name
    return "c" if is_c(path) else "python"


def tokens(text: str) -> tuple[Token, ...]:
    """Returns all tokens of a C text, comments included, in order; that of a recent text costs nothing."""
    return _cached_tokens(text)


def code(text: str) -> tuple[Token, ...]:
    """Returns the tokens of a C text without its comments."""
    return tuple(token for token in tokens(text) if token.kind != "comment")


def inside(directive: Token) -> tuple[Token, ...]:
    """Returns the tokens of a preprocessor line without comments, `#` first; positions are those of the text."""
    found = _scan(directive.text, is_directive=True)
    return tuple(
        Token(token.kind, token.text, directive.start + token.start, directive.start + token.end)
        for token in found
        if token.kind != "comment"
    )


def matches(parts: Sequence[Token]) -> dict[int, int]:
    """Returns the index of the closing bracket for that of each opening one; brackets that do not pair are left out."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for index, token in enumerate(parts):
        if token.kind != "mark":
            continue
        if token.text in _OPENING:
            opened.append(index)
        elif token.text in (")", "]", "}") and opened and _OPENING[parts[opened[-1]].text] == token.text:
            found[opened.pop()] = index
    return found


def words(text: str, *, number: str | None = None) -> list[str]:
    """Returns the texts of a C text's tokens without comments and spaces: equal for texts that compile alike.

    With `number`, that stands for each number and its minus sign.
    """
    found: list[str] = []
    every = code(text)
    for index, token in enumerate(every):
        if token.kind == "directive":
            parts = inside(token)
            for place, part in enumerate(parts):
                _add_word(found, parts, place, part.text if part.kind != "number" else number)
            if len(parts) > 3 and parts[1].text == "define" and parts[2].end == parts[3].start:
                found.append("()")  # a macro with parameters: `F(x)` is not `F (x)`
            found.append("\n")
        else:
            _add_word(found, every, index, token.text if token.kind != "number" else number)
    return found


def _add_word(found: list[str], parts: Sequence[Token], index: int, text: str | None) -> None:
    if text is None:
        found.append(parts[index].text)
    elif parts[index].kind == "number" and is_negated(parts, index):
        found[-1] = text
    else:
        found.append(text)


def is_negated(parts: Sequence[Token], index: int) -> bool:
    """Returns whether the number at `index` has a minus sign of its own in front (no subtraction)."""
    if index == 0 or parts[index - 1].text != "-":
        return False
    if index == 1:
        return True
    before = parts[index - 2]
    if before.kind == "name":
        return before.text in ("return", "case")
    return before.kind in ("mark", "directive") and before.text not in (")", "]", "}")


@lru_cache(maxsize=256)
def _cached_tokens(text: str) -> tuple[Token, ...]:
    return tuple(_scan(text, is_directive=False))


def _scan(text: str, *, is_directive: bool) -> Iterator[Token]:
    at, starts_line = 0, not is_directive
    while at < len(text):
        if starts_line and text[at] == "#":
            match = _DIRECTIVE.match(text, at)
            assert match is not None
            body = match[0].removesuffix("\r")
            yield Token("directive", body, at, at + len(body))
            at = match.end()
            continue
        match = _TOKEN.match(text, at)
        assert match is not None
        if match.lastgroup == "space":
            starts_line = starts_line or (not is_directive and re.search(r"(?<!\\)\n", match[0]) is not None)
        else:
            starts_line = starts_line and match.lastgroup == "comment"
            yield Token(match.lastgroup, match[0], at, match.end())  # type: ignore[arg-type]
        at = match.end()
