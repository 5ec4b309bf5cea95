"""How a run looks in a notebook: a small table, the course of the best score, the best program. Foreign text is escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from discovery.core.records import Record, RunInfo
from discovery.core.texts import SELF_SCORED, one_line, printable

_MOST_CHARS = 4000
_WIDTH, _HEIGHT = 360, 64


def run_page(
    path: Path, info: RunInfo, history: Sequence[Record], state: str, *, count: int, failed: int
) -> str:
    """Returns the HTML of a run.

    Args:
        path: its folder.
        info: what it is about.
        history: those that were the best when they were recorded.
        state: what it does now, or how it ended; "" if that is not known.
        count: programs that were evaluated.
        failed: those of them without a score.
    """
    best = history[-1] if history else None
    rows = [
        ("problem", info.problem),
        ("programs", f"{count}, of which {failed} failed"),
        ("state", state),
        ("folder", str(path)),
    ]
    if best is not None:
        rows.insert(
            1, (f"best {info.objective.name}", f"{best.score!r} by {best.operator}, number {best.index}")
        )
        if best.evaluation.self_scored:
            rows.append(("trust", SELF_SCORED))
    table = "".join(
        f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in rows if value
    )
    scores = [(record.index, record.score) for record in history if record.score is not None]
    program = "" if best is None else f"<pre>{html.escape(printable(best.text, _MOST_CHARS))}</pre>"
    return f"<div><table>{table}</table>{_course(scores, count)}{program}</div>"


def _text(text: str) -> str:
    return html.escape(one_line(text, 400))


def _course(scores: list[tuple[int, float]], total: int) -> str:
    """Returns the best score over the programs as steps; "" where it never changed."""
    if len(scores) < 2:
        return ""
    low, high = min(score for _, score in scores), max(score for _, score in scores)
    points: list[str] = []
    for place, (index, score) in enumerate(scores):
        end = scores[place + 1][0] if place + 1 < len(scores) else total
        y = _HEIGHT - (score - low) / ((high - low) or 1.0) * _HEIGHT
        points += [f"{at / max(1, total) * _WIDTH:.1f},{y:.1f}" for at in (index, end)]
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 -2 {_WIDTH} {_HEIGHT + 4}">'
        f'<polyline fill="none" stroke="currentColor" points="{" ".join(points)}"/></svg>'
    )
