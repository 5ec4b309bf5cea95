"""Edits of a program that a model wrote as SEARCH/REPLACE blocks, applied without touching what is frozen.

A reply is untrusted text. Everything here is pure; what cannot be applied raises `EditError`, whose message
says which block, why, and what stands nearest, so that it can be sent back to the model. The policy:

- Blocks are resolved against the program as it was shown, all at once, never against each other's results.
- Whole lines are compared: exactly, then without trailing white space, then without regard to any white
  space provided that the indentation differs by one uniform shift (which the replacement then gets too).
- A SEARCH must match one place. Two are an error ("add lines"), never a guess; frozen places do not count.
- Only what lies between EVOLVE-BLOCK markers changes (everything, where no file has markers). An edit may
  quote frozen lines as context.

Exceptions:
    EditError    a reply does not make a program
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from discovery.programs import line_diff
from discovery.programs.indentation import reindentation
from evaluators.contract import Program
from evaluators.text.blocks import BlockError, check_frozen, editable

MAX_REPLY_CHARS = 262_144
MAX_PROGRAM_CHARS = 131_072
MAX_EDITS = 64
MAX_LISTED = 4
MAX_COMPARED = 16
MAX_ANCHOR_CHARS = 120

_OPEN = re.compile(
    r"\s*(<{5,}|-{5,}) ?(?:SEARCH|ORIGINAL|HEAD)\b(?:[ \t]*:)?(?:[ \t]+[\w./-]{1,200}\.\w{1,8})?\s*",
    re.IGNORECASE,
)
_MIDDLE = re.compile(r"\s*(={5,})\s*")
_CLOSE = re.compile(
    r"\s*(>{5,}|\+{5,}) ?(?:REPLACE|UPDATED|MODIFIED|NEW)\b(?:[ \t]*:)?\s*|\s*(>{7,})\s*", re.IGNORECASE
)
_ELISION = re.compile(
    r"\s*(?:#|//|--|;|%|/\*|<!--)[^\w\n]{0,12}"
    r"(?:(?:the )?(?:rest|remaining|existing|previous|other|same)\b"
    r"|(?:code|lines?|everything else) (?:is |are )?(?:unchanged|omitted)|unchanged|omitted)"
    r"[\w ,'()]{0,60}(?:\.{3}|…|unchanged|as before|omitted|stays? the same|remains? the same).*",
    re.IGNORECASE,
)
_FENCE_LINE = re.compile(r"\s*(?:`{3,}[^`]*|~{3,}.*)")
_PATH_LINE = re.compile(r"[#*\s`]{0,8}(?:[Ff]ile(?:name)?:)?[*\s`]{0,8}([\w./-]{1,200}\.\w{1,8})[*\s`:]{0,8}")

Ranges = Mapping[str, Sequence[tuple[int, int]]]
"""The line ranges [low, high) of every file that may change."""


class EditError(Exception):
    """A reply does not make a program; the message says which part of it and why.

    Attributes:
        may_correct: whether the model may do better when told (False: the reply is empty or huge).
    """

    def __init__(self, message: str, *, may_correct: bool = True) -> None:
        super().__init__(message)
        self.may_correct = may_correct


@dataclass(frozen=True, slots=True)
class Edit:
    """One SEARCH/REPLACE block: whole lines without their line ends, and the file it names, if any."""

    search: tuple[str, ...]
    replace: tuple[str, ...]
    path: str | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an edit changes a file: lines [start, stop) become `lines`."""

    path: str
    start: int
    stop: int
    lines: tuple[str, ...]

    @property
    def changes(self) -> bool:
        return self.stop > self.start or bool(self.lines)


def check_reply(reply: str) -> None:
    """Refuses replies that are empty or too long to be looked at.

    Raises:
        EditError: with `may_correct` False.
    """
    if not reply.strip():
        raise EditError("the model's reply is empty", may_correct=False)
    if len(reply) > MAX_REPLY_CHARS:
        raise EditError(
            f"the reply is too long: {len(reply):,} characters, at most {MAX_REPLY_CHARS:,}",
            may_correct=False,
        )


def has_edits(reply: str) -> bool:
    """Returns whether a reply holds the opening line of a SEARCH/REPLACE block."""
    return any(_OPEN.fullmatch(line) for line in reply.split("\n"))


