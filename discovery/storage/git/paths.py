"""Program paths that a git tree can hold: every hostile path becomes a harmless one, no two become the same.

A path is split at "/" and each component is written with letters, digits and a few signs; every other
character becomes `%` and two hex digits per UTF-8 byte. A leading dot is always escaped, so no file of a
program is ever `..`, `.git`, `.gitattributes` or one of the files that this service puts beside it (their
names start with a dot).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

_PLAIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._ +=@,()\[\]-]*[A-Za-z0-9_+=@,()\[\]-])?")
_FOREIGN = re.compile(r"[^A-Za-z0-9._ +=@,()\[\]-]")
_EMPTY = "%"
_LONG_COMPONENT = 200
_LONG_PATH = 1000
_DEEP = 32


def safe_path(path: str) -> str:
    """Returns the path under which a git tree holds `path`; ordinary paths stay as they are."""
    parts = path.split("/")
    safe = "/".join(part if _PLAIN.fullmatch(part) else _escaped(part) for part in parts)
    if (
        len(safe) > _LONG_PATH
        or len(parts) > _DEEP
        or any(len(part) > _LONG_COMPONENT for part in safe.split("/"))
    ):
        return "%long-" + hashlib.blake2b(path.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return safe


def safe_paths(paths: Iterable[str]) -> dict[str, str]:
    """Returns path -> path in the tree; a file that is also a folder of others gets a `%` at its end."""
    safe = {path: safe_path(path) for path in paths}
    if not any("/" in path for path in safe.values()):
        return safe
    folders = {path[:at] for path in safe.values() for at, char in enumerate(path) if char == "/"}
    return {path: name + "%" if name in folders else name for path, name in safe.items()}


def _escaped(part: str) -> str:
    if not part:
        return _EMPTY
    text = _FOREIGN.sub(lambda match: _hex(match.group()), part)
    if text[0] in ". -":
        text = _hex(text[0]) + text[1:]
    if text[-1] in ". ":
        text = text[:-1] + _hex(text[-1])
    return text


def _hex(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
