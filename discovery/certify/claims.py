"""Claims made and checked: what `discovery verify` does with certificates (certificates.py).

An object is scored again in a process of its own, and no program runs. A program is judged again in the sandbox: on the
very cases of the claim if the secret of its run is told, else on fresh ones.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from discovery.certify import certificates
from discovery.core.errors import CertificateError, ConfigError, LineageError
from discovery.core.records import Record
from discovery.core.texts import SELF_SCORED
from discovery.execution.embedded import Judging
from discovery.settings.config import RunConfig
from discovery.storage.git import history
from discovery.storage.index import Index, open_index
from discovery.storage.run_folder import RunFolder
from discovery.storage.secret import new_secret
from evaluators.contract import Evaluation, Invalid, Status
from evaluators.judging.scoring import Scored, object_cases, score_apart
from evaluators.problems.loading import Problem, load_problem, shipped_names
from evaluators.worker import JudgeProcess


@dataclass(frozen=True, slots=True)
class Link:
    """One program of a chain: what it was handed was worth `start_score`, what it gave `score`."""

    program_id: str
    operator: str
    start_score: float
    score: float


@dataclass(frozen=True, slots=True)
class Finding:
    """A certificate that holds.

    Attributes:
        claim: "object" or "program".
        problem: its name; verdict: see `certificates.verdict`.
        stated: the score in the certificate.
        score: the score that was found: the same, but for a program on fresh cases.
        exact: the exact score as text, where there is one.
        is_reproduced: whether the score was found again to the last digit; False for a program on fresh cases.
        self_scored: whether the program's own process gave the score, which proves nothing.
        why_it_varies: where it was not reproduced, why it need not have been.
    """

    claim: str
    problem: str
    stated: float
    score: float
    exact: Mapping[str, str] | None
    verdict: str
    is_reproduced: bool
    self_scored: bool
    why_it_varies: str = ""

    def text(self) -> str:
        """Returns it for people."""
        value = ", ".join(f"{key} {one}" for key, one in (self.exact or {}).items())
        lines = [f"{self.problem}: {self.verdict}"]
        if self.is_reproduced:
            lines.append(
                f"the {self.claim} scores {self.score!r}, as stated"
                + (f"; exactly: {value}" if value else "")
            )
        else:
            lines.append(f"the program scores {self.score!r} here; stated: {self.stated!r} in its run")
            lines.append(f"the score may vary: {self.why_it_varies}")
        return "\n".join([*lines, SELF_SCORED] if self.self_scored else lines)


def certify(folder: RunFolder, problem: Problem, config: RunConfig, record: Record) -> dict[str, Any]:
    """Returns the certificate of a run's best record, its object scored again.

    Raises:
        CertificateError: the object is refused now.
    """
    evaluation, output = record.evaluation, None
    with open_index(folder) as index:
        found_by = [asdict(link) for link in chain(index, record.program_id)]
    scored = Scored(float(evaluation.score or 0.0), None)
    if object_cases(problem) is not None and evaluation.certificate is not None:
        output = evaluation.certificate
        scored = _scored(problem, output)
    return certificates.make(
        problem,
        program=record.program,
        commit=_commit(folder, record.program_id),
        scored=scored,
        output=output,
        secret=folder.read_secret(config.seed),
        found_by=found_by,
    )


def is_noisy(problem: Problem) -> bool:
    """Returns whether the same program may score differently on the same cases."""
    return problem.objective.repeats > 1 or problem.kernel is not None


def judged_again(judge: Judging, problem: Problem, record: Record) -> tuple[Evaluation, bool]:
    """Returns a new evaluation of a record's program on the same cases, and whether it confirms what was recorded.

    It must be the same to the last bit, and the output too. Where scores vary, several measurements are made, and what was
    recorded (a lower bound) must not lie above their mean by more than their standard error.
    """
    recorded = record.evaluation
    again = judge.evaluate(record.program)
    if not is_noisy(problem):
        return again, again.is_ok and (again.score, again.certificate) == (
            recorded.score,
            recorded.certificate,
        )
    measured = [
        again,
        *(judge.evaluate(record.program) for _ in range(max(3, problem.objective.repeats) - 1)),
    ]
    scores = [one.score for one in measured if one.score is not None]
    assert recorded.score is not None, "the best record has a score"
    if len(scores) < len(measured):
        return next(one for one in measured if one.score is None), False
    fitness = [problem.objective.fitness(score) for score in scores]
    error = statistics.stdev(fitness) / math.sqrt(len(fitness))
    is_confirmed = statistics.fmean(fitness) + error >= problem.objective.fitness(recorded.score)
    return replace(again, score=statistics.fmean(scores), scores=tuple(scores)), is_confirmed


def scored_again(problem: Problem, record: Record) -> Evaluation:
    """Returns a record's evaluation with its output scored again, and no program run."""
    recorded = record.evaluation
    try:
        return replace(recorded, score=score_apart(problem.source, recorded.certificate).score)
    except Invalid as error:
        return Evaluation(Status.INVALID, reason=str(error))


