"""Which models may be asked: a circuit breaker for each, in minutes, and the end of those that are of no use any more.

A model that fails is left alone for a second, then two, four, up to a minute, or for as long as it asks (Retry-After),
and then asked by one call alone. The first answer ends the outage. A model is retired, for this session, when its fault
cannot pass (key refused, unknown, no credit), when it has been away for too long, or when what it says is of no use.

Time is the run's working time, in seconds, as the coordinator is told it. No clock, no chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from discovery.core.events import Instruction, NotProposed, Save, Tell
from discovery.core.types import ModelCall

WASTE_LIMIT = 30
"""Paid replies of a model in a row that gave no new program, after which it is asked no more."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
UNHEARD_SHARE = 0.2
"""The part of the longest outage that is granted to a model which has not answered once in this run."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Whom the next call may go to: to `only` that model, if one is named; to none of `avoid` in any case."""

    only: str | None = None
    avoid: tuple[str, ...] = ()


@dataclass(slots=True)
class _Outage:
    since_s: float
    until_s: float
    failures: int = 1
    probe: str | None = None


class ModelHealth:
    """The models of a run, as far as they answer.

    Args:
        names: as in the settings; where none is known, what fails is the endpoint as a whole.
        outage_s: how long a model may be away.
        slots: calls at the same time; more of them may waste a few replies more before that is known.

    Attributes:
        retired: the models that are not asked any more in this session, and why.
    """

    def __init__(self, names: Sequence[str], *, outage_s: float, slots: int) -> None:
        self._names = tuple(names) or ("",)
        self._outage_s = outage_s
        self._waste_limit = max(WASTE_LIMIT, 3 * slots)
        self._outages: dict[str, _Outage] = {}
        self._heard: set[str] = set()
        self._wasted: dict[str, int] = {}
        self.retired: dict[str, str] = {}

    @property
    def is_hopeless(self) -> bool:
        """Whether no model is left."""
        return len(self.retired) == len(self._names)

    def waits(self, now_s: float) -> tuple[str, ...]:
        """Returns which models are left alone now, and which for good, in a person's words."""
        away = (
            f"{_named(name)} does not answer; it is asked again in {max(outage.until_s - now_s, 0):.0f} s"
            for name, outage in self._outages.items()
        )
        return (
            *away,
            *(f"{_named(name)} is asked no more: {reason}" for name, reason in self.retired.items()),
        )

    def asking(self, now_s: float) -> Asking | None:
        """Returns whom the next call may go to; None where nobody can be asked now."""
        if not self.retired and not self._outages:
            return Asking()
        closed = (*self.retired, *self._outages)
        for name, outage in self._outages.items():
            if outage.probe is None and now_s >= outage.until_s:
                return Asking(name, tuple(one for one in closed if one != name))
        return None if len(closed) == len(self._names) else Asking(None, closed)

    def begin(self, job_id: str, asking: Asking) -> None:
        """Notes that a call goes out."""
        if asking.only is not None:
            self._outages[asking.only].probe = job_id

    def heard(self, calls: Sequence[ModelCall]) -> None:
        """Notes, in a replay, that these calls were made."""
        self._heard.update(self._known(call.model) for call in calls)

    def answered(self, job_id: str, calls: Sequence[ModelCall], now_s: float) -> list[Instruction]:
        """Takes in that an operator came back without an error of its model, and says so if that ends an outage."""
        self._end_probe(job_id)
        told: list[Instruction] = []
        for name in {self._known(call.model) for call in calls[-1:]}:
            self._heard.add(name)
            if (outage := self._outages.pop(name, None)) is not None:
                told.append(Tell(f"{_named(name)} answers again, after {now_s - outage.since_s:.0f} s"))
        return told

    def failed(self, event: NotProposed, now_s: float) -> list[Instruction]:
        """Takes in that a model failed, and returns what to journal and to tell."""
        self._end_probe(event.job_id)
        name = self._known(event.model)
        if name in self.retired:
            return []
        if event.is_fatal:
            return self._retire(name, event.reason)
        outage = self._outages.get(name)
        if outage is None:
            pause_s = FIRST_PAUSE_S if event.retry_after_s is None else event.retry_after_s
            self._outages[name] = _Outage(now_s + (event.retry_after_s or 0.0), now_s + pause_s)
            waits = f"asked again in {pause_s:.0f} s, given up after {self._limit_s(name) / 60:.3g} min"
            return [Tell(f"{event.reason}; {waits}")]
        if now_s < outage.until_s:  # a call that was under way when the first one failed
            return []
        if event.retry_after_s is not None:  # what it asks for is no outage: that counts from there on
            outage.since_s, outage.until_s = now_s + event.retry_after_s, now_s + event.retry_after_s
            return [Tell(f"{event.reason}; asked again in {event.retry_after_s:.0f} s, as it wants")]
        if now_s - outage.since_s >= self._limit_s(name):
            return self._retire(name, f"{event.reason}; for {(now_s - outage.since_s) / 60:.3g} min now")
        outage.until_s = now_s + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**outage.failures)
        outage.failures += 1
        return []

    def useful(self, calls: Sequence[ModelCall]) -> None:
        """Notes that a reply gave a new program."""
        for call in calls[-1:]:
            self._wasted[self._known(call.model)] = 0

    def wasted(self, calls: Sequence[ModelCall], reason: str) -> list[Instruction]:
        """Notes that a paid reply gave none; a model that does so too often is retired."""
        for call in calls[-1:]:
            name = self._known(call.model)
            self._wasted[name] = count = self._wasted.get(name, 0) + 1
            if count >= self._waste_limit and name not in self.retired:
                what = f"{count} paid replies in a row gave no new program; the last: {reason}"
                return self._retire(name, what)
        return []

    def _retire(self, name: str, reason: str) -> list[Instruction]:
        self._outages.pop(name, None)
        self.retired[name] = reason
        left = [one for one in self._names if one not in self.retired]
        rest = f"; goes on with {', '.join(left)}" if left else ""
        entry: Mapping[str, str] = {"type": "retired", "model": name, "reason": reason}
        return [Save(entry), Tell(f"{_named(name)} is asked no more: {reason}{rest}")]

    def _end_probe(self, job_id: str) -> None:
        for outage in self._outages.values():
            if outage.probe == job_id:
                outage.probe = None

    def _limit_s(self, name: str) -> float:
        return self._outage_s * (1.0 if name in self._heard else UNHEARD_SHARE)

    def _known(self, model: str) -> str:
        """Returns the name under which a model is known here; the first where it is none of the settings'."""
        return model if model in self._names else self._names[0]


def _named(name: str) -> str:
    return f"model {name}" if name else "the model"
