"""The shell round the coordinator: it carries out instructions, keeps the journal, and projects it into git.

What was evaluated is on the disk before anything acts on it, so a kill at any moment loses only what was in flight.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from threadpoolctl import threadpool_limits

from discovery.core.budget import CostWarnings
from discovery.core.clock import now_s
from discovery.core.errors import ConfigError, JournalError, LineageError
from discovery.core.events import (
    Answer,
    Evaluate,
    Event,
    Finish,
    Instruction,
    Propose,
    RequestReceived,
    Save,
    StopAsked,
    Tell,
    Ticked,
)
from discovery.core.held_out import Exam, exam_of
from discovery.core.records import Record, shown
from discovery.core.requests import Request
from discovery.execution.embedded import Answering, Executor, embedded_executor
from discovery.execution.ending import Ending, StopRequest
from discovery.execution.runs import no_cycle_collection, start_of
from discovery.learning.memory.store import to_text
from discovery.programs.fingerprint import fingerprint
from discovery.search.assembly import assemble, new_state
from discovery.search.components import LearningComponents
from discovery.search.coordinator import BUDGET_ENDS
from discovery.search.plan_tracker import SUMMARY_TEXTS
from discovery.search.state import RunState
from discovery.settings.config import RunConfig
from discovery.storage.git.lineage import Lineage
from discovery.storage.index import keep_up
from discovery.storage.journal import DiskFull, Journal, read_entries
from discovery.storage.purged import current_entries, current_records, has_purges
from discovery.storage.requests import completed, done, waiting
from discovery.storage.run_folder import RunFolder
from evaluators.contract import Program
from evaluators.problems.loading import Problem
from evaluators.text.blocks import check_frozen

TICK_S = 0.25
INDEX_BEHIND_BYTES = 4 << 20


class Observer(Protocol):
    """Watches a run. Contract: called in the run's thread, must not raise, must be quick."""

    def recorded(self, records: Iterable[Record], state: RunState) -> None:
        """Tells of newly recorded programs."""
        ...

    def ticked(self, state: RunState, in_flight: int) -> None:
        """Tells that time went by."""
        ...

    def saved(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Tells what was written to the journal, in order: evaluations (as `Record`), replies of models, requests."""
        ...

    def warned(self, text: str) -> None:
        """Tells what a person should know of the money: one line."""
        ...

    def informed(self, text: str) -> None:
        """Tells how the run fares: whom it waits for, which model it asks no more, that it ends. One line."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session of a run ended.

    Attributes:
        reason: "evaluations", "minutes", "cost", "tokens", "target", or what stopped it: "interrupted", "endpoint",
            "exhausted", "seed", "disk", "lineage", "outage" (of the broker), "broken".
        is_success: whether it did what was asked.
        summary: the JSON object that `run --json` prints last.
    """

    reason: str
    message: str
    is_success: bool
    summary: Mapping[str, Any]


class Session:
    """One session of a run: from its start, or a resume, to its end.

    Args:
        folder: the run folder, created and locked.
        config: its settings.
        problem: the problem, of the version that the run was started with.
        observer: watches.
        stop: lets a signal handler ask for the end.
        make_executor: makes what runs the jobs, given the run's secret too; the embedded executor by default.
        requests: what a person asks of this session at its start. They are journalled once all is checked, or not at all.
        keeps_pause: whether a run that a person paused stays so; else beginning a session is to go on.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        problem: Problem,
        *,
        observer: Observer,
        stop: StopRequest,
        make_executor: Callable[[RunConfig, Problem, bytes], Executor] | None = None,
        requests: Sequence[Request] = (),
        keeps_pause: bool = False,
    ) -> None:
        self._folder = folder
        self._config = config
        self._problem = problem
        self._observer = observer
        self._stop = stop
        self._make_executor = make_executor or partial(embedded_executor, calls=folder.calls)
        self._asked = [RequestReceived(request) for request in requests]
        self._keeps_pause = keeps_pause
        self._ending = Ending(stop, config.grace_s)
        self.coordinator, self._parts = assemble(problem, config, folder.path.name, start_of(folder))
        self.state = self.coordinator.state
        self._remembered: object = None
        self._exams: dict[str, Exam] = {}
        self._has_warned = False
        self._last: Record | None = None
        self._elapsed_before = 0.0
        self._session_start = time.monotonic()
        self._warnings = CostWarnings()
        self._indexed = 0

    def run(self) -> Outcome:
        """Runs until the coordinator says that it is over, and returns how it ended.

        Raises:
            JournalError: the journal cannot be read or written, and newest results may be missing.
            RunError: the system cannot go on.
        """
        with threadpool_limits(limits=1):  # small matrices only: threads would cost more than they bring
            return self._run()

    def _run(self) -> Outcome:
        secret = self._folder.read_secret(self._config.seed)
        executor = self._make_executor(self._config, self._problem, secret)
        lineage = Lineage(self._folder.lineage, self._problem.objective)  # opens beside the replay
        try:
            self._elapsed_before = self.state.ledger.elapsed_s = self._replay()
            self._session_start = time.monotonic()
            self._warnings.due(
                self.state.ledger, self.coordinator.settings.budget
            )  # an earlier session told of these
            journal = Journal(self._folder.journal)
            try:
                self._catch_up(lineage)
                self._catch_up_notes(lineage)
                self._remember(lineage)
                is_paused = self._keeps_pause and self.coordinator.is_paused
                opened = {"type": "opened", "at_s": now_s(), **({"paused": True} if is_paused else {})}
                journal.append([opened])
                self.coordinator.replay(opened)
                begun = self.state.ledger.evaluations
                finish = self._loop(executor, journal, lineage)
                if self.state.ledger.evaluations == begun:
                    finish = self._without_work(finish)
                self._requests()  # the files of those that were taken in go
                finish = _close_lineage(lineage, finish)
                _close_journal(journal, finish)
            finally:
                journal.close()
                self._keep_index(at_most_behind=0)
        finally:
            executor.close(at_once=self._stop.urgent.is_set())
            with contextlib.suppress(LineageError):
                lineage.close()
        return Outcome(finish.reason, finish.message, finish.is_success, self.summary(finish))

    def summary(self, finish: Finish) -> dict[str, Any]:
        """Returns the JSON object that tells how it ended."""
        state, ledger = self.state, self.state.ledger
        best = state.best
        return {
            "problem": self._problem.name,
            "reason": finish.reason,
            "best_score": best.evaluation.score if best else None,
            "best_id": best.program_id if best else None,
            "seed_score": state.first.evaluation.score if state.first else None,
            "held_out": (shown(best.evaluation.held_out or {}) or None) if best else None,
            "held_out_failed": best.evaluation.reason if best else "",
            "held_out_correlation": state.agreement.correlation,
            "self_scored": best.evaluation.self_scored if best else None,
            "evaluations": ledger.evaluations,
            "statuses": dict(state.counts),
            "duplicates": self.coordinator.duplicates,
            "screened": state.screen.refused if state.screen else 0,
            "seconds": round(ledger.elapsed_s, 3),
            "model_calls": ledger.calls,
            "tokens": ledger.tokens,
            "cost_usd": None if ledger.unpriced_calls else round(ledger.cost_usd, 6),
            "unpriced_calls": ledger.unpriced_calls,
            "retired_models": dict(self.coordinator.retired),
            "seed": self._config.seed,
            "run": str(self._folder.path),
            "lineage": str(self._folder.lineage),
        }

    def _replay(self) -> float:
        """Folds the journal into the coordinator and returns the seconds worked in earlier sessions."""
        elapsed_s = opened_s = last_s = 0.0
        paused_at_s: float | None = None
        if not self._folder.journal.exists():
            return 0.0
        with no_cycle_collection():
            for entry in current_entries(self._folder.journal):
                if entry["type"] == "opened":
                    elapsed_s += last_s - opened_s
                    opened_s = last_s = entry["at_s"]
                    paused_at_s = entry["at_s"] if entry.get("paused") else None
                elif entry["type"] == "asked":
                    at_s, kind = entry["at_s"], entry["request"]["kind"]
                    if kind == "pause" and paused_at_s is None:
                        last_s = paused_at_s = at_s
                    elif kind == "resume" and paused_at_s is not None:
                        opened_s += at_s - paused_at_s  # what was paused is no work
                        last_s, paused_at_s = at_s, None
                elif entry["type"] == "evaluated":
                    last_s = max(last_s, entry["record"]["at_s"])
                elif entry["type"] == "held_out":
                    self._exams[entry["program_id"]] = exam_of(entry)
                elif entry["type"] == "closed" and paused_at_s is None:
                    last_s = max(last_s, entry["at_s"])
                self.coordinator.replay(entry)
                self._parts.take_in(entry)
        return elapsed_s + last_s - opened_s

    def _catch_up(self, lineage: Lineage) -> None:
        """Writes to git what the journal holds and git does not."""
        if self.state.next_index == 0 or (held := lineage.recorded()) == self.state.next_index:
            return
        first = min(held, self.state.next_index - 1)
        if has_purges(self._folder.journal):
            state = new_state(self._problem, self._config, LearningComponents(), self.state.statement.start)
            for record in current_records(self._folder.journal, state):
                if record.index >= first:
                    lineage.append(record)
            return
        for entry in read_entries(self._folder.journal):
            if entry["type"] == "evaluated" and entry["record"]["index"] >= first:
                lineage.append(Record.from_json(entry["record"]))

    def _catch_up_notes(self, lineage: Lineage) -> None:
        """Writes to git the summaries that git lacks, and what became of programs on held-out cases."""
        family = self.state.genealogy
        said = dict(family.summaries()) if family is not None else {}
        if said:
            held = lineage.noted()
            for program_id, texts in said.items():
                if program_id not in held:
                    kept = {name: texts[name] for name in SUMMARY_TEXTS if name in texts}
                    lineage.note(program_id, kept, now_s())
        if self._exams:
            held = lineage.examined()
            for program_id, exam in self._exams.items():
                if program_id not in held:
                    lineage.examine(program_id, exam, now_s())

    def _remember(self, lineage: Lineage) -> None:
        """Writes to git what was learned, where it changed."""
        memory = self._parts.memory
        if memory is not None and memory.contents is not self._remembered and self._last is not None:
            self._remembered = memory.contents
            lineage.remember(to_text(memory.contents.items.values()), self._last)

    def _loop(self, executor: Executor, journal: Journal, lineage: Lineage) -> Finish:
        asked = [*self._requests(), *self._asked]
        instructions: list[Instruction] = self.coordinator.start(asked, executor.open_calls())
        last_tick_s = time.monotonic() - TICK_S
        while True:
            instructions += self._save(instructions, journal, lineage)
            for instruction in instructions:
                if isinstance(instruction, Propose):
                    executor.propose(instruction.job, needs_model=instruction.needs_model)
                elif isinstance(instruction, Evaluate):
                    executor.evaluate(instruction.job)
                elif isinstance(instruction, Answer) and isinstance(executor, Answering):
                    executor.answer(instruction.verdict)
                elif isinstance(instruction, Tell):
                    self._observer.informed(instruction.message)
                elif isinstance(instruction, Finish):
                    return instruction
            told, given_up = self._ending.look(self.coordinator, executor)
            if told:
                self._observer.informed(told)
            events: list[Event] = executor.next_events(0.0 if given_up else TICK_S)
            if given_up:
                events.append(given_up)
            if (tick_s := time.monotonic()) - last_tick_s >= TICK_S:
                if self.coordinator.is_paused:  # what is paused is no work
                    self._session_start += tick_s - last_tick_s
                last_tick_s = tick_s
                events.append(Ticked(self._elapsed_before + tick_s - self._session_start))
                events += self._requests()
                for text in self._warnings.due(self.state.ledger, self.coordinator.settings.budget):
                    self._observer.warned(text)
                self._observer.ticked(self.state, self.coordinator.in_flight)
                self._keep_index()
            if self._stop.event.is_set():
                events.append(StopAsked("interrupted", self._stop.message))
            instructions = [instruction for event in events for instruction in self.coordinator.handle(event)]

    def _keep_index(self, at_most_behind: int = INDEX_BEHIND_BYTES) -> None:
        """Brings the index of the journal up to date where it is behind by more than so many bytes."""
        with contextlib.suppress(OSError):  # readers can do it
            size = self._folder.journal.stat().st_size
            if size > self._indexed + at_most_behind:
                self._indexed = size
                keep_up(self._folder, self._problem.objective.fitness)

    def _without_work(self, finish: Finish) -> Finish:
        """Returns how a session ended in which nothing was evaluated: no success where a person gave new limits."""
        limits = {name for event in self._asked for name in event.request.budget}
        if not limits or finish.reason not in BUDGET_ENDS:
            return finish
        spent = self.state.ledger.spending(self.coordinator.settings.budget)
        message = f"nothing was done: {spent[finish.reason]}"
        return Finish(finish.reason, f"{message}; give that limit a larger value too", is_success=False)

    def _warn_of_disagreement(self) -> None:
        """Says once in a session that visible scores say little of held-out ones."""
        found = self.state.agreement
        if found.is_low and not self._has_warned:
            self._has_warned = True
            self._observer.informed(found.text)

    def _requests(self) -> list[RequestReceived]:
        """Returns what was asked since the last look; the file of what is in the journal is removed."""
        found: list[RequestReceived] = []
        for name, request in waiting(self._folder):
            if self.coordinator.is_asked(request.request_id):
                done(self._folder, name)
            elif request.program is None:
                found.append(RequestReceived(request))
            else:
                found.append(_injection(request, request.program, self._problem.seed))
        return found

    def _save(self, instructions: list[Instruction], journal: Journal, lineage: Lineage) -> list[Instruction]:
        """Journals what must be, then projects it; returns what follows when the disk or git fails."""
        entries = [instruction.entry for instruction in instructions if isinstance(instruction, Save)]
        if not entries:
            return []
        more: list[Instruction] = []
        try:
            journal.append(_to_json(entry) for entry in entries)
        except DiskFull as error:
            if not error.is_saved:
                raise
            more += self.coordinator.handle(StopAsked("disk", str(error)))
        records = [entry["record"] for entry in entries if entry["type"] == "evaluated"]
        self._observer.saved(entries)
        if any(entry["type"] == "held_out" for entry in entries):
            self._warn_of_disagreement()
        try:
            for record in records:
                lineage.append(record)
            for entry in entries:
                if entry["type"] == "noted" and entry["kind"] == "summary" and entry["texts"]:
                    lineage.note(entry["program_id"], entry["texts"], now_s())
                elif entry["type"] == "held_out":
                    lineage.examine(entry["program_id"], exam_of(entry), now_s())
            if records:
                self._last = records[-1]
                self._remember(lineage)
        except LineageError as error:
            more += self.coordinator.handle(StopAsked("lineage", str(error)))
        if records:
            self._observer.recorded(records, self.state)
        return more


def _injection(request: Request, program: Program, seed: Program) -> RequestReceived:
    """Returns what the coordinator is told of a program that a person gave."""
    try:
        whole = completed(program, seed)
    except ConfigError as error:
        return RequestReceived(request, refusal=str(error))
    return RequestReceived(
        replace(request, program=whole), fingerprint(whole), check_frozen(seed, whole) or ""
    )


def _close_lineage(lineage: Lineage, finish: Finish) -> Finish:
    """Returns how the run ended, which is no success when git could not be brought up to date."""
    try:
        lineage.close()
    except LineageError as error:
        return Finish("lineage", str(error), is_success=False) if finish.is_success else finish
    return finish


def _close_journal(journal: Journal, finish: Finish) -> None:
    try:
        journal.append(
            [{"type": "closed", "at_s": now_s(), "reason": finish.reason, "message": finish.message}]
        )
    except JournalError:
        if finish.is_success:
            raise


def _to_json(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    if (
        entry["type"] == "asked"
    ):  # by this process' clock, like all times of a run: the request's own may have jumped
        return {**entry, "at_s": now_s()}
    return {**entry, "record": entry["record"].to_json()} if entry["type"] == "evaluated" else entry