def chain(index: Index, program_id: str) -> list[Link]:
    """Returns the programs that made a program's output, one from the other, the first first; [] for a plain run.

    Args:
        index: of the run.
        program_id: the last of the chain.
    """
    found: list[Link] = []
    before = len(index)
    while program_id and (named := index.find(program_id, at_most=1)) and named[0][0] < before:
        before = named[0][0]
        record = index.record(before)
        score, start_score = record.score, record.evaluation.start_score
        if score is None or start_score is None:
            break
        found.append(Link(record.program_id, record.operator, start_score, score))
        program_id = record.evaluation.start_id
    return found[::-1]


def check(
    path: Path,
    *,
    spec: str | None = None,
    secret: bytes | None = None,
    tier: int | None = None,
    unsafe: bool = False,
) -> Finding:
    """Returns what a certificate proves.

    Args:
        path: the file.
        spec: the problem, as for `discovery run`; None lets the certificate name a shipped one. (What a certificate
            names is never loaded from a path: that would run code that its author chose.)
        secret: of the run that it came from, to judge a program on the very same cases; fresh cases without.
        tier: of the sandbox.
        unsafe: whether to run a program where the sandbox lacks layers.

    Raises:
        CertificateError: it cannot be read, was altered, or its claim does not hold.
    """
    data = certificates.read(path)
    program = certificates.program_of(data)
    name = data["problem"]["name"]
    if spec is None and name not in shipped_names():
        raise CertificateError(
            f"the certificate is about {name!r:.80}, which is not shipped; name it with --problem"
        )
    problem = load_problem(spec or name)
    certificates.check_facts(data, problem)
    if (data["claim"] == certificates.OBJECT) != (
        object_cases(problem) is not None and data["object"] is not None
    ):
        raise CertificateError(
            f"a claim about {name} must rest on {_basis(problem)}, not on the {data['claim']}"
        )
    if data["claim"] == certificates.OBJECT:
        scored, is_reproduced = _scored(problem, data["object"]), True
        certificates.check_score(data, problem, scored)
    else:
        if secret is not None and data["cases"] != {"secret_sha256": certificates.commitment(secret)}:
            raise CertificateError("the certificate's cases were not drawn from this secret")
        drawn_from = secret or new_secret()
        with closing(JudgeProcess(problem.source, drawn_from, unsafe=unsafe, tier=tier)) as judge:
            evaluation = judge.evaluate(program)
        if evaluation.score is None:
            raise CertificateError(
                f"the program does not score here: {evaluation.status}: {evaluation.reason}"
            )
        scored = Scored(evaluation.score, None)
        is_reproduced = secret is not None and not is_noisy(problem)
        certificates.check_score(
            data, problem, scored if is_reproduced else Scored(data["score"]["float"], None)
        )
    return Finding(
        data["claim"],
        name,
        data["score"]["float"],
        scored.score,
        scored.exact,
        certificates.verdict(problem, scored.score),
        is_reproduced,
        problem.self_scored,
        "" if is_reproduced else _why_it_varies(problem),
    )


def write(path: Path, certificate: Mapping[str, Any]) -> None:
    """Writes a certificate.

    Raises:
        ConfigError: it cannot be written.
        CertificateError: it is too large to be read again.
    """
    data = certificates.render(certificate)
    if len(data) > certificates.MAX_BYTES:
        raise CertificateError(
            f"the certificate takes {len(data)} bytes, the limit is {certificates.MAX_BYTES}"
        )
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; name another place with --out") from error


def known_text(problem: Problem) -> str:
    """Returns the best known values of just this problem for people."""
    known = [one for one in problem.best_known if not one.scope]
    texts = (
        f"{one.value!r} {'' if one.certified else 'only claimed, '}{one.source}, {one.date}" for one in known
    )
    return "; ".join(texts) or "none is on record"


def _why_it_varies(problem: Problem) -> str:
    if is_noisy(problem):
        return "the same program scores differently from time to time"
    return "these are fresh cases; with the secret of its run (--secret-file RUN/secret) the program is judged on the same ones"


def _scored(problem: Problem, output: Any) -> Scored:
    try:
        return score_apart(problem.source, output)
    except Invalid as error:
        raise CertificateError(f"the object is refused: {error}") from error


def _basis(problem: Problem) -> str:
    return "an object" if object_cases(problem) is not None else "the program"


def _commit(folder: RunFolder, program_id: str) -> str:
    """Returns the program's commit, "" where the lineage cannot be read."""
    try:
        return history.show(folder.lineage, program_id).entry.commit
    except LineageError:
        return ""
