"""Code Discovery: an evolutionary search for better programs.

    import discovery

    run = discovery.search("circle_packing", evals=200, seed=1)     # as `discovery run` does; a `Run`
    print(run.best.score, run.best.text)

    with discovery.study("circle_packing", evals=200) as study:     # the same search, whose programs you make
        for question in study:
            study.tell(question, my_change(question.parents[0].program.text))

Everything else that others may use is in `discovery.__all__`; it is loaded when it is first named.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from discovery.api.events import BestFound, ModelCalled, ProgramEvaluated, RunEnded, RunEvent
    from discovery.api.problems import problem
    from discovery.api.runs import Elite, Run
    from discovery.api.search import evaluate, search, study
    from discovery.api.search import open_run as open
    from discovery.api.study import Question, Study, StudyOver, Told
    from discovery.core.errors import DiscoveryError
    from discovery.core.records import Record
    from discovery.core.types import Context, Individual, ModelCall
    from evaluators.contract import Evaluation, Program

__all__ = [
    "BestFound",
    "Context",
    "DiscoveryError",
    "Elite",
    "Evaluation",
    "Individual",
    "ModelCall",
    "ModelCalled",
    "Program",
    "ProgramEvaluated",
    "Question",
    "Record",
    "Run",
    "RunEnded",
    "RunEvent",
    "Study",
    "StudyOver",
    "Told",
    "evaluate",
    "open",
    "problem",
    "search",
    "study",
]

_HOMES = {
    "BestFound": "discovery.api.events",
    "Context": "discovery.core.types",
    "DiscoveryError": "discovery.core.errors",
    "Elite": "discovery.api.runs",
    "Evaluation": "evaluators.contract",
    "Individual": "discovery.core.types",
    "ModelCall": "discovery.core.types",
    "ModelCalled": "discovery.api.events",
    "Program": "evaluators.contract",
    "ProgramEvaluated": "discovery.api.events",
    "Question": "discovery.api.study",
    "Record": "discovery.core.records",
    "Run": "discovery.api.runs",
    "RunEnded": "discovery.api.events",
    "RunEvent": "discovery.api.events",
    "Study": "discovery.api.study",
    "StudyOver": "discovery.api.study",
    "Told": "discovery.api.study",
    "evaluate": "discovery.api.search",
    "open": "discovery.api.search:open_run",
    "problem": "discovery.api.problems",
    "search": "discovery.api.search",
    "study": "discovery.api.search",
}


class _Package(ModuleType):
    """This module. `discovery.search` is the function, though one of the rooms has the same name.

    Importing a room sets it as an attribute of its package; where the name is one of the API, that is left out. The room
    is imported as everywhere here: `from discovery.search.coordinator import Coordinator`.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, inner = _HOMES[name].partition(":")
    found = globals()[name] = getattr(importlib.import_module(module), inner or name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
