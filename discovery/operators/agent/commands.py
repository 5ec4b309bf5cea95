"""What stands behind the commands `evaluate` and `history` of a jail: the same judge as everybody's, metered, and the ledger."""

from __future__ import annotations

import math
import os
import statistics
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from discovery.core.allowance import Verdict
from discovery.core.experiments import Bench
from discovery.core.texts import one_line, printable
from discovery.core.types import Individual, Note, OperatorError, Proposal, ProposeJob
from discovery.operators.agent import inside
from discovery.operators.agent.gateway import Exchange
from discovery.prompts.attempts import Past, past_text
from discovery.prompts.quoting import gain_text, metrics_text, score_text
from discovery.prompts.results import results_text
from evaluators.contract import Evaluation, Objective, Program
from evaluators.text.blocks import has_blocks

MAX_CANDIDATES = 64
HISTORY_TOKENS = 6000
MAX_FEEDBACK_CHARS = 2000


class ChildError(Exception):
    """Some files make no program; the message says why."""


class Desk:
    """Serves the second door of one jail. Thread-safe.

    Args:
        job: the agent's job; parent: the program that it began with.
        bench: has programs judged.
        log: is told what was asked and answered.

    Attributes:
        asked: ids of the programs that the agent had judged, those under way too.
        base: the newest of them that has a score, "" for none.
        judged: how many of them were judged for it, and not known before.
    """

    def __init__(self, job: ProposeJob, parent: Individual, bench: Bench, log: Callable[[str], None]) -> None:
        self._job, self._parent, self._bench, self._log = job, parent, bench, log
        self._lines: list[str] = []
        self._lock = threading.Lock()
        self.asked: set[str] = set()
        self.base = ""
        self.judged = 0

    def __call__(self, exchange: Exchange) -> None:
        """Answers one request."""
        if exchange.path == "/history":
            text, code = self.history(), 0
        elif exchange.path == "/evaluate" and isinstance(exchange.body, dict):
            text, code = self.evaluate(exchange.body)
        else:
            text, code = "there are the commands evaluate and history", 2
        exchange.answer(200, {"text": text, "code": code})

    def history(self) -> str:
        """Returns what was tried on this program and those before it, and in this session."""
        job = self._job
        past = Past(self._parent, "the program you began with", frozenset({self._parent.program_id}))
        told = past_text(past, job.context, HISTORY_TOKENS) or "Nothing was tried on this program before."
        with self._lock:
            own = "\n".join(self._lines) or "- nothing yet"
        return f"{told}\n\n# In this session\n{own}"

    def evaluate(self, body: Mapping[str, Any]) -> tuple[str, int]:
        """Returns what came of the candidates of a request, and the exit code: 0 if one of them has a score."""
        candidates, idea = body.get("candidates"), body.get("idea")
        if (
            not isinstance(candidates, list)
            or not 0 < len(candidates) <= MAX_CANDIDATES
            or not isinstance(idea, str)
        ):
            return f"give 1 to {MAX_CANDIDATES} programs", 2
        programs: list[Program] = []
        try:
            programs = [child_of(self._parent.program, files) for files in candidates]
        except ChildError as error:
            return f"not judged: {error}", 1
        verdicts, text = self.judge(programs, idea)
        return text, 0 if any(one.evaluation is not None and one.evaluation.is_ok for one in verdicts) else 1

    def judge(self, programs: Sequence[Program], idea: str) -> tuple[Sequence[Verdict], str]:
        """Returns what came of some programs, and how the agent is told of it."""
        with self._lock:
            self.asked.update(program.id for program in programs)
        verdicts = self._bench.evaluate(programs, idea)
        told = []
        for number, verdict in enumerate(verdicts):
            told.append((f"[{number}] " if len(verdicts) > 1 else "") + self._told(verdict))
            self._remember(verdict, idea)
        left = verdicts[-1].left
        text = "\n\n".join(told) + f"\n\n{left} evaluation{'s are' if left != 1 else ' is'} left."
        self._log(f"evaluate {one_line(idea, 200)!r}\n{text}")
        return verdicts, text

    def _remember(self, verdict: Verdict, idea: str) -> None:
        with self._lock:
            evaluation = verdict.evaluation
            if evaluation is not None:
                self.judged += not verdict.is_known
                found = (
                    f"score {score_text(evaluation.score)}"
                    if evaluation.score is not None
                    else f"failed: {evaluation.status}"
                )
                self._lines.append(f"- {one_line(idea, 200) or 'no word on it'}: {found}")
            if evaluation is not None and evaluation.score is not None and not verdict.is_known:
                self.base = verdict.program_id
            if evaluation is None and not verdict.is_known:
                self.asked.discard(verdict.program_id)  # it was not judged, so it may still be the child

    def _told(self, verdict: Verdict) -> str:
        evaluation = verdict.evaluation
        if evaluation is None:
            return f"not judged: {one_line(verdict.refusal, 300)}"
        known = " (it was judged before, which costs nothing)" if verdict.is_known else ""
        context = self._job.context
        one = Individual(self._parent.program, evaluation, verdict.program_id)
        if evaluation.score is None:
            cases = f", {evaluation.cases_done} of {evaluation.cases_total} cases passed"
            text = f"{evaluation.status}: {one_line(evaluation.reason, 300)}{cases}{known}"
        else:
            text = f"{context.objective} {score_text(evaluation.score)}, {self._compared(evaluation)}{known}"
            if metrics := metrics_text(one, context):
                text += f"\nmetrics: {metrics}"
            compared = (("its parent", self._parent.evaluation),)  # the program that the agent began with
            if results := results_text(one, replace(context, compared=compared)):
                text += f"\n{results}"
        said = printable(evaluation.feedback.strip())[-MAX_FEEDBACK_CHARS:]
        return text + (f"\nits output:\n{said}" if said else "")

    def _compared(self, evaluation: Evaluation) -> str:
        """Returns the difference to the program that the agent began with, with its error where scores vary."""
        score, parent = evaluation.score, self._parent.evaluation
        if parent.score is None or score is None:
            return "where the program you began with failed"
        fitness = Objective(
            direction="minimize" if self._job.context.direction == "minimize" else "maximize"
        ).fitness
        if min(len(evaluation.scores), len(parent.scores)) > 1:
            gain = fitness(statistics.fmean(evaluation.scores)) - fitness(statistics.fmean(parent.scores))
            error = math.hypot(
                *(statistics.stdev(s) / math.sqrt(len(s)) for s in (evaluation.scores, parent.scores))
            )
            return f"{gain_text(gain)} than the program you began with (standard error {error:.2g})"
        gain = fitness(score) - fitness(parent.score)
        return gain_text(gain) + (" than the program you began with" if gain else "")


