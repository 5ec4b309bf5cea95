"""Writes the table of all settings: python -m discovery.settings docs/settings.md."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

from discovery.settings.doors import SETTINGS, TABLES, Setting

HEAD = """# Settings

Made by `python -m discovery.settings docs/settings.md` from the classes in `discovery/settings`; do not edit it.

Every setting has one name at every door:

| door | `evals` | `bandit.floor` |
|---|---|---|
| command line | `--evals 100` | `--bandit.floor 0.2` |
| TOML file (`--config`) | `evals = 100` | `floor = 0.2` under `[bandit]` |
| HTTP (`POST /runs`) | `"evals": 100` | `"bandit": {"floor": 0.2}` |

On the command line `_` is written `-`, a switch is turned off by `--no-NAME`, and `memory.items` is `--memory`. In a file
and over HTTP, `islands` may be a number or a table, and `model` a text, a list of texts, or a table of weights. Over HTTP,
`start` and `memory.items` are what these files hold, and `problem` may be the files of one. What is marked *operator only*
is refused over HTTP, for the reason given. A value out of range, an unknown name, and a number that is not finite stop the
run before it begins, at every door.
"""
_COLUMNS = "| setting | type | default | range | what it does |\n|---|---|---|---|---|\n"


def table() -> str:
    """Returns the document."""
    parts = [HEAD]
    for name, settings in groupby(sorted(SETTINGS, key=_order), key=_table):
        parts.append(f"## {name}" if name else "## The run")
        parts.append(_COLUMNS + "\n".join(map(_row, settings)) + "\n")
    return "\n".join(parts)


def _order(setting: Setting) -> tuple[int, int]:
    return ["", *TABLES].index(_table(setting)), SETTINGS.index(setting)


def _table(setting: Setting) -> str:
    return setting.key.rpartition(".")[0]


def _row(setting: Setting) -> str:
    why = f" *Operator only: {setting.operator_only}.*" if setting.operator_only else ""
    cells = (f"`{setting.key}`", setting.kind, setting.shown_default, setting.range, setting.help + why)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(table(), encoding="utf-8")
