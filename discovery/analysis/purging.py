"""Purging: a program that was found to cheat is taken out of a run, with all that descends from it and was learned from it.

Nothing that was evaluated is lost: the journal keeps every line, and a line `purged` says which program, and why.
Whoever reads the journal from then on reads that the program, and every descendant, was rejected for that reason. So
whatever is a fold of the journal (archives, best, sessions of tuning, bandit, memory) is as if they had failed, and the
lineage is written anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from discovery.core.errors import RunError
from discovery.core.records import Record
from discovery.core.texts import one_line
from discovery.execution.runs import start_of
from discovery.search.assembly import new_state
from discovery.search.components import LearningComponents
from discovery.search.state import RunState
from discovery.settings.config import RunConfig
from discovery.storage.git.lineage import rebuild
from discovery.storage.journal import Journal, read_entries
from discovery.storage.purged import (
    PURGED,
    Entry,
    current_records,
    find_purges,
    is_purged,
)
from discovery.storage.run_folder import RunFolder
from evaluators.problems.loading import ProblemSource, load_source

MAX_REASON_CHARS = 200


def purge_entry(program_id: str, reason: str) -> Entry:
    """Returns the line that purges a program."""
    return {"type": PURGED, "program_id": program_id, "reason": reason}


def purge(folder: RunFolder, program: str, reason: str, *, make_state: Callable[[], RunState]) -> list[str]:
    """Purges a program of a run that nobody works on, and returns the ids of all that went, itself first.

    Purging it again completes what a kill interrupted.

    Args:
        folder: the run.
        program: its id, or the beginning of it.
        reason: why; it stays in the journal and in git.
        make_state: makes a new state of this run.

    Raises:
        RunError: there is no such program, several begin so, or it is the first one of the run.
        RunFolderError: a process works on the run.
        JournalError, LineageError: they cannot be written.
    """
    with folder.lock():
        records = [e["record"] for e in read_entries(folder.journal) if e["type"] == "evaluated"]
        found = sorted({one["program_id"] for one in records if one["program_id"].startswith(program)})
        if len(found) != 1 or not program:
            how_many = f"{len(found)} programs" if found else "no program"
            raise RunError(
                f"{how_many} of {folder.path} begin with {program!r}; see: discovery log {folder.path}"
            )
        if records[0]["program_id"] == found[0]:
            raise RunError("the first program of a run cannot be purged, for all others descend from it")
        if found[0] not in find_purges(folder.journal):
            journal = Journal(folder.journal)
            try:
                journal.append([purge_entry(found[0], one_line(reason, MAX_REASON_CHARS))])
            finally:
                journal.close()
        state = make_state()
        gone: list[str] = []

        def current() -> Iterator[Record]:
            for record in current_records(folder.journal, state):
                if is_purged(record):
                    gone.append(record.program_id)
                yield record

        rebuild(folder.lineage, current(), state.statement.objective)
    return gone


def purge_program(folder: RunFolder, program: str, reason: str) -> list[str]:
    """Takes a program out of a run, with its descendants; returns their ids. See purging.py."""
    settings = folder.read_settings()
    problem = load_source(ProblemSource.from_json(settings["problem"]))
    config = RunConfig.from_json(settings["config"])
    return purge(
        folder,
        program,
        reason,
        make_state=lambda: new_state(problem, config, LearningComponents(), start_of(folder)),
    )
