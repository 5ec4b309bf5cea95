"""The operator seam: an operator turns parents and context into one child.

An operator is a pure function of its job, its random generator and the replies of the model it is given. It may call
the model several times and may leave texts (a plan, a summary) on the child; it never evaluates anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from evaluators.contract import Evaluation, Limits, Program


class OperatorError(Exception):
    """An operator could not make a child from its job; the message says why (data for the run, not a crash).

    Attributes:
        calls: the model calls that were paid for before it failed.
    """

    def __init__(self, message: str, calls: Sequence[ModelCall] = ()) -> None:
        super().__init__(message)
        self.calls = tuple(calls)


class ModelError(Exception):
    """The model endpoint did not give a usable reply.

    Attributes:
        is_fatal: whether asking again cannot help (bad key, unknown model): the model is asked no more.
        is_stop: whether nothing was asked because the run ends; no fault of the model.
        model: which one, by its name in the settings; "" where that is not known.
        retry_after_s: how long it asked to be left alone, if it did.
        calls: the calls that were paid, or may have been, in this one attempt to get a reply.
    """

    def __init__(
        self,
        message: str,
        *,
        is_fatal: bool = False,
        is_stop: bool = False,
        model: str = "",
        retry_after_s: float | None = None,
        calls: Sequence[ModelCall] = (),
    ) -> None:
        super().__init__(message)
        self.is_fatal, self.is_stop = is_fatal, is_stop
        self.model = model
        self.retry_after_s = retry_after_s
        self.calls = tuple(calls)


@dataclass(frozen=True, slots=True)
class Individual:
    """A program together with what is known of it."""

    program: Program
    evaluation: Evaluation
    program_id: str
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing that was learned earlier, shown to a model under `item_id`, by which its reply can cite it."""

    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Trace:
    """What is remembered of one step of the search without its text.

    Attributes:
        score: None where it failed; `fault` says how then.
        gain: its score less that of its first parent, positive where it is better; None where either has none.
        texts: those of the program (idea, plan, summary), by name.
    """

    program_id: str
    score: float | None
    gain: float | None = None
    fault: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pitfall:
    """A reason for which programs failed: as the latest of them was told it, and how many there were."""

    fault: str
    times: int


@dataclass(frozen=True, slots=True)
class Chapter:
    """One program and every change of it that models tried, oldest first: a page of the ledger.

    Attributes:
        base: the program; its `gain` and `texts` say where it came from.
        attempts: its children that models made; their gains are against it.
        kept: id of the attempt through which the line of descent goes on, "" on the last page.
    """

    base: Trace
    attempts: tuple[Trace, ...]
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What an operator may tell a model about the search. Everything in it may be shown; nothing in it is secret.

    Attributes:
        goal: the problem's statement; notes: further advice of its author.
        objective: name of the metric; direction: "maximize" or "minimize".
        best_score: best score so far, if any.
        inspirations: other good or instructive programs, worst first.
        tried: children of the same parent whose text is still known, oldest first.
        seed: the problem's seed program (it carries the frozen part).
        token_budget: upper bound of a prompt's tokens.
        ancestors: the first parent's ancestors and itself, oldest first.
        siblings: earlier children of the first parent, oldest first, for summaries.
        ledger: every attempt on the line of descent of the first parent; the last page is its own.
        pitfalls: why programs failed anywhere in the search, the most frequent first.
        standing: best score of each open island; situation: "stuck", "fuse", "stagnant" (see context.py) or "".
        advice: what was learned earlier, the most valuable first.
        instruction: a sentence that stands for the usual one on what to look for; "" for the usual one.
        is_full: whether `inspirations` are the whole history, to be shown whole (for comparisons).
        hints: what the person who runs the search wants considered, oldest first. Unlike all else it may be obeyed.
        under_way: ideas of models' programs whose results are not known yet, oldest first.
        asked: which sentences the questions under way on the same program end with.
        limits: what a program may use for a case; None where that is not known.
        compared: what else the results of the first parent are held against: "its parent", "the best", where these are known.
    """

    goal: str
    objective: str
    direction: str
    seed: Program
    notes: str = ""
    best_score: float | None = None
    inspirations: tuple[Individual, ...] = ()
    tried: tuple[Individual, ...] = ()
    token_budget: int = 8000
    hints: tuple[str, ...] = ()
    ancestors: tuple[Trace, ...] = ()
    siblings: tuple[Trace, ...] = ()
    ledger: tuple[Chapter, ...] = ()
    pitfalls: tuple[Pitfall, ...] = ()
    standing: tuple[float, ...] = ()
    situation: str = ""
    advice: tuple[Advice, ...] = ()
    instruction: str = ""
    is_full: bool = False
    under_way: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    limits: Limits | None = None
    compared: tuple[tuple[str, Evaluation], ...] = ()


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an operator that works for a while may use: what its settings say, and no more than the run has left.

    Attributes:
        evaluations: programs that it may have judged while it works, beside the child that it leaves.
        calls, tokens, cost_usd: of models; None is unlimited.
        wall_s: how long it may work.
        command: what is started, for operators that start a program of this machine.
        adapter: the known program whose ways `command` has.
        readable: files and folders of this machine that it may read.
        memory_mib, scratch_mib: what it may take, and how much its folder holds.
    """

    evaluations: int
    calls: int | None = None
    tokens: int | None = None
    cost_usd: float | None = None
    wall_s: float = 600.0
    command: tuple[str, ...] = ()
    adapter: str = "command"
    readable: tuple[str, ...] = ()
    memory_mib: int = 4096
    scratch_mib: int = 256


