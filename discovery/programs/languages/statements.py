"""Programs in C, C++, CUDA and Rust as statements over their text: find pieces in the evolvable blocks, replace them.

tree-sitter's grammars say where statements begin and end. What they do not understand comes out as statements of the kind
`other`, cut at semicolons; the judge's compiler decides whether a text is a program.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from evaluators.text import grammars
from evaluators.text.blocks import Span
from evaluators.text.grammars import Grammar, Token

Kind = Literal[
    "for",
    "while",
    "do",
    "if",
    "switch",
    "block",
    "function",
    "type",
    "declaration",
    "directive",
    "jump",
    "label",
    "other",
]

_C_WORDS = """
    void char short int long float double signed unsigned size_t ssize_t ptrdiff_t bool _Bool
    int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t uintptr_t intptr_t
    const static register volatile restrict __restrict __restrict__ inline extern auto
    struct union enum typedef __attribute__
"""
_RUST_WORDS = """
    i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize f32 f64 bool char str
    let mut const static ref pub fn unsafe struct enum impl dyn as in
"""
_C_TYPES, _RUST_TYPES = frozenset(_C_WORDS.split()), frozenset(_RUST_WORDS.split())
HEADED: dict[str, Kind] = {
    "for": "for",
    "while": "while",
    "loop": "while",
    "if": "if",
    "switch": "switch",
    "match": "switch",
}
_CONTAINERS = frozenset({"class", "struct", "union", "enum", "namespace", "extern"})
_JUMPS = frozenset({"return", "break", "continue", "goto"})
_MAX_DEPTH = 60  # what stands deeper is not taken apart; programs are not written that deep


class Statement(NamedTuple):
    """One statement: tokens [first, last) of its file, and what it is made of.

    Attributes:
        kind: what it is; a file's functions are statements, too.
        head: the tokens between a `for`, `while`, `if` or `switch`'s brackets, [low, high), or those before the body of
            a function; else (0, 0).
        parts: the statements of a block, function or type; the body of a loop; the branches of an `if`.
        depth: 0 outside all others, else more.
    """

    kind: Kind
    first: int
    last: int
    head: tuple[int, int] = (0, 0)
    parts: tuple[Statement, ...] = ()
    depth: int = 0


class Source:
    """One file of a program: text, tokens without comments, statements, and what of it may change."""

    def __init__(self, path: str, text: str, spans: Sequence[Span], grammar: Grammar) -> None:
        """Takes the file apart; `spans` are its editable stretches."""
        self.path, self.text, self.spans = path, text, tuple(spans)
        self.is_rust = grammar is grammars.RUST
        self.type_words = _RUST_TYPES if self.is_rust else _C_TYPES
        reading = grammars.read(text, grammar)
        self.tokens = reading.code
        self.closing = grammars.matches(self.tokens)
        self.top = _Builder(self.tokens, self.closing, self.type_words).build(reading.stretches)
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
        return name_of(self.tokens, *piece.head)

    def declared(self, piece: Statement) -> set[str]:
        """Returns the names that a declaration, a loop's head or a `#define` introduces."""
        if piece.kind == "directive":
            parts = grammars.inside(self.tokens[piece.first])
            return {parts[2].text} if len(parts) > 2 and parts[1].text == "define" else set()
        low, high = (piece.first, piece.last) if piece.kind == "declaration" else piece.head
        if self.is_rust and piece.kind in ("declaration", "for"):
            ends = (
                i for i in range(low, high) if self.tokens[i].text in ("=", ":", "in", ";", "{", "(", "::")
            )
            stop = next(ends, high)
            stop = self.closing.get(stop, stop) if stop < high and self.tokens[stop].text == "(" else stop
            return self.names(low, stop) - self.type_words
        ends_name = ("=", ",", ";", "[", ":") if piece.kind == "for" else ("=", ",", ";", "[")
        found, depth, is_value = set(), 0, False
        for index in range(low, high):
            text = self.tokens[index].text
            depth += (text in "([{") - (text in ")]}")
            if depth == 0 and text in (",", ";"):
                is_value = False
            elif depth == 0 and text == "=":
                is_value = True
            following = self.tokens[index + 1].text if index + 1 < len(self.tokens) else ";"
            if depth == 0 and not is_value and self.tokens[index].kind == "name" and following in ends_name:
                found.add(text)
            if piece.kind == "for" and depth == 0 and text in (";", ":"):
                break
        return found - self.type_words


