"""Texts in C, C++, CUDA and Rust as tokens and nested statements: the one door of tree-sitter.

The one reader of these languages that everything shares: blocks, measures, fingerprints and the operators that need
no model. It never fails: what the grammar cannot place, lines of the preprocessor (which no grammar sees, for they may
stand anywhere) and texts that take too long to repair are cut into words by their signs. Whether a text is a
program is for the compiler to say.

tree-sitter is loaded when the first such text is read, so a process that meets none pays nothing for it.
"""

from __future__ import annotations

import importlib
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from evaluators.text import trees

if TYPE_CHECKING:
    from tree_sitter import Language, Tree

Kind = Literal["comment", "directive", "string", "char", "number", "name", "mark"]

_MOST_STEPS_IN_REPAIR = 1200
"""How often tree-sitter may call back (every 100 steps) in a text with errors: a second of work at most."""
_CHUNK = 1 << 14

_ATOMS: dict[str, Kind] = {
    "comment": "comment",
    "line_comment": "comment",
    "block_comment": "comment",
    "string_literal": "string",
    "raw_string_literal": "string",
    "system_lib_string": "string",
    "char_literal": "char",
    "number_literal": "number",
    "integer_literal": "number",
    "float_literal": "number",
}
_STATEMENTS = {
    kind: name
    for name, kinds in {
        "for": "for_statement for_range_loop for_expression",
        "while": "while_statement while_expression loop_expression",
        "do": "do_statement",
        "if": "if_statement if_expression",
        "switch": "switch_statement match_expression",
        "block": "compound_statement block unsafe_block",
        "function": "function_definition function_item",
        "type": """class_specifier struct_specifier union_specifier enum_specifier namespace_definition
            linkage_specification struct_item enum_item union_item impl_item trait_item mod_item""",
        "declaration": """declaration field_declaration type_definition alias_declaration using_declaration
            let_declaration const_item static_item type_item use_declaration""",
        "jump": """return_statement break_statement continue_statement goto_statement
            return_expression break_expression continue_expression""",
        "label": "labeled_statement case_statement",
        "wrapper": "template_declaration",
        "other": "expression_statement macro_definition",
    }.items()
    for kind in kinds.split()
}
_WHOLE = frozenset({"declaration", "jump"})
_EXPRESSIONS = frozenset(
    [
        "assignment_expression",
        "binary_expression",
        "call_expression",
        "function_declarator",
        "parameter_list",
        "parenthesized_expression",
        "parameters",
        "update_expression",
        "macro_invocation",
    ]
)
"""Where no statement is looked for."""
_DIRECTIVE = r"""\#(?:/\*[\s\S]*?(?:\*/|\Z)|//(?:[^\\\n]|\\[\s\S]?)*|"(?:[^"\\\n]|\\[\s\S])*(?:"|(?=\n)|\\?\Z)
    |\\\r?\n|[^\n])*"""
_COMMENT = r"//(?:[^\\\n]|\\[\s\S]?)*|/\*[\s\S]*?(?:\*/|\Z)"
_STRING = r'(?:u8|[uUL])?"(?:[^"\\\n]|\\[\s\S])*(?:"|(?=\n)|\\?\Z)'
_RAW_STRING = r'R"(?P<raw>[^()\\\s]{0,16})\([\s\S]*?(?:\)(?P=raw)"|\Z)'
_CHAR = r"[uUL]?'(?:[^'\\\n]|\\[\s\S])*(?:'|(?=\n)|\\?\Z)"
_DIRECTIVES = re.compile(
    rf"""^[ \t]*(?P<directive>{_DIRECTIVE})|{_COMMENT}|{_RAW_STRING}|{_STRING}|{_CHAR}
    |[^/"'R\n]+""",
    re.VERBOSE | re.MULTILINE,
)
_NESTED = re.compile(
    r"""/\*|\*/|//[^\n]*|r(?P<raw>\#{0,16})"[\s\S]*?(?:"(?P=raw)|\Z)|"(?:[^"\\]|\\[\s\S])*"?|'(?:[^'\\\n]|\\.[^'\n]{0,8})'"""
)
_WORD = r"""(?P<space>(?:[\s\f\v]|\\\r?\n)+)
    |(?P<comment>{comment})|(?P<string>{string})|(?P<char>{char})
    |(?P<number>\.?[0-9](?:[eEpP][+-]|[\w.])*)
    |(?P<name>[^\W\d][\w$]*)
    |(?P<mark><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|\#\#|[\s\S])"""
