"""The functions that begin: search, open, evaluate, study."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from discovery.api.launch import begin, go_on, name_of
from discovery.api.runs import Run, Work, check_limits, take_callbacks
from discovery.api.study import Study
from discovery.core.errors import ConfigError
from discovery.execution.runs import run_folder
from discovery.learning.memory.store import read_items
from discovery.operators.ask import Ask
from discovery.settings.budget import Budget
from discovery.settings.config import RunConfig
from discovery.settings.doors import LIMITS, make_config
from discovery.storage.secret import shared_secret
from evaluators.contract import Evaluation, Program
from evaluators.problems.loading import load_problem
from evaluators.worker import JudgeProcess


def search(
    problem: str | Path | ModuleType,
    *,
    out: str | Path | None = None,
    wait: bool = True,
    from_best: float | None = None,
    start: str | Path | None = None,
    memory_file: str | Path | None = None,
    secret_file: str | Path | None = None,
    broker: str | None = None,
    **settings: Any,
) -> Run:
    """Returns a run that searches for better programs, as `discovery run` does.

    Without a model the search is made of operators that need none; without any limit it ends after 5 minutes.

    Args:
        problem: a shipped name, a path, a module, or what `discovery.problem` made.
        out: the run's folder; by default the next of runs/PROBLEM-1, runs/PROBLEM-2, ...
        wait: whether to return only when the run has ended; else it works in a thread, and ends with this process.
        from_best: hand every program the best output so far, and so many seconds to improve on it.
        start: the certificate whose output `from_best` begins with.
        memory_file: begin with what another run learned, a file of `discovery memory export`.
        secret_file: what the hidden cases are drawn from, made if it is not there; fresh ones if left out.
        broker: a Redis whose workers do the jobs, "redis://HOST:PORT/0"; by default this machine does them.
        **settings: those of `discovery run` by the same names: evals, minutes, cost_usd, tokens, target, seed, islands,
            workers, model, model_slots, api_base, operators, ..., tables of a TOML file as dicts (bandit={"enabled": True});
            and the callbacks on_evaluated, on_best, on_model_call, on_end (see `Callbacks`).

    Raises:
        DiscoveryError, ContractError: the run cannot begin, or stopped before it had done what was asked of it; the message
            names the remedy. What was evaluated is saved.

    Example:
        >>> import discovery
        >>> run = discovery.search("circle_packing", evals=8, seed=1, out=folder / "run", on_best=found.append)
        >>> len(run.programs), run.best.score >= run.programs[0].score, len(found) == len(run.history)
        (8, True, True)
    """
    callbacks = take_callbacks(settings)
    config = _config(problem, settings, "discovery.search()")
    launch = begin(
        config,
        out=None if out is None else Path(out),
        from_best=from_best,
        start=None if start is None else str(start),
        items=None if memory_file is None else read_items(Path(memory_file)),
        secret_file=None if secret_file is None else Path(secret_file),
        broker=broker,
    )
    run = Run(launch.folder.path, work := Work(launch, callbacks))
    work.start()
    return run.wait() if wait else run


def open_run(run: str | Path) -> Run:
    """Returns a run of earlier, or of another process, by its folder.

    Raises:
        RunFolderError: there is none.

    Example:
        >>> import discovery
        >>> made = discovery.search("circle_packing", evals=4, seed=1, out=folder / "run")
        >>> discovery.open(folder / "run").best == made.best
        True
    """
    return Run(run_folder(Path(run)).path)


def evaluate(
    problem: str | Path | ModuleType,
    program: str | Path | Program,
    *,
    secret_file: str | Path | None = None,
    held_out: bool = False,
    tier: int | None = None,
    unsafe: bool = False,
) -> Evaluation:
    """Returns what judging one program on a problem found, as `discovery evaluate` does; a failure is data, too.

    Args:
        problem: as in `search`.
        program: a text, a program, or the path of a file (of a folder, where the problem's programs have several files).
        secret_file: what the hidden cases are drawn from, made if it is not there; fresh ones if left out.
        held_out: score the held-out cases too.
        tier: the sandbox tier to use; by default the best there is.
        unsafe: run even where the sandbox lacks protections (never for untrusted code).

    Example:
        >>> import discovery
        >>> discovery.evaluate("circle_packing", "def pack(): return None").status
        <Status.INVALID: 'invalid'>
    """
    loaded = load_problem(name_of(problem))
    secret = shared_secret(None if secret_file is None else Path(secret_file))
    whole = program if isinstance(program, Program) else as_program(program, loaded.seed)
    with closing(JudgeProcess(loaded.source, secret, unsafe=unsafe, tier=tier)) as judge:
        return judge.evaluate(whole, held_out=held_out)


def study(
    problem: str | Path | ModuleType | Run,
    *,
    out: str | Path | None = None,
    **settings: Any,
) -> Study:
    """Returns a search whose programs you make: `ask()` names parents, `tell()` hands in a child, which is judged and kept.

    Selection, archives, judging, journal and lineage are those of every run; only what makes the children is yours, be it a
    script, a model of your own, or a person. Give it to `with`, or close it.

    Args:
        problem: as in `search`, or the run of an earlier study, to go on with it.
        out: the run's folder, for a new one.
        **settings: as in `search`, but for models; `operators` may name ones that need none to work beside you, as in
            operators={"ask": 4, "tune": 1}. For a run that goes on, only limits (evals, minutes). Callbacks as there.

    Example:
        >>> import discovery
        >>> def nearness(answer):
        ...     "Return a number as close to 42 as possible."
        ...     return -abs(answer - 42)
        >>> problem = discovery.problem("def answer(): return 0", nearness, folder=folder)
        >>> with discovery.study(problem, evals=4, seed=1, out=folder / "run") as study:
        ...     for question in study:
        ...         told = study.tell(question, f"def answer(): return {10 * question.number}")
        >>> [(record.operator, record.score) for record in study.run.programs]
        [('seed', -42.0), ('ask', -32.0), ('ask', -22.0), ('ask', -12.0)]
    """
    if isinstance(problem, Run):
        callbacks = take_callbacks(settings)
        check_limits(settings)
        return Study(
            go_on(problem.path, changes=settings, where="discovery.study()", is_study=True), callbacks
        )
    callbacks = take_callbacks(settings)
    config = _config(
        problem,
        {"operators": {Ask.name: 1.0}, "rebase": False, "workers": 1, **settings},
        "discovery.study()",
    )
    if not {limit.key for limit in LIMITS} & settings.keys():  # it ends when you stop asking
        config = replace(config, budget=Budget())
    if config.models.models:
        raise ConfigError("a study asks you, not a model: leave model out, or use discovery.search()")
    if not config.operators.get(Ask.name):
        raise ConfigError(
            'operators must name "ask" with a weight > 0 in a study, as in {"ask": 4, "tune": 1}'
        )
    return Study(begin(config, out=None if out is None else Path(out), is_study=True), callbacks)


def as_program(given: str | Path, seed: Program) -> Program:
    """Returns the program of a text, or of the path of a file or, where the seed has several files, of a folder.

    Raises:
        ConfigError: it cannot be read.
    """
    if isinstance(given, str):
        return seed.with_text(given)
    try:
        if given.is_dir():
            files = {name: (given / name).read_text(encoding="utf-8") for name in seed.files}
            return Program(files, seed.entry)
        return seed.with_text(given.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {error.filename}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{given} is not UTF-8 text: {error}") from error


def _config(problem: str | Path | ModuleType, settings: dict[str, Any], where: str) -> RunConfig:
    return make_config({"problem": name_of(problem), **settings}, where)
