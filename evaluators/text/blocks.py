"""Which parts of a program may change, and whether a child kept the rest.

Lines that consist of the comment `# EVOLVE-BLOCK-START` and `# EVOLVE-BLOCK-END` enclose what may change; in
files of other languages the comment may begin with `//`, `/*`, `<!--`, `--`, `;` or `%`. The rules:

- A program in which no file has markers may change everywhere, and may gain and lose files (never its entry).
- As soon as one file has markers, files without markers are frozen, and no file can be added or removed.
- Frozen text is kept byte for byte, marker lines included. A child may not add marker lines of its own.
- Frozen text must also still be code: a block that opens a comment or a string (in languages whose comments are known,
  see `comments.py`) or, in Python, a bracket around the frozen text that follows is refused.

This keeps operators and models to the point; it is no security boundary (a block can still patch at run time
what frozen code defines). Trust comes from scoring the output elsewhere.

Exceptions:
    BlockError (ContractError)   a text's markers are unbalanced or not comments
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from evaluators.contract import ContractError, Program
from evaluators.text import comments, trees

_MARKER = re.compile(
    r"^[ \t]*(?:\#+|//+|/\*|<!--|--+|;+|%+)[ \t]*EVOLVE-BLOCK-(START|END)\b[^\r\n]*(?:\r\n|\n|\r|\Z)",
    re.MULTILINE,
)
_PATH_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_MAX_DEPTH = 6
_MAX_FILES = 64


class BlockError(ContractError):
    """EVOLVE-BLOCK markers of a text are unbalanced, nested, or not comments."""


@dataclass(frozen=True, slots=True)
class Span:
    """One editable stretch of a text: characters [start, end), and its first line, counted from 1."""

    start: int
    end: int
    first_line: int


def spans(text: str) -> tuple[Span, ...]:
    """Returns the editable spans between the markers of one text, in order; () where it has no markers.

    A span begins after the line end of its START marker and stops before the line of its END marker.

    Raises:
        BlockError: markers are nested or unbalanced; names the line.
    """
    found: list[Span] = []
    opened: re.Match[str] | None = None
    for match in _MARKER.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match[1] == "START":
            if opened:
                raise BlockError(
                    f"line {line}: EVOLVE-BLOCK-START inside an open block; close that one first"
                )
            opened = match
        elif opened is None:
            raise BlockError(f"line {line}: EVOLVE-BLOCK-END without a START before it; add the START line")
        else:
            first_line = text.count("\n", 0, opened.end()) + 1
            found.append(Span(opened.end(), match.start(), first_line))
            opened = None
    if opened:
        line = text.count("\n", 0, opened.start()) + 1
        raise BlockError(f"line {line}: EVOLVE-BLOCK-START is never closed; add a line # EVOLVE-BLOCK-END")
    return tuple(found)


def has_blocks(program: Program) -> bool:
    """Returns whether any file of the program has markers (if none has, everything may change)."""
    return any(_MARKER.search(text) for text in program.files.values())


def editable(program: Program) -> dict[str, tuple[Span, ...]]:
    """Returns the editable spans of every file that has some; whole files where the program has no markers.

    Raises:
        BlockError: see `spans`; the message names the file.
    """
    if not has_blocks(program):
        return {path: (Span(0, len(text), 1),) for path, text in program.files.items()}
    found = {}
    for path, text in program.files.items():
        try:
            file_spans = spans(text)
        except BlockError as error:
            raise BlockError(f"{path}, {error}") from error
        if file_spans:
            found[path] = file_spans
    return found


def editable_text(program: Program) -> str:
    """Returns all that may change, blocks and files one after the other (for sizes and comparisons)."""
    return "\n".join(
        program.files[path][span.start : span.end]
        for path, found in editable(program).items()
        for span in found
    )


def block_texts(text: str) -> tuple[str, ...]:
    """Returns the texts of the blocks of one file; the whole text where it has no markers."""
    found = spans(text)
    return tuple(text[span.start : span.end] for span in found) if found else (text,)


def replace_block_texts(text: str, texts: Sequence[str]) -> str:
    """Returns `text` with its blocks (or all of it, where it has no markers) replaced by `texts`, in order.

    A missing line end before an END marker is added.

    Raises:
        BlockError: as many texts as blocks are needed.
    """
    found = spans(text) or (Span(0, len(text), 1),)
    if len(texts) != len(found):
        raise BlockError(f"texts must be one per block, got {len(texts)} for {len(found)} blocks")
    parts, position = [], 0
    for span, new in zip(found, texts, strict=True):
        needs_line_end = bool(new) and not new.endswith("\n") and span.end < len(text)
        parts += [text[position : span.start], new, "\n" if needs_line_end else ""]
        position = span.end
    return "".join(parts) + text[position:]


def check_frozen(seed: Program, child: Program) -> str | None:
    """Returns why `child` breaks what `seed` froze, in one line, or None where it keeps it."""
    if child.entry != seed.entry:
        return f"the entry file must stay {seed.entry!r}, got {child.entry!r}"
    if not has_blocks(seed):
        return _check_free(child)
    if missing := sorted(set(seed.files) - set(child.files)):
        return f"file {_shown(missing[0])} is missing; keep all files of the seed"
    if added := sorted(set(child.files) - set(seed.files)):
        return f"file {_shown(added[0])} is new; this problem fixes the set of files"
    for path, text in seed.files.items():
        reason = _check_file(text, child.files[path], path)
        if reason:
            return f"{path}: {reason}"
    return None


def check_seed(seed: Program) -> None:
    """Checks the files and markers of a seed program.

    Raises:
        BlockError: paths that are not plain, no entry, unbalanced markers, markers that are not comments.
    """
    if seed.entry not in seed.files:
        raise BlockError(f"entry {seed.entry!r} is not among the files {sorted(seed.files)}; set ENTRY")
    if reason := _check_paths(seed.files):
        raise BlockError(reason)
    for path in editable(seed):
        text = seed.files[path]
        if not has_blocks(seed):
            continue
        tokens = _tokens(text) if path.endswith(".py") and _parse(text) is not None else None
        known = {token.start for token in tokens or () if token.kind == tokenize.COMMENT}
        starts = comments.starts(text, path)
        for match in _MARKER.finditer(text):
            is_comment = starts is None or match.end() - len(match[0].lstrip(" \t")) in starts
            if (tokens is not None and _comment_start(match) not in known) or not is_comment:
                line = text.count("\n", 0, match.start()) + 1
                raise BlockError(
                    f"{path}, line {line}: this EVOLVE-BLOCK marker stands in a string or is no comment; "
                    f"begin it with {comments.sign(path)!r} in a line of its own"
                )


def path_fault(path: str) -> str | None:
    """Returns why `path` is no plain relative path of a program's file, or None.

    Plain: parts of letters, digits, `_`, `.` and `-` that begin with a letter, a digit or `_`, joined by `/`.
    """
    parts = path.split("/")
    if len(parts) > _MAX_DEPTH:
        return f"path {_shown(path)} is deeper than {_MAX_DEPTH} folders"
    if not all(_PATH_PART.fullmatch(part) for part in parts):
        return f"path {_shown(path)} is not plain; use letters, digits, '_', '-', '.' in names, '/' between"
    return None


def _check_paths(files: Mapping[str, str]) -> str | None:
    if len(files) > _MAX_FILES:
        return f"a program may have {_MAX_FILES} files, got {len(files)}"
    for path in files:
        if fault := path_fault(path):
            return fault
    folders = {path[:end] for path in files for end in range(len(path)) if path[end] == "/"}
    if both := sorted(folders & set(files)):
        return f"path {_shown(both[0])} is both a file and a folder"
    return None


def _check_free(child: Program) -> str | None:
    if child.entry not in child.files:
        return f"the entry file {child.entry!r} is missing"
    if reason := _check_paths(child.files):
        return reason
    for path, text in child.files.items():
        if match := _MARKER.search(text):
            line = text.count("\n", 0, match.start()) + 1
            return f"{path}, line {line}: the seed has no EVOLVE-BLOCK markers; leave them out"
    return None


def _check_file(seed: str, child: str, path: str) -> str | None:
    if child == seed:
        return None
    if not spans(seed):
        return "this file is frozen; change only files with EVOLVE-BLOCK markers"
    kept, now = _frozen_spans(seed), _frozen_spans(child)
    if len(kept) != len(now):
        return "EVOLVE-BLOCK marker lines must be kept, none added and none removed"
    for (start, end), (child_start, child_end) in zip(kept, now, strict=True):
        if seed[start:end] != child[child_start:child_end]:
            return (
                f"frozen text was changed near line {_first_difference(seed[start:end], child, child_start)}"
            )
    if path.endswith(".py"):
        return _check_tokens(seed, kept, child, now)
    return _check_comments(child, path) if _check_comments(seed, path) is None else None


def _frozen_spans(text: str) -> list[tuple[int, int]]:
    """Returns the stretches outside the blocks, marker lines included; empty where markers do not pair up."""
    try:
        found = spans(text)
    except BlockError:
        return []
    starts = [0, *(span.end for span in found)]
    ends = [*(span.start for span in found), len(text)]
    return list(zip(starts, ends, strict=True))


def _first_difference(frozen: str, child: str, start: int) -> int:
    here = child[start : start + len(frozen)]
    same = next((i for i, (a, b) in enumerate(zip(frozen, here, strict=False)) if a != b), len(here))
    return child.count("\n", 0, start + same) + 1


def _check_tokens(
    seed: str, kept: Sequence[tuple[int, int]], child: str, now: Sequence[tuple[int, int]]
) -> str | None:
    """Refuses blocks that swallow frozen code: its tokens must be those of the seed (strings, brackets)."""
    tree = _parse(child)
    if tree is None:
        return None  # never runs, and the compiler will say where it breaks
    if not _covers_marker(tree, child):
        return None
    seed_tokens, child_tokens = _tokens(seed), _tokens(child)
    if seed_tokens is None:
        return None
    if child_tokens is None:
        return "the text cannot be split into tokens"
    for before, after in zip(
        _tokens_within(seed, seed_tokens, kept), _tokens_within(child, child_tokens, now), strict=True
    ):
        if before != after:
            return "a block swallows frozen code (an open string or bracket before an EVOLVE-BLOCK line)"
    return None


def _check_comments(text: str, path: str) -> str | None:
    """Refuses blocks that swallow frozen code: each marker must begin a comment, and a line of its own."""
    starts = comments.starts(text, path)
    for match in _MARKER.finditer(text):
        is_comment = starts is None or match.end() - len(match[0].lstrip(" \t")) in starts
        if not is_comment or (match[1] == "END" and comments.is_continued(text, match.start(), path)):
            return (
                "a block swallows frozen code (an open comment, string or line before an EVOLVE-BLOCK line)"
            )
    return None


@dataclass(frozen=True, slots=True)
class _Token:
    kind: int
    text: str
    start: tuple[int, int]


def _tokens(text: str) -> list[_Token] | None:
    """Returns the tokens of Python text, or None where it cannot be split."""
    try:
        return [
            _Token(token.type, token.string, token.start)
            for token in tokenize.generate_tokens(io.StringIO(text, newline="").readline)
            if token.type not in (tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
        ]
    except (tokenize.TokenError, SyntaxError, ValueError, RecursionError):
        return None


def _tokens_within(
    text: str, tokens: Sequence[_Token], stretches: Sequence[tuple[int, int]]
) -> list[list[tuple[int, str]]]:
    """Returns the tokens that begin inside each stretch of characters."""
    lines = [0, *accumulate(len(line) for line in io.StringIO(text, newline=""))]
    starts = [start for start, _ in stretches]
    found: list[list[tuple[int, str]]] = [[] for _ in stretches]
    for token in tokens:
        offset = lines[min(token.start[0] - 1, len(lines) - 1)] + token.start[1]
        index = bisect_right(starts, offset) - 1
        if offset < stretches[index][1] and token.text.strip():
            found[index].append((token.kind, token.text))
        elif offset < stretches[index][1] and token.kind in (tokenize.NEWLINE, tokenize.NL):
            found[index].append((token.kind, ""))
    return found


def _comment_start(match: re.Match[str]) -> tuple[int, int]:
    """Returns the (line, column) at which a marker's comment begins, as the tokenizer counts."""
    text = match.string
    begin = match.start() + len(match[0]) - len(match[0].lstrip(" \t"))
    before = text[:begin].replace("\r\n", "\n").replace("\r", "\n")
    line_start = max(text.rfind("\n", 0, begin), text.rfind("\r", 0, begin)) + 1
    return before.count("\n") + 1, begin - line_start


def _parse(text: str) -> ast.Module | None:
    try:
        return trees.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _covers_marker(tree: ast.Module, text: str) -> bool:
    """Returns whether a marker line may lie within an expression, a simple statement or a header.

    The quick test before tokens are compared (0.1 ms per kB instead of 2); descends only where a marker is.
    """
    markers = [
        (text.count("\n", 0, match.start()) + 1, match[1] == "END") for match in _MARKER.finditer(text)
    ]
    if "\r" in text or "\f" in text:
        return True
    stack: list[ast.AST] = [tree]
    while stack:
        for node in ast.iter_child_nodes(stack.pop()):
            if not hasattr(node, "lineno"):  # arguments, match cases, with items: look inside
                stack.append(node)
                continue
            first, last = node.lineno, getattr(node, "end_lineno", node.lineno)
            inside = [is_end for line, is_end in markers if first <= line <= last]
            if not inside:
                continue
            body = getattr(node, "body", None)
            if not isinstance(body, list):
                return True
            head = body[0].lineno
            if any(is_end and first <= line < head for line, is_end in markers):
                return True
            stack.append(node)
    return False


def _shown(text: object) -> str:
    return repr(text)[:80]
