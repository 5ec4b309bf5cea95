"""The archives of a run, as its index tells them: without a replay where every elite is known."""

from __future__ import annotations

from discovery.execution.runs import replayed_state, start_of
from discovery.search.assembly import new_state
from discovery.search.components import LearningComponents
from discovery.settings.config import RunConfig
from discovery.storage.index import Index
from discovery.storage.run_folder import RunFolder
from evaluators.problems.loading import ProblemSource, load_source
from islands.archipelago import Archipelago


def population_of(folder: RunFolder, index: Index) -> Archipelago:
    """Returns the archives of a run, to read: who stands in which cell, and not who was a parent when.

    Raises:
        RunFolderError: this is no run folder. JournalError: its journal cannot be read.
    """
    settings = folder.read_settings()
    problem = load_source(ProblemSource.from_json(settings["problem"]))
    config = RunConfig.from_json(settings["config"])
    state = new_state(problem, config, LearningComponents(), start_of(folder))
    archives = state.archipelago
    if index.has_purges or archives.order == "pareto":  # who stands where depends on who came before
        return replayed_state(folder).archipelago
    for island, _, number in index.elites():
        state.restore(island, index.record(number))
    return archives
