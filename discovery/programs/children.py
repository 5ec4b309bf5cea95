"""What an operator makes of a program: one edit of its text, and whether what comes out is a child of it."""

from __future__ import annotations

from typing import Protocol

from discovery.programs.fingerprint import fingerprint
from discovery.programs.languages import language
from evaluators.contract import Program
from evaluators.text.blocks import check_frozen


class Edited(Protocol):
    """A file that is taken apart, in whatever language."""

    path: str
    text: str


def replace(program: Program, source: Edited, start: int, end: int, text: str) -> Program:
    """Returns the program with characters [start, end) of one of its files replaced."""
    return program.with_text(source.text[:start] + text + source.text[end:], source.path)


def is_child(parent: Program, child: Program) -> bool:
    """Returns whether `child` passes the smoke check of its languages, is another program, and keeps what is frozen."""
    for path, text in child.files.items():
        if text != parent.files.get(path) and language.of(path).fault(text) is not None:
            return False
    return check_frozen(parent, child) is None and fingerprint(child) != fingerprint(parent)