def parse_edits(reply: str) -> tuple[Edit, ...]:
    """Returns the SEARCH/REPLACE blocks of a reply, in order; text and code fences around them are skipped.

    The three marker lines of a block have the same length, 5 signs or more; a longer one lets the block hold
    lines that look like markers. A file name may stand alone on the line above a block.

    Raises:
        EditError: there is none, more than `MAX_EDITS`, or one is not closed; see `check_reply` also.
    """
    check_reply(reply)
    lines = reply.split("\n")
    if any(line.endswith("\r") and _OPEN.fullmatch(line) for line in lines):
        lines = [line.removesuffix("\r") for line in lines]
    edits: list[Edit] = []
    at = 0
    while at < len(lines):
        if opened := _OPEN.fullmatch(lines[at]):
            if len(edits) == MAX_EDITS:
                raise EditError(f"the reply has more than {MAX_EDITS} SEARCH/REPLACE blocks; send fewer")
            edit, at = _parse_block(lines, at, len(opened[1]), number=len(edits) + 1)
            edits.append(edit)
        else:
            at += 1
    if not edits:
        raise EditError("the reply has no SEARCH/REPLACE block")
    return tuple(edits)


def _parse_block(lines: Sequence[str], at: int, size: int, *, number: int) -> tuple[Edit, int]:
    """Returns the block that opens at line `at`, and the line after it."""
    close = _find_marker(lines, _CLOSE, size, at + 1, len(lines))
    reopened = _find_marker(lines, _OPEN, size, at + 1, close or 0, exactly=True)
    if close is None or reopened is not None:
        raise EditError(f"block {number} is not closed: its line `{'>' * size} REPLACE` is missing")
    middle = _find_marker(lines, _MIDDLE, size, at + 1, close)
    if middle is None:
        raise EditError(f"block {number} has no line `{'=' * size}` between SEARCH and REPLACE")
    again = _find_marker(lines, _MIDDLE, len(lines[middle].strip()), middle + 1, close, exactly=True)
    if again is not None:
        raise EditError(
            f"block {number} has two lines `{lines[middle].strip()}`; where the text itself holds such a line, write longer markers"
        )
    edit = Edit(tuple(lines[at + 1 : middle]), tuple(lines[middle + 1 : close]), path_above(lines, at))
    return edit, close + 1


def _find_marker(
    lines: Sequence[str], marker: re.Pattern[str], size: int, start: int, stop: int, *, exactly: bool = False
) -> int | None:
    """Returns the first such marker of that size in lines [start, stop), else the first of another size."""
    other: int | None = None
    for at in range(start, stop):
        if found := marker.fullmatch(lines[at]):
            if len(found[1] or found[found.lastindex or 0]) == size:
                return at
            other = at if other is None else other
    return None if exactly else other


def path_above(lines: Sequence[str], at: int) -> str | None:
    """Returns the file name that stands alone on the line above line `at` (blank and fence lines skipped)."""
    for line in reversed(lines[max(0, at - 3) : at]):
        if line.strip() and not _FENCE_LINE.fullmatch(line):
            found = _PATH_LINE.fullmatch(line)
            return found[1] if found else None
    return None


def format_edits(edits: Sequence[Edit]) -> str:
    """Returns the text of some edits, such that `parse_edits` gives them back."""
    size = 7
    for edit in edits:
        for line in (*edit.search, *edit.replace):
            for marker in (_OPEN, _MIDDLE, _CLOSE):
                if found := marker.fullmatch(line):
                    size = max(size, len(found[found.lastindex or 0]) + 1)
    lines: list[str] = []
    for edit in edits:
        lines += [edit.path] if edit.path is not None else []
        lines += ["<" * size + " SEARCH", *edit.search, "=" * size, *edit.replace, ">" * size + " REPLACE"]
    return "\n".join(lines) + "\n"


def diff_edits(old: str, new: str, path: str | None = None) -> tuple[Edit, ...]:
    """Returns edits that turn `old` into `new`: as few lines as make each SEARCH occur once in `old`."""
    before, after = old.split("\n"), new.split("\n")
    hunks: list[tuple[int, ...]] = [*line_diff.hunks(before, after)]
    at = 0
    while at < len(hunks):
        low, high, new_low, new_high = hunks[at]
        if low < high and len(_occurrences(before, before[low:high], limit=2)) == 1:
            at += 1
            continue
        room_above = low - (hunks[at - 1][1] if at > 0 else 0)
        room_below = (hunks[at + 1][0] if at + 1 < len(hunks) else len(before)) - high
        if room_above or room_below:
            up, down = min(room_above, 1), min(room_below, 1)
            hunks[at] = (low - up, high + down, new_low - up, new_high + down)
        else:
            at = max(at - 1, 0)
            one, other = hunks[at], hunks[at + 1]
            hunks[at : at + 2] = [(one[0], other[1], one[2], other[3])]
    return tuple(Edit(tuple(before[a:b]), tuple(after[c:d]), path) for a, b, c, d in hunks)


