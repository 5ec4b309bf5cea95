"""Small made-up runs for the tests of the lineage, the history and the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from discovery.core.records import Change, Record
from discovery.core.types import ModelCall
from discovery.storage.git.repository import Repository
from evaluators.contract import Evaluation, Program, Status

CELLS = 16


def program_text(changed: Mapping[int, int] | None = None) -> str:
    lines = [f"def step_{n}(x):\n    return x + {(changed or {}).get(n, n)}\n" for n in range(12)]
    return "\n".join(lines)


def made_up_run(count: int, *, islands: int = 2, seed: int = 0) -> list[Record]:
    """Returns records as a run would make them: elites breed, some children fail, some cross over."""
    rng = np.random.default_rng(seed)
    values: dict[str, dict[int, int]] = {}
    archives: list[dict[int, tuple[str, float]]] = [{} for _ in range(islands)]
    records: list[Record] = []
    for index in range(count):
        island = index % islands
        parents = _parents(rng, archives[island], records, index)
        changed = {key: value for parent in parents for key, value in values.get(parent, {}).items()}
        changed[int(rng.integers(12))] = 1000 + index
        program = Program({"program.py": program_text(changed)})
        values[program.id] = changed
        evaluation, cell, changes = _judged(rng, archives, island, program.id, index)
        by_model = index % 4 == 3
        records.append(
            Record(
                index=index,
                program=program,
                program_id=program.id,
                parents=parents,
                evaluation=evaluation,
                operator="seed"
                if index == 0
                else ("diff" if by_model else ("splice" if len(parents) > 1 else "tune")),
                island=island,
                cell=cell,
                decision=index,
                calls=(ModelCall("openai/gpt", 800, 200, None if index % 8 == 7 else 0.002, 1.5),)
                if by_model
                else (),
                texts={"plan": "Raise one constant.\nKeep the rest."} if by_model else {},
                at_s=1_700_000_000.0 + index * 0.7,
                changes=changes,
            )
        )
    return records


def _parents(
    rng: np.random.Generator, archive: Mapping[int, tuple[str, float]], records: list[Record], index: int
) -> tuple[str, ...]:
    if index == 0:
        return ()
    elites = sorted(program_id for program_id, _ in archive.values()) or [records[0].program_id]
    return tuple(
        str(p) for p in rng.choice(elites, min(len(elites), 2 if index % 5 == 0 else 1), replace=False)
    )


def _judged(
    rng: np.random.Generator,
    archives: list[dict[int, tuple[str, float]]],
    island: int,
    program_id: str,
    index: int,
) -> tuple[Evaluation, int | None, tuple[Change, ...]]:
    if index % 6 == 5:
        failed = Evaluation(
            Status.ERROR,
            reason="ValueError: too small",
            feedback="Traceback:\n  line 1",
            cases_total=3,
            wall_s=0.25,
        )
        return failed, None, ()
    score = float(round(1 + index / 100 + rng.random() / 10, 6))
    cell = int(rng.integers(CELLS))
    changes = [
        Change(where, cell, program_id, archives[where].get(cell, (None, 0.0))[0], cause)
        for where, cause in ((island, "birth"), ((island + 1) % len(archives), "migration"))
        if (cause == "birth" or index % 7 == 0) and archives[where].get(cell, ("", 0.0))[1] < score
    ]
    for change in changes:
        archives[change.island][cell] = (program_id, score)
    evaluation = Evaluation(
        Status.OK,
        score,
        {"score": score, "evenness": score / 2},
        (cell % 4 + 0.5, cell // 4 + 0.5),
        cases_done=3,
        cases_total=3,
        cpu_s=0.01,
        wall_s=0.02,
        layers=("landlock", "rlimits", "seccomp"),
        certificate=[score, index],
    )
    return evaluation, cell, tuple(changes)


def refs(path: Path) -> dict[str, str]:
    lines = Repository(path).run("for-each-ref", "--format=%(refname:short) %(objectname)").splitlines()
    return dict(line.split(" ") for line in lines)  # type: ignore[misc]


def fsck(path: Path) -> str:
    return Repository(path).run("fsck", "--full", "--strict", "--no-progress")
