"""Settings in a TOML file, each with the line where it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from discovery.core.errors import ConfigError
from discovery.settings.doors import Source

MAX_FILE_BYTES = 1 << 20
_HEAD = re.compile(r"\s*\[\s*([\w.\"'-]+?)\s*\]")
_PAIR = re.compile(r"\s*([\w.\"'-]+?)\s*=")


def read_toml(path: Path) -> Source:
    """Returns the settings of a TOML file.

    Raises:
        ConfigError: the file cannot be read or is no TOML.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_FILE_BYTES >> 10} KiB; no file of settings is")
        text = content.decode("utf-8-sig")  # as editors of Windows begin a file
        data = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (UnicodeDecodeError, RecursionError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    lines = _lines(text)

    def line_of(table: str, name: str) -> int | None:
        return lines.get(f"{table}.{name}" if table else name) or lines.get(table)

    return Source(data, str(path), line_of)


def _lines(text: str) -> dict[str, int]:
    """Returns the line of each table and of each name in it; of a name that stands twice, in a text, the first."""
    found: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if head := _HEAD.match(line):
            table = _unquoted(head[1])
            found.setdefault(table, number)
        elif pair := _PAIR.match(line):
            found.setdefault(f"{table}.{_unquoted(pair[1])}" if table else _unquoted(pair[1]), number)
    return found


def _unquoted(name: str) -> str:
    return re.sub(r"[\"']", "", name)
