"""What the Python files of a folder import, and what of that is missing here. Nothing is executed."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evaluators.source.files import ProblemError
from evaluators.text import trees

_PIP_NAMES = {
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "flint": "python-flint",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
_WARM = {"scipy", "sympy", "pandas", "sklearn", "networkx"}
"""Packages that a process which forks programs may import ahead: they start no threads and write no files."""

PEERS = {"openevolve", "shinka", "evolux", "loongflow", "agentsdk"}
"""The packages of other systems that evaluators import."""
_PROCESS_MODULES = {"subprocess", "multiprocessing"}
_NATIVE_NAMES = {"subprocess", "os.system", "os.popen"}


@dataclass(frozen=True, slots=True)
class Needs:
    """What a folder needs.

    Attributes:
        missing: packages that it imports when it is loaded and that are not installed here, by import name.
        peers: modules of other systems that it imports and that nothing stands in for.
        preload: modules to import before a program runs, for speed.
        has_processes: whether it may start processes; has_commands: whether these are other programs.
    """

    missing: tuple[str, ...]
    peers: tuple[str, ...]
    preload: tuple[str, ...]
    has_processes: bool
    has_commands: bool


def find_needs(texts: Mapping[str, str], roots: tuple[str, ...], stand_ins: Mapping[str, str]) -> Needs:
    """Returns what the files `roots`, and those of the folder that they import, need.

    Args:
        texts: the folder's Python files by relative path.
        roots: the program and the evaluator.
        stand_ins: the stand-in modules by relative path.

    Raises:
        ProblemError: one of the roots is no Python.
    """
    queue, seen = list(roots), set(roots)
    required: set[str] = set()
    named: set[str] = set()
    while queue:
        path = queue.pop()
        tree = _parse(path, texts[path], is_root=path in roots)
        required |= set(_required(tree))
        named |= set(_all_imports(tree)) | set(_attributes(tree))
        for name in _all_imports(tree):
            for relative in (
                f"{name.replace('.', '/')}.py",
                f"{name.partition('.')[0]}.py",
                f"{name.partition('.')[0]}/__init__.py",
            ):
                if relative in texts and relative not in seen:
                    seen.add(relative)
                    queue.append(relative)
    own = {path.partition("/")[0].removesuffix(".py") for path in texts}
    known = {path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in stand_ins}
    foreign = {name for name in required if _top(name) not in own | set(sys.stdlib_module_names)}
    peers = {name for name in foreign if _top(name) in PEERS}
    missing = {_top(name) for name in foreign - peers if not _is_installed(_top(name))}
    warm = (name for name in foreign if _top(name) in _WARM and _top(name) not in missing)
    commands = bool(_NATIVE_NAMES & named)
    return Needs(
        missing=tuple(sorted(missing)),
        peers=tuple(sorted(name for name in peers if name not in known)),
        preload=tuple(sorted(name for name in warm if _is_installed(name))),
        has_processes=commands
        or bool({_top(name) for name in named} & _PROCESS_MODULES)
        or "concurrent.futures.ProcessPoolExecutor" in named,
        has_commands=commands,
    )


def pip_name(module: str) -> str:
    """Returns what to ask pip for to get a module."""
    return _PIP_NAMES.get(module, module)


def _parse(path: str, text: str, *, is_root: bool) -> ast.Module:
    try:
        return trees.parse(text, path)
    except (SyntaxError, ValueError) as error:
        if is_root:
            line = getattr(error, "lineno", 0) or 0
            raise ProblemError(
                f"is no Python: {getattr(error, 'msg', error)}", file=path, line=line
            ) from error
        return ast.Module([], [])


def _required(tree: ast.Module) -> Iterator[str]:
    """Yields what must be there for the module to load: plain imports at its top level."""
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from _names(node)


def _all_imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from _names(node)
            if isinstance(node, ast.ImportFrom) and node.module == "concurrent.futures":
                yield from (f"concurrent.futures.{alias.name}" for alias in node.names)


def _attributes(tree: ast.Module) -> Iterator[str]:
    """Yields `os.system` and the like."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Attribute) and node.attr == "ProcessPoolExecutor":
            yield "concurrent.futures.ProcessPoolExecutor"


def _names(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif node.module and not node.level:
        yield node.module


def _top(name: str) -> str:
    return name.partition(".")[0]


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return False
