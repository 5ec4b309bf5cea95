"""Items as a file, for other runs: JSON lines, a head first. Nothing in it is believed: texts are bounded, counts checked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from discovery.core.errors import MemoryFileError
from discovery.learning.memory.items import Item

FORMAT = "code-discovery memory 1"
MAX_FILE_BYTES = 16 << 20


def to_text(items: Iterable[Item]) -> str:
    """Returns the file's text: equal for equal items, whatever their order."""
    lines = [json.dumps({"format": FORMAT})]
    lines += [
        json.dumps(item.to_json(), sort_keys=True, ensure_ascii=False)
        for item in sorted(items, key=lambda item: item.item_id)
    ]
    return "\n".join(lines) + "\n"


def write_items(path: Path, items: Iterable[Item]) -> None:
    """Writes items to a file.

    Raises:
        MemoryFileError: it cannot be written.
    """
    try:
        path.write_text(to_text(items), encoding="utf-8")
    except OSError as error:
        raise MemoryFileError(f"cannot write {path}: {error.strerror}; name another place") from error


def read_items(path: Path) -> list[Item]:
    """Returns the items of a file.

    Raises:
        MemoryFileError: it cannot be read, is too large, or is not such a file; the message has the line.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise MemoryFileError(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB; no memory is")
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise MemoryFileError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MemoryFileError(f"{path} is not text in UTF-8: {error}") from error
    if _parsed(lines[0]) != {"format": FORMAT}:
        raise MemoryFileError(f"{path} is no memory; write one with: discovery memory export RUN FILE")
    items: list[Item] = []
    for number, line in enumerate(lines[1:], start=2):
        if line:
            try:
                items.append(Item.from_json(_parsed(line)))
            except MemoryFileError as error:
                raise MemoryFileError(f"{path}, line {number}: {error}") from error
    return items


def _parsed(line: str) -> Mapping[str, Any]:
    try:
        data = json.loads(line)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
