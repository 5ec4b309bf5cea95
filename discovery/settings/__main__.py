"""Writes the table of all settings: python -m discovery.settings docs/settings.md."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

from discovery.settings.doors import OF_A_MODEL, SETTINGS, TABLES, Setting

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
_ONE_MODEL = """## One model

What may stand in a table of `[[models]]` (or of `model = [...]`, or of `"model": [...]` over HTTP), and after a model's name on the
command line: `--model local=2,api_base=http://127.0.0.1:8000/v1,temperature=0.2:0.8`. There a range is `LOW:HIGH`, prices are
`IN:CACHED:OUT`, tags are `A:B`, and `extra_body` and `extra_headers` are JSON. What is left out is as for all models of the run.

A key goes to the provider whose it is, and nowhere else: to an address of one's own goes the key whose variable is named for it in
`api_key_env`, or none. Where a file has `[[models]]`, it cannot have `[models]`; write `model = [...]` then.

"""
_COLUMNS = "| setting | type | default | range | what it does |\n|---|---|---|---|---|\n"


def table() -> str:
    """Returns the document."""
    parts = [HEAD]
    for name, settings in groupby(sorted(SETTINGS, key=_order), key=_table):
        parts.append(f"## {name}" if name else "## The run")
        parts.append(_COLUMNS + "\n".join(map(_row, settings)) + "\n")
    parts.append(_ONE_MODEL + _COLUMNS + "\n".join(map(_row, OF_A_MODEL)) + "\n")
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
