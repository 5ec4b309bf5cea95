"""The judge: runs a program on the cases of every stage, scores its outputs, says truly what became of it.

It lives in a process that never forks candidates (worker.py), for it holds the cases, the scorer and the
secret.

Exceptions:
    JudgeError    the problem is broken (not the program): names the function, the line and the error
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

import numpy as np

from evaluators.contract import (
    Case,
    Evaluation,
    Exhausted,
    Incumbent,
    Invalid,
    Limits,
    Objective,
    Oracle,
    PlainData,
    Program,
    Result,
    Status,
)
from evaluators.judging import breakdown
from evaluators.judging.alarm import AlarmError, time_limit
from evaluators.judging.exam_limits import exam_limits
from evaluators.judging.kept import certificate, exhibit
from evaluators.problems.loading import Problem
from evaluators.sandbox.base import Outcome, Sandbox, SandboxError, Session
from evaluators.sandbox.clean import clean_line
from evaluators.source.files import ProblemError
from evaluators.text.measures import axis_values

MAX_PHASES = 8
"""How many processes one case may take, one after the other, where the problem has `follow`."""

SCORE_TIMEOUT_S = 60.0
_SLACK_S = 30.0

_BROKEN = (NameError, ImportError, SyntaxError, NotImplementedError)
"""What no output can provoke: the scorer itself is broken."""

T = TypeVar("T")


class JudgeError(Exception):
    """A function of the problem failed, whatever the program did."""


class _RejectedError(Exception):
    """The program is done for: a status and a reason."""

    def __init__(self, status: Status, reason: str, feedback: str = "") -> None:
        super().__init__(reason)
        self.status, self.reason, self.feedback = status, reason, feedback


@dataclass(slots=True)
class _Progress:
    """How far one program came: the results of the stage under way, and what counts over all stages."""

    results: list[Result] = field(default_factory=list)
    outputs: list[PlainData] = field(default_factory=list)
    exhibit: list[PlainData] = field(default_factory=list)
    done: int = 0
    feedback: str = ""
    cpu_s: float = 0.0
    limits: Limits | None = None

    def begin_stage(self) -> None:
        """Forgets the stage before, which was only a gate."""
        self.results, self.outputs, self.exhibit = [], [], []


class _Children:
    """The children that one program is run in, one after the other. Close them.

    Attributes:
        cpu_s: what those took that were closed.
    """

    def __init__(self, sandbox: Sandbox, program: Program, limits: Limits) -> None:
        self._sandbox, self._program, self._limits = sandbox, program, limits
        self._session: Session | None = None
        self._left = 0
        self.cpu_s = 0.0

    def for_cases(self, count: int) -> Session:
        """Returns the child for the next case: a fresh one, for `count` cases, where the one before is done."""
        if self._session is None or not self._left:
            self.close()
            self._session, self._left = self._sandbox.start(self._program, self._limits, cases=count), count
        self._left -= 1
        return self._session

    def close(self) -> None:
        """Ends the child, if there is one."""
        session, self._session = self._session, None
        if session is not None:
            self.cpu_s += session.close()


class Judge:
    """Judges programs of one problem, one at a time.

    Each case is run in a child of its own, each of its phases in another, unless the problem asks for one child for all
    cases of a stage. A stage that is not the last is a gate; the results of the last one alone make metrics and score.

    The cases are drawn once, from the secret, so that every program meets the same. Where the problem has `vary`, each
    evaluation meets variants of them that nobody has met: what a program may remember of another evaluation, by
    whatever way, is of no use there.

    Args:
        problem: what to solve.
        secret: what the hidden cases derive from.
        sandbox: where programs run; owned by the caller.
        score_timeout_s: how long `score` or an oracle may take for one call (in the main thread only).
        chance: what the variants of each evaluation are drawn from.

    Raises:
        JudgeError: `cases` or `held_out` fails.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        secret: bytes,
        sandbox: Sandbox,
        score_timeout_s: float = SCORE_TIMEOUT_S,
        chance: np.random.Generator | None = None,
    ) -> None:
        self._problem = problem
        self._sandbox = sandbox
        self._score_timeout_s = score_timeout_s
        self._chance = np.random.default_rng() if chance is None else chance
        self._handed: list[PlainData] | None = None
        first = (
            0 if problem.source.improve_s is None else problem.stages - 1
        )  # there is no output of a gate to improve on
        self._stages = [self._draw(secret, stage) for stage in range(first, problem.stages)]
        self._held_out = _guard(
            "held_out", problem, lambda: problem.draw_held_out(_rng(secret, "held_out", 0))
        )
        visible = [case for stage in self._stages for case in stage]
        self._exam_limits = exam_limits(problem.limits, visible, self._held_out)

    def _draw(self, secret: bytes, stage: int) -> tuple[Case, ...]:
        rng = _rng(secret, "cases", stage)
        return _guard("cases", self._problem, lambda: self._problem.draw_cases(rng, stage))

    def limit_s(self, *, held_out: bool = False) -> float:
        """Returns how long the evaluation of any program can take at most, in seconds of wall-clock time."""
        phases = MAX_PHASES if self._problem.follow else 1
        cases = phases * sum(map(len, self._stages))
        whole_s = cases * (self._problem.limits.wall_s + self._score_timeout_s) + _SLACK_S
        if not held_out:
            return whole_s
        return whole_s + phases * len(self._held_out) * (self._exam_limits.wall_s + self._score_timeout_s)

    def evaluate(
        self, program: Program, *, held_out: bool = False, start: Incumbent | None = None
    ) -> Evaluation:
        """Returns what was learned about `program`; with its metrics on the held-out cases if asked and OK.

        `start` is what the program is handed to improve on, where the problem is such a search.

        Raises:
            JudgeError: a function of the problem fails.
            SandboxError: the sandbox fails, twice in a row.
        """
        begun = monotonic()
        progress = _Progress()
        total = sum(map(len, self._stages))
        self._handed = self._outputs_of(start)
        common: dict[str, Any] = {}
        if start is not None:
            common = {"start_id": start.program_id, "start_score": start.score}
        try:
            common |= self._judge(program, progress)
            status, reason = Status.OK, ""
            if held_out and self._held_out:
                found, reason = self._judge_held_out(program)
                common |= found
        except _RejectedError as rejected:
            status, reason = rejected.status, rejected.reason
            common |= self._parts(progress)
            progress.feedback = rejected.feedback or progress.feedback
            if progress.results and status is Status.REJECTED:
                common["metrics"] = self._combine(progress.results, is_last=False)
        return Evaluation(
            status=status,
            reason=reason,
            feedback=progress.feedback,
            cases_done=progress.done,
            cases_total=total,
            cpu_s=progress.cpu_s,
            wall_s=monotonic() - begun,
            layers=self._sandbox.layers,
            self_scored=self._problem.self_scored,
            **common,
        )

    def _outputs_of(self, start: Incumbent | None) -> list[PlainData] | None:
        """Returns the output to improve on for each case, None where programs start from nothing."""
        if (start is not None) != (self._problem.source.improve_s is not None):
            raise JudgeError(
                "a program is handed an output to improve on exactly where the problem asks for that"
            )
        if start is None:
            return None
        count = sum(map(len, self._stages))
        outputs = [start.output] if count == 1 else start.output
        if not isinstance(outputs, list) or len(outputs) != count:
            raise JudgeError(f"what a program is to improve on must be a list of {count} outputs")
        return outputs

    def _judge(self, program: Program, progress: _Progress) -> dict[str, Any]:
        problem = self._problem
        for stage, cases in enumerate(self._stages):
            progress.begin_stage()
            self._run_cases(program, self._varied(cases), progress)
            if stage < len(problem.thresholds):
                reached = self._combine(progress.results, is_last=False)[problem.objective.name]
                self._check_threshold(reached, stage)
        metrics = self._combine(progress.results)
        score = metrics[problem.objective.name]
        _check_gates(problem.objective, score)
        return {
            "score": score,
            "metrics": metrics,
            "measures": axis_values(problem.measures, program, metrics),
            "certificate": certificate(progress.outputs) if problem.keeps_certificate else None,
            **self._parts(progress),
        }

    def _parts(self, progress: _Progress) -> dict[str, Any]:
        name = self._problem.objective.name
        return {
            "by_case": breakdown.by_case(progress.results, name),
            "by_group": breakdown.by_group(progress.results, name),
        }

    def _judge_held_out(self, program: Program) -> tuple[dict[str, Any], str]:
        """Returns metrics and exhibit of the held-out cases, and why they were refused, if they were."""
        progress = _Progress(limits=self._exam_limits)
        try:
            self._run_cases(program, self._varied(self._held_out), progress)
            metrics = self._combine(progress.results)
        except _RejectedError as rejected:
            return {}, f"held-out cases: {rejected.reason}"
        pages = _guard("the exhibit", self._problem, lambda: exhibit(progress.exhibit))
        groups = self._parts(progress)["by_group"]
        return {"held_out": metrics, "held_out_by_group": groups, "exhibit": pages}, ""

    def _varied(self, cases: tuple[Case, ...]) -> tuple[Case, ...]:
        return _guard("vary", self._problem, lambda: self._problem.varied(self._chance, cases))

    def _run_cases(self, program: Program, cases: tuple[Case, ...], progress: _Progress) -> None:
        """Runs and scores the cases of one stage; a sandbox that fails gets a second try."""
        before = progress.done
        try:
            self._try_cases(program, cases, progress)
        except SandboxError:
            progress.begin_stage()
            progress.done = before
            self._try_cases(program, cases, progress)

    def _try_cases(self, program: Program, cases: tuple[Case, ...], progress: _Progress) -> None:
        children = _Children(self._sandbox, program, progress.limits or self._problem.limits)
        try:
            for index, case in enumerate(cases):
                shared = len(cases) - index if self._problem.shares_process else 1
                self._run_case(children, case, progress, shared=shared)
        finally:
            children.close()
            progress.cpu_s += children.cpu_s

    def _run_case(self, children: _Children, case: Case, progress: _Progress, *, shared: int) -> None:
        """Runs a case phase by phase, each in a fresh child, and scores what the last one gave."""
        phase, number = case, 1
        output, oracle = self._run_phase(children, phase, progress, shared=shared)
        while (following := self._following(phase, output, oracle)) is not None:
            number += 1
            if number > MAX_PHASES:
                raise JudgeError(
                    f"follow() asks for more than {MAX_PHASES} phases of one case; let it return None"
                )
            children.close()
            phase = following
            output, oracle = self._run_phase(children, phase, progress, shared=shared)
        metrics = self._provoked("score", lambda: self._problem.score_output(phase, output, oracle))
        progress.results.append(Result(case, metrics))
        progress.outputs.append(output)
        progress.exhibit += getattr(oracle, "exhibit", None) or []
        progress.done += 1

    def _following(self, phase: Case, output: PlainData, oracle: Oracle | None) -> Case | None:
        return self._provoked("follow", lambda: self._problem.following(phase, output, oracle))

    def _run_phase(
        self, children: _Children, case: Case, progress: _Progress, *, shared: int
    ) -> tuple[PlainData, Oracle | None]:
        """Returns what the program gave in one phase, None where it used up its oracle, and the oracle."""
        serve = self._problem.serve
        oracle = _guard("serve", self._problem, lambda: serve(case)) if serve else None
        inputs = case.inputs
        if self._handed is not None:
            inputs = {"inputs": inputs, "best": self._handed[len(progress.outputs)]}
        outcome = self._outcome(children.for_cases(shared), inputs, oracle)
        if outcome is not None:
            progress.feedback = outcome.feedback or progress.feedback
            if outcome.status is not Status.OK:
                raise _RejectedError(outcome.status, outcome.reason, outcome.feedback)
        if outcome is None or outcome.is_partial:
            children.close()
        return None if outcome is None else outcome.output, oracle

    def _outcome(self, session: Session, inputs: PlainData, oracle: Oracle | None) -> Outcome | None:
        """Returns how the program did, None where it has used up its oracle."""
        ask = None
        if oracle is not None:
            served = oracle

            def ask(request: PlainData) -> PlainData:
                return self._provoked("the oracle", lambda: served(request))

        try:
            return session.run(inputs, ask)
        except Exhausted:
            session.close()
            return None
        except (MemoryError, RecursionError) as error:
            raise _RejectedError(
                Status.INVALID, f"the output is too much to judge ({type(error).__name__})"
            ) from error

    def _provoked(self, what: str, call: Callable[[], T]) -> T:
        """Returns what trusted code makes of the program's data; data that it cannot stand is invalid.

        Only errors that no data can provoke (an unknown name, a missing module) are the problem's own.
        """
        try:
            with time_limit(self._score_timeout_s):
                return call()
        except Exhausted:
            raise
        except Invalid as error:
            raise _RejectedError(
                Status.INVALID, clean_line(str(error)) or "rejected by the scorer"
            ) from error
        except AlarmError as error:
            reason = f"{what} needs more than {self._score_timeout_s:g} s for this output"
            raise _RejectedError(Status.INVALID, reason) from error
        except _BROKEN as error:
            raise JudgeError(_describe(what, error, self._problem)) from error
        except Exception as error:
            raise _RejectedError(Status.INVALID, _describe(what, error, self._problem)) from error

    def _combine(self, results: list[Result], *, is_last: bool = True) -> dict[str, float]:
        return self._provoked("aggregate", lambda: self._problem.combine(results, is_last=is_last))

    def _check_threshold(self, reached: float, stage: int) -> None:
        problem = self._problem
        threshold = problem.thresholds[stage]
        if problem.objective.fitness(reached) < problem.objective.fitness(threshold):
            word = "below" if problem.objective.direction == "maximize" else "above"
            raise _RejectedError(
                Status.REJECTED,
                f"stage {stage + 1} of {problem.stages}: {problem.objective.name} {reached:.6g} is {word} "
                f"the threshold {threshold:g}",
            )


