"""A new problem to start from: a file that runs as it is and teaches the contract in its comments."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template

from discovery.core.errors import ConfigError
from evaluators.problems.loading import shipped_names

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def write_problem(name: str, folder: Path) -> Path:
    """Writes a small problem into `folder`, which is made if need be, and returns its path.

    Raises:
        ConfigError: the name is no good name for a module, a shipped problem has it, the file exists (it is
            left alone), or it cannot be written.
    """
    name = name.removesuffix(".py")
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ConfigError(
            f"NAME must be lower-case letters, digits and '_', from a letter on, got {name!r:.80}"
        )
    if name in shipped_names():
        raise ConfigError(f"NAME {name!r} is that of a shipped problem; choose another")
    path = folder / f"{name}.py"
    text = Template(files("discovery.cli").joinpath("templates/problem.txt").read_text(encoding="utf-8"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {folder}: {error.strerror}") from error
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text.substitute(FILE=path.name))
    except FileExistsError as error:
        raise ConfigError(f"{path} exists already; choose another name, or remove it first") from error
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error
    return path
