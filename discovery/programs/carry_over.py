"""A change of one program made in another, line by line, as `git cherry-pick` and `git rebase` would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from discovery.core.types import Individual, Proposal
from discovery.programs import children
from discovery.programs.line_diff import blocks, hunks
from evaluators.contract import Program

MAX_LINES = 3000
"""Longer files are left alone: comparing them would take too long."""


def carry_over(program: Program, base: Program, donor: Program) -> Program | None:
    """Returns `program` with what `donor` changed in `base`; None if it does not fit, or changes nothing."""
    child = program
    if base.files.keys() != donor.files.keys():
        return None
    for path, text in donor.files.items():
        if text == base.files[path]:
            continue
        if path not in program.files:
            return None
        changed = apply_change(program.files[path], base.files[path], text)
        if changed is None:
            return None
        child = child.with_text(changed, path)
    return child if children.is_child(program, child) else None


def rebased(proposal: Proposal, base: Individual, best: Individual) -> Proposal | None:
    """Returns a child that was made from `base`, made from `best` instead, as `git rebase` would; None if it does not fit."""
    program = carry_over(best.program, base.program, proposal.program)
    if program is None:
        return None
    return replace(proposal, program=program, parents=(best.program_id, base.program_id))


def apply_change(text: str, before: str, after: str) -> str | None:
    """Returns `text` with all the lines changed that differ between `before` and `after`.

    None where a line that was taken out is not there, or stands apart from those beside it, or where all that was put in
    is there already.
    """
    lines, old, new = (one.splitlines(keepends=True) for one in (text, before, after))
    if max(len(lines), len(old), len(new)) > MAX_LINES:
        return None
    added = Counter(new) - Counter(old)
    if added and added <= Counter(lines) - Counter(old):
        return None  # it is there already
    place = {-1: -1, len(old): len(lines)}
    for start, to, count in blocks(old, lines):
        place.update(zip(range(start, start + count), range(to, to + count), strict=True))
    for start, end, first, last in reversed(hunks(old, new)):
        if (found := _span(place, start, end)) is None:
            return None
        lines[found[0] : found[1]] = new[first:last]
    return "".join(lines)


def _span(place: dict[int, int], start: int, end: int) -> tuple[int, int] | None:
    """Returns where lines [start, end) stand now; if there are none, where those beside them do."""
    stands: Sequence[int | None] = [place.get(line) for line in range(start, end)]
    if not stands:
        if (above := place.get(start - 1)) is not None:
            return above + 1, above + 1
        below = place.get(start)
        return None if below is None else (below, below)
    known = [line for line in stands if line is not None]
    if len(known) < len(stands) or any(two - one != 1 for one, two in pairwise(known)):
        return None
    return known[0], known[-1] + 1
