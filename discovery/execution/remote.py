"""An executor that hands jobs to the workers of a broker (what these do: worker.py; what they agree on: broker.py).

A job's id on the wire derives from its content. A worker claims it in one step of Redis (nobody has done it, nobody
is doing it), renews its lease while it works, and leaves the result under the job's id. So a job may be sent, handed
out and done twice, and its result read twice, and nothing changes. The executor looks after what is in flight itself:
a job whose worker's lease ran out, or of which there is no trace, is sent again. Redis is a broker, never the memory:
restarted empty, it is handed everything again that a run still waits for.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from discovery.core.clock import now_s
from discovery.core.events import Broken, Evaluated, EvaluateJob, Event, NotProposed
from discovery.core.types import ModelCall, Operator, ProposeJob
from discovery.execution.broker import (
    EVALUATE,
    PROPOSE,
    BrokerConfig,
    Keys,
    Levels,
    build_version,
    bundle_key,
)
from discovery.execution.celery import BROKER_ERRORS, connect, explained, make_app
from discovery.execution.jobs import propose
from discovery.execution.wire import content_id, event_from_json, from_plain, to_plain
from discovery.operators.registry import OPERATORS
from discovery.settings.config import RunConfig
from evaluators.contract import ContractError
from evaluators.problems.bundle import Bundle, hash_of, pack
from evaluators.problems.loading import Problem, ProblemSource

REFUSAL_LIMIT = 20
"""Refusals in a row, of any jobs, after which a run ends: no worker there is can do its work."""
_SWEEP_S = 2.0
_RENEW_S = 2.0
_ALIVE_S = 60
_UNSERVED_S = 15.0
_LONGEST_PAUSE_S = 5.0
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Flight:
    """A job that a run waits for. Times are of the executor's clock."""

    message: Mapping[str, Any]
    kind: str
    keys: Keys
    level: int
    patience_s: float
    begun_s: float = 0.0
    check_s: float = 0.0
    was_begun: bool = False


