"""Where a problem's source is found, and what belongs to it.

A problem is read into memory once; its version is a hash of the text that is then imported from there
(modules.py).
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from evaluators.source.files import ProblemError, SourceFiles
from evaluators.source.imports import imported_names

ENTRY_POINT_GROUP = "code_discovery.problems"
_MAX_FILES = 1000
_MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Location:
    """Where a problem's module lies: a file, whether its folder belongs to it, and its package, if any.

    In a folder of another system's format (`is_foreign`) the file is the evaluator's.
    """

    name: str
    file: Path
    is_folder: bool = False
    package: str = ""
    is_foreign: bool = False


def shipped_names() -> tuple[str, ...]:
    """Returns the names of the shipped problems, sorted; imports none of them."""
    return tuple(sorted(location.name for location in _shipped()))


def locate(spec: str) -> tuple[str, str, Location]:
    """Returns (kind, where, location) of a problem: kind "name", "module" or "path" and what finds it again.

    `spec` is a path (it holds a `/`, ends in `.py`, or begins with `.` or `~`), else the first of: a shipped
    name, a name registered under the entry point group "code_discovery.problems", a dotted module, a file or
    a folder of that name here (dots for slashes), a module without dots.

    Raises:
        ProblemError: nothing is found; names the nearest known name.
    """
    if not spec or "\0" in spec:
        raise ProblemError(f"problem must be a name, a module, a file or a folder, got {spec!r}")
    if "/" in spec or "\\" in spec or spec.endswith(".py") or spec[0] in ".~":
        return "path", *_locate_path(Path(spec).expanduser())
    for location in _shipped():
        if location.name == spec:
            return "name", spec, location
    from importlib.metadata import (
        entry_points,
    )  # 40 modules that a process which forks programs need not carry

    registered = {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
    if spec in registered:
        return "module", registered[spec], _locate_module(registered[spec], name=spec)
    if "." in spec and _find_spec(spec) is not None:
        return "module", spec, _locate_module(spec)
    here = Path(*spec.split("."))
    for path in (Path(spec), here, here.with_suffix(".py")):
        if path.is_file() or (path.is_dir() and any(path.glob("*.py"))):
            return "path", *_locate_path(path)
    if "." in spec or _find_spec(spec) is not None:
        return "module", spec, _locate_module(spec)
    known = [*shipped_names(), *registered]
    near = get_close_matches(spec, known, n=1)
    raise ProblemError(
        f"there is no problem {spec!r}",
        remedy=f"did you mean {near[0]!r}?"
        if near
        else f"choose from {', '.join(sorted(known))}, or give a path",
    )


def _shipped() -> Iterator[Location]:
    """Yields the problems that lie in a family package below `problems`, without importing anything."""
    root = Path(__file__).parents[2] / "problems"
    if not (root / "__init__.py").is_file():
        spec = _find_spec("problems")
        if spec is None or not spec.submodule_search_locations:
            return
        root = Path(next(iter(spec.submodule_search_locations)))
    for family in sorted(root.iterdir()):
        if not (family / "__init__.py").is_file():
            continue
        package = f"problems.{family.name}"
        for path in sorted(family.iterdir()):
            if path.suffix == ".py" and not path.name.startswith("_") and _states_problem(path):
                yield Location(path.stem, path, package=package)
            elif (path / "problem.py").is_file():
                yield Location(
                    path.name, path / "problem.py", is_folder=True, package=f"{package}.{path.name}"
                )


def _locate_path(path: Path) -> tuple[str, Location]:
    path = path.absolute()
    if path.is_dir():
        return str(path), _foreign(path) or Location(path.name, _module_of_folder(path), is_folder=True)
    if not path.is_file():
        near = get_close_matches(path.name, [p.name for p in _list(path.parent)], n=1)
        remedy = (
            f"did you mean {near[0]!r}?" if near else "check the path, or write one with `discovery new NAME`"
        )
        raise ProblemError("there is no such file or folder", remedy=remedy, file=str(path))
    if path.suffix != ".py":
        raise ProblemError("a problem must be a .py file or a folder with one", file=str(path))
    if path.name == "problem.py":
        return str(path), Location(path.parent.name, path, is_folder=True)
    return str(path), Location(path.stem, path)


def _locate_module(dotted: str, name: str = "") -> Location:
    spec = _find_spec(dotted.partition(":")[0])
    if spec is None or not spec.origin or not Path(spec.origin).is_file():
        raise ProblemError(
            f"there is no module {dotted!r}", remedy="is its package installed in this environment?"
        )
    file = Path(spec.origin)
    if spec.submodule_search_locations:
        file = _module_of_folder(file.parent)
        return Location(name or file.parent.name, file, is_folder=True, package=spec.name)
    return Location(name or file.stem, file, package=spec.name.rpartition(".")[0])


def _find_spec(dotted: str) -> importlib.machinery.ModuleSpec | None:
    try:
        return importlib.util.find_spec(dotted)
    except (ImportError, ValueError, AttributeError, SyntaxError):
        return None


def _foreign(folder: Path) -> Location | None:
    """Returns the location of a problem of another system, None where a folder is none."""
    if (folder / "problem.py").is_file():
        return None
    from evaluators.foreign import layout

    if (found := layout.find_layout(folder)) is None:
        return None
    return Location(layout.problem_name(folder), folder / found.evaluator, is_folder=True, is_foreign=True)


def _module_of_folder(folder: Path) -> Path:
    if (folder / "problem.py").is_file():
        return folder / "problem.py"
    found = [path for path in _list(folder) if path.suffix == ".py" and _states_problem(path)]
    if len(found) == 1:
        return found[0]
    what = "no module of this folder defines score()"
    if found:
        what = f"{len(found)} modules define score(): {', '.join(path.name for path in found)}"
    raise ProblemError(what, remedy="name the problem's module problem.py", file=str(folder))


def _list(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _states_problem(path: Path) -> bool:
    """Returns whether a file seems to define `score` or `KERNEL` at its top level (a broken file counts as text)."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return any(f"\n{text}".count(f"\n{start}") for start in ("def score(", "KERNEL = "))


def read_source(location: Location) -> SourceFiles:
    """Returns the texts that belong to a problem: of a folder all, else the module and what it imports.

    Raises:
        ProblemError: a file cannot be read, is no UTF-8, or there is too much of it.
    """
    folder = location.file.parent
    if location.is_foreign:
        from evaluators.foreign.generate import read_foreign

        return read_foreign(folder, location.name)
    texts = {location.file.name: _read_text(location.file)}
    digest = hashlib.blake2b(location.file.name.encode(), digest_size=8)
    if location.is_folder:
        for path in _files_below(folder):
            data = _read_bytes(path)
            relative = path.relative_to(folder).as_posix()
            try:
                texts[relative] = data.decode("utf-8")
            except UnicodeDecodeError:
                _add(digest, relative, data)
    else:
        _add_imported(folder, texts, location.package)
    for relative in sorted(texts):
        _add(digest, relative, texts[relative].encode())
    return SourceFiles(
        name=location.name,
        module=location.file.name,
        files=texts,
        folder=str(folder),
        package=location.package,
        version=digest.hexdigest(),
    )


def read_files(folder: Path) -> dict[str, bytes]:
    """Returns the content of every file that belongs to a problem's folder, by relative path.

    Raises:
        ProblemError: a file cannot be read, or there is too much of them.
    """
    return {path.relative_to(folder).as_posix(): _read_bytes(path) for path in _files_below(folder)}


def _files_below(folder: Path) -> list[Path]:
    found, total = [], 0
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if (
            not path.is_file()
            or path.suffix == ".pyc"
            or any(p[0] == "." or p == "__pycache__" for p in parts)
        ):
            continue
        found.append(path)
        total += path.stat().st_size
        if len(found) > _MAX_FILES or total > _MAX_BYTES:
            raise ProblemError(
                f"a problem's folder may hold {_MAX_FILES} files and {_MAX_BYTES >> 20} MiB",
                remedy="give the problem a folder of its own",
                file=str(folder),
            )
    return found


def _add_imported(folder: Path, texts: dict[str, str], package: str) -> None:
    """Adds the sibling modules that the texts import, and the siblings of these."""
    queue = list(texts)
    while queue:
        for name in imported_names(texts[queue.pop()], package):
            for relative in (f"{name}.py", f"{name}/__init__.py"):
                path = folder / relative
                if relative in texts or not path.is_file():
                    continue
                texts[relative] = _read_text(path)
                queue.append(relative)
                if path.name == "__init__.py":
                    inner = {p.relative_to(folder).as_posix(): p for p in _files_below(path.parent)}
                    new = {rel: _read_text(p) for rel, p in inner.items() if p.suffix == ".py"}
                    queue += [rel for rel in new if rel not in texts]
                    texts.update(new)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProblemError(f"cannot be read: {error.strerror}", file=str(path)) from error


def _read_text(path: Path) -> str:
    try:
        return _read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProblemError("is not UTF-8 text", remedy="save it as UTF-8", file=str(path)) from error


def _add(digest: Any, relative: str, data: bytes) -> None:
    for part in (relative.encode(), data):
        digest.update(len(part).to_bytes(8, "big") + part)
