"""A problem: a Python module that states what to solve, loaded and checked.

`load_problem(spec)` is the one way in. All rules of the contract are checked in this folder and in contract/, and
every complaint names the file, the argument, the rule, the value, the remedy, and the nearest valid name.

Exceptions:
    ProblemError (ContractError)   no such problem, or a module that breaks the contract
"""

from __future__ import annotations

import hashlib
import re
import traceback
import warnings
from dataclasses import fields, replace
from difflib import get_close_matches
from types import ModuleType
from typing import NoReturn

from evaluators.contract import (
    Baseline,
    BestKnown,
    Case,
    ContractError,
    Limits,
    Measure,
    Objective,
    Program,
)
from evaluators.kernel_task import KernelTask
from evaluators.problems.declaration import Declaration
from evaluators.problems.improving import improving
from evaluators.problems.problem import Problem, ProblemSource
from evaluators.problems.source import locate, read_source, shipped_names
from evaluators.source.files import ProblemError, SourceFiles
from evaluators.source.modules import import_source, run_half, run_source

__all__ = [
    "Problem",
    "ProblemError",
    "ProblemSource",
    "import_source",
    "load_problem",
    "load_source",
    "run_half",
    "run_source",
    "shipped_names",
]


def load_problem(spec: str) -> Problem:
    """Returns the problem that `spec` names: a shipped name, a registered name, a module, a file, a folder.

    Raises:
        ProblemError: there is none, or it breaks the contract.

    A module that keeps to an older edition of the contract is loaded, with a FutureWarning.
    """
    kind, where, location = locate(spec)
    files = read_source(location)
    problem = _build(files, ProblemSource(kind, where, files.name, files.version))
    for text in problem.warnings:
        warnings.warn(text, FutureWarning, stacklevel=2)
    return problem


def load_source(source: ProblemSource) -> Problem:
    """Returns the problem that another process loaded.

    Raises:
        ProblemError: it is gone, broken, or no longer what it was.
    """
    kind, where, location = locate(source.where)
    files = read_source(replace(location, name=source.name))
    problem = _build(files, ProblemSource(kind, where, files.name, files.version))
    if problem.version != source.version:
        raise ProblemError(
            f"problem {source.name!r} has changed: its version was {source.version}, now {problem.version}",
            remedy="restore the old text, or start a new run",
            file=problem.files.path,
        )
    return problem if source.improve_s is None else improving(problem, source.improve_s)


# --- building: from a module to a Problem, every rule once ---


def _build(files: SourceFiles, source: ProblemSource) -> Problem:
    module = _execute(files)
    reading = Declaration(files, vars(module))
    reading.check_names()
    kernel = reading.kernel()
    seed, seed_files = reading.seed()
    if new := {path: text for path, text in seed_files.items() if path not in files.files}:
        version = hashlib.blake2b((files.version + seed.id).encode(), digest_size=8).hexdigest()
        files = replace(files, files={**files.files, **new}, version=version)
        source = replace(source, version=version)
    if kernel is not None:
        return _kernel_problem(reading, kernel, seed, files=files, source=source)
    stages = reading.count("STAGES", 1)
    run = reading.function("run")
    serve = reading.optional_function("serve", ("case",))
    run_extras = reading.run_extras(run, serves=serve is not None)
    score_parameters = ("case", "output", "oracle") if serve else ("case", "output")
    objective = reading.instance("OBJECTIVE", Objective)
    aggregate, takes_old_aggregate = reading.aggregate()
    problem = Problem(
        name=files.name,
        goal=reading.goal(),
        seed=seed,
        objective=objective,
        measures=reading.measures(),
        limits=reading.instance("LIMITS", Limits, Limits()),
        version=files.version,
        source=source,
        files=files,
        cases=reading.function("cases", ("rng", "stage")),
        run=run,
        score=reading.function("score", score_parameters),
        aggregate=aggregate,
        follow=reading.optional_function("follow", score_parameters),
        serve=serve,
        held_out=reading.optional_function("held_out", ("rng",)),
        vary=reading.optional_function("vary", ("rng", "case")),
        run_extras=run_extras,
        stages=stages,
        thresholds=reading.thresholds(stages),
        preload=reading.names("PRELOAD"),
        keeps_certificate=reading.instance("CERTIFICATE", bool, False),
        self_scored=reading.instance("SELF_SCORED", bool, False),
        notes=reading.instance("NOTES", str, ""),
        best_known=reading.best_known(objective),
        baseline=reading.baseline(objective),
        exact=reading.optional_function("exact", ("case", "output")),
        picture=reading.optional_function("picture", ("output",)),
        heuristic_seed=reading.heuristic_seed(),
        takes_old_aggregate=takes_old_aggregate,
        shares_process=reading.shares_process(),
        warnings=reading.warnings(stages=stages, takes_old_aggregate=takes_old_aggregate),
    )
    run_source(files)  # refuses a run() that leans on the scorer
    return problem


