"""Importing a program's files from memory: `program.py` as `program`, `lib/util.py` as `lib.util`.

A program that is not Python (its entry does not end in `.py`) is a module that runs nothing: its `text` is the entry's.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import linecache
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from importlib.abc import Loader


class ProgramImporter:
    """Finds and loads the modules of one program."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files
        self._paths: dict[str, str] = {}
        self._packages: set[str] = set()
        for path in files:
            if path.endswith(".py"):
                parts = path[:-3].split("/")
                if parts[-1] == "__init__":
                    parts.pop()
                    self._packages.add(".".join(parts))
                self._paths[".".join(parts)] = path
                self._packages.update(".".join(parts[:end]) for end in range(1, len(parts)))

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Returns the spec of one of the program's modules, None for any other."""
        is_package = fullname in self._packages
        if fullname not in self._paths and not is_package:
            return None
        origin = self._paths.get(fullname)
        loader = cast("Loader", self)  # without importlib.abc, which imports much
        spec = importlib.machinery.ModuleSpec(fullname, loader, origin=origin, is_package=is_package)
        spec.has_location = origin is not None
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Leaves making the module to the import system."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Runs a module's text."""
        path = self._paths.get(module.__name__)
        if path is not None:
            exec(compile(self._files[path], path, "exec", dont_inherit=True), module.__dict__)


def load(files: Mapping[str, str], entry: str) -> ModuleType:
    """Returns the program's entry module, executed, or a module with its `text`; what it raises passes through.

    A single file is executed directly, which touches less of a fresh child's memory than an import.
    """
    for path, text in files.items():
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    if not entry.endswith(".py"):
        module = ModuleType("program")
        module.__dict__.update(text=files[entry], files=dict(files))
        return module
    name = entry[:-3].replace("/", ".")
    if len(files) > 1 or "." in name:
        sys.meta_path.insert(0, ProgramImporter(files))
        sys.modules.pop(name, None)
        return importlib.import_module(name)
    module = ModuleType(name)
    module.__file__ = entry
    sys.modules[name] = module
    exec(compile(files[entry], entry, "exec", dont_inherit=True), module.__dict__)
    return module
