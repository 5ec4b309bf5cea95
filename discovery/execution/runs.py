"""Runs on the disk: how one is made, what its journal says, what may be put into it while nobody works on it."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from discovery.core.choices import ASK_OPERATOR
from discovery.core.errors import ConfigError, RunError
from discovery.core.experiments import Experimenter
from discovery.core.records import RunInfo
from discovery.learning.memory.items import Item
from discovery.operators.registry import OPERATORS, weights_of
from discovery.search.assembly import assemble
from discovery.search.components import IMPORTED, LearningComponents
from discovery.search.state import RunState
from discovery.search.stop_rules import make_stop_rules
from discovery.settings.config import RunConfig
from discovery.storage.journal import Journal
from discovery.storage.purged import current_entries
from discovery.storage.requests import completed
from discovery.storage.run_folder import RunFolder
from discovery.storage.secret import new_secret
from evaluators.contract import Incumbent, Program
from evaluators.problems.describe import Description
from evaluators.problems.loading import Problem, ProblemSource, load_source
from evaluators.sandbox.jail.jail import why_not
from evaluators.text.blocks import check_frozen


def create_run(
    folder: RunFolder,
    config: RunConfig,
    problem: Problem,
    start: Incumbent | None = None,
    secret: bytes | None = None,
) -> None:
    """Makes the folder of a new run.

    Args:
        folder: where; it must not be there, or be empty.
        config: its settings.
        problem: what is to be solved.
        start: the output that the first program is handed to improve on, if any.
        secret: what hidden cases are drawn from; fresh by default, so that no program can know them.

    Raises:
        ContractError: the target cannot be reached. RunFolderError: the folder cannot be made.
    """
    # raises now, not at the first score, where it cannot be reached
    replace(problem.objective, target=config.target)
    info = RunInfo(
        problem=problem.name,
        goal=problem.goal,
        objective=problem.objective,
        measures=problem.measures,
        islands=config.islands.islands,
        seed=config.seed,
        started_at=time.time(),
        models=config.models.names,
        known=_known_scores(problem),
    )
    settings = {"config": config.to_json(), "info": info.to_json(), "problem": problem.source.to_json()}
    folder.create(
        settings if start is None else {**settings, "start": start.to_json()}, secret or new_secret()
    )


def _known_scores(problem: Problem | Description) -> dict[str, float]:
    """Returns the best published value and that of a method without a model, where a problem names them."""
    if isinstance(problem, Description):
        return {}
    values = [one.value for one in problem.best_known if not one.scope]
    known = {"best known": max(values, key=problem.objective.fitness)} if values else {}
    return known | ({"baseline": problem.baseline.value} if problem.baseline else {})


def start_of(folder: RunFolder) -> Incumbent | None:
    """Returns the output that the first program of a run was handed, None where programs start from nothing."""
    data = folder.read_settings().get("start")
    return None if data is None else Incumbent.from_json(data)


def replayed_state(folder: RunFolder) -> RunState:
    """Returns what a run knows: see `replayed`."""
    return replayed(folder)[0]


def replayed(folder: RunFolder) -> tuple[RunState, LearningComponents]:
    """Returns what a run knows and what it learned, from its journal alone; nothing is written and no program runs.

    Raises:
        RunFolderError: this is no run folder. JournalError: its journal cannot be read.
    """
    settings = folder.read_settings()
    config = RunConfig.from_json(settings["config"])
    problem = load_source(ProblemSource.from_json(settings["problem"]))
    coordinator, parts = assemble(problem, config, folder.path.name, start_of(folder))
    with no_cycle_collection():
        for entry in current_entries(folder.journal):
            coordinator.replay(entry)
            parts.take_in(entry)
    return coordinator.state, parts


def import_items(folder: RunFolder, items: Iterable[Item]) -> None:
    """Adds the items of another run's memory to a run that nobody works on.

    Raises:
        RunError: the run remembers nothing. RunFolderError: a process works on it.
    """
    config = RunConfig.from_json(folder.read_settings()["config"])
    if not config.memory.enabled:
        raise RunError(
            f"{folder.path} remembers nothing; begin a run with --memory, or with enabled = true under [memory]"
        )
    with folder.lock():
        journal = Journal(folder.journal)
        try:
            journal.append([{"type": IMPORTED, "items": [item.to_json() for item in items]}])
        finally:
            journal.close()


def check_injection(folder: RunFolder, program: Program) -> None:
    """Checks that a run can take a program in.

    Raises:
        ConfigError: it lacks files, or changes what is frozen.
    """
    seed = load_source(ProblemSource.from_json(folder.read_settings()["problem"])).seed
    if refusal := check_frozen(seed, completed(program, seed)):
        raise ConfigError(f"this program cannot be taken in: {refusal}")


def run_folder(path: Path) -> RunFolder:
    """Returns the run folder at a path."""
    return RunFolder(path.expanduser().absolute())


def check_experiments(config: RunConfig, broker: str | None) -> None:
    """Checks that the operators that work for a while can do so here.

    Raises:
        RunError: they are asked for with a broker, or there can be no jail on this machine.
    """
    active = [name for name, weight in weights_of(config).items() if weight > 0]
    experimenters = [name for name in active if isinstance(OPERATORS.get(name), Experimenter)]
    if experimenters and broker:
        raise RunError(
            f"operators {', '.join(experimenters)} work on the machine that runs the search: leave --broker out, or choose others"
        )
    if "agent" in experimenters and (reason := why_not()):
        raise RunError(f"operator agent cannot work here: {reason}")


def check_operators(config: RunConfig, *, is_study: bool = False) -> None:
    """Checks that the operators can work with what there is, and that there are such stop rules.

    Raises:
        RunError: only operators that need a model were asked for, and there is none.
        ConfigError: a stop rule is unknown, or does not take its text.
    """
    make_stop_rules(config.stoppers)
    active = [name for name, weight in weights_of(config).items() if weight > 0]
    if missing := [name for name in active if name not in OPERATORS]:
        raise RunError(
            f"operators {', '.join(missing)} are not installed here; install the package that has them, or choose among "
            + ", ".join(OPERATORS)
        )
    if ASK_OPERATOR in active and not is_study:
        raise RunError(
            "operator ask is answered from outside: begin or go on with discovery.study() in Python"
        )
    needing = [name for name in active if OPERATORS[name].needs_model and name != ASK_OPERATOR]
    if needing and not config.models.models:
        raise RunError(
            f"operators {', '.join(needing)} need a model: name one with --model, or choose among "
            + ", ".join(name for name, operator in OPERATORS.items() if not operator.needs_model)
        )


@contextlib.contextmanager
def no_cycle_collection() -> Iterator[None]:
    """While a journal is read, nothing becomes garbage in cycles; what is read then is not looked at again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