def name_of(tokens: Sequence[Token], low: int, high: int) -> str:
    """Returns the name of the function whose head is the tokens [low, high), "" if it has none."""
    for index in range(low + 1, high):
        if tokens[index - 1].text == "fn":
            return tokens[index].text
    return next((tokens[i - 1].text for i in range(low + 1, high) if tokens[i].text == "("), "")


def function_heads(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """Yields the tokens [low, high) of the head of each function, also in namespaces and types, also in broken text."""
    closing = grammars.matches(tokens)
    begin = at = 0
    while at < len(tokens):
        text = tokens[at].text
        if text in (";", "}") or tokens[at].kind == "directive":
            begin = at + 1
        elif text == "{":
            head = {token.text for token in tokens[begin:at]}
            is_call = at > begin and (tokens[at - 1].text == ")" or not head & _CONTAINERS)
            if "fn" in head or (is_call and "(" in head and "=" not in head):
                yield begin, at
                at = closing.get(at, at)
            elif "=" in head:
                at = closing.get(at, at)
            begin = at + 1
        elif text in ("(", "["):
            at = closing.get(at, at)
        at += 1


def _walk(statements: Sequence[Statement]) -> Iterator[Statement]:
    stack = list(reversed(statements))
    while stack:
        statement = stack.pop()
        yield statement
        stack += reversed(statement.parts)


class _Builder:
    """Makes statements of the stretches that a grammar has named, and of the tokens between them; never fails."""

    def __init__(self, tokens: Sequence[Token], closing: dict[int, int], type_words: frozenset[str]) -> None:
        self._tokens, self._closing, self._type_words = tokens, closing, type_words

    def build(self, stretches: Sequence[grammars.Stretch]) -> tuple[Statement, ...]:
        depths: list[int] = []
        for stretch in stretches:
            depths.append(depths[stretch.parent] + 1 if stretch.parent >= 0 else 0)
        made: dict[int, list[Statement]] = {}
        for index in range(len(stretches) - 1, -1, -1):  # those within before those around
            stretch, inner = stretches[index], made.pop(index, [])
            if depths[index] <= _MAX_DEPTH:
                found = self._statements(stretch, inner[::-1], depths[index])
                made.setdefault(stretch.parent, []).extend(reversed(found))
        return self._sequence(0, len(self._tokens), made.get(-1, [])[::-1], 0)

    def _statements(
        self, stretch: grammars.Stretch, inner: Sequence[Statement], depth: int
    ) -> Sequence[Statement]:
        kind, first, last = stretch.kind, stretch.first, stretch.last
        if kind == "label":
            colon = next((i for i in range(first, last) if self._tokens[i].text == ":"), last - 1)
            label = Statement("label", first, colon + 1, depth=depth)
            return [label, *self._sequence(colon + 1, last, inner, depth)]
        if kind in ("for", "while", "if", "switch"):
            return [self._headed(first, last, inner, depth)]
        if kind == "do" and inner:
            return [Statement("do", first, last, parts=(self._body(first + 1, inner[0]),), depth=depth)]
        if kind == "wrapper" and inner and inner[-1].last == last:
            low, high = inner[-1].head
            return [inner[-1]._replace(first=first, head=(first, high) if high else (low, high))]
        if kind == "function" and inner and inner[-1].kind == "block" and inner[-1].last == last:
            return [Statement("function", first, last, (first, inner[-1].first), inner[-1].parts, depth)]
        if kind in ("block", "type"):
            return [self._braced(kind, first, last, inner, depth)]
        if kind == "other" and inner and (inner[0].first, inner[-1].first) == (first, first):
            return [inner[0]._replace(last=last)]
        return [self._simple(first, last, depth, "declaration" if kind == "declaration" else None)]

    def _headed(self, first: int, last: int, inner: Sequence[Statement], depth: int) -> Statement:
        word = next((i for i in range(first, last) if self._tokens[i].text in HEADED), first)
        kind = HEADED.get(self._tokens[word].text, "other")
        close = self._closing.get(word + 1, -1) if self._text(word + 1) == "(" else -1
        after = close
        while after > 0 and after + 1 < last and self._tokens[after + 1].kind == "directive":
            after += 1
        if close > 0 and any(one.first == after + 1 for one in inner):  # for (...) body
            head = (word + 2, close)
        else:
            body = next((one.first for one in inner if self._text(one.first) == "{"), 0)
            head, close = (word + 1, body) if body > word + 1 else (0, 0), body - 1
        bodies = tuple(self._body(close + 1, one) for one in inner if one.first > close)
        return Statement(kind, first, last, head, bodies, depth)

    def _body(self, low: int, piece: Statement) -> Statement:
        """Returns a statement with the pragmas in front of it, which begin at token `low` or later."""
        first = piece.first
        while first > low and self._tokens[first - 1].kind == "directive":
            first -= 1
        if first == piece.first:
            return piece
        return Statement("block", first, piece.last, parts=(piece,), depth=piece.depth)

    def _braced(self, kind: str, first: int, last: int, inner: Sequence[Statement], depth: int) -> Statement:
        brace = next((i for i in range(first, last) if self._closing.get(i) == last - 1), None)
        if brace is None or self._text(brace) != "{":
            return self._simple(first, last, depth, "declaration" if kind == "type" else None)
        if kind == "block":
            parts = self._sequence(brace + 1, last - 1, inner, depth + 1)
            return Statement("block", first, last, parts=parts, depth=depth)
        if not any(one.kind in ("function", "type") for one in inner):
            return Statement("declaration", first, last, depth=depth)
        parts = self._sequence(brace + 1, last - 1, inner, depth + 1)
        return Statement("type", first, last, (first, brace), parts, depth)

    def _sequence(self, low: int, high: int, inner: Sequence[Statement], depth: int) -> tuple[Statement, ...]:
        """Returns the statements that the tokens [low, high) make up, of which some are known."""
        found: list[Statement] = []
        for one in inner:
            if one.first < low:
                continue
            if low < one.first:
                found += self._loose(low, one.first, depth)
            is_open = self._tokens[one.last - 1].text == "}" and one.kind in ("type", "declaration")
            if is_open and one.last < high and self._text(one.last) == ";":
                one = one._replace(last=one.last + 1)  # noqa: PLW2901
            found.append(one)
            low = one.last
        return (*found, *self._loose(low, high, depth))

    def _loose(self, at: int, end: int, depth: int) -> Iterator[Statement]:
        first = at
        while at < end:
            if self._tokens[at].kind == "directive":
                if first < at:
                    yield self._simple(first, at, depth)
                yield Statement("directive", at, at + 1, depth=depth)
                first = at = at + 1
                continue
            is_last = self._tokens[at].text == ";"
            at = min(self._closing.get(at, at) + 1, end)
            if is_last:
                yield self._simple(first, at, depth)
                first = at
        if first < end:
            yield self._simple(first, end, depth)

    def _simple(self, first: int, last: int, depth: int, kind: Kind | None = None) -> Statement:
        text = self._text(first)
        if kind is None and text in _JUMPS:
            kind = "jump"
        elif kind is None and text in self._type_words:
            kind = "declaration"
        return Statement(kind or "other", first, last, depth=depth)

    def _text(self, at: int) -> str:
        return self._tokens[at].text if at < len(self._tokens) else ""
