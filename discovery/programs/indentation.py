"""How the indentation of a reply becomes that of the program: tabs for spaces, one level more or less."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def indentation(line: str) -> str:
    """Returns the white space a line begins with."""
    return line[: len(line) - len(line.lstrip())]


def reindentation(search: Sequence[str], lines: Sequence[str]) -> Callable[[str], str] | None:
    """Returns what gives a line of the replacement the program's indentation; None if no single rule does.

    The rules: one prefix more or less on all lines; tabs for a fixed number of spaces, or the reverse.
    """
    pairs = {
        (indentation(ours), indentation(theirs))
        for ours, theirs in zip(search, lines, strict=True)
        if ours.strip()
    }
    shifts = {_prefix_shift(given, wanted) for given, wanted in pairs}
    if len(shifts) == 1 and (shift := shifts.pop()) is not None:
        off, on = shift
        return lambda line: on + line.removeprefix(off) if line.strip() else line
    widths = {_tab_width(given, wanted) for given, wanted in pairs if given or wanted}
    if len(widths) != 1 or (width := widths.pop()) is None:
        return None
    to_tabs = any("\t" in wanted for _, wanted in pairs)
    return lambda line: _retabbed(line, width, to_tabs=to_tabs)


def _prefix_shift(given: str, wanted: str) -> tuple[str, str] | None:
    """Returns (taken off, put on), where one indentation is the end of the other."""
    if wanted.endswith(given):
        return "", wanted.removesuffix(given)
    return (given.removesuffix(wanted), "") if given.endswith(wanted) else None


def _tab_width(given: str, wanted: str) -> int | None:
    """Returns how many spaces of one indentation a tab of the other stands for; None where that cannot be told."""
    spaces, tabs = (given, wanted) if "\t" in wanted else (wanted, given)
    if not tabs or set(tabs) != {"\t"} or set(spaces) - {" "} or len(spaces) % len(tabs):
        return None
    return len(spaces) // len(tabs) or None


def _retabbed(line: str, width: int, *, to_tabs: bool) -> str:
    given = indentation(line)
    columns = len(given.expandtabs(width))
    tabs = columns // width if to_tabs else 0
    return "\t" * tabs + " " * (columns - tabs * width) + line[len(given) :] if line.strip() else line
