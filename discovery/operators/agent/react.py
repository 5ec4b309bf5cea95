"""The operator `react`: a light agent of our own, which changes the program step by step and has it judged on the way.

After LoongFlow's tool-using executor (arXiv:2512.24077), with the first gain as its end. Where that one takes the tool calls of an
endpoint, here an action is the last line of a reply, so any chat model can do it. Nothing that the model writes runs outside the judge.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from discovery.core.allowance import Usage, Verdict
from discovery.core.experiments import Bench
from discovery.core.texts import one_line, printable
from discovery.core.types import (
    Allowance,
    Individual,
    Model,
    ModelCall,
    ModelError,
    Note,
    OperatorError,
    Proposal,
    ProposeJob,
)
from discovery.operators.agent.commands import Desk, left_by
from discovery.operators.agent.log import Log
from discovery.operators.chat import restored
from discovery.programs.replies import answer_text
from discovery.programs.search_replace import EditError, apply_edits, has_edits, parse_edits
from discovery.programs.static_checks import static_fault
from discovery.prompts.attempts import Past, past_text
from discovery.prompts.question import Message, count_message_tokens, message, question
from discovery.prompts.quoting import fence, show_program, standing_text
from evaluators.contract import Objective, Program

_ACTION = re.compile(
    r"^[ \t>*_#-]{0,8}action[*_ \t]{0,4}:[*_` \t]{0,4}(\w+)[*_`]{0,2}[ \t]*(.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_STEPS_OF_AN_EVALUATION = 3
"""Replies for each evaluation that a job may have, and as many more to begin with."""
_LEAST_TOKENS = 2000


class React:
    """Changes the parent step by step, told what came of each; ends at the first gain."""

    name = "react"
    needs_model = True
    parents_needed = 1

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal:
        """Refuses: it needs a bench.

        Raises:
            OperatorError: always.
        """
        raise OperatorError(
            "react works on the machine that runs the search: leave --broker out, or the operator react"
        )

    def experiment(
        self, job: ProposeJob, rng: np.random.Generator, model: Model | None, bench: Bench
    ) -> Proposal | Note:
        """Returns what the program is at the end; a note where that was judged on the way.

        Raises:
            OperatorError: nothing was changed; carries the calls that were paid.
            ModelError: the first question was not answered.
        """
        if model is None:
            raise OperatorError("operator react needs a model; name one with --model")
        work = _Work(job, restored(job.context.seed, job.parents[0]), bench, job.allowance or Allowance(0))
        ended = work.run(model, rng)
        place = bench.keep(work.log.text)
        texts = {
            "agent": f"{work.desk.judged} programs judged, {len(work.calls)} calls; {ended}"
            + (f"; {place}" if place else "")
        }
        try:
            return left_by(work.desk, work.parent, work.program, texts, ended)
        except OperatorError as error:
            raise OperatorError(str(error), work.calls) from error


@dataclass(slots=True)
class _Work:
    """One job: the program as it is by now, and the conversation."""

    job: ProposeJob
    parent: Individual
    bench: Bench
    allowance: Allowance
    log: Log = field(default_factory=Log)
    calls: list[ModelCall] = field(default_factory=list)
    desk: Desk = field(init=False)
    program: Program = field(init=False)
    best: tuple[float, Program] | None = None
    has_gained: bool = False

    def __post_init__(self) -> None:
        self.desk = Desk(self.job, self.parent, self.bench, self.log)
        self.program = self.parent.program

    @property
    def steps(self) -> int:
        """How many replies there may be."""
        most = _STEPS_OF_AN_EVALUATION * (self.allowance.evaluations + 1)
        return most if self.allowance.calls is None else min(most, self.allowance.calls)

    def run(self, model: Model, rng: np.random.Generator) -> str:
        """Works until the end, and returns how it ended."""
        opening, turns = self._question(), list[Message]()
        for step in range(self.steps):
            if why := self._over():
                return why
            try:
                reply = model.complete(self._fitting(opening, turns), rng=rng)
            except ModelError as error:
                if not self.calls:
                    raise
                return f"no further answer: {one_line(str(error), 200)}"
            self.calls.append(reply.call)
            text = printable(reply.text)
            self.log(f"reply {step}\n{text}")
            said = self._act(text)
            if said is None or self.has_gained:
                return "a gain" if self.has_gained else "finished"
            self.log(said)
            left = self.steps - step - 1
            turns += [message("assistant", text), message("user", f"{said}\n\n{left} replies are left.")]
        return "all replies used up"

    def _over(self) -> str:
        used, allowed = Usage.of(tuple(self.calls)), self.allowance
        if self.bench.is_stopped():
            return "the run ends"
        if allowed.tokens is not None and used.tokens >= allowed.tokens:
            return "all tokens used up"
        if allowed.cost_usd is not None and (used.unpriced or used.cost_usd >= allowed.cost_usd):
            return "all money used up"
        return ""

    def _act(self, reply: str) -> str | None:
        """Does what a reply says, and returns what came of it; None where it ends the work."""
        said = []
        answer = answer_text(reply)
        if has_edits(answer):
            try:
                self.program = apply_edits(self.program, parse_edits(answer))
                said.append("The change is made.")
            except EditError as error:
                return f"The change is not made: {one_line(str(error), 600)}"
        found = _ACTION.findall(reply)
        action, rest = (found[-1][0].lower(), found[-1][1].strip(" `*")) if found else ("", "")
        if action == "finish":
            return None
        if action == "evaluate":
            said.append(self._evaluated(rest))
        elif action == "read":
            said.append(self._read(rest))
        elif action == "undo":
            self.program = self.best[1] if self.best else self.parent.program
            said.append("The program is what it was at its best:\n" + show_program(self.program))
        elif action == "check":
            fault = static_fault(self.job.context.seed, self.program)
            said.append(f"It cannot work: {one_line(fault, 600)}" if fault else "No fault was found.")
        else:
            said.append(
                "End the reply with a line `Action: ...`: check, evaluate, read FILE, undo or finish."
            )
        return "\n".join(said)

    def _evaluated(self, idea: str) -> str:
        if (fault := static_fault(self.job.context.seed, self.program)) is not None:
            return f"It is not judged, for it cannot work: {one_line(fault, 600)}"
        verdicts, text = self.desk.judge([self.program], idea)
        self._weigh(verdicts[0])
        return fence(text)

    def _weigh(self, verdict: Verdict) -> None:
        evaluation, was = verdict.evaluation, self.parent.evaluation.score
        if evaluation is None or evaluation.score is None:
            return
        fitness = Objective(
            direction="minimize" if self.job.context.direction == "minimize" else "maximize"
        ).fitness
        value = fitness(evaluation.score)
        if self.best is None or value > self.best[0]:
            self.best = (value, self.program)
        self.has_gained = was is None or value > fitness(was)

    def _read(self, path: str) -> str:
        wanted = path or self.program.entry
        if wanted not in self.program.files:
            return f"There is no such file; there are: {one_line(', '.join(sorted(self.program.files)), 400)}"
        return fence(self.program.files[wanted])

    def _question(self) -> tuple[Message, ...]:
        context, parent = self.job.context, self.parent
        past = Past(parent, "the current program", frozenset({parent.program_id}))
        has_files = len(parent.program.files) > 1

        def slots(is_cut: bool) -> dict[str, str]:
            return {
                "standing": standing_text(parent, context),
                "program": show_program(parent.program, is_cut=is_cut),
                "files": " Write the file's name on the line above each block." if has_files else "",
                "evaluations": str(self.allowance.evaluations),
                "steps": str(self.steps),
            }

        return question(
            "discovery.operators.agent:react", context, slots, lambda room: past_text(past, context, room)
        )

    def _fitting(self, opening: tuple[Message, ...], turns: list[Message]) -> tuple[Message, ...]:
        """Returns the conversation within the token budget: the question, and as many of the newest turns as fit."""
        room = max(_LEAST_TOKENS, self.job.context.token_budget - count_message_tokens(opening))
        kept = list(turns)
        while len(kept) > 2 and count_message_tokens(kept) > room:
            del kept[:2]
        if len(kept) < len(turns):
            now = message(
                "user",
                f"Some turns are left out here. By now the program is:\n{show_program(self.program, is_cut=True)}",
            )
            return (*opening, message("assistant", "Action: read"), now, *kept)
        return (*opening, *kept)
