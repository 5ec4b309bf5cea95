"""The stop rules of a run, which it names as `stoppers`; one of them is shipped, through the seam that others use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from discovery.core import plugins
from discovery.core.errors import ConfigError
from discovery.core.events import Finish
from discovery.core.population import Population
from discovery.core.results import EvaluationResult, NoteRecord, RejectedProposal
from discovery.core.stopping import Stopper


class NoGain:
    """Ends a run when so many evaluations in a row changed no archive: no cell got its first program or a better one.

    Weaker than a patience with the best score: a search that still finds new kinds of programs goes on.
    """

    def __init__(self, text: str) -> None:
        try:
            self._most = int(text)
        except ValueError:
            self._most = 0
        if self._most < 1:
            raise ConfigError(
                f"stopper no_gain must be given a number of evaluations >= 1, got {text!r}; as in: no_gain=500"
            )
        self._since = 0

    def learn(self, result: EvaluationResult) -> None:
        """Counts the evaluations since the last change of an archive."""
        self._since = 0 if result.changes else self._since + 1

    def reason(self, population: Population) -> str | None:
        """Returns how long no archive has changed, once that is long enough."""
        return f"no archive changed in {self._since} evaluations" if self._since >= self._most else None


class StopRules:
    """All stop rules of a run; a `Learner`."""

    def __init__(self, stoppers: Mapping[str, Stopper]) -> None:
        self._stoppers = stoppers

    def learn(self, result: EvaluationResult) -> None:
        """Tells them of an evaluated program."""
        for stopper in self._stoppers.values():
            stopper.learn(result)

    def learn_rejected(self, rejected: RejectedProposal) -> None:
        """Ignores it: no program was evaluated."""

    def learn_note(self, note: NoteRecord) -> None:
        """Ignores it: no program was evaluated."""

    def end(self, population: Population) -> Finish | None:
        """Returns how the run should end now, by the first rule that says so."""
        for name, stopper in self._stoppers.items():
            if (reason := stopper.reason(population)) is not None:
                return Finish(f"stopper:{name}", f"{name}: {reason}")
        return None


def make_stop_rules(texts: Sequence[str]) -> StopRules:
    """Returns the rules of a list such as ("no_gain=500",).

    Raises:
        ConfigError: a rule that nobody registers, one that is named twice, or a text that it does not take.
    """
    found: dict[str, Stopper] = {}
    for text in texts:
        name, _, argument = text.partition("=")
        if name not in (known := plugins.names("discovery.stoppers")):
            near = get_close_matches(name, known, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ConfigError(f"unknown stopper {name!r}{hint}; there are: {', '.join(known)}")
        if name in found:
            raise ConfigError(f"stopper {name!r} is given twice; give it once")
        found[name] = plugins.load("discovery.stoppers")[name](argument)
    return StopRules(found)
