"""The problem module that stands for a folder of another system.

It is a text like any other problem's, beside a second one that holds the folder's files, so that everything that
loads, hashes, judges and checks problems needs to know nothing of foreign formats. Nothing of the folder is
executed where it is loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from evaluators.contract import ContractError, Program
from evaluators.foreign import shims
from evaluators.foreign.layout import Format, Layout, find_layout, read_folder
from evaluators.foreign.needs import Needs, find_needs, pip_name
from evaluators.foreign.settings import Settings, read_settings
from evaluators.source.files import ProblemError, SourceFiles
from evaluators.text import blocks

MODULE = "foreign_problem.py"
_FOLDER_MODULE = "foreign_folder.py"
_MEMORY_MIB = 4096
_SCRATCH_MIB = 256
_PROCESSES = 32
_README_CHARS = 1500

_TEXT = """\
from evaluators.contract import Case, Limits, Measure, Objective
from evaluators.foreign import {modules}
from foreign_folder import FOLDER, PROGRAM

__doc__ = {goal!r}
SELF_SCORED = True
ENTRY = {entry!r}
SEED = PROGRAM
OBJECTIVE = {objective}
{measures}LIMITS = {limits}
PRELOAD = {preload!r}
PLAN = runtime.{plan}


def cases(rng, stage):
    return [Case(inputs=None)]


def run(program, inputs, files):
{stand_in}    return runtime.evaluate(FOLDER, PLAN, files)


def score(case, output):
    return readout.read_metrics(output, {score!r}, features={features!r}, takes_mean={takes_mean!r})
"""


def read_foreign(folder: Path, name: str) -> SourceFiles:
    """Returns the problem that a folder of another system is.

    Raises:
        ProblemError: it is none, a part cannot be read or is no Python, or a package that it needs is missing.
    """
    layout = find_layout(folder)
    if layout is None:
        raise ProblemError("is no folder of OpenEvolve, ShinkaEvolve or LoongFlow", file=str(folder))
    files = read_folder(folder)
    texts = texts_of(layout, files)
    settings = read_settings(layout, texts)
    needs = _needs(layout, texts)
    _check_markers(layout, texts[layout.program])
    stand_ins = {f".shims/{path}": text for path, text in shim_texts().items()}
    content = {path: texts.get(path, data) for path, data in files.items()}
    written = {
        MODULE: _module(layout, settings, needs, goal_of(layout, settings, texts)),
        _FOLDER_MODULE: f"PROGRAM = {texts[layout.program]!r}\nFOLDER = {content | stand_ins!r}\n",
    }
    digest = hashlib.blake2b(digest_size=8)
    for path, text in sorted(written.items()):
        data = text.encode("utf-8", "surrogatepass")
        digest.update(path.encode() + len(data).to_bytes(8, "big") + data)
    return SourceFiles(
        name=name,
        module=MODULE,
        files=written,
        folder=str(folder),
        version=digest.hexdigest(),
    )


def goal_of(layout: Layout, settings: Settings, texts: Mapping[str, str]) -> str:
    """Returns what the model is told: the folder's own task, or the beginning of its README, and who scores."""
    task = settings.task
    if not task:
        readme = next((text for path, text in texts.items() if path.lower() == "readme.md"), "")
        task = readme.strip()[:_README_CHARS] or f"Improve the program in {layout.program}."
    score = "score" if layout.format is Format.LOONGFLOW else "combined_score"
    return (
        f"{task}\n\nThe program is the file {layout.program}; what it must define is what {layout.evaluator} "
        f"calls, as the first program does. A larger {score} is better."
    )


@cache
def shim_texts() -> dict[str, str]:
    """Returns the stand-in modules by relative path."""
    root = Path(shims.__file__).parent
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*.py"))
        if path.parent != root
    }


def texts_of(layout: Layout, files: Mapping[str, bytes]) -> dict[str, str]:
    """Returns the files that are text; the parts of the format must be.

    Raises:
        ProblemError: one of these is no UTF-8, or the program is empty.
    """
    found: dict[str, str] = {}
    for path, data in files.items():
        try:
            found[path] = data.decode("utf-8")
        except UnicodeDecodeError as error:
            if path in (layout.program, layout.evaluator, layout.config):
                what = f"is not UTF-8 text: {error.reason}"
                raise ProblemError(what, remedy="save it as UTF-8", file=str(layout.folder / path)) from error
    if not found[layout.program].strip():
        raise ProblemError("is empty", file=str(layout.folder / layout.program))
    return found


def _check_markers(layout: Layout, text: str) -> None:
    try:
        blocks.check_seed(Program({layout.program: text}, layout.program))
    except ContractError as error:
        raise ProblemError(str(error), file=str(layout.folder)) from error


def _needs(layout: Layout, texts: Mapping[str, str]) -> Needs:
    python = {path: text for path, text in texts.items() if path.endswith(".py")}
    try:
        needs = find_needs(python, (layout.program, layout.evaluator), shim_texts())
    except ProblemError as error:
        raise ProblemError(error.what, file=str(layout.folder / error.file), line=error.line) from error
    if needs.peers:
        what = f"imports {needs.peers[0]}, and nothing stands in for it here"
        if needs.peers[0] == "shinka.llm":
            what += "; it asks a language model, and the sandbox has no network"
        raise ProblemError(what, file=str(layout.folder))
    if needs.missing:
        packages = " ".join(pip_name(module) for module in needs.missing)
        raise ProblemError(
            f"imports {', '.join(needs.missing)}, not installed here",
            remedy=f"pip install {packages} (on every machine that evaluates), or put the module into the folder",
            file=str(layout.folder),
        )
    return needs


def _module(layout: Layout, settings: Settings, needs: Needs, goal: str) -> str:
    is_openevolve = layout.format is Format.OPENEVOLVE
    score = "score" if layout.format is Format.LOONGFLOW else "combined_score"
    thresholds = settings.thresholds if is_openevolve else None
    plan = f"Plan(format={str(layout.format)!r}, evaluator={layout.evaluator!r}, thresholds={thresholds!r})"
    limits = [
        f"cpu_s={settings.timeout_s!r}",
        f"wall_s={settings.timeout_s!r}",
        f"memory_mib={_MEMORY_MIB}",
        f"scratch_mib={_SCRATCH_MIB}",
        *([f"processes={_PROCESSES}"] if needs.has_processes else []),
        *(["native=True"] if needs.has_commands else []),
    ]
    target = f", target={settings.target!r}" if settings.target is not None else ""
    return _TEXT.format(
        goal=goal,
        entry=layout.program,
        objective=f"Objective({score!r}{target})",
        measures=f"MEASURES = {settings.measures!r}\n" if settings.measures else "",
        limits=f"Limits({', '.join(limits)})",
        preload=needs.preload,
        plan=plan,
        modules="pools, readout, runtime" if needs.has_processes else "readout, runtime",
        stand_in="    pools.stand_in()\n" if needs.has_processes else "",
        score=score,
        features=settings.features,
        takes_mean=is_openevolve,
    )
