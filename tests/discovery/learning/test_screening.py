"""Which replies of models are not worth an evaluation: how often that is right, and what keeps it from going too far."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.worlds.landscapes import World
from discovery.core.errors import ConfigError
from discovery.core.events import Evaluate, Evaluated, Finish, Propose, Proposed, Save
from discovery.core.records import Record
from discovery.core.results import RejectedProposal
from discovery.core.types import Individual, ModelCall, Proposal
from discovery.learning.line_effects import LEAST_FOR_PROMISE, LineEffects
from discovery.learning.screening import MOST_CREDIT, NEW_IDEA, Screen, is_screened
from discovery.learning.tuning import Tuner
from discovery.programs.fingerprint import fingerprint
from discovery.search.assembly import new_state
from discovery.search.components import LearningComponents
from discovery.search.coordinator import Coordinator
from discovery.search.model_health import WASTE_LIMIT
from discovery.search.scheduler import SearchSettings
from discovery.search.state import RunState, Statement
from discovery.settings.budget import Budget
from discovery.settings.config import RunConfig
from discovery.settings.learning import ScreeningConfig, TuningConfig
from discovery.settings.models import ModelConfig
from evaluators.contract import Evaluation, Incumbent, Objective, Program, Status
from islands.archipelago import Archipelago, IslandsConfig
from tests.discovery.learning.test_line_effects import (
    CALL,
    LETTERS,
    SLOTS,
    WORTH,
    choices,
    learned,
    program,
    result,
)


def worth(letters) -> float:
    return float(WORTH[np.arange(SLOTS), letters].sum())


def climb(n: int, seed: int):
    """Yields (child's letters, its parent's letters) of a hill climber that changes one or two slots blindly."""
    rng = np.random.default_rng(seed)
    best = rng.integers(len(LETTERS), size=SLOTS)
    for _ in range(n):
        child = best.copy()
        child[rng.choice(SLOTS, int(rng.integers(1, 3)), replace=False)] = rng.integers(len(LETTERS))
        yield child, best
        if worth(child) > worth(best):
            best = child


def test_children_that_are_promised_little_are_seldom_better_and_others_often() -> None:
    low, high = [], []
    for seed in range(24):
        effects = LineEffects()
        for child, parent in climb(60, seed):
            promise = effects.promise(choices(child), choices(parent))
            if promise is not None and (child != parent).any():
                is_better = worth(child) > worth(parent)
                if promise.probability < 0.2:
                    low.append(is_better)
                elif promise.probability > 0.4:
                    high.append(is_better)
            effects.learn(result(choices(child), worth(child)))
    assert min(len(low), len(high)) > 80
    assert np.mean(low) < 0.05
    assert np.mean(high) > 0.25


def test_a_promise_knows_neither_the_unit_nor_the_zero_of_the_score() -> None:
    seen = [(choices(child), worth(child)) for child, _ in climb(LEAST_FOR_PROMISE, 3)]
    one, other = learned(seen), learned(seen, scale=1e-6, offset=-40.0)
    pairs = [(choices(child), choices(parent)) for child, parent in climb(30, 5)]
    ours = [one.promise(*pair).probability for pair in pairs]
    assert [other.promise(*pair).probability for pair in pairs] == pytest.approx(ours, abs=1e-3)
    assert sum(0.01 < probability < 0.99 for probability in ours) > 10


def test_lines_that_no_program_had_are_counted_and_leave_all_open() -> None:
    seen = [(choices(child), worth(child)) for child, _ in climb(60, 1)]
    effects = learned(seen)
    best = max(seen, key=lambda pair: pair[1])[0]
    lines = [line for line in best.text.split("\n") if line.startswith("slot_")]
    novel = program(*lines, "slot_0 = invented()", "slot_9 = invented()")
    promise = effects.promise(novel, best)
    assert promise.unknown == 2
    assert promise.probability == pytest.approx(0.5)
    assert effects.promise(best, best).probability == 0.5


def test_few_programs_promise_nothing() -> None:
    seen = [(choices(child), worth(child)) for child, _ in climb(LEAST_FOR_PROMISE, 2)]
    assert learned(seen[:-1]).promise(seen[0][0], seen[1][0]) is None
    assert learned(seen).promise(seen[0][0], seen[1][0]) is not None


# --- the screen


def individual(one: Program) -> Individual:
    return Individual(one, Evaluation(Status.OK, 1.0, {}, ()), one.id)


def taught(config: ScreeningConfig | None = None, *, credit: int = MOST_CREDIT):
    """Returns a screen, the best program and one that is known to be worse."""
    seen = [(choices(child), worth(child)) for child, _ in climb(80, 4)]
    screen = Screen(config or ScreeningConfig(audit=0.0), learned(seen), 1)
    for _ in range(credit):
        screen.learn(result(seen[0][0], 0.0))
    best = max(seen, key=lambda pair: pair[1])[0]
    effects = learned(seen)
    worse = min(
        (one for one, _ in seen if one != best), key=lambda one: effects.promise(one, best).probability
    )
    return screen, individual(best), worse


def test_a_child_that_was_found_to_be_worse_is_refused_and_one_that_should_be_better_is_not() -> None:
    screen, best, worse = taught()
    reason = screen.refusal(7, worse, best)
    assert is_screened(reason)
    assert best.program_id in reason
    assert screen.refusal(7, best.program, individual(worse)) == ""
    assert not is_screened("this program is known already")


def test_a_child_with_many_new_lines_is_never_refused() -> None:
    screen, best, worse = taught()
    lines = [line for line in worse.text.split("\n") if line.startswith("slot_")]
    new = [f"idea_{k} = {k}" for k in range(NEW_IDEA + 1)]
    assert screen.refusal(7, program(*lines, *new), best) == ""


def test_a_share_of_them_is_evaluated_all_the_same() -> None:
    screen, best, worse = taught(ScreeningConfig(audit=0.25))
    passed = [screen.refusal(number, worse, best) == "" for number in range(800)]
    assert np.mean(passed) == pytest.approx(0.25, abs=0.05)
    assert passed == [screen.refusal(number, worse, best) == "" for number in range(800)]
    assert taught(ScreeningConfig(threshold=0.0, audit=0.0))[0].refusal(7, worse, best) == ""


def test_no_more_replies_are_refused_than_were_evaluated() -> None:
    screen, best, worse = taught(credit=0)
    screen.learn(result(worse, 1.0, calls=()))
    assert screen.refusal(1, worse, best) == ""
    for _ in range(3 * MOST_CREDIT):
        screen.learn(result(worse, 1.0))
    for _ in range(MOST_CREDIT):
        reason = screen.refusal(1, worse, best)
        assert reason
        screen.learn_rejected(RejectedProposal("diff", None, "", 0, "no such line", (CALL,)))
        screen.learn_rejected(RejectedProposal("diff", None, "", 0, reason, (CALL,)))
    assert screen.refusal(1, worse, best) == ""


@pytest.mark.parametrize(("name", "value"), [("threshold", 0.6), ("threshold", -0.1), ("audit", 1.1)])
def test_settings_out_of_range_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        replace(ScreeningConfig(), **{name: value})


# --- in a run


class RequestReceived:
    name, needs_model, parents_needed = "diff", True, 1

    def propose(self, job, rng, model):
        raise AssertionError("the test answers for the model")


def make(screening: ScreeningConfig) -> Coordinator:
    effects = LineEffects()
    state = RunState(
        Statement("toy", "", "", Objective(), choices([0] * SLOTS)),
        lambda: Archipelago(IslandsConfig(islands=1), []),
        Tuner(TuningConfig(), seed=1),
        line_effects=effects,
        screen=Screen(screening, effects, 1),
    )
    plan = SearchSettings(1, 1, 1, {"diff": 1.0}, Budget(evaluations=100))
    return Coordinator(plan, state, {"diff": RequestReceived()})


def drive(coordinator: Coordinator, replies: int) -> tuple[list[dict], Finish | None]:
    """Answers so many questions blindly; returns the journal, and the end if it came."""
    rng = np.random.default_rng(6)
    todo, journal, end, asked = list(coordinator.start()), [], None, 0
    while todo:
        one = todo.pop(0)
        if isinstance(one, Save):
            entry = dict(one.entry)
            if isinstance(entry.get("record"), Record):
                entry["record"] = entry["record"].to_json()
            journal.append(json.loads(json.dumps(entry)))
        elif isinstance(one, Finish):
            end = one
        elif isinstance(one, Evaluate):
            letters = [
                LETTERS.index(line[-2]) for line in one.job.program.text.split("\n") if "choose" in line
            ]
            done = Evaluation(Status.OK, worth(letters), {}, (), cases_total=1)
            todo += coordinator.handle(Evaluated(one.job.job_id, done, 0.0))
        elif isinstance(one, Propose) and asked < replies:
            asked += 1
            (parent,) = one.job.parents
            letters = [
                LETTERS.index(line[-2]) for line in parent.program.text.split("\n") if "choose" in line
            ]
            letters[int(rng.integers(SLOTS))] = int(rng.integers(len(LETTERS)))
            child = choices(letters)
            call = ModelCall("fake", 900, 100, 0.01, 1.0)
            proposal = Proposal(child, (parent.program_id,), (call,))
            todo += coordinator.handle(Proposed(one.job.job_id, proposal, fingerprint(child), ""))
    coordinator.validate()
    return journal, end


def test_a_run_pays_for_what_it_refuses_and_spends_no_evaluation_on_it() -> None:
    coordinator = make(ScreeningConfig(threshold=0.4))
    journal, end = drive(coordinator, 90)
    screened = [one for one in journal if one["type"] == "unproposed" and is_screened(one["reason"])]
    ledger = coordinator.state.ledger
    assert end is None
    assert len(screened) > 10
    assert ledger.calls == 90
    assert ledger.cost_usd == pytest.approx(0.9)
    assert coordinator.state.screen.refused == len(screened)
    for one in screened:  # what was paid for can be read
        assert "choose" in Program.from_json(one["program"]).text
    assert ledger.evaluations == sum(one["type"] == "evaluated" for one in journal)
    all_evaluated = make(ScreeningConfig(threshold=0.0))
    drive(all_evaluated, 90)
    assert all_evaluated.state.ledger.evaluations > ledger.evaluations + 10


def test_every_reply_is_evaluated_where_one_score_does_not_tell_which_program_is_better() -> None:
    config = RunConfig("toy", 1, models=ModelConfig(models=(("m", 1.0),)))
    one = World("lessons", 1).problem
    two = replace(one, objective=Objective("share", also=(("size", "minimize"),)))
    off = replace(config, screening=ScreeningConfig(enabled=False))
    assert new_state(one, config, LearningComponents(), None).screen is not None
    for state in (
        new_state(two, config, LearningComponents(), None),
        new_state(one, config, LearningComponents(), Incumbent([1.0], 0.5)),
        new_state(one, off, LearningComponents(), None),
    ):
        assert state.screen is None
        assert state.line_effects is None
    assert new_state(one, RunConfig("toy", 1), LearningComponents(), None).screen is None


def test_refusals_are_no_sign_of_a_broken_model() -> None:
    coordinator = make(ScreeningConfig(threshold=0.5, audit=0.0))
    journal, end = drive(coordinator, 120)
    assert end is None
    assert sum(one["type"] == "unproposed" for one in journal) > WASTE_LIMIT


def test_a_replay_may_refuse_as_many_as_the_live_run() -> None:
    live = make(ScreeningConfig(threshold=0.4))
    journal, _ = drive(live, 60)
    again = make(ScreeningConfig(threshold=0.4))
    for entry in journal:
        again.replay(entry)
    best, tried = again.state.best, [choices(child) for child, _ in climb(30, 8)]
    assert best is not None
    for screen in (live.state.screen, again.state.screen):  # may a refusal be paid for?
        screen.learn(result(tried[0], None))
    said = [
        [each.state.screen.refusal(k, one, best) for k, one in enumerate(tried)] for each in (live, again)
    ]
    assert said[0] == said[1]
    assert any(said[0])


def test_whatever_was_paid_for_is_known_after_a_kill_at_any_line() -> None:
    journal, _ = drive(make(ScreeningConfig(threshold=0.4)), 60)
    for kept in range(len(journal) + 1):
        again = make(ScreeningConfig(threshold=0.4))
        for entry in journal[:kept]:
            again.replay(entry)
        paid = [one for one in journal[:kept] if one["type"] in ("proposed", "unproposed")]
        refused = [one for one in paid if one["type"] == "unproposed" and is_screened(one["reason"])]
        assert again.state.ledger.calls == sum(len(one["calls"]) for one in paid)
        assert again.state.screen.refused == len(refused)
    assert refused