def apply_edits(program: Program, edits: Sequence[Edit]) -> Program:
    """Returns the program with all edits applied.

    An edit that names a file of the program is looked for there, any other in all files.

    Raises:
        EditError: names every block that matches nothing, several places or frozen lines, or overlaps another
            one; also if nothing changes, or `check_child` refuses the result.
    """
    ranges = editable_lines(program)
    places: list[_Place] = []
    problems: list[str] = []
    for number, edit in enumerate(edits, 1):
        try:
            place = _find_place(program, edit, ranges)
        except EditError as error:
            problems.append(f"block {number}: {error}")
            continue
        if clash := next((other for other in places if _overlap(place, other)), None):
            problems.append(f"block {number}: another block changes line {clash.start + 1} too")
        elif place.changes and place not in places:
            places.append(place)
    if problems:
        raise EditError("\n".join(problems))
    files = dict(program.files)
    for place in sorted(places, key=lambda place: (place.start, place.stop), reverse=True):
        lines = files[place.path].split("\n")
        lines[place.start : place.stop] = place.lines
        files[place.path] = "\n".join(lines)
    return check_child(program, Program(files, program.entry))


def check_child(parent: Program, child: Program) -> Program:
    """Returns `child` if it differs from `parent`, keeps what is frozen, and is not too long.

    Raises:
        EditError: otherwise.
    """
    if dict(parent.files) == dict(child.files):
        raise EditError("the reply leaves the program as it was; change something that matters")
    if (size := sum(map(len, child.files.values()))) > MAX_PROGRAM_CHARS:
        raise EditError(f"the program grew to {size:,} characters, at most {MAX_PROGRAM_CHARS:,}; shorten it")
    if reason := check_frozen(parent, child):
        raise EditError(reason)
    return child


def editable_lines(program: Program) -> Ranges:
    """Returns the line ranges of every file that may change.

    Raises:
        EditError: the program's own markers are broken.
    """
    try:
        found = editable(program)
    except BlockError as error:
        raise EditError(f"the program's EVOLVE-BLOCK markers are broken: {error}") from error
    ranges: dict[str, list[tuple[int, int]]] = {}
    for path, spans in found.items():
        text = program.files[path]
        ranges[path] = [
            (text.count("\n", 0, span.start), text.count("\n", 0, span.end) + (span.end == len(text)))
            for span in spans
        ]
    return ranges


def _overlap(one: _Place, other: _Place) -> bool:
    if one.path != other.path or one == other or not (one.changes and other.changes):
        return False
    if one.start == one.stop and other.start == other.stop:
        return one.start == other.start
    return one.start < other.stop and other.start < one.stop


def _find_place(program: Program, edit: Edit, ranges: Ranges) -> _Place:
    """Returns the one editable place that an edit names, by the strictest comparison that finds any."""
    paths = _paths(program, edit)
    frozen = ""
    if not edit.search:
        raise EditError("its SEARCH is empty; to add lines, quote a neighbouring line in both halves")
    if elided := _elision(edit, program):
        raise EditError(
            f"it leaves lines out (`{elided}`); write every line, or make a SEARCH for each place"
        )
    for form in dict.fromkeys((edit, _unwrapped(edit))):
        for normalise in (_as_is, str.rstrip, _squeezed):
            found: list[_Place] = []
            for path in paths:
                for place in _matches(program.files[path], path, form, normalise):
                    if _is_editable(place, ranges):
                        found.append(place)
                    else:
                        frozen = frozen or f"{path}, line {place.start + 1}"
            if len(found) == 1:
                return found[0]
            if found:
                spots = ", ".join(str(place.start + 1) for place in found[:MAX_LISTED])
                raise EditError(
                    f"its SEARCH lines occur {len(found)} times (lines {spots}); add lines around them"
                )
    if frozen:
        raise EditError(
            f"it changes frozen text ({frozen}); change only lines between the EVOLVE-BLOCK markers"
        )
    raise EditError(f"its SEARCH lines are not in the program; {_nearest(program, paths, edit)}")


def _paths(program: Program, edit: Edit) -> list[str]:
    """Returns the files that an edit may mean: the one it names, by its path or by the end of it, else all."""
    if edit.path is not None:
        name = edit.path.removeprefix("./")
        for path in program.files:
            if path == name or name.endswith(f"/{path}") or path.endswith(f"/{name}"):
                return [path]
    return list(program.files)


