"""The operators by name: everything that can turn parents into a child."""

from __future__ import annotations

from collections.abc import Mapping

from discovery.core.types import Operator
from discovery.families.alphas.graft import Graft
from discovery.families.alphas.persona import Persona
from discovery.operators.cherry_pick import CherryPick
from discovery.operators.crossover import Crossover
from discovery.operators.diff import Diff
from discovery.operators.perturb import Perturb
from discovery.operators.plan import Execute, Instruct, Plan, Summarize
from discovery.operators.prune import Prune
from discovery.operators.repair import Repair
from discovery.operators.rewrite import Rewrite
from discovery.operators.splice import Splice
from discovery.operators.tune import Tune

OPERATORS: Mapping[str, Operator] = {
    operator.name: operator
    for operator in (
        Diff(),
        Rewrite(),
        Crossover(),
        Repair(),
        Plan(),
        Persona(),
        Tune(),
        Perturb(),
        Splice(),
        Prune(),
        Graft(),
        CherryPick(),
    )
}
JOBS: Mapping[str, Operator] = {
    **OPERATORS,
    **{step.name: step for step in (Execute(), Summarize(), Instruct())},
}
"""What executors can be asked for: the operators, and the steps that follow of themselves."""
