"""The text of an alpha problem on a panel of its own, or with its sealed test open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evaluators.contract import ContractError


def unseal(text: str) -> str:
    """Returns a problem's text with its line `SEALED = True` turned to False: the exam over the test days.

    Raises:
        ContractError: the text has no such line.
    """
    return _with_line(text, "SEALED", "SEALED = False", "'SEALED = True'", lambda value: value == "True")


def with_panel(text: str, folder: Path) -> str:
    """Returns a problem's text that mines the panel in `folder` (an absolute path).

    Raises:
        ContractError: the text has no line `PANEL = ...`.
    """
    return _with_line(text, "PANEL", f"PANEL = {str(folder)!r}", "'PANEL = ...'", lambda value: True)


def _with_line(text: str, name: str, line: str, what: str, holds: Callable[[str], bool]) -> str:
    lines = text.split("\n")
    places = [
        place
        for place, old in enumerate(lines)
        if old.startswith(f"{name} = ") and holds(old.removeprefix(f"{name} = ").split("#")[0].strip())
    ]
    if len(places) != 1:
        raise ContractError(f"the problem must have one line {what}, found {len(places)}")
    lines[places[0]] = line
    return "\n".join(lines)
