"""A whole run of the command line with agents in jails, killed on the way: nothing that was paid for or judged is lost."""

from __future__ import annotations

import pytest

from benchmarks.agents import EVALUATIONS_OF_A_JOB, killed
from discovery.core.errors import RunError
from discovery.execution.runs import check_experiments
from discovery.settings.config import RunConfig
from evaluators.sandbox.jail.jail import why_not


@pytest.mark.timeout(500)
@pytest.mark.skipif(bool(why_not()), reason="no namespaces on this machine")
def test_a_killed_run_owes_and_loses_nothing_and_books_every_call() -> None:
    found, _ = killed("circle_packing", [2.5], evals=8)
    assert (found.owed, found.lost) == (0, 0)
    assert found.evaluations == 8
    assert found.most_trials <= EVALUATIONS_OF_A_JOB
    assert (
        found.asked <= found.calls <= found.asked + 2
    )  # what was booked and not sent yet when the kill came
    assert found.tokens >= found.told_tokens


def test_agents_and_brokers_do_not_go_together() -> None:
    config = RunConfig("circle_packing", 1, operators={"agent": 1.0})
    with pytest.raises(RunError, match="leave --broker out"):
        check_experiments(config, "redis://127.0.0.1:1/0")
    check_experiments(RunConfig("circle_packing", 1, operators={"tune": 1.0}), "redis://127.0.0.1:1/0")