def _check_gates(objective: Objective, score: float) -> None:
    gates = (
        ("the proven bound", objective.bound, "the scorer has a fault or was tricked"),
        ("what is plausible,", objective.plausible, "look at it before believing it"),
    )
    for what, limit, remark in gates:
        if limit is not None and objective.fitness(score) > objective.fitness(limit):
            raise _RejectedError(
                Status.REJECTED, f"{objective.name} {score:.12g} is better than {what} {limit:.12g}: {remark}"
            )


def _rng(secret: bytes, purpose: str, stage: int) -> np.random.Generator:
    digest = hashlib.blake2b(
        f"{purpose}/{stage}".encode(), key=hashlib.sha256(secret).digest(), digest_size=32
    )
    return np.random.default_rng(np.frombuffer(digest.digest(), dtype=np.uint32))


def _guard(what: str, problem: Problem, call: Callable[[], T]) -> T:
    """Returns what a function of the problem returns that no program has a part in."""
    try:
        return call()
    except Exception as error:
        raise JudgeError(_describe(what, error, problem)) from error


def _describe(what: str, error: BaseException, problem: Problem) -> str:
    """Returns which function failed on what, and the last line of the problem's files in the traceback."""
    if isinstance(error, ProblemError):
        return clean_line(str(error))
    folder = problem.files.folder
    places = [
        f"{frame.filename}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if (folder and frame.filename.startswith(folder)) or frame.filename == problem.files.path
    ]
    where = f" at {places[-1].removeprefix(folder).lstrip('/')}" if places else ""
    name = what if what.startswith("the ") else f"{what}()"
    return clean_line(f"{name} of the problem failed{where} on {type(error).__name__}: {error}")
