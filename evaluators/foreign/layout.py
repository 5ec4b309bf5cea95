"""Which files of a folder play which part in which system's format."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from evaluators.source.files import ProblemError

MAX_FILES = 500
MAX_BYTES = 16 << 20
_SKIPPED = {"__pycache__", "openevolve_output", "node_modules"}
_CONFIGS = ("config.yaml", "config.yml")
_CONFIG_NAME = re.compile(r"(task_config|config\w*|shinka\w*)\.ya?ml")
_KEY = rb"['\"]?[\w-]{0,40}(?:api[_-]?key|secret|password|access[_-]?token|auth[_-]?token)[\w-]{0,40}['\"]?[ \t]{0,8}:"
_SECRETS = (  # in a line of its own, and between braces
    re.compile(rb"(?im)^([ \t-]*" + _KEY + rb")[ \t]+[^\r\n]+"),
    re.compile(rb"(?i)([{,][ \t]*" + _KEY + rb")[ \t]*(?:\"[^\"\r\n]*\"|'[^'\r\n]*'|[^\r\n,}]+)"),
)
_LANGUAGES = {
    ".c": "C",
    ".cc": "C++",
    ".cpp": "C++",
    ".cu": "CUDA",
    ".f90": "Fortran",
    ".go": "Go",
    ".java": "Java",
    ".jl": "Julia",
    ".js": "JavaScript",
    ".metal": "Metal",
    ".r": "R",
    ".rs": "Rust",
    ".sv": "SystemVerilog",
    ".txt": "text (a prompt)",
    ".v": "Verilog",
    ".wl": "Wolfram",
}


class Format(StrEnum):
    """Whose format a folder has."""

    OPENEVOLVE = "OpenEvolve"
    SHINKA = "ShinkaEvolve"
    LOONGFLOW = "LoongFlow"


@dataclass(frozen=True, slots=True)
class Layout:
    """The parts of a folder: file names in it.

    Attributes:
        folder: the folder; format: whose it is.
        program: the first program; evaluator: what scores programs.
        config: the configuration, "" for none.
    """

    folder: Path
    format: Format
    program: str
    evaluator: str
    config: str = ""


_PARTS = {  # stem of the program, evaluator
    Format.OPENEVOLVE: ("initial_program", "evaluator.py"),
    Format.LOONGFLOW: ("initial_program", "eval_program.py"),
    Format.SHINKA: ("initial", "evaluate.py"),
}


def find_layout(folder: Path) -> Layout | None:
    """Returns the parts of a folder, None where it has none of the three formats.

    Raises:
        ProblemError: it has more than one format, or half of one, or its program is not in Python.
    """
    try:
        entries = set(os.listdir(folder))
    except OSError as error:
        raise ProblemError(f"cannot be read: {error.strerror}", file=str(folder)) from error
    programs = {stem: sorted(_programs(folder, entries, stem)) for stem in ("initial_program", "initial")}
    whole = [kind for kind, (stem, evaluator) in _PARTS.items() if programs[stem] and evaluator in entries]
    if len(whole) > 1:
        parts = "; ".join(f"{kind}: {_PARTS[kind][1]}" for kind in whole)
        raise ProblemError(
            f"the folder has the parts of {len(whole)} formats ({parts})",
            remedy="give each a folder of its own",
            file=str(folder),
        )
    if not whole:
        _check_halves(folder, entries, programs)
        return None
    kind = whole[0]
    stem, evaluator = _PARTS[kind]
    return Layout(
        folder, kind, _only_python(folder, programs[stem]), evaluator, _config(kind, entries, folder)
    )


def _programs(folder: Path, entries: set[str], stem: str) -> Iterator[str]:
    for name in entries:
        if (name == stem and (folder / name).is_dir()) or (
            name.startswith(stem + ".") and (folder / name).is_file()
        ):
            yield name


def _check_halves(folder: Path, entries: set[str], programs: dict[str, list[str]]) -> None:
    """Says what is missing where a folder is half of a format."""
    if programs["initial_program"]:
        what = f"{programs['initial_program'][0]} has no evaluator beside it"
        remedy = "OpenEvolve's is called evaluator.py, LoongFlow's eval_program.py"
        raise ProblemError(what, remedy=remedy, file=str(folder))
    if "eval_program.py" in entries or ("evaluator.py" in entries and set(_CONFIGS) & entries):
        evaluator = "eval_program.py" if "eval_program.py" in entries else "evaluator.py"
        what = f"{evaluator} has no first program beside it"
        raise ProblemError(what, remedy="it must be called initial_program.py", file=str(folder))


def _only_python(folder: Path, names: list[str]) -> str:
    """Returns the one program in Python."""
    python = [name for name in names if name.endswith(".py")]
    if len(names) > 1 and len(python) != 1:
        raise ProblemError(
            f"there are {len(names)} first programs: {', '.join(names)}", remedy="keep one", file=str(folder)
        )
    if python:
        return python[0]
    name = names[0]
    what = f"{name} is {_LANGUAGES.get(Path(name).suffix.lower(), 'not Python')}"
    if (folder / name).is_dir():
        what = f"{name} is a folder of several files"
    raise ProblemError(
        f"{what}: only folders with one program in Python run",
        remedy="what is missing is the toolchain inside the sandbox; write a problem of your own, with "
        "LIMITS = Limits(native=True), that calls it",
        file=str(folder),
    )


def _config(kind: Format, entries: set[str], folder: Path) -> str:
    if kind is Format.LOONGFLOW:
        return "task_config.yaml" if "task_config.yaml" in entries else ""
    if kind is Format.SHINKA:
        found = ["run_evo.py"] if "run_evo.py" in entries else []
        return next(
            iter([*found, *sorted(name for name in entries if re.fullmatch(r"shinka.*\.ya?ml", name))]), ""
        )
    known = [name for name in _CONFIGS if name in entries]
    more = sorted(name for name in entries if re.fullmatch(r"config\w*\.ya?ml", name))
    found = [name for name in (*known, *more) if (folder / name).is_file()]
    return found[0] if found else ""


def problem_name(folder: Path) -> str:
    """Returns a name for the problem in a folder: the folder's, with its parent's where that is a number."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", folder.name)[:60]
    if re.match(r"[A-Za-z_]", name):
        return name
    parent = re.sub(r"[^A-Za-z0-9_-]", "_", folder.parent.name)[:40]
    return f"{parent}_{name}" if re.match(r"[A-Za-z_]", parent) else f"problem_{name}"


