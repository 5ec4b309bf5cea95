"""Edits of a program that a model wrote as a unified diff, or in the patch format of coding agents.

Line numbers are not believed, for models miscount: each hunk is found by its lines, as a SEARCH/REPLACE block is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from discovery.programs.search_replace import MAX_EDITS, Edit, EditError

_HUNK = re.compile(r"@@(?: .*)?|@@ ?-\d.*")
_FILE = re.compile(r"(?:\+\+\+ (?:b/)?|\*\*\* (?:Update|Add) File: )([\w./-]{1,200})\s*(?:\t.*)?")
_HEADER = re.compile(r"--- |\+\+\+ |diff --git |index [0-9a-f]|\*\*\* |(?:new|deleted|old) (?:file )?mode ")
_END = re.compile(r" {0,3}(?:`{3,}|~{3,})\s*|\*\*\* End (?:Patch|of File)\s*")


def has_hunks(reply: str) -> bool:
    """Returns whether a reply holds a hunk: a line `@@ ...` with changed lines behind it, or a diff's file lines."""
    return bool(_starts(reply.split("\n")))


def parse_hunks(reply: str) -> tuple[Edit, ...]:
    """Returns the edits of a reply's hunks, in order.

    Raises:
        EditError: there is none, more than `MAX_EDITS`, or one only adds lines and does not say where.
    """
    lines = reply.split("\n")
    starts = _starts(lines)
    if not starts:
        raise EditError("the reply has no hunk")
    if len(starts) > MAX_EDITS:
        raise EditError(f"the reply has more than {MAX_EDITS} hunks; send fewer")
    edits: list[Edit] = []
    for number, start in enumerate(starts, 1):
        stop = starts[number] if number < len(starts) else len(lines)
        edit = _hunk(lines[start:stop], _path_above(lines, start))
        if not edit.search:
            raise EditError(
                f"hunk {number} only adds lines; give the lines beside them, so that it can be told where"
            )
        edits.append(edit)
    return tuple(edits)


def _starts(lines: Sequence[str]) -> list[int]:
    """Returns the first lines inside each hunk."""
    found = [
        at + 1
        for at, line in enumerate(lines)
        if _HUNK.fullmatch(line) and _changes(lines[at + 1 : at + 400])
    ]
    if found:
        return found
    return [
        at + 1
        for at, line in enumerate(lines)
        if at
        and line.startswith("+++ ")
        and lines[at - 1].startswith("--- ")
        and _changes(lines[at + 1 : at + 400])
    ]


def _changes(lines: Sequence[str]) -> bool:
    for line in lines:
        if _HUNK.fullmatch(line) or _END.fullmatch(line):
            return False
        if line[:1] in ("+", "-") and not _HEADER.match(line):
            return True
    return False


def _hunk(lines: Sequence[str], path: str | None) -> Edit:
    search: list[str] = []
    replace: list[str] = []
    for line in lines:
        if _END.fullmatch(line) or _HUNK.fullmatch(line) or _HEADER.match(line):
            break
        sign, rest = line[:1], line[1:]
        if sign == "\\":
            continue
        if sign == "+":
            replace.append(rest)
        elif sign == "-":
            search.append(rest)
        else:  # context; models leave its blank out, above all on empty lines
            text = rest if sign == " " else line
            search.append(text)
            replace.append(text)
    while search and replace and not search[-1].strip() and not replace[-1].strip():
        search.pop()
        replace.pop()
    return Edit(tuple(search), tuple(replace), path)


def _path_above(lines: Sequence[str], at: int) -> str | None:
    return next((found[1] for line in reversed(lines[:at]) if (found := _FILE.fullmatch(line))), None)
