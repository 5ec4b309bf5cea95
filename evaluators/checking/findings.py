"""What `check` found: one finding each, with its level and its remedy."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is."""

    ERROR = "error"  # a run on this problem would fail, or reward a trick
    WARNING = "warning"  # a run works, but probably not as its author means
    NOTE = "note"  # worth knowing


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an author should know: what, in detail, and what to do about it."""

    level: Level
    title: str
    detail: str
    remedy: str = ""


def brief(error: BaseException, file: str = "") -> str:
    """Returns an error in one line: its type, its message, and where it arose (in `file`, if it did)."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if frame.filename == file] or frames[-1:]
    where = f" ({inside[-1].filename}:{inside[-1].lineno})" if inside else ""
    return f"{type(error).__name__}: {error}"[:400] + where
