"""C programs as statements over their text: find pieces in the evolvable blocks, replace their characters.

No compiler's grammar: brackets, semicolons and the words `for`, `while`, `do`, `if`, `else`, `switch` are enough to
know where a statement ends. What is no C comes out as some statement or other; the judge's compiler decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from discovery.programs.languages import python_syntax as syntax
from evaluators.contract import Program
from evaluators.text import c_text
from evaluators.text.blocks import BlockError, Span, editable

Kind = Literal[
    "for",
    "while",
    "do",
    "if",
    "switch",
    "block",
    "function",
    "declaration",
    "directive",
    "jump",
    "label",
    "other",
]

_TYPES = """
    void char short int long float double signed unsigned size_t ssize_t ptrdiff_t bool _Bool
    int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t uintptr_t intptr_t
    const static register volatile restrict __restrict __restrict__ inline extern auto
    struct union enum typedef __attribute__
"""
TYPE_WORDS = frozenset(_TYPES.split())
_JUMPS = frozenset({"return", "break", "continue", "goto"})
HEADED: dict[str, Kind] = {"for": "for", "while": "while", "if": "if", "switch": "switch"}
_MAX_DEPTH = 60


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: tokens [first, last) of its file, and what it is made of.

    Attributes:
        kind: what it is; a file's functions are statements, too.
        head: the tokens between a `for`, `while`, `if` or `switch`'s brackets, [low, high); else (0, 0).
        parts: the statements of a block or function; the body of a loop; the branches of an `if`.
        depth: how many statements it stands in.
    """

    kind: Kind
    first: int
    last: int
    head: tuple[int, int] = (0, 0)
    parts: tuple[Statement, ...] = ()
    depth: int = 0


class CSource:
    """One C file of a program: text, tokens without comments, statements, and what of it may change."""

    def __init__(self, path: str, text: str, spans: Sequence[Span]) -> None:
        """Takes the file apart; `spans` are its editable stretches."""
        self.path, self.text, self.spans = path, text, tuple(spans)
        self.tokens = c_text.code(text)
        self.top = _Parser(self.tokens).statements(0, len(self.tokens), 0)
        self.statements = tuple(one for one in _walk(self.top) if self.is_editable(*self.extent(one)))

    def extent(self, piece: Statement) -> tuple[int, int]:
        """Returns the characters [start, end) of a statement."""
        return self.tokens[piece.first].start, self.tokens[piece.last - 1].end

    def segment(self, piece: Statement) -> str:
        """Returns the text of a statement."""
        start, end = self.extent(piece)
        return self.text[start:end]

    def between(self, first: int, last: int) -> str:
        """Returns the text of the tokens [first, last), "" if there are none."""
        return self.text[self.tokens[first].start : self.tokens[last - 1].end] if first < last else ""

    def is_editable(self, start: int, end: int) -> bool:
        """Returns whether the characters [start, end) all stand in one editable stretch."""
        return any(span.start <= start and end <= span.end for span in self.spans)

    def names(self, first: int, last: int) -> set[str]:
        """Returns the names among the tokens [first, last)."""
        return {token.text for token in self.tokens[first:last] if token.kind == "name"}

    def function_name(self, piece: Statement) -> str:
        """Returns the name of a function, "" if its head has none."""
        low, high = piece.head
        return next((self.tokens[i - 1].text for i in range(low + 1, high) if self.tokens[i].text == "("), "")

    def declared(self, piece: Statement) -> set[str]:
        """Returns the names that a declaration, a loop's head or a `#define` introduces."""
        if piece.kind == "directive":
            parts = c_text.inside(self.tokens[piece.first])
            return {parts[2].text} if len(parts) > 2 and parts[1].text == "define" else set()
        low, high = (piece.first, piece.last) if piece.kind == "declaration" else piece.head
        found, depth, is_value = set(), 0, False
        for index in range(low, high):
            text = self.tokens[index].text
            depth += (text in "([{") - (text in ")]}")
            if depth == 0 and text in (",", ";"):
                is_value = False
            elif depth == 0 and text == "=":
                is_value = True
            following = self.tokens[index + 1].text if index + 1 < len(self.tokens) else ";"
            if (
                depth == 0
                and not is_value
                and self.tokens[index].kind == "name"
                and following in ("=", ",", ";", "[")
            ):
                found.add(text)
            if piece.kind == "for" and depth == 0 and text == ";":
                break
        return found - TYPE_WORDS


def is_c(program: Program) -> bool:
    """Returns whether a program is C, by its entry file."""
    return c_text.is_c(program.entry)


def sources(program: Program) -> tuple[CSource, ...]:
    """Returns the program's C files that may change, by path."""
    return _cached_sources(tuple(program.files.items()), program.entry)


def replace(program: Program, source: CSource, start: int, end: int, text: str) -> Program:
    """Returns the program with characters [start, end) of one of its files replaced."""
    return program.with_text(source.text[:start] + text + source.text[end:], source.path)


def is_child(parent: Program, child: Program) -> bool:
    """Returns whether `child` is another program than `parent`, pairs its brackets, and keeps what is frozen."""
    for path, text in child.files.items():
        if c_text.is_c(path) and text != parent.files.get(path) and not _is_balanced(text):
            return False
    return syntax.is_child(parent, child)


