"""What a question asks for, by where the program stands: the name of a sentence in texts/focus_*.txt.

The sentence follows from what the question tells of the record and from nothing else, so that what it says of earlier attempts holds.
Only questions that go out side by side on one program, of which nothing is known yet, are made to differ.
"""

from __future__ import annotations

from discovery.core.types import Context, Individual

FIRST = {
    "diff": ("one-change", "other-kind", "method", "weakness"),
    "rewrite": ("expert", "other-idea", "simpler"),
}
"""What is asked for where nothing was tried on a program, one after the other: kinds of change that differ."""
STAGNANT = 3
"""So many attempts on a program, none of them better, and something that differs in kind is asked for."""
NEAR_LIMIT = 0.6
"""A program that uses so much of the CPU time that it may use is near its limit."""


def task_of(kind: str, parent: Individual, context: Context) -> str:
    """Returns the name of the sentence for a change of `parent`; "" for operators that have one only."""
    if kind not in FIRST:
        return ""
    page = context.ledger[-1] if context.ledger else None
    attempts = page.attempts if page is not None and page.base.program_id == parent.program_id else ()
    if not attempts:
        is_better = page is not None and (page.base.gain or 0.0) > 0
        fresh = ("go-on", *FIRST[kind]) if is_better and kind == "diff" else FIRST[kind]
        asked = context.asked
        return next((name for name in fresh if name not in asked), fresh[len(asked) % len(fresh)])
    has_gained = any((one.gain or 0.0) > 0 for one in attempts)
    is_stagnant = len(attempts) >= STAGNANT and not has_gained
    if kind == "rewrite":
        return "other-idea" if is_stagnant else "expert"
    if attempts[-1].score is None:
        return "after-failure"
    if is_stagnant:
        return "stagnant"
    if cpu_share(parent, context) >= NEAR_LIMIT:
        return "near-limit"
    if attempts[-1].gain == 0:
        return "no-effect"
    return "bottleneck" if has_gained else "not-better"


def cpu_share(parent: Individual, context: Context) -> float:
    """Returns the CPU time that a program takes for a case in the mean, as a share of what it may; 0 where that is not known."""
    cases, limits = parent.evaluation.cases_done, context.limits
    return parent.evaluation.cpu_s / cases / limits.cpu_s if cases and limits is not None else 0.0
