"""Runs in which each program is handed the best output so far, and a fixed time to improve on it.

What a program is handed is a function of the records before it: the best output that any of them gave, at first that of
the problem's plain seed, or of a certificate. Each evaluation names the program whose output it was handed, so that every
output has a chain of programs that made it, one from the other.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from discovery.certify import certificates, claims
from discovery.core.errors import RunError
from discovery.settings.config import RunConfig
from discovery.storage.secret import new_secret
from evaluators.contract import Incumbent
from evaluators.judging.scoring import object_cases
from evaluators.problems.loading import Problem, load_source
from evaluators.worker import JudgeProcess


def begin(
    problem: Problem,
    config: RunConfig,
    *,
    seconds: float,
    certificate: str | Mapping[str, Any] | None = None,
) -> tuple[Problem, Incumbent]:
    """Returns the problem as a search for programs that improve, and what the first of them is handed.

    Args:
        problem: the plain problem.
        config: of the run.
        seconds: how long a program has, per case.
        certificate: of the output to begin with, its file or its content; without one, the plain seed program makes it.

    Raises:
        ProblemError: the problem's outputs do not speak for themselves, or `seconds` is out of range.
        CertificateError: the certificate does not hold.
        RunError: the plain seed gives no output that is kept, or the certificate has none.
    """
    search = load_source(replace(problem.source, improve_s=seconds))
    if object_cases(problem) is None:
        raise RunError(
            f"{problem.name} draws its cases anew in each run, so no output can be handed on; leave --from-best out"
        )
    if isinstance(certificate, Mapping):
        with tempfile.TemporaryDirectory(prefix="discovery-") as folder:
            path = Path(folder) / "certificate.json"
            path.write_text(json.dumps(certificate), encoding="utf-8")
            return search, _certified(path, config)
    if certificate is not None:
        return search, _certified(Path(certificate), config)
    with closing(JudgeProcess(problem.source, new_secret(), unsafe=config.unsafe, tier=config.tier)) as judge:
        evaluation = judge.evaluate(problem.seed)
    if evaluation.score is None or evaluation.certificate is None:
        reason = evaluation.reason or "its output is too large to be kept"
        raise RunError(f"the seed program of {problem.name} gives nothing to begin with: {reason}")
    return search, Incumbent(evaluation.certificate, evaluation.score)


def _certified(path: Path, config: RunConfig) -> Incumbent:
    finding = claims.check(path, spec=config.problem)
    output = certificates.read(path)["object"]
    if output is None:
        raise RunError(f"{path.name} holds a program and no output to begin with")
    return Incumbent(output, finding.score)
