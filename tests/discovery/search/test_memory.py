"""What a coordinator holds does not grow with the run, but for what it must know of every program: that it was there."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import pytest

from discovery.core.records import Record
from discovery.core.types import ModelCall
from discovery.programs.fingerprint import fingerprint
from discovery.search.assembly import assemble
from discovery.search.coordinator import Coordinator
from discovery.settings.config import RunConfig
from discovery.settings.models import ModelConfig
from evaluators.contract import Evaluation, Program, Status
from evaluators.problems.loading import load_problem

EVENTS = 100_000
PER_PROGRAM = {"_known": 250, "Genealogy._nodes": 700, "coordinator._outcomes": 60}
"""What may hold something of every program, and how many bytes of it: fingerprints; what models are told of, where there are
models; the numbers of decisions whose calls are booked."""
REST_BYTES = 8 << 20
SLACK_BYTES = 128 << 10
_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, property)


def sizes(coordinator: Coordinator) -> Counter[str]:
    """Returns the bytes that hang on each attribute of the coordinator and of its state; what is shared counts once."""
    seen: set[int] = set()
    found: Counter[str] = Counter()
    state = coordinator.state
    roots = [
        (f"{type(one).__name__}.{name}", value)
        for one in state._learners
        for name, value in vars(one).items()
    ]
    roots += [(name, value) for name, value in vars(state).items() if name != "_learners"]
    roots += [(f"coordinator.{name}", value) for name, value in vars(coordinator).items() if name != "state"]
    for name, root in roots:
        waiting = [root]
        while waiting:
            one = waiting.pop()
            if id(one) in seen or isinstance(one, _SHARED):
                continue
            seen.add(id(one))
            found[name] += sys.getsizeof(one)
            waiting += gc.get_referents(one)
    return found


def told(count: int, seed: Program) -> Iterator[dict[str, Any]]:
    """Yields the entries of a run of mutations, tuning sessions and children of a model, many of which fail."""
    rng = np.random.default_rng(0)
    recent: list[Program] = [seed]
    session, step = 0, 0
    for number in range(count):
        parent = recent[int(rng.integers(len(recent)))]
        kind = ("perturb", "tune", "diff", "tune", "repair")[number % 5] if number else "seed"
        values = ", ".join(f"{value:.9f}" for value in rng.random(3))
        program = seed.with_text(f"def answer():\n    return [{values}]\n") if number else seed
        calls = (ModelCall("some/model", 900, 100, 0.001, 1.0),) if kind in ("diff", "repair") else ()
        is_ok = number % 7 != 3
        score = -float(rng.random()) + number * 1e-7
        place = float(rng.random())
        evaluation = (
            Evaluation(Status.OK, score, {"closeness": score, "first": place}, (place,))
            if is_ok
            else Evaluation(Status.ERROR, reason=f"ValueError: {number}")
        )
        record = Record(
            number,
            program,
            program.id,
            (parent.id,) if number else (),
            evaluation,
            kind,
            0,
            None,
            number,
            calls,
            {"idea": f"idea {number}"} if calls else {},
            at_s=float(number),
            fingerprint=fingerprint(program),
            model="some/model" if calls else None,
        )
        if kind == "tune":
            record = replace(record, session=session, step=step)
            step += 1
            if step == 40:
                session, step = session + 1, 0
        yield {"type": "evaluated", "record": record.to_json()}
        if calls and number % 3 == 0:
            lost = [asdict(call) for call in calls]
            yield {
                "type": "unproposed",
                "decision": number,
                "operator": kind,
                "island": 0,
                "reason": "no code",
                "calls": lost,
            }
        if is_ok:
            recent = [*recent[-30:], program]


@pytest.mark.timeout(900)
def test_nothing_grows_with_the_run_but_what_is_known_of_every_program(toy: Path) -> None:
    models = ModelConfig(models=(("some/model", 1.0),))
    config = RunConfig(str(toy), 1, models=models)
    problem = load_problem(config.problem)
    coordinator, _ = assemble(problem, config, "run", None)
    middle: Counter[str] = Counter()
    half = EVENTS // 2
    for entry in told(EVENTS, problem.seed):
        if entry["type"] == "evaluated" and entry["record"]["index"] == half and not middle:
            middle = sizes(coordinator)
        coordinator.replay(entry)
    end = sizes(coordinator)
    assert coordinator.state.ledger.evaluations == EVENTS
    grown = {name: end[name] - middle[name] for name in end if end[name] > 1.25 * middle[name] + SLACK_BYTES}
    assert set(grown) <= set(PER_PROGRAM), grown
    assert {name: end[name] for name, most in PER_PROGRAM.items() if end[name] > most * EVENTS} == {}
    rest = sum(size for name, size in end.items() if name not in PER_PROGRAM)
    assert rest < REST_BYTES, end.most_common(8)