class CeleryExecutor:
    """Runs jobs on the workers of a broker. See `Executor` for the contract; one thread at a time.

    Operators that need no model work at once in the calling thread, as in the embedded executor.

    Args:
        config: the broker.
        run_id: what tells this run from all others, the same after a resume.
        problem: the problem's source; bundle: its files, where workers do not have them by name.
        secret: what hidden cases derive from; it goes to evaluators only.
        operators: by name; models: what proposers ask, None for no models.
        unsafe, tier: as in RunConfig.
        untrusted: whether the problem's own code is to be confined.
        monotonic, clock, sleep: time.
    """

    def __init__(
        self,
        config: BrokerConfig,
        *,
        run_id: str,
        problem: ProblemSource,
        bundle: Bundle | None,
        secret: bytes,
        operators: Mapping[str, Operator],
        models: Mapping[str, Any] | None = None,
        unsafe: bool = False,
        tier: int | None = None,
        untrusted: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = now_s,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        session = uuid.uuid4().hex
        self._config = config
        self._run_id = run_id
        self._operators = operators
        self._monotonic, self._clock, self._sleep = monotonic, clock, sleep
        self._data = bundle.encode() if bundle is not None else None
        self._bundle_id = hash_of(self._data) if self._data is not None else None
        self._common: dict[str, Any] = {
            "version": build_version(),
            "alive": f"discovery:alive:{session}",
            "calls": f"discovery:calls:{run_id}",
            "stream": f"discovery:events:{session}",
            "lease_s": config.lease_s,
            "keep_s": config.keep_s,
            "tries": config.tries,
        }
        self._judge: dict[str, Any] = {
            "problem": problem.to_json(),
            "bundle": self._bundle_id,
            "secret": secret.hex(),
            "unsafe": unsafe,
            "tier": tier,
            "untrusted": untrusted,
        }
        self._models = dict(models) if models else None
        self._app = make_app(config, consumes=False)
        self._redis = connect(config)
        self._asking_key = f"discovery:asking:{session}"
        self._may_ask = True
        self._flights: dict[str, _Flight] = {}
        self._unsent: deque[str] = deque()
        self._levels = {PROPOSE: Levels(), EVALUATE: Levels()}
        self._events: list[Event] = []
        self._unsettled: list[str] = []
        self._booked: list[str] = []
        self._served: set[str] = set()
        self._last_id = "0"
        self._server = ""
        self._renew_at_s = self._sweep_at_s = 0.0
        self._refusals = 0
        self._refused_until_s = 0.0
        self._outage_since_s: float | None = None
        self._retry_at_s = 0.0
        self._pause_s = 0.0
        self.paused = ""
        """Why nothing moves at the moment; "" when it does."""

    def propose(self, job: ProposeJob, *, needs_model: bool) -> None:
        """Begins a proposal."""
        if not needs_model:
            self._events.append(propose(job, self._operators[job.operator], None))
        else:
            more = {"models": self._models, "alive": self._asking_key}
            self._add(PROPOSE, to_plain(job), more)

    def evaluate(self, job: EvaluateJob) -> None:
        """Begins an evaluation."""
        self._add(EVALUATE, to_plain(job), {"judge": self._judge})

    def next_events(self, timeout_s: float) -> list[Event]:
        """Returns what has happened since the last call, after at most about `timeout_s`.

        What the last call returned counts as saved now: its results are given up.
        """
        now = self._monotonic()
        if now < self._retry_at_s:
            if not self._events:
                self._sleep(min(timeout_s, self._retry_at_s - now))
            return self._take_events()
        try:
            if now >= self._renew_at_s:
                self._renew(now)
            self._settle()
            self._send(now)
            self._receive(0.0 if self._events else timeout_s)
            if (now := self._monotonic()) >= self._sweep_at_s:
                self._sweep_at_s = now + _SWEEP_S
                self._sweep(now)
            self._note_recovery()
        except BROKER_ERRORS as error:
            self._note_outage(error)
        return self._take_events()

    def let_ask(self, is_allowed: bool) -> None:
        """Says whether models may be asked from now on: workers look before each question."""
        self._may_ask = is_allowed
        self._renew_at_s = 0.0
        if not is_allowed:
            with contextlib.suppress(*BROKER_ERRORS):
                self._redis.delete(self._asking_key)

    def open_calls(self) -> Mapping[str, tuple[ModelCall, ...]]:
        """Returns the paid calls of jobs that have led to no event yet, by job id, and those of earlier sessions.

        Nothing while the broker is away: then they are found at the next resume.
        """
        try:
            found: Any = self._redis.hgetall(self._common["calls"])
        except BROKER_ERRORS as error:
            self._note_outage(error)
            return {}
        return {
            job_id.decode(): tuple(from_plain(ModelCall, call) for call in json.loads(calls))
            for job_id, calls in found.items()
        }

    def close(self, *, at_once: bool = False) -> None:
        """Forgets what is in flight; workers pass over what still waits for them."""
        with contextlib.suppress(*BROKER_ERRORS):
            self._settle()
            self._redis.delete(self._common["alive"], self._asking_key, self._common["stream"])
        with contextlib.suppress(*BROKER_ERRORS):
            self._redis.close()
            self._app.close()

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _add(self, kind: str, job: Mapping[str, Any], more: Mapping[str, Any]) -> None:
        wire_id = content_id(self._run_id, kind, job)
        if wire_id in self._flights:
            return
        message = {**self._common, **more, "id": wire_id, "job": job}
        level = self._levels[kind].take()
        self._flights[wire_id] = _Flight(message, kind, Keys.of(wire_id), level, self._config.patience_s)
        self._unsent.append(wire_id)

    def _send(self, now: float) -> None:
        while self._unsent and now >= self._refused_until_s:
            flight = self._flights.get(self._unsent[0])
            if flight is not None:
                self._app.send_task(
                    f"discovery.{flight.kind}",
                    args=[flight.message],
                    queue=flight.kind,
                    priority=flight.level,
                    retry=False,
                )
                flight.begun_s, flight.check_s = now, now + flight.patience_s
                flight.was_begun = False
            self._unsent.popleft()

    def _renew(self, now: float) -> None:
        """Shows that the run is alive; finds out whether Redis has forgotten what it held."""
        former = self._redis.set(self._common["alive"], 1, ex=_ALIVE_S, get=True)
        server = ""
        if self._may_ask:
            self._redis.set(self._asking_key, 1, ex=_ALIVE_S)
        if former is None or self._outage_since_s is not None:
            server = str(self._redis.info("server")["run_id"])
        if former is None or (server and server != self._server):
            self._server = server
            self._last_id = "0"
            for flight in self._flights.values():
                flight.check_s = min(flight.check_s, now)
            self._sweep_at_s = now + 0.5
        if self._data is not None and self._bundle_id is not None:  # the problem's files may be gone
            key = bundle_key(self._bundle_id)
            if not self._redis.expire(key, self._config.keep_s):
                self._redis.set(key, self._data, ex=self._config.keep_s)
        self._renew_at_s = now + _RENEW_S

    def _settle(self) -> None:
        if self._unsettled:
            with self._redis.pipeline(transaction=False) as pipe:
                for key in self._unsettled:
                    pipe.set(key, b"", xx=True, ex=self._config.forget_s)
                if self._booked:
                    pipe.hdel(self._common["calls"], *self._booked)
                pipe.execute()
            self._booked.clear()
            self._unsettled.clear()

    def _receive(self, timeout_s: float) -> None:
        block_ms = max(1, int(1000 * timeout_s)) if timeout_s > 0 else None
        answer: Any = self._redis.xread({self._common["stream"]: self._last_id}, count=500, block=block_ms)
        if not answer:
            return
        wire_ids: list[str] = []
        for entry_id, fields in answer[0][1]:
            self._last_id = entry_id
            wire_id = fields[b"id"].decode()
            if wire_id not in self._flights:
                continue
            if b"refusal" in fields:
                self._note_refusal(wire_id, fields[b"refusal"].decode("utf-8", "replace"))
            else:
                wire_ids.append(wire_id)
        wire_ids = list(dict.fromkeys(wire_ids))
        if wire_ids:
            results: Any = self._redis.mget([self._flights[wire_id].keys.result for wire_id in wire_ids])
            for wire_id, data in zip(wire_ids, results, strict=True):
                self._take_result(wire_id, data)

    def _take_result(self, wire_id: str, data: bytes | None) -> bool:
        if not data:
            return False
        flight = self._flights[wire_id]
        try:
            event = event_from_json(json.loads(data))
        except (ValueError, TypeError, ContractError) as error:
            self._redis.delete(flight.keys.result)
            self._note_refusal(wire_id, f"a worker left a result that cannot be read: {error!r:.200}")
            return False
        if isinstance(event, Evaluated):
            event = replace(event, at_s=self._clock())
        del self._flights[wire_id]
        self._levels[flight.kind].give_back(flight.level)
        self._unsettled.append(flight.keys.result)
        self._booked += [flight.message["job"]["job_id"]] * (flight.kind == PROPOSE)
        self._served.add(flight.kind)
        self._events.append(event)
        self._refusals = 0
        return True

    def _sweep(self, now: float) -> None:
        """Looks for results whose message was lost, and for jobs that nobody does any more."""
        sent = set(self._flights).difference(self._unsent)
        waiting = [(wire_id, self._flights[wire_id]) for wire_id in sent]
        waiting = [(wire_id, flight) for wire_id, flight in waiting if now - flight.begun_s > 1.0]
        if not waiting:
            return
        self._note_idleness(now, [flight for _, flight in waiting])
        with self._redis.pipeline(transaction=True) as pipe:
            for name in ("result", "lease", "tries"):
                pipe.mget([getattr(flight.keys, name) for _, flight in waiting])
            results, leases, tries = pipe.execute()
        self._bound_leases([f for (_, f), lease in zip(waiting, leases, strict=True) if lease is not None])
        for (wire_id, flight), result, lease, count in zip(waiting, results, leases, tries, strict=True):
            if result is not None and self._take_result(wire_id, result):
                continue
            if lease is not None:
                flight.was_begun = True
                self._served.add(flight.kind)
                flight.check_s = now + flight.patience_s
            elif result is not None:  # an earlier session of this run had it, and did not keep it
                self._redis.delete(flight.keys.result)
                self._unsent.append(wire_id)
            elif flight.kind == PROPOSE and not self._may_ask and count is None and not flight.was_begun:
                self._put_off(wire_id)
            elif flight.was_begun or count is not None or now >= flight.check_s:
                flight.patience_s = min(2 * flight.patience_s, 3600.0)
                self._unsent.append(wire_id)

    def _put_off(self, wire_id: str) -> None:
        """Gives up a question that no worker has taken up."""
        flight = self._flights.pop(wire_id)
        self._levels[flight.kind].give_back(flight.level)
        job_id = flight.message["job"]["job_id"]
        self._events.append(NotProposed(job_id, "the run ends: nothing more is asked", is_stop=True))

    def _bound_leases(self, flights: Sequence[_Flight]) -> None:
        """Shortens the leases that would outlive their workers because the clock of Redis' machine was set back."""
        longest_ms = int(1000 * self._config.lease_s)
        with self._redis.pipeline(transaction=False) as pipe:
            for flight in flights:
                pipe.pttl(flight.keys.lease)
            rests_ms = pipe.execute()
            for flight, rest_ms in zip(flights, rests_ms, strict=True):
                if rest_ms > longest_ms:
                    pipe.pexpire(flight.keys.lease, longest_ms)
            pipe.execute()

    def _note_refusal(self, wire_id: str, reason: str) -> None:
        if (now := self._monotonic()) >= self._refused_until_s:  # many at once count as one
            self._refusals += 1
            self._refused_until_s = now + 0.2 * self._refusals
            if self._refusals == 1:
                _log.warning("%s; the job goes to another worker", reason)
        if self._refusals >= REFUSAL_LIMIT:
            self._events.append(Broken(f"no worker can do this run's jobs: {reason}"))
            self._refusals = 0
        if wire_id not in self._unsent:
            self._unsent.append(wire_id)

    def _note_idleness(self, now: float, waiting: Sequence[_Flight]) -> None:
        """Says so, once, when nobody takes the jobs of a queue."""
        for kind in {flight.kind for flight in waiting} - self._served:
            oldest_s = min(flight.begun_s for flight in waiting if flight.kind == kind)
            if now - oldest_s > _UNSERVED_S:
                self._served.add(kind)
                _log.warning(
                    "nobody has taken a job from the queue %s for %.0f s; start a worker: "
                    "discovery worker --queues %s --broker %s",
                    *(kind, _UNSERVED_S, kind, self._config.shown),
                )

    def _note_outage(self, error: Exception) -> None:
        now = self._monotonic()
        self._pause_s = min(_LONGEST_PAUSE_S, 2 * self._pause_s or 0.1)
        self._retry_at_s = now + self._pause_s
        if self._outage_since_s is None:
            self._outage_since_s = now
            self.paused = explained(error, self._config)
            _log.warning("%s; waiting for it", self.paused)
        if now - self._outage_since_s > self._config.outage_limit_s:
            self._outage_since_s = now
            self._events.append(
                Broken(
                    f"{self.paused}, for {self._config.outage_limit_s:g} s now; all finished evaluations are saved. "
                    "Mend it, then go on with: discovery resume",
                    is_outage=True,
                )
            )
        self._renew_at_s = 0.0

    def _note_recovery(self) -> None:
        if self._outage_since_s is not None:
            away_s = self._monotonic() - self._outage_since_s
            _log.warning("the broker at %s is back after %.1f s", self._config.shown, away_s)
            self._outage_since_s = None
        self._pause_s = self._retry_at_s = 0.0
        self.paused = ""


def executor_maker(
    broker: BrokerConfig,
    settings: Mapping[str, Any],
    *,
    bundle: Bundle | None = None,
    untrusted: bool = False,
) -> Callable[[RunConfig, Problem, bytes], CeleryExecutor]:
    """Returns what makes the executor of one run.

    Args:
        broker: where its workers listen.
        settings: what the run's folder says of it.
        bundle: the problem's files, where they are known already; those of a problem at a path travel anyway.
        untrusted: whether the problem's own code is to be confined.
    """
    run_id = content_id(settings["info"]["started_at"], settings["info"]["seed"], settings["problem"])

    def make(config: RunConfig, problem: Problem, secret: bytes) -> CeleryExecutor:
        return CeleryExecutor(
            broker,
            run_id=run_id,
            problem=problem.source,
            bundle=pack(problem) if bundle is None and problem.source.kind == "path" else bundle,
            secret=secret,
            operators=OPERATORS,
            models=asdict(config.models) if config.models.models else None,
            unsafe=config.unsafe,
            tier=config.tier,
            untrusted=untrusted,
        )

    return make