_KERNEL_REPEATS = 2


def _kernel_problem(
    reading: Declaration, kernel: KernelTask, seed: Program, *, files: SourceFiles, source: ProblemSource
) -> Problem:
    """Returns a problem whose cases, runs and scores are the kernel judge's.

    Times vary, so what would displace an elite is measured at least twice.
    """
    objective: Objective = reading.instance("OBJECTIVE", Objective)
    return Problem(
        name=files.name,
        goal=reading.goal(),
        seed=seed,
        objective=replace(objective, repeats=max(_KERNEL_REPEATS, objective.repeats)),
        measures=reading.measures(),
        limits=reading.instance("LIMITS", Limits, Limits()),
        version=files.version,
        source=source,
        files=files,
        cases=_no_function,
        run=_no_function,
        score=_no_function,
        held_out=_no_function if kernel.held_out else None,
        preload=reading.names("PRELOAD"),
        keeps_certificate=True,
        notes=reading.instance("NOTES", str, ""),
        kernel=kernel,
    )


def _no_function(*_: object) -> NoReturn:
    raise ProblemError("a kernel problem has no cases, run and score; evaluators.kernels.judge does it all")


def _execute(files: SourceFiles) -> ModuleType:
    try:
        return import_source(files)
    except SyntaxError as error:
        raise ProblemError(
            f"is no Python: {error.msg}", file=error.filename or files.path, line=error.lineno or 0
        ) from error
    except ImportError as error:
        remedy = "install it, or put the module beside the problem's file"
        what = f"imports what is not there: {error}"
        raise ProblemError(what, remedy=remedy, file=files.path, line=_line_of(error, files)) from error
    except (Exception, SystemExit) as error:
        what, remedy = f"{type(error).__name__}: {error}", ""
        if isinstance(error, ContractError):
            what = str(error)
        elif isinstance(error, TypeError):
            remedy = _nearest_keyword(str(error))
        elif isinstance(error, NameError) and error.name:
            near = get_close_matches(error.name, _CONTRACT_TYPES, n=1)
            remedy = f"from evaluators.contract import {near[0]}" if near else ""
        raise ProblemError(what, remedy=remedy, file=files.path, line=_line_of(error, files)) from error


_CONTRACT_TYPES = {
    cls.__name__: tuple(item.name for item in fields(cls))
    for cls in (Baseline, BestKnown, Case, Limits, Measure, Objective, Program)
}


def _line_of(error: BaseException, files: SourceFiles) -> int:
    """Returns the line of the problem's module at which an error came out, 0 if elsewhere."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == files.path
    ]
    return (lines[-1] or 0) if lines else 0


def _nearest_keyword(message: str) -> str:
    match = re.search(r"\b(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", message)
    if not match or match[1] not in _CONTRACT_TYPES:
        return ""
    keywords = _CONTRACT_TYPES[match[1]]
    near = get_close_matches(match[2], keywords, n=1)
    return f"did you mean {near[0]!r}?" if near else f"{match[1]} takes {', '.join(keywords)}"
