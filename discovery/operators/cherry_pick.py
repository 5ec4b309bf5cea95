"""`cherry_pick`: a program with changes that made others better, as `git cherry-pick` would carry them over.

Programs that are proposed side by side, on the same parent, find different things; one becomes the next parent, and what
the others found would have to be found, or paid for, again. A change is what a program did to its own parent. It is
carried over line by line, where all the lines that it takes out still stand as they were. No model is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np

from discovery.core.types import Individual, Model, OperatorError, Proposal, ProposeJob
from discovery.operators.python import syntax
from evaluators.contract import Program

MAX_LINES = 3000
"""Longer files are left alone: comparing them would take too long."""


class CherryPick:
    """Carries changes over into the first parent.

    The others stand in pairs: a program, and the parent that it was made from.
    """

    name = "cherry_pick"
    needs_model = False
    parents_needed = 1

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal:
        """Returns a child that compiles and keeps the frozen part.

        Raises:
            OperatorError: there is nothing to carry over, or it does not fit.
        """
        del rng, model
        first, *others = job.parents
        donors, bases = others[::2], others[1::2]
        child = first.program
        for donor, base in zip(donors, bases, strict=True):
            changed = carry_over(child, base.program, donor.program)
            if changed is None:
                raise OperatorError(f"what {donor.program_id} changed does not fit into {first.program_id}")
            child = changed
        if not donors:
            raise OperatorError("there is no change to carry over")
        return Proposal(child, (first.program_id, *(donor.program_id for donor in donors)))


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
    return child if syntax.is_child(program, child) else None


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
    for start, to, count in SequenceMatcher(None, old, lines, autojunk=False).get_matching_blocks():
        place.update(zip(range(start, start + count), range(to, to + count), strict=True))
    for tag, start, end, first, last in reversed(
        SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    ):
        if tag == "equal":
            continue
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