_C_WORD = re.compile(
    _WORD.format(comment=_COMMENT, string=f"{_RAW_STRING}|{_STRING}", char=_CHAR), re.VERBOSE
)
_RUST_WORD = re.compile(
    _WORD.format(
        comment=_COMMENT,
        string=r'b?r(?P<raw>\#{0,16})"[\s\S]*?(?:"(?P=raw)|\Z)|b?"(?:[^"\\]|\\[\s\S])*"?',
        char=r"b?'(?:[^'\\\n]|\\.[^'\n]{0,8})'",
    ),
    re.VERBOSE,
)
_DOUBLE = frozenset({"[[", "]]"})
_new = tuple.__new__  # a third of the time of Token(...)
_start = attrgetter("start")
_OPENING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Grammar:
    """A grammar of tree-sitter, and what must be known of the language beside it.

    Attributes:
        module: the package that holds the grammar, such as `tree_sitter_c`.
        endings: what the names of its files end in.
        has_directives: whether lines that begin with `#` are the preprocessor's.
    """

    module: str
    endings: tuple[str, ...]
    has_directives: bool = True


C = Grammar("tree_sitter_c", (".c", ".h", ".cl"))
CPP = Grammar("tree_sitter_cpp", (".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx"))
CUDA = Grammar("tree_sitter_cuda", (".cu", ".cuh"))
RUST = Grammar("tree_sitter_rust", (".rs",), has_directives=False)


class Token(NamedTuple):
    """One token: characters [start, end) of its text. A line of the preprocessor is one token, see `inside`."""

    kind: Kind
    text: str
    start: int
    end: int


class Stretch(NamedTuple):
    """One statement as the grammar names it: tokens [first, last) of the code.

    `parent` is the index of the statement around it, -1 if there is none.
    """

    kind: str
    first: int
    last: int
    parent: int


@dataclass(frozen=True)
class Reading:
    """A text taken apart.

    Attributes:
        code: its tokens without comments; comments: these; both in order.
    """

    code: tuple[Token, ...]
    comments: tuple[Token, ...]
    _tree: Tree | None

    @cached_property
    def stretches(self) -> tuple[Stretch, ...]:
        """The statements, each before those in it."""
        return () if self._tree is None else tuple(_stretches(self._tree, self.code))


def of(path: str) -> Grammar | None:
    """Returns the grammar that a file of this name is read by, or None."""
    return next((one for one in (C, CPP, CUDA, RUST) if path.endswith(one.endings)), None)


@lru_cache(maxsize=128)
def read(text: str, grammar: Grammar = C) -> Reading:
    """Returns a text taken apart; that of a recent text costs nothing."""
    return _read(text, grammar)


def tokens(text: str, grammar: Grammar = C) -> tuple[Token, ...]:
    """Returns all tokens of a text, comments included, in order."""
    reading = read(text, grammar)
    return tuple(sorted((*reading.code, *reading.comments), key=lambda token: token.start))


def inside(directive: Token) -> tuple[Token, ...]:
    """Returns the tokens of a preprocessor line without comments, `#` first; positions are those of the text."""
    found = _cut(directive.text, directive.start, C)
    return tuple(token for token in found if token.kind != "comment")


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


def words(text: str, grammar: Grammar = C, *, number: str | None = None) -> list[str]:
    """Returns the texts of a text's tokens without comments and spaces: equal for texts that compile alike.

    With `number`, that stands for each number and its minus sign.
    """
    found: list[str] = []
    every = read(text, grammar).code
    for index, token in enumerate(every):
        kind = token[0]
        if kind == "directive":
            parts = inside(token)
            for place in range(len(parts)):
                _add_word(found, parts, place, number)
            if len(parts) > 3 and parts[1].text == "define" and parts[2].end == parts[3].start:
                found.append("()")  # a macro with parameters: `F(x)` is not `F (x)`
            found.append("\n")
        elif kind == "number":
            _add_word(found, every, index, number)
        else:
            found.append(token[1])
    return found


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


def _add_word(found: list[str], parts: Sequence[Token], index: int, number: str | None) -> None:
    token = parts[index]
    if token.kind != "number" or number is None:
        found.append(token.text)
    elif is_negated(parts, index):
        found[-1] = number
    else:
        found.append(number)


def _cut(text: str, start: int, grammar: Grammar) -> Iterator[Token]:
    """Yields the tokens of a text by their signs alone; `start` is where it begins."""
    pattern = _C_WORD if grammar.has_directives else _RUST_WORD
    for match in pattern.finditer(text):
        if match.lastgroup not in ("space", None):
            kind: Any = match.lastgroup
            yield Token(kind, match[0], start + match.start(), start + match.end())


