"""A problem's files as one piece of data, for machines without a shared disk. Nothing here executes a problem.

A bundle is JSON: {"module": path, "is_folder": bool, "name": name, "files": {path: text or {"base64": ...}}}.
Unpacked below a folder, the files are a problem that `load_source` finds by its path, of the same version.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from evaluators.foreign.layout import read_folder
from evaluators.problems.loading import Problem, ProblemError
from evaluators.problems.source import locate, read_files

MAX_FILES = 1000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+ -]{0,127}")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A problem's files.

    Attributes:
        name: the problem's name; module: path of its module; is_folder: whether all files belong to it.
        files: path -> bytes.
    """

    name: str
    module: str
    is_folder: bool
    files: Mapping[str, bytes]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ProblemError(f"a problem's name must be letters, digits, _ and -, got {self.name!r:.80}")
        if not 0 < len(self.files) <= MAX_FILES:
            raise ProblemError(f"a problem must have 1..{MAX_FILES} files, got {len(self.files)}")
        for path in self.files:
            if not all(_PART.fullmatch(part) for part in path.split("/")):
                raise ProblemError(f"a file of a problem must have a plain relative path, got {path!r:.80}")
        if self.module not in self.files or not self.module.endswith(".py") or "/" in self.module:
            raise ProblemError(f"the module {self.module!r:.80} must be a .py file among the problem's files")

    def encode(self) -> bytes:
        """Returns the JSON form; equal bundles have equal forms."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":")).encode()

    @property
    def id(self) -> str:
        """Returns 32 hex digits that derive from the content alone."""
        return hash_of(self.encode())

    def to_json(self) -> dict[str, Any]:
        """Returns the JSON form as an object."""
        files = {path: _to_text(data) for path, data in self.files.items()}
        return {"name": self.name, "module": self.module, "is_folder": self.is_folder, "files": files}

    @staticmethod
    def from_json(data: Any) -> Bundle:
        """Returns the bundle of a JSON form; `module` and `is_folder` may be left out where they are clear.

        Raises:
            ProblemError: it is no such form.
        """
        if not isinstance(data, Mapping) or not isinstance(data.get("files"), Mapping):
            raise ProblemError('a problem must be an object with "name" and "files" (path -> text)')
        if unknown := set(data) - {"name", "module", "is_folder", "files"}:
            raise ProblemError(f"unknown keys in a problem: {sorted(map(str, unknown))}")
        files = {path: _to_bytes(path, content) for path, content in data["files"].items()}
        modules = [path for path in files if path.endswith(".py") and "/" not in path]
        default = "problem.py" if "problem.py" in modules else modules[0] if len(modules) == 1 else ""
        module = data.get("module", default)
        if not isinstance(module, str) or not module:
            raise ProblemError(f"several modules may be the problem: {modules}; say which as 'module'")
        name = data.get("name", PurePosixPath(module).stem)
        if not isinstance(name, str):
            raise ProblemError(f"a problem's name must be letters, digits, _ and -, got {name!r:.80}")
        return Bundle(name, module, bool(data.get("is_folder", module == "problem.py")), files)


def hash_of(data: bytes) -> str:
    """Returns the id of an encoded bundle."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def pack(problem: Problem) -> Bundle:
    """Returns the files of a problem that was loaded from a path.

    Raises:
        ProblemError: its folder is gone or too large, or its files have odd names.
    """
    _, _, location = locate(problem.source.where)
    if location.is_foreign:
        return Bundle(problem.name, location.file.name, True, read_folder(location.file.parent))
    texts = {path: text.encode() for path, text in problem.files.files.items()}
    files = read_files(location.file.parent) if location.is_folder else texts
    return Bundle(problem.name, location.file.name, location.is_folder, files)


def unpack(data: bytes, below: Path) -> Path:
    """Returns the path (file or folder) of the problem of an encoded bundle, written once below a folder.

    Raises:
        ProblemError: the data is no bundle.
        OSError: the folder cannot be written.
    """
    try:
        bundle = Bundle.from_json(json.loads(data))
    except ValueError as error:
        raise ProblemError(f"the problem's files cannot be read: {error}") from error
    target = below / hash_of(data)
    if not target.is_dir():
        below.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = Path(tempfile.mkdtemp(dir=below, prefix=".new-"))
        try:
            write_files(bundle, draft / bundle.name)
            draft.rename(target)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            if not target.is_dir():  # another process may have been quicker
                raise
    return problem_path(bundle, target / bundle.name)


def write_files(bundle: Bundle, folder: Path) -> None:
    """Writes the files of a bundle below a folder.

    Raises:
        OSError: it cannot be written.
    """
    for path, content in bundle.files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def problem_path(bundle: Bundle, folder: Path) -> Path:
    """Returns what names the problem once its files lie in `folder`."""
    return folder if bundle.is_folder else folder / bundle.module


def _to_text(data: bytes) -> str | dict[str, str]:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def _to_bytes(path: object, content: object) -> bytes:
    if isinstance(content, str):
        return content.encode("utf-8", "surrogatepass")
    if isinstance(content, Mapping) and set(content) == {"base64"}:
        try:
            return base64.b64decode(content["base64"], validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise ProblemError(f"file {path!r:.80} is not valid base64: {error}") from error
    raise ProblemError(f'file {path!r:.80} must be a text or {{"base64": "..."}}')