def _elision(edit: Edit, program: Program) -> str:
    """Returns a line that stands for lines which the model did not write, and that the program does not hold; "" if none."""
    return find_elision((*edit.search, *edit.replace), program)


def find_elision(lines: Sequence[str], program: Program) -> str:
    """Returns the first line such as `# ... rest of the code unchanged ...` that the program does not hold; "" if none."""
    for line in lines:
        if (
            len(line) < 200
            and _ELISION.fullmatch(line)
            and all(line.strip() not in text for text in program.files.values())
        ):
            return line.strip()
    return ""


def _matches(text: str, path: str, edit: Edit, normalise: Callable[[str], str]) -> list[_Place]:
    lines = text.split("\n")
    head, tail = _context(edit)
    found: list[_Place] = []
    for at in _occurrences([*map(normalise, lines)], [*map(normalise, edit.search)], limit=16):
        reindent = (
            reindentation(edit.search, lines[at : at + len(edit.search)])
            if normalise is _squeezed
            else _as_is
        )
        if reindent is not None:
            new = (reindent(line) for line in edit.replace[head : len(edit.replace) - tail])
            found.append(_Place(path, at + head, at + len(edit.search) - tail, tuple(new)))
    return found


def _occurrences(lines: Sequence[str], wanted: Sequence[str], limit: int) -> list[int]:
    """Returns the first lines of up to `limit` runs that equal `wanted` (none where that is empty)."""
    found: list[int] = []
    if not wanted:
        return found
    text, pattern = "\n" + "\n".join(lines) + "\n", "\n" + "\n".join(wanted) + "\n"
    line, counted, at = 0, 0, text.find(pattern)
    while at >= 0 and len(found) < limit:
        line, counted = line + text.count("\n", counted, at), at
        found.append(line)
        at = text.find(pattern, at + 1)
    return found


def _context(edit: Edit) -> tuple[int, int]:
    """Returns how many lines at the head and at the tail of an edit are mere context."""
    shorter = min(len(edit.search), len(edit.replace))
    head = tail = 0
    while head < shorter and edit.search[head] == edit.replace[head]:
        head += 1
    while tail < shorter - head and edit.search[-1 - tail] == edit.replace[-1 - tail]:
        tail += 1
    return head, tail


def _is_editable(place: _Place, ranges: Ranges) -> bool:
    if not place.changes:
        return True
    return any(low <= place.start and place.stop <= high for low, high in ranges.get(place.path, ()))


def _as_is(line: str) -> str:
    return line


def _squeezed(line: str) -> str:
    return " ".join(line.split())


def _unwrapped(edit: Edit) -> Edit:
    """Returns the edit without code fences and blank lines around its two halves."""
    return Edit(_bare(edit.search), _bare(edit.replace), edit.path)


def _bare(lines: tuple[str, ...]) -> tuple[str, ...]:
    low, high = 0, len(lines)
    while low < high and (not lines[low].strip() or _FENCE_LINE.fullmatch(lines[low])):
        low += 1
    while low < high and (not lines[high - 1].strip() or _FENCE_LINE.fullmatch(lines[high - 1])):
        high -= 1
    return lines[low:high]


def _likeness(one: str, other: str) -> difflib.SequenceMatcher[str]:
    return difflib.SequenceMatcher(None, one.strip()[:MAX_ANCHOR_CHARS], other.strip()[:MAX_ANCHOR_CHARS])


def _nearest(program: Program, paths: Sequence[str], edit: Edit) -> str:
    anchor = max(edit.search, key=lambda line: len(line.strip()), default="")
    best, best_path, best_at = 0.4, "", -1
    hopeful: list[tuple[float, int, str]] = []
    for path in paths:
        for at, line in enumerate(program.files[path].split("\n")[:2000]):
            if (bound := _likeness(anchor, line).quick_ratio()) > best:
                hopeful.append((-bound, at, path))
    for _, at, path in sorted(hopeful)[:MAX_COMPARED]:
        if (found := _likeness(anchor, program.files[path].split("\n")[at]).ratio()) > best:
            best, best_path, best_at = found, path, at
    if best_at < 0:
        return "nothing in it is like them; copy the lines to be changed from the program"
    lines = program.files[best_path].split("\n")
    low, high = max(0, best_at - 2), min(len(lines), best_at + 3)
    shown = "\n".join(line[:200] for line in lines[low:high])
    return f"nearest are lines {low + 1}-{high} of {best_path}:\n{shown}"
