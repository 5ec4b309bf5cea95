"""One run of a service: its folder, its session in a thread of its own, and what is told of it."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from discovery.analysis.purging import purge
from discovery.core.errors import DiscoveryError, RunFolderError
from discovery.core.records import Record
from discovery.core.requests import Request
from discovery.core.texts import one_line
from discovery.execution.broker import BrokerConfig
from discovery.execution.embedded import Executor, embedded_executor
from discovery.execution.ending import StopRequest
from discovery.execution.runs import start_of
from discovery.execution.session import Session
from discovery.search.assembly import new_state
from discovery.search.components import LearningComponents
from discovery.search.state import RunState
from discovery.settings.budget import stored_limits
from discovery.settings.config import RunConfig
from discovery.settings.doors import with_changes
from discovery.storage.files import sync_folder
from discovery.storage.requests import new_request
from discovery.storage.run_folder import RunFolder
from evaluators.contract import ContractError
from evaluators.problems.bundle import Bundle
from evaluators.problems.describe import Description
from evaluators.problems.loading import ProblemSource, load_source

EVENTS_KEPT = 1000
_log = logging.getLogger(__name__)

Stated = Any
"""A `Problem`, or the `Description` of one from outside."""


class BusyError(DiscoveryError):
    """What was asked for does not fit the run's state, or the service is full."""