def _is_balanced(text: str) -> bool:
    tokens = c_text.code(text)
    brackets = sum(token.kind == "mark" and token.text in "()[]{}" for token in tokens)
    return 2 * len(c_text.matches(tokens)) == brackets


@lru_cache(maxsize=64)
def _cached_sources(files: tuple[tuple[str, str], ...], entry: str) -> tuple[CSource, ...]:
    program = Program(dict(files), entry)
    try:
        spans = editable(program)
    except BlockError:
        return ()
    return tuple(
        CSource(path, program.files[path], spans[path]) for path in sorted(spans) if c_text.is_c(path)
    )


def _walk(statements: Sequence[Statement]) -> Iterator[Statement]:
    for statement in statements:
        yield statement
        yield from _walk(statement.parts)


class _Parser:
    """Splits tokens into statements; never fails."""

    def __init__(self, tokens: Sequence[c_text.Token]) -> None:
        self._tokens = tokens
        self._closing = c_text.matches(tokens)

    def statements(self, at: int, end: int, depth: int) -> tuple[Statement, ...]:
        """Returns the statements that the tokens [at, end) make up."""
        found = []
        while at < end:
            piece = self._statement(at, end, depth)
            found.append(piece)
            at = piece.last
        return tuple(found)

    def _text(self, at: int, end: int) -> str:
        return self._tokens[at].text if at < end else ""

    def _statement(self, at: int, end: int, depth: int) -> Statement:
        token = self._tokens[at]
        if token.kind == "directive":
            return Statement("directive", at, at + 1, depth=depth)
        if depth < _MAX_DEPTH:
            if token.text == "{" and at in self._closing:
                close = self._closing[at]
                return Statement(
                    "block", at, close + 1, parts=self.statements(at + 1, close, depth + 1), depth=depth
                )
            if token.text in HEADED and self._text(at + 1, end) == "(" and at + 1 in self._closing:
                return self._headed(at, end, depth)
            if token.text == "do" and at + 1 < end:
                body = self._body(at + 1, end, depth + 1)
                last = self._simple_end(body.last, end)
                return Statement("do", at, last, parts=(body,), depth=depth)
        if token.text in ("case", "default") or (token.kind == "name" and self._text(at + 1, end) == ":"):
            colon = next((i for i in range(at, end) if self._tokens[i].text == ":"), end - 1)
            return Statement("label", at, colon + 1, depth=depth)
        return self._simple(at, end, depth)

    def _headed(self, at: int, end: int, depth: int) -> Statement:
        close = self._closing[at + 1]
        kind = HEADED[self._tokens[at].text]
        parts = [self._body(close + 1, end, depth + 1)] if close + 1 < end else []
        last = parts[-1].last if parts else close + 1
        if kind == "if" and self._text(last, end) == "else" and last + 1 < end:
            parts.append(self._body(last + 1, end, depth + 1))
            last = parts[-1].last
        return Statement(kind, at, last, (at + 2, close), tuple(parts), depth)

    def _body(self, at: int, end: int, depth: int) -> Statement:
        """Returns the statement at `at`, with the pragmas in front of it."""
        start = at
        while at < end - 1 and self._tokens[at].kind == "directive":
            at += 1
        piece = self._statement(at, end, depth) if at < end else Statement("other", end, end, depth=depth)
        return piece if at == start else Statement("block", start, piece.last, parts=(piece,), depth=depth)

    def _simple(self, at: int, end: int, depth: int) -> Statement:
        last = self._simple_end(at, end)
        brace = next(
            (i for i in range(at, last) if self._tokens[i].text == "{" and self._closing.get(i) == last - 1),
            None,
        )
        if brace is not None and self._tokens[last - 1].text == "}":
            body = self.statements(brace + 1, last - 1, depth + 1) if depth < _MAX_DEPTH else ()
            return Statement("function", at, last, (at, brace), body, depth)
        first = self._tokens[at].text
        kind: Kind = (
            "jump" if first in _JUMPS else "declaration" if self._is_declaration(at, last) else "other"
        )
        return Statement(kind, at, last, depth=depth)

    def _simple_end(self, at: int, end: int) -> int:
        """Returns where a statement without a body ends: after its `;`, or after the body of a function."""
        is_value = False
        while at < end:
            text = self._tokens[at].text
            if text == ";":
                return at + 1
            if self._tokens[at].kind == "directive":
                return at
            is_value = is_value or text == "="
            if text == "{" and not is_value and self._tokens[at - 1].text == ")" and at in self._closing:
                return self._closing[at] + 1
            at = self._closing.get(at, at) + 1
        return end

    def _is_declaration(self, at: int, last: int) -> bool:
        first, second = self._text(at, last), self._text(at + 1, last)
        if first in TYPE_WORDS:
            return True
        if self._tokens[at].kind != "name":
            return False
        if at + 1 < last and self._tokens[at + 1].kind == "name":
            return True
        is_pointer = second == "*" and at + 2 < last and self._tokens[at + 2].kind == "name"
        return is_pointer and self._text(at + 3, last) in ("=", ";", ",", "[")