def read_folder(folder: Path) -> dict[str, bytes]:
    """Returns the content of the folder's files by relative path; hidden files and caches are left out.

    What a configuration holds under `api_key`, `password` and the like is withheld: a program could print it.

    Raises:
        ProblemError: a link leads out of the folder, a file cannot be read, or there is too much.
    """
    found: dict[str, bytes] = {}
    total = 0
    top = folder.resolve()
    for path in _files(folder):
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink() and not path.resolve().is_relative_to(top):
            remedy = "copy the file into the folder: evaluators see nothing outside it"
            raise ProblemError("is a link that leads out of the folder", remedy=remedy, file=str(path))
        try:
            size = path.stat().st_size
            total += size
            if total > MAX_BYTES or len(found) >= MAX_FILES:
                raise ProblemError(
                    f"a folder may hold {MAX_FILES} files and {MAX_BYTES >> 20} MiB; {relative} ({size >> 20} MiB) "
                    "is too much",
                    remedy="move what the evaluator does not read elsewhere: the folder travels with every program",
                    file=str(folder),
                )
            found[relative] = _without_keys(relative, path.read_bytes())
        except OSError as error:
            raise ProblemError(f"cannot be read: {error.strerror}", file=str(path)) from error
    return found


def _without_keys(relative: str, data: bytes) -> bytes:
    """Returns a file as programs may see it: of a configuration without the values of its keys and passwords."""
    if _CONFIG_NAME.fullmatch(relative):
        for pattern in _SECRETS:
            data = pattern.sub(rb"\1 withheld", data)
    return data


def _files(folder: Path) -> Iterator[Path]:
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and name[0] != ".")
        for name in sorted(folders + names):
            path = Path(base, name)
            if path.is_symlink() and path.is_dir():
                if not path.resolve().is_relative_to(folder.resolve()):
                    yield path  # is refused by the reader, with its reason
            elif (
                name in names
                and name[0] != "."
                and path.suffix != ".pyc"
                and (path.is_file() or path.is_symlink())
            ):
                yield path
