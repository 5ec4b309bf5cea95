"""From a folder of another system to the beginnings of a problem whose score no program can forge."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from discovery.core.errors import ConfigError
from evaluators.foreign.generate import goal_of, texts_of
from evaluators.foreign.layout import Format, Layout, find_layout, problem_name, read_folder
from evaluators.foreign.needs import PEERS
from evaluators.foreign.settings import read_settings
from evaluators.problems.declaration import CONTRACT_NAMES
from evaluators.problems.loading import ProblemError
from evaluators.source.imports import imported_names

_SCORERS = ("evaluate", "main", "evaluate_stage1", "evaluate_stage2", "evaluate_stage3")
_TOUCHING = {
    "__import__",
    "exec",
    "importlib",
    "open",
    "program_path",
    "run_shinka_eval",
    "runpy",
    "subprocess",
    "tempfile",
}
"""Names by which an evaluator reaches the program or its file."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written.

    Attributes:
        path: the new problem's folder.
        missing: what a person must still do, in order.
    """

    path: Path
    missing: tuple[str, ...]


def convert(folder: Path, target: Path | None = None) -> Conversion:
    """Writes the skeleton of a problem from a folder of OpenEvolve, ShinkaEvolve or LoongFlow.

    Args:
        folder: the folder; it is left as it is.
        target: where to write; a new folder NAME_native here by default.

    Raises:
        ProblemError: the folder is of none of these formats, or a part of it cannot be read.
        ConfigError: the target exists, or cannot be written.
    """
    layout = find_layout(folder)
    if layout is None:
        raise ProblemError(
            "is no folder of OpenEvolve, ShinkaEvolve or LoongFlow",
            remedy="see docs/foreign.md for what makes one",
            file=str(folder),
        )
    texts = texts_of(layout, read_folder(folder))
    program, evaluator = _parse(layout, layout.program, texts), _parse(layout, layout.evaluator, texts)
    called = _called(program, evaluator)
    written, missing = _problem(layout, texts, evaluator, called)
    beside = {path: texts[path] for path in _beside(texts, [written, texts[layout.program]])}
    target = target or Path(f"{problem_name(folder.absolute())}_native")
    contents = {
        **beside,
        "problem.py": written,
        layout.program: texts[layout.program],
        _copy_name(layout): texts[layout.evaluator],
    }
    try:
        target.mkdir(parents=True)
        for name, text in contents.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_text(text, encoding="utf-8")
    except FileExistsError as error:
        raise ConfigError(f"{target} exists already; choose another place with --dir") from error
    except OSError as error:
        raise ConfigError(f"cannot write {error.filename}: {error.strerror}") from error
    return Conversion(target, missing)


def _problem(
    layout: Layout, texts: Mapping[str, str], evaluator: ast.Module, called: ast.FunctionDef | None
) -> tuple[str, tuple[str, ...]]:
    settings = read_settings(layout, texts)
    name = called.name if called else ""
    needed = _required_parameters(called) if called else []
    missing = []
    if not name:
        missing.append(f"run(): {layout.evaluator} names no function of {layout.program}; call what it calls")
    if needed:
        missing.append(
            f"cases(): {name}() must be given {', '.join(needed)}; see {layout.evaluator} for the values"
        )
    missing.append(
        f"score(): judge what {name or 'the program'}{'()' if name else ''} returns, as the text in it says"
    )
    helpers, imports = _helpers(evaluator, texts[layout.evaluator])
    scorers = [f"{node.name}()" for node in _functions(evaluator) if node.name in _SCORERS] or [
        "the top level"
    ]
    goal = goal_of(layout, settings, texts).rpartition("\n\nThe program is the file")[0]
    if name and name not in goal:
        goal += f"\n\nThe program defines {name}({', '.join(needed)})."
    fields = {
        "DOCSTRING": _docstring(goal),
        "FORMAT": str(layout.format),
        "EVALUATOR": layout.evaluator,
        "EVALUATOR_COPY": _copy_name(layout),
        "IMPORTS": "".join(f"{line}\n" for line in imports),
        "ENTRY": json.dumps(layout.program),
        "SEED": _seed(layout.program, _beside(texts, [texts[layout.program]])),
        "SCORE": '"score"' if layout.format is Format.LOONGFLOW else '"combined_score"',
        "TIMEOUT": f"{settings.timeout_s:g}",
        "INPUTS": "{" + ", ".join(f'"{parameter}": None' for parameter in needed) + "}",
        "RUN": f"    return program.{name}(**inputs)\n"
        if name
        else '    raise NotImplementedError("call the program here, and return what it finds")\n',
        "HELPERS": "".join(f"\n{text}\n\n" for text in helpers),
        "JUDGES": ", ".join(scorers),
    }
    template = Template(
        files("discovery.cli").joinpath("templates/converted.txt").read_text(encoding="utf-8")
    )
    return template.substitute(fields), tuple(missing)


def _seed(program: str, beside: list[str]) -> str:
    """Returns the seed as an expression: the program, with the folder's modules that it imports."""
    paths = [f"{json.dumps(path)}: Path({json.dumps(path)})" for path in (program, *beside)]
    return f"{{{', '.join(paths)}}}" if beside else f"Path({json.dumps(program)})"