@dataclass(frozen=True, slots=True)
class ProposeJob:
    """One request for a child.

    Attributes:
        rng_key: of the stream that the operator draws from (islands.chance.keyed).
        values: for `tune`, the new constants, in the order of `constants.find`.
        model: the model to ask; None leaves it to the weights of the settings.
        variant: name of the prompt variant to use; "" is the standing one.
        plan: the plan to carry out, for `execute` and `summarize`.
        attempts: programs that were made of this plan before, oldest first.
        turns: the conversation to go on with, where plan, execution and summary are one conversation.
        avoid: models that are not to be asked now, by name.
        allowance: what an operator may use that works for a while (`Experimenter`); None for others.
    """

    job_id: str
    operator: str
    island: int
    decision: int
    parents: tuple[Individual, ...]
    context: Context
    rng_key: tuple[int, ...]
    values: tuple[float, ...] = ()
    session: int | None = None
    model: str | None = None
    variant: str = ""
    plan: str = ""
    attempts: tuple[Individual, ...] = ()
    turns: tuple[Mapping[str, str], ...] = ()
    avoid: tuple[str, ...] = ()
    allowance: Allowance | None = None


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One model call that was paid, or may have been: whatever reached the endpoint and was not refused there.

    Attributes:
        cost_usd: None where the price is unknown (never zero).
        is_estimated: whether the endpoint reported no believable token counts, so that they were estimated.
    """

    model: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    seconds: float
    is_estimated: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A child before it is evaluated.

    Attributes:
        program: the child.
        parents: ids of its genealogical parents, the first is the one it was made from.
        calls: the model calls it took.
        texts: texts that stay with the child (plan, summary, the model's explanation), by name.
        turns: what it adds to a conversation, where there is one.
    """

    program: Program
    parents: tuple[str, ...]
    calls: tuple[ModelCall, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    turns: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """A reply that is no program: a plan, a summary, an instruction.

    Attributes:
        texts: what the reply says, by name.
        calls: the model calls it took.
        turns: what it adds to a conversation, where there is one.
    """

    texts: Mapping[str, str]
    calls: tuple[ModelCall, ...]
    turns: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply of a model: the text and what it cost."""

    text: str
    call: ModelCall


class Model(Protocol):
    """A chat model behind one method.

    Contract: thread-safe; blocks; retries and time-outs are its own business; raises `ModelError` when it gives up.
    """

    def complete(self, messages: Sequence[Mapping[str, Any]], *, rng: np.random.Generator) -> Reply:
        """Returns the reply to a chat (`[{"role": "system", "content": ...}, ...]`); `rng` picks model and heat."""
        ...


class Operator(Protocol):
    """Turns parents and context into one child, or into a note for the operators that come after it.

    Contract: pure apart from the model it is handed; raises `OperatorError` when no child came out and lets
    `ModelError` pass; `parents_needed` distinct parents stand in the job (fewer when the archive holds fewer).
    """

    name: str
    needs_model: bool
    parents_needed: int

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal | Note:
        """Returns the child (or the note) of one job."""
        ...


@runtime_checkable
class Specialist(Protocol):
    """An operator made for one kind of program, which knows what a search without a model should be made of there."""

    def default_weights(self, seed: Program) -> Mapping[str, float] | None:
        """Returns operator -> weight for a search that begins with `seed`; None where it is of another kind."""
        ...