class HostedRun:
    """One run: its folder, and its session while it is under way. Thread-safe."""

    def __init__(self, folder: RunFolder, broker: BrokerConfig | None) -> None:
        self.folder = folder
        self.name = folder.path.name
        self.lineage = ""
        self.settings = folder.read_settings()
        self._broker = broker
        self._service = json.loads((folder.path / "service.json").read_text(encoding="utf-8"))
        self._stop = StopRequest()
        self._thread: threading.Thread | None = None
        self._executor: Executor | None = None
        self._session: Session | None = None
        self._news = threading.Condition()
        self._saving = threading.Lock()
        self._events: list[tuple[int, dict[str, Any]]] = []
        self._number = 0
        nothing = {"evaluations": 0, "best_score": None, "best_id": None}
        self.facts: dict[str, Any] = self._service.get("facts", nothing)
        self.is_active = self._is_restart = False

    @property
    def is_wanted(self) -> bool:
        """Returns whether the run is to go on after a restart."""
        return bool(self._service["wanted"])

    @property
    def state(self) -> str:
        """Returns running, paused, stopping, or how it ended: done, stopped, failed."""
        if self.is_active:
            if self._stop.event.is_set():
                return "stopping"
            return "paused" if self._paused else "running"
        return str(self._service["state"])

    @property
    def _paused(self) -> str:
        if (session := self._session) is not None and session.coordinator.is_paused:
            return "paused on request"
        return executor.paused if (executor := self._executor) is not None else ""

    def status(self) -> dict[str, Any]:
        """Returns what a person wants to know, as JSON."""
        message = (self._paused or "") if self.is_active else self._service["message"]
        return {
            "name": self.name,
            "problem": self.settings["info"]["problem"],
            "state": self.state,
            "message": message,
            "created_at": self.settings["info"]["started_at"],
            "budget": stored_limits(self.settings["config"]["budget"]),
            **self.facts,
        }

    def start(self, changes: Mapping[str, Any] | None = None, *, is_restart: bool = False) -> None:
        """Begins or goes on with the run, with other settings if given (settings.doors.read_changes).

        Args:
            changes: what changes.
            is_restart: whether it is the service that goes on with it, and not a person: then a pause stays.

        Raises:
            BusyError: it is under way. RunFolderError: it cannot be written.
        """
        if self.is_active:
            raise BusyError(f"run {self.name} is under way")
        changes = dict(changes or {})
        asked = self._service.get("asked", [])
        if limits := changes.pop("budget", None):  # journalled, so that they outlast limits asked for before
            asked = [new_request("budget", budget=limits).to_json()]
        self._stop = StopRequest()
        kept = {**self._service.get("changes", {}), **changes}
        self._save(wanted=True, state="running", message="", asked=asked, changes=kept)
        self._is_restart = is_restart
        self.is_active = True
        self._thread = threading.Thread(target=self._work, name=f"run-{self.name}", daemon=True)
        self._thread.start()

    def stop(self, *, for_good: bool, message: str = "stopped on request") -> None:
        """Asks the run to end; one that is not stopped for good goes on when the service starts again.

        What a person wants is on the disk before it is done, and only a person takes it back: a service that closes
        after it, or while it is done, does not make the run wanted again.

        Raises:
            RunFolderError: it cannot be written; the run goes on.
        """
        if for_good:
            self._save(wanted=False)
        self._stop.ask(message)

    def purge(self, program: str, reason: str) -> list[str]:
        """Takes a program out of the run, which nobody may work on, and returns the ids of all that went.

        Nothing of a problem from outside is executed here: what it says of itself is enough.

        Raises:
            RunError: there is no such program. RunFolderError: a process works on the run.
        """
        config = RunConfig.from_json(self.settings["config"])

        def make_state() -> RunState:
            return new_state(self._problem(), config, LearningComponents(), start_of(self.folder))

        return purge(self.folder, program, reason, make_state=make_state)

    def join(self, timeout_s: float) -> None:
        """Waits for the end of the session."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def events_after(self, number: int, timeout_s: float) -> list[tuple[int, dict[str, Any]]]:
        """Returns the events after the one of a number; waits for one if there is none yet."""
        with self._news:
            if number > self._number:  # of an earlier process of this service
                number = 0
            if self._number <= number and self.is_active:
                self._news.wait(timeout_s)
            return [event for event in self._events if event[0] > number]

    # --- Observer

    def recorded(self, records: Iterable[Record], state: RunState) -> None:
        """Tells of newly recorded programs."""
        for record in records:
            evaluation = record.evaluation
            self._tell(
                {
                    "event": "best" if record.index == state.best_index else "evaluated",
                    "index": record.index,
                    "program_id": record.program_id,
                    "operator": record.operator,
                    "island": record.island,
                    "status": str(evaluation.status),
                    "score": evaluation.score,
                    "reason": evaluation.reason,
                }
            )
        self._note(state)

    def ticked(self, state: RunState, in_flight: int) -> None:
        """Tells that time went by."""
        self._note(state)
        assert self._session is not None, "it is the session that tells"
        coordinator = self._session.coordinator
        self.facts |= {
            "in_flight": in_flight,
            "open_calls": coordinator.open_calls,
            "evaluating": coordinator.evaluating,
            "waits": [one_line(text, 300) for text in coordinator.waits],
        }

    def saved(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Tells of a person's requests."""
        for entry in entries:
            if entry["type"] == "asked":
                request = Request.from_json(entry["request"])
                told = {"kind": request.kind, "text": request.text, "refusal": entry["refusal"]}
                self._tell({"event": "asked", **told})

    def warned(self, text: str) -> None:
        """Tells what a person should know of the money."""
        _log.warning("run %s: %s", self.name, text)
        self._tell({"event": "warned", "text": text})

    def informed(self, text: str) -> None:
        """Tells how the run fares."""
        self._tell({"event": "informed", "text": text})

    def _note(self, state: RunState) -> None:
        best, ledger = state.best, state.ledger
        assert self._session is not None, "it is the session that tells"
        self.facts |= {
            "budget": asdict(self._session.coordinator.settings.budget),
            "evaluations": ledger.evaluations,
            "best_score": best.evaluation.score if best else None,
            "best_id": best.program_id if best else None,
            "self_scored": best.evaluation.self_scored if best else None,
            "statuses": dict(state.counts),
            "seconds": round(ledger.elapsed_s, 1),
            "model_calls": ledger.calls,
            "tokens": ledger.tokens,
            "cost_usd": round(ledger.cost_usd, 6),
            "unpriced_calls": ledger.unpriced_calls,
        }

    def _tell(self, event: dict[str, Any]) -> None:
        with self._news:
            self._number += 1
            self._events.append((self._number, event))
            del self._events[:-EVENTS_KEPT]
            self._news.notify_all()

    def _work(self) -> None:
        state, message, is_final = "failed", "", True
        try:
            with self.folder.lock():
                outcome = self._new_session().run()
            state = "done" if outcome.is_success else "failed"
            message = outcome.message
            if outcome.reason == "interrupted":
                state = "stopped"
            is_final = outcome.reason not in ("interrupted", "outage")
        except (DiscoveryError, ContractError, OSError) as error:
            message = str(error)
        except Exception as error:  # noqa: BLE001 - the outermost loop of a run: the service and its other runs go on
            _log.exception("run %s failed", self.name)
            message = f"a fault of the service: {type(error).__name__}: {error}"
        finally:
            self._executor = self._session = None
            self.facts |= {"in_flight": 0, "open_calls": 0, "evaluating": 0, "waits": []}
            try:
                intent = {"wanted": False} if is_final else {}  # else it stays as a person left it
                self._save(**intent, state=state, message=message, facts=self.facts, asked=[])
            except RunFolderError as error:
                _log.error("run %s: %s", self.name, error)
            self.is_active = False
            self._tell({"event": "ended", "state": state, "message": message})

    def _new_session(self) -> Session:
        changes = {
            **self._service.get("changes", {}),
            "budget": stored_limits(self._service.get("budget", {})),
        }
        config = with_changes(RunConfig.from_json(self.settings["config"]), changes)
        problem = self._problem()
        if config.models.models and self._broker is None:
            from discovery.llm.estimate import estimate

            self.warned(estimate(config))
        self._session = Session(
            self.folder,
            config,
            problem,
            observer=self,
            stop=self._stop,
            make_executor=self._make_executor,
            requests=[Request.from_json(one) for one in self._service.get("asked", [])],
            keeps_pause=self._is_restart,
        )
        return self._session

    def _problem(self) -> Stated:
        if self._service["description"] is not None:
            return Description.from_json(self._service["description"])
        return load_source(ProblemSource.from_json(self.settings["problem"]))

    def _make_executor(self, config: RunConfig, problem: Stated, secret: bytes) -> Executor:
        is_foreign = self._service["description"] is not None
        if self._broker is not None:
            from discovery.execution.remote import executor_maker

            bundle = (
                Bundle.from_json(json.loads((self.folder.path / "problem.json").read_bytes()))
                if is_foreign
                else None
            )
            make = executor_maker(self._broker, self.settings, bundle=bundle, untrusted=is_foreign)
            self._executor = make(config, problem, secret)
        else:
            self._executor = embedded_executor(
                config, problem, secret, calls=self.folder.calls, untrusted=is_foreign
            )
        return self._executor

    def _save(self, **changes: Any) -> None:
        with self._saving:
            self._service |= changes
            write_json(self.folder.path / "service.json", self._service)


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Writes a JSON file whole or not at all.

    Raises:
        RunFolderError: it cannot be written.
    """
    draft = path.with_suffix(".new")
    try:
        with open(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as file:
            json.dump(data, file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise RunFolderError(
            f"cannot write {path}: {error.strerror}; make room, or look at who owns the folder"
        ) from error
