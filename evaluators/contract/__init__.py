"""The contract between a problem, the programs that try to solve it, and whoever runs them.

The rule of trust: a program returns a certificate (plain data), never a score. `cases` and `score` run on the
trusted side; `run` and the program run in the sandbox; only plain data crosses between them.

Exceptions:
    ContractError            a problem module or a value breaks the contract (ours to report, with the remedy)
    Invalid                  raised by `score` or an oracle: this output is rejected, with the reason
    Exhausted                raised by an oracle: nothing is left to ask; the case ends at once and is scored

cases       what passes between a problem and a program: cases, oracles, programs, what to improve on
declared    what a problem declares of itself: what counts, along which axes, within which limits, what is known
errors      the exceptions, and the rules that values are held against
evaluation  what was learned about one program
"""

from evaluators.contract.cases import DEFAULT_ENTRY, Case, Incumbent, Oracle, PlainData, Program, Result
from evaluators.contract.declared import Baseline, BestKnown, Limits, Measure, Objective
from evaluators.contract.errors import ContractError, Exhausted, Invalid
from evaluators.contract.evaluation import Evaluation, Part, Status

__all__ = [
    "DEFAULT_ENTRY",
    "Baseline",
    "BestKnown",
    "Case",
    "ContractError",
    "Evaluation",
    "Exhausted",
    "Incumbent",
    "Invalid",
    "Limits",
    "Measure",
    "Objective",
    "Oracle",
    "Part",
    "PlainData",
    "Program",
    "Result",
    "Status",
]
