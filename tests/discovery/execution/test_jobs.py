from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from discovery.core.events import NotProposed, Proposed
from discovery.core.types import Individual, Model, ModelCall, ModelError, Proposal, ProposeJob, Reply
from discovery.execution.jobs import propose
from discovery.learning.tuning import Tuner
from discovery.llm.client import ChatModels
from discovery.llm.meter import CallMeter
from discovery.search.context import bare_context
from discovery.search.state import RunState, Statement
from discovery.settings.learning import TuningConfig
from discovery.settings.models import ModelConfig
from evaluators.contract import Evaluation, Objective, Program, Status
from islands.archipelago import Archipelago, IslandsConfig

SEED = Program({"program.py": "x = 0.5\n"})
STATE = RunState(
    Statement("toy", "Find 0.7.", "", Objective(), SEED),
    lambda: Archipelago(IslandsConfig(), []),
    Tuner(TuningConfig(), seed=1),
)
PARENT = Individual(SEED, Evaluation(Status.OK, score=0.0), SEED.id)
JOB = ProposeJob("0-ask", "ask", 0, 0, (PARENT,), bare_context(STATE), (1, 2))


class Fixed:
    def __init__(self, name: str) -> None:
        self.name = name

    def complete(self, messages, *, rng) -> Reply:
        return Reply("", ModelCall(self.name, 1, 1, None, 0.0))


class Several(Fixed):
    def for_job(self, name: str | None, avoid: Sequence[str], meter: CallMeter) -> Model:
        if name is None:
            return self
        if name == "gone":
            raise ModelError("model 'gone' was chosen, and the settings do not name it", is_fatal=True)
        return Fixed(name)


class Ask:
    name, needs_model, parents_needed = "ask", True, 1

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal:
        assert model is not None
        return Proposal(SEED, (SEED.id,), (model.complete((), rng=rng).call,))


@pytest.mark.parametrize(
    ("model", "asked", "answers"),
    [
        (Several("any"), "dear", "dear"),
        (Several("any"), None, "any"),
        (Fixed("alone"), "dear", "alone"),  # a model behind which there is no other
    ],
)
def test_the_model_that_a_job_names_is_asked(model: Model, asked: str | None, answers: str) -> None:
    event = propose(replace(JOB, model=asked), Ask(), model)
    assert isinstance(event, Proposed)
    assert event.proposal.calls[0].model == answers


def test_a_model_that_the_settings_do_not_name_ends_the_run_with_its_name() -> None:
    event = propose(replace(JOB, model="gone"), Ask(), Several("any"))
    assert isinstance(event, NotProposed)
    assert event.is_fatal
    assert "gone" in event.reason


def test_litellm_models_can_be_asked_for_one_by_one() -> None:
    model = ChatModels(ModelConfig(models=(("a", 1.0), ("b", 3.0))))
    assert model.for_job("b", (), CallMeter())._config.names == ("b",)
    assert model.for_job(None, ("b",), CallMeter())._config.names == ("a",)
    with pytest.raises(ModelError, match="'c'"):
        model.for_job("c", (), CallMeter())


def test_a_child_that_cannot_be_read_is_refused_with_what_it_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    call = ModelCall("a", 1, 1, 0.5, 0.0)

    class Writes:
        def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal:
            return Proposal(SEED, (PARENT.program_id,), (call,))

    def fails(_: Program) -> str:
        raise RecursionError("too deep")

    monkeypatch.setattr("discovery.execution.jobs.fingerprint", fails)
    event = propose(JOB, Writes(), None)  # type: ignore[arg-type]
    assert event == NotProposed(JOB.job_id, "the program cannot be read: RecursionError: too deep", (call,))