def child_of(parent: Program, files: object) -> Program:
    """Returns the program that some files make which an agent left: of all that lies there, what can belong to a child of `parent`.

    Where parts of it are frozen, those are the parent's files; else also new ones that end like one of these.

    Raises:
        ChildError: they make none.
    """
    if not isinstance(files, dict) or not all(isinstance(text, str) for text in files.values()):
        raise ChildError("a program is a table of texts by path")
    endings = {PurePosixPath(path).suffix for path in parent.files}
    is_closed = has_blocks(parent)
    kept = {
        path: text
        for path, text in files.items()
        if path in parent.files or (not is_closed and PurePosixPath(path).suffix in endings)
    }
    needed = parent.files if is_closed else (parent.entry,)
    if missing := next((path for path in needed if path not in kept), None):
        raise ChildError(f"{missing} is missing")
    return Program(kept, parent.entry)


def left_by(
    desk: Desk, parent: Individual, child: Program, texts: Mapping[str, str], ended: str
) -> Proposal | Note:
    """Returns what comes of a job at whose end `child` was left: the child, or a note where that was judged on the way.

    Raises:
        OperatorError: nothing was changed, and nothing was judged.
    """
    if child.id in desk.asked:
        return Note({**texts, "program": child.id}, ())
    if child.files != dict(parent.program.files):
        return Proposal(child, (desk.base or parent.program_id,), (), texts)
    if not desk.asked:
        raise OperatorError(f"the agent left the program as it was ({ended})")
    return Note({**texts, "program": parent.program_id}, ())


def tools() -> tuple[tuple[str, str, int], ...]:
    """Returns the commands as files of a jail: name, text, mode."""
    with open(inside.__file__, encoding="utf-8") as file:
        text = f"#!{os.path.realpath(sys.executable)} -I\n{file.read()}"
    return ("evaluate", text, 0o755), ("history", text, 0o755)