def _beside(texts: Mapping[str, str], roots: Iterable[str]) -> list[str]:
    """Returns the folder's own modules that texts import, and those that these import, by path."""
    found: list[str] = []
    queue = list(roots)
    while queue:
        for name in sorted(imported_names(queue.pop(), "")):
            for path in texts:
                is_it = path == f"{name}.py" or (path.startswith(f"{name}/") and path.endswith(".py"))
                if is_it and path not in found:
                    found.append(path)
                    queue.append(texts[path])
    return sorted(found)


def _copy_name(layout: Layout) -> str:
    return f"old_{layout.evaluator}.txt"


def _parse(layout: Layout, path: str, texts: Mapping[str, str]) -> ast.Module:
    try:
        return ast.parse(texts[path])
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", 0) or 0
        raise ProblemError(
            f"is no Python: {getattr(error, 'msg', error)}", file=str(layout.folder / path), line=line
        ) from error


def _called(program: ast.Module, evaluator: ast.Module) -> ast.FunctionDef | None:
    """Returns the first of the program's functions that the evaluator names, as an attribute or in a text."""
    named = [
        node.attr if isinstance(node, ast.Attribute) else str(node.value)
        for node in ast.walk(evaluator)
        if isinstance(node, ast.Attribute) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
    ]
    functions = list(_functions(program))
    for node in functions:
        if node.name in named:
            return node
    return next((node for node in functions if any(f".{node.name}(" in text for text in named)), None)


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    return (node for node in tree.body if isinstance(node, ast.FunctionDef))


def _required_parameters(function: ast.FunctionDef) -> list[str]:
    arguments = [*function.args.posonlyargs, *function.args.args]
    required = arguments[: len(arguments) - len(function.args.defaults)]
    keyword_only = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    return [
        argument.arg for argument in (*required, *(arg for arg, default in keyword_only if default is None))
    ]


def _helpers(tree: ast.Module, text: str) -> tuple[list[str], list[str]]:
    """Returns the evaluator's functions and constants that do not touch the program, and the imports they need."""
    mentioned = {index: _mentioned(node) for index, node in enumerate(tree.body)}
    touching = {*_TOUCHING, *_SCORERS, *CONTRACT_NAMES}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in PEERS:
            touching |= _bound(node)
    size = -1
    while size < len(touching):
        size = len(touching)
        for index, node in enumerate(tree.body):
            if not isinstance(node, (ast.Import, ast.ImportFrom)) and mentioned[index] & touching:
                touching |= _bound(node)
    kept = [
        index
        for index, node in enumerate(tree.body)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign))
        and _bound(node)
        and not (_bound(node) | mentioned[index]) & touching
    ]
    used = set().union(*(mentioned[index] for index in kept)) if kept else set()
    imports = [
        ast.unparse(node)
        for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom)) and _bound(node) & used and not _is_future(node)
    ]
    return [ast.get_source_segment(text, tree.body[index], padded=True) or "" for index in kept], imports


def _is_future(node: ast.Import | ast.ImportFrom) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _mentioned(node: ast.stmt) -> set[str]:
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return names | {part.arg for part in ast.walk(node) if isinstance(part, ast.arg)}


def _bound(node: ast.stmt) -> set[str]:
    """Returns the names that a top-level statement binds."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {target.id for target in targets if isinstance(target, ast.Name)}
    return set()


def _docstring(goal: str) -> str:
    """Returns a module docstring that reads as `goal`."""
    text = goal.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{text}\n"""'