@cache
def _language(module: str) -> Language:
    with trees.one_at_a_time:
        from tree_sitter import Language

        return Language(importlib.import_module(module).language())


def _parse(data: bytes, grammar: Grammar) -> Tree | None:
    """Returns the syntax tree, or None where its repair takes too long."""
    language = _language(grammar.module)
    from tree_sitter import Parser

    steps = 0

    def is_enough(_offset: int, has_error: bool) -> bool:
        nonlocal steps
        steps += has_error
        return steps > _MOST_STEPS_IN_REPAIR

    try:
        return Parser(language).parse(
            lambda offset, _: data[offset : offset + _CHUNK], progress_callback=is_enough
        )
    except ValueError:  # how the library says that it was stopped
        return None


def _read(text: str, grammar: Grammar) -> Reading:
    find = _find_hidden if grammar.has_directives else _find_unclosed
    hidden = list(find(text)) if "#" in text or "/*" in text else []
    tree = _parse(_shown(text, hidden), grammar)
    if tree is None or tree.root_node.has_error:
        tokens = list(_cut_around(text, hidden, grammar))
    else:
        tokens = _leaves(tree, text)
        if hidden:
            tokens = sorted([*tokens, *hidden], key=_start)
    code = tuple([token for token in tokens if token[0] != "comment"])
    comments = tuple([token for token in tokens if token[0] == "comment"])
    return Reading(code, comments, tree)


def _shown(text: str, hidden: Sequence[Token]) -> bytes:
    """Returns the text without what is hidden, one byte per character: offsets are the same."""
    text = text if text.isascii() else re.sub(r"[^\x00-\x7f]", "x", text)
    at, parts = 0, []
    for token in hidden:
        parts += [text[at : token.start], " " * (token.end - token.start)]
        at = token.end
    return "".join([*parts, text[at:]]).encode("ascii")


def _cut_around(text: str, hidden: Sequence[Token], grammar: Grammar) -> Iterator[Token]:
    at = 0
    for token in hidden:
        yield from _cut(text[at : token.start], at, grammar)
        yield token
        at = token.end
    yield from _cut(text[at:], at, grammar)


def _leaves(tree: Tree, text: str) -> list[Token]:
    """Returns the tokens of a tree without errors."""
    cursor = tree.walk()
    found: list[Token] = []
    while True:
        node = cursor.node
        assert node is not None
        kind = _ATOMS.get(node.type)
        if kind is None and cursor.goto_first_child():
            continue
        start, end = node.start_byte, node.end_byte
        if word := text[start:end]:
            if kind is None:
                kind = "name" if word[0].isalpha() or word[0] == "_" else "mark"
            elif kind == "comment":
                word = word.rstrip()
                end = start + len(word)
            if (kind == "number" and word[0] in "+-") or word in _DOUBLE:  # a sign is a token of its own
                found.append(Token("mark", word[0], start, start + 1))
                start, word = start + 1, word[1:]
            token: Token = _new(Token, (kind, word, start, end))
            found.append(token)
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return found


def _stretches(tree: Tree, code: Sequence[Token]) -> list[Stretch]:
    """Returns the statements of a tree, each before those in it."""
    starts = [token.start for token in code]
    cursor, opened = tree.walk(), [-1]
    found: list[Stretch] = []
    while True:
        node = cursor.node
        assert node is not None
        inner = opened[-1]
        kind = _STATEMENTS.get(name := node.type)
        if kind is not None:
            first, last = bisect_left(starts, node.start_byte), bisect_left(starts, node.end_byte)
            if first < last:
                found.append(Stretch(kind, first, last, inner))
                inner = len(found) - 1
        if kind not in _WHOLE and name not in _EXPRESSIONS and cursor.goto_first_child():
            opened.append(inner)
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return found
            opened.pop()


def _find_hidden(text: str) -> Iterator[Token]:
    """Yields what the grammar is not shown: lines of the preprocessor, and a comment that is never closed."""
    for match in _DIRECTIVES.finditer(text):
        if found := match["directive"]:
            start, line = match.start("directive"), found.removesuffix("\r")
            yield Token("directive", line, start, start + len(line))
        elif match.end() == len(text) and match[0].startswith("/*") and not match[0].endswith("*/", 3):
            yield Token("comment", match[0], match.start(), match.end())


def _find_unclosed(text: str) -> Iterator[Token]:
    """Yields the comment that is never closed, where comments nest."""
    opened: list[int] = []
    for match in _NESTED.finditer(text):
        if match[0] == "/*":
            opened.append(match.start())
        elif match[0] == "*/" and opened:
            opened.pop()
    if opened:
        yield Token("comment", text[opened[0] :], opened[0], len(text))
