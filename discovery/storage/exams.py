"""What a run says of its programs on held-out cases."""

from __future__ import annotations

from collections.abc import Mapping

from discovery.core.errors import ConfigError
from discovery.core.held_out import Agreement, Exam, agreement, exam_of
from discovery.core.records import RunInfo
from discovery.storage.index import open_index
from discovery.storage.run_folder import RunFolder
from evaluators.contract import Objective


def read_exams(folder: RunFolder) -> dict[str, Exam]:
    """Returns what became of programs on the held-out cases, by id, in the order in which it became known.

    Raises:
        JournalError: the journal cannot be read.
    """
    with open_index(folder) as index:
        return {entry["program_id"]: exam_of(entry) for entry in index.entries(("held_out",))}


def objective_of(folder: RunFolder) -> Objective:
    """Returns what a run optimises.

    Raises:
        RunFolderError: it is no run folder.
        RecordError: what it says of itself cannot be read.
    """
    return RunInfo.from_json(folder.read_settings()["info"]).objective


def best_examined(exams: Mapping[str, Exam], objective: Objective) -> str:
    """Returns the id of the program that is best on the held-out cases.

    Raises:
        ConfigError: none has a score there.
    """
    scored = {key: score for key, exam in exams.items() if (score := exam.score(objective)) is not None}
    if not scored:
        raise ConfigError("no program of this run has a score on held-out cases; leave out --by held-out")
    return max(scored, key=lambda key: objective.fitness(scored[key]))


def read_agreement(folder: RunFolder, exams: Mapping[str, Exam]) -> Agreement:
    """Returns how the visible scores of the programs that were examined agree with their held-out scores.

    Raises:
        JournalError: the journal cannot be read.
    """
    objective = objective_of(folder)
    pairs: list[tuple[float, float]] = []
    with open_index(folder) as index:
        for program_id, exam in exams.items():
            score = next((index.fact(number).score for number, _ in index.find(program_id, 1)), None)
            if score is not None and (held_out := exam.score(objective)) is not None:
                pairs.append((score, held_out))
    return agreement(pairs)
