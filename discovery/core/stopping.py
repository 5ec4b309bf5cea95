"""Rules that end a run before its budget is used up, of any package."""

from __future__ import annotations

from typing import Protocol

from discovery.core.population import Population
from discovery.core.results import EvaluationResult


class Stopper(Protocol):
    """Says when a run has done what can be expected of it; that is a success, and the run's exit code 0.

    Registered under `discovery.stoppers` as something that makes one from the text after `NAME=` in `--stopper NAME=TEXT`
    ("" where there is none), and raises `ConfigError` where the text is none of its own.

    Contract: a pure, quick fold of the evaluated programs, in order, live and when a journal is replayed, so that it survives
    a resume by itself; never raises. `reason` only looks.
    """

    def learn(self, result: EvaluationResult) -> None:
        """Takes in an evaluated program."""
        ...

    def reason(self, population: Population) -> str | None:
        """Returns why the run should end now, in a sentence for people; None while it should go on."""
        ...
