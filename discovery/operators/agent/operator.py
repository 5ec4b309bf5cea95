"""The operator `agent`: a coding agent of the command line works on the parent in a jail; the state of its folder is the child."""

from __future__ import annotations

import numpy as np

from discovery.core.allowance import Usage
from discovery.core.experiments import Bench
from discovery.core.texts import one_line, printable
from discovery.core.types import (
    Allowance,
    Individual,
    Model,
    ModelError,
    Note,
    OperatorError,
    Proposal,
    ProposeJob,
)
from discovery.llm.upstream import Reachable, Upstream
from discovery.operators.agent.adapters import ADAPTERS, MODEL_PORT, start_of
from discovery.operators.agent.commands import HISTORY_TOKENS, ChildError, Desk, child_of, left_by, tools
from discovery.operators.agent.gateway import serving
from discovery.operators.agent.inside import PORT
from discovery.operators.agent.log import Log
from discovery.operators.agent.proxy import ModelProxy
from discovery.operators.chat import restored
from discovery.prompts.attempts import Past, past_text
from discovery.prompts.question import question
from discovery.prompts.quoting import standing_text
from evaluators.sandbox.jail.jail import JailError, JailOrder, open_jail

_TASK = "discovery.operators.agent:task"


class Agent:
    """Lets a coding agent change the parent, and have programs judged on the way."""

    name = "agent"
    needs_model = True
    parents_needed = 1

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal:
        """Refuses: an agent needs a bench.

        Raises:
            OperatorError: always.
        """
        raise OperatorError(
            "agents work on the machine that runs the search: leave --broker out, or the operator agent"
        )

    def experiment(
        self, job: ProposeJob, rng: np.random.Generator, model: Model | None, bench: Bench
    ) -> Proposal | Note:
        """Returns what the agent leaves in its folder; a note where that was judged on the way.

        Raises:
            OperatorError: it leaves nothing new, or cannot be started; carries the calls that were paid.
            ModelError: its model cannot be asked.
        """
        reachable: object = model
        if not isinstance(reachable, Reachable):
            raise OperatorError("an agent needs a model to which its requests can be passed on")
        upstream, parent = reachable.reach(rng), restored(job.context.seed, job.parents[0])
        log = Log()
        desk = Desk(job, parent, bench, log)
        allowance = job.allowance or Allowance(0)
        order = self._order(job, parent, allowance, upstream, bench)
        proxy = ModelProxy(upstream, allowance, log)
        try:
            with open_jail(order) as jail:
                with serving(jail.doors[0], proxy), serving(jail.doors[1], desk):
                    ended = jail.wait(bench.is_stopped)
                    jail.end()
                files, output = jail.files(), jail.output
        except JailError as error:
            raise OperatorError(str(error), upstream.meter.calls) from error
        if proxy.failure is not None and not proxy.succeeded:
            raise proxy.failure
        if not upstream.meter.calls and ended not in ("exit code 0", "stopped"):
            said = one_line(output[-300:])
            raise ModelError(f"the agent asked nothing ({ended}): {said}", model=upstream.name)
        place = bench.keep(f"{log.text}\n\n# What it wrote, until {ended}\n{output}")
        used = Usage.of(upstream.meter.calls)
        texts = {
            "agent": f"{desk.judged} programs judged, {used.calls} calls; {ended}"
            + (f"; {place}" if place else "")
        }
        try:
            child = child_of(parent.program, files)
        except ChildError as error:
            raise OperatorError(f"the agent left no program ({ended}): {error}") from error
        return left_by(desk, parent, child, texts, ended)

    def _order(
        self, job: ProposeJob, parent: Individual, allowance: Allowance, upstream: Upstream, bench: Bench
    ) -> JailOrder:
        adapter = ADAPTERS[allowance.adapter]
        if not set(adapter.formats) & set(upstream.formats):
            raise ModelError(
                f"the agent {allowance.adapter} speaks the format of {' or '.join(adapter.formats)}, which model {upstream.name} does not "
                "take; choose another model or adapter",
                is_fatal=True,
                model=upstream.name,
            )
        task = _task(job, parent, allowance)
        start = start_of(allowance, task=task, model=upstream.called, entry=parent.program.entry)
        return JailOrder(
            command=start.command,
            environment=start.environment,
            files=dict(parent.program.files),
            ports=(MODEL_PORT, PORT),
            tools=(*tools(), *start.files),
            readable=start.readable,
            hidden=bench.hidden,
            scratch_mib=allowance.scratch_mib,
            memory_mib=allowance.memory_mib,
            wall_s=allowance.wall_s,
        )


def _task(job: ProposeJob, parent: Individual, allowance: Allowance) -> str:
    """Returns what the agent is asked."""
    context = job.context
    past = Past(parent, "the program in /program", frozenset({parent.program_id}))

    def history(room: int) -> str:
        return past_text(past, context, min(room, HISTORY_TOKENS))

    slots = {
        "entry": parent.program.entry,
        "standing": standing_text(parent, context),
        "evaluations": str(allowance.evaluations),
        "minutes": f"{max(0.1, allowance.wall_s / 60):.3g}",
    }
    system, user = question(_TASK, context, lambda is_cut: slots, history)
    statement = system["content"].partition("\n\n")[2].strip()  # without the sentence on what is returned
    head, _, rest = user["content"].partition("\n\n")
    return printable(f"{head}\n\n{statement}\n\n{rest.strip()}\n")
