"""Certificates: what a run found, in one file that anyone can check with this package alone.

There are two kinds of claim. Where the output speaks for itself (a packing, a set), the certificate holds it as the
"object", and whoever checks it has it scored again: no program runs. Where a claim rests on running the program
(heuristics, policies, learning rules), the certificate holds the program, and it is judged again in the sandbox.

A certificate proves only what is recomputed from it. Which program found an object is told, not proven. The file has one
form for one content (canonical JSON, a line per entry), so a hash of it names it.

Exceptions:
    CertificateError (errors.py)    it cannot be read, was altered, or its claim does not hold
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from discovery.core.errors import CertificateError
from discovery.core.texts import one_line
from evaluators.contract import PlainData, Program
from evaluators.judging.scoring import Scored
from evaluators.problems.loading import Problem

FORMAT = "code-discovery certificate 1"
MAX_BYTES = 4 << 20
TIE = 1e-9
"""Two scores that differ by less, relatively, tie."""

OBJECT, PROGRAM = "object", "program"
_KEYS = ("format", "package", "problem", "objective", "claim", "score", "verdict", "best_known", "baseline", "bound",
         "found_by", "cases", "program", "object", "sha256")  # fmt: skip


def make(
    problem: Problem,
    *,
    program: Program,
    commit: str,
    scored: Scored,
    output: PlainData | None,
    secret: bytes | None = None,
    found_by: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Returns a certificate.

    Args:
        problem: what is solved.
        program: what found it.
        commit: the program's name in the run's lineage, or "".
        scored: what it is worth.
        output: the object; None where the claim rests on running the program.
        secret: what the hidden cases derive from, of which a hash goes in; for claims that rest on the program.
        found_by: the chain of programs that led to the object, each from the one before it, where there was one.
    """
    claim = PROGRAM if output is None else OBJECT
    data: dict[str, Any] = {
        "format": FORMAT,
        "package": package(),
        **facts(problem),
        "claim": claim,
        "score": {"float": scored.score, "exact": scored.exact},
        "verdict": verdict(problem, scored.score),
        "found_by": [dict(one) for one in found_by],
        "cases": None if claim == OBJECT or secret is None else {"secret_sha256": commitment(secret)},
        "program": {"id": program.id, "commit": commit, **program.to_json()},
        "object": output,
    }
    data["sha256"] = hashes(data)
    return {key: data[key] for key in _KEYS}


def package() -> str:
    """Returns the name and version of this package."""
    return f"code-discovery {version('code-discovery')}"


def facts(problem: Problem) -> dict[str, Any]:
    """Returns what a certificate tells of its problem."""
    return {
        "problem": {"name": problem.name, "version": problem.version},
        "objective": {"name": problem.objective.name, "direction": problem.objective.direction},
        "best_known": [asdict(one) for one in problem.best_known],
        "baseline": asdict(problem.baseline) if problem.baseline else None,
        "bound": problem.objective.bound,
    }


def verdict(problem: Problem, score: float) -> str:
    """Returns how a score compares with the best known value of just this problem, certified or only claimed."""
    values = [one.value for one in problem.best_known if not one.scope]
    if not values:
        return "nothing to compare with"
    best = max(values, key=problem.objective.fitness)
    if math.isclose(score, best, rel_tol=TIE, abs_tol=0.0):
        return "ties"
    return "improves" if problem.objective.fitness(score) > problem.objective.fitness(best) else "below"


def commitment(secret: bytes) -> str:
    """Returns what a certificate tells of the secret that hidden cases derive from: it binds, and tells nothing else."""
    return hashlib.sha256(b"code-discovery cases " + secret).hexdigest()


def hashes(data: Mapping[str, Any]) -> dict[str, str]:
    """Returns the hashes of the object, the program and everything else."""
    rest = {key: data[key] for key in _KEYS if key not in ("object", "sha256")}
    return {"object": _hash(data["object"]), "program": _hash(data["program"]), "rest": _hash(rest)}


def _hash(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def render(data: Mapping[str, Any]) -> bytes:
    """Returns the canonical form: JSON, one line per entry, in a fixed order."""
    lines = (
        f"{json.dumps(key)}: {json.dumps(value, sort_keys=True, allow_nan=False)}"
        for key, value in data.items()
    )
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def read(path: Path) -> dict[str, Any]:
    """Returns the certificate in a file, whole, unaltered and of a form that this version knows.

    Raises:
        CertificateError: it is not that.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CertificateError(f"cannot read {path}: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise CertificateError(f"{path} is larger than {MAX_BYTES >> 20} MiB, which no certificate is")
    try:
        data = json.loads(raw)
        is_canonical = isinstance(data, dict) and render(data) == raw
    except (ValueError, RecursionError) as error:
        what = str(error) if isinstance(error, ValueError) else "it is nested too deep"
        raise CertificateError(f"{path} is no certificate: {what}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT or tuple(data) != _KEYS:
        raise CertificateError(f"{path} is no certificate of the form {FORMAT!r}")
    if not is_canonical:
        raise CertificateError(f"{path} is not in its canonical form, so it was altered")
    _check_kinds(data, path)
    for name, value in hashes(data).items():
        if value != data["sha256"].get(name):
            raise CertificateError(
                f"the hash of the {name} in {path} is wrong: it was altered after it was written"
            )
    return data


def _check_kinds(data: Mapping[str, Any], path: Path) -> None:
    """Checks the kinds of what is used below; all else is compared whole."""
    score, program = data["score"], data["program"]
    is_right = (
        data["claim"] in (OBJECT, PROGRAM)
        and isinstance(data["package"], str)
        and isinstance(data["sha256"], dict)
        and isinstance(data["problem"], dict)
        and all(isinstance(data["problem"].get(key), str) for key in ("name", "version"))
        and isinstance(score, dict)
        and type(score.get("float")) is float
        and isinstance(program, dict)
        and isinstance(program.get("files"), dict)
        and all(isinstance(text, str) for text in program["files"].values())
        and isinstance(program.get("entry"), str)
        and program["entry"] in program["files"]
        and (data["cases"] is None or isinstance(data["cases"], dict))
    )
    if not is_right:
        raise CertificateError(f"{path} is no certificate: an entry is not of the kind it must be")


def program_of(data: Mapping[str, Any]) -> Program:
    """Returns the program in a certificate.

    Raises:
        CertificateError: its id is not that of its text.
    """
    program = Program.from_json({key: data["program"][key] for key in ("files", "entry")})
    if program.id != data["program"].get("id"):
        raise CertificateError("the program's id is not that of its text")
    return program


def check_facts(data: Mapping[str, Any], problem: Problem) -> None:
    """Checks that a certificate is about this problem, of this version, and tells of it what is so.

    Raises:
        CertificateError: it does not.
    """
    told, known = data["problem"], facts(problem)
    if told["name"] != problem.name:
        raise CertificateError(f"the certificate is about {told['name']!r:.80}, not {problem.name!r}")
    if told["version"] != problem.version:
        raise CertificateError(
            f"the certificate is about version {one_line(told['version'], 40)} of {problem.name} "
            f"({one_line(data['package'], 80)}), and here is "
            f"version {problem.version} ({package()}); check it with the version that it was made with"
        )
    for key, value in known.items():
        if data[key] != json.loads(json.dumps(value)):
            raise CertificateError(
                f"the certificate's entry {key!r} is not what {problem.name} states: {data[key]!r:.200}"
            )


def check_score(data: Mapping[str, Any], problem: Problem, scored: Scored) -> None:
    """Checks that the score that a certificate states is the one that was found, to the last digit.

    Raises:
        CertificateError: it is not.
    """
    stated = {"score": data["score"], "verdict": data["verdict"]}
    found = {
        "score": {"float": scored.score, "exact": scored.exact},
        "verdict": verdict(problem, scored.score),
    }
    for key, value in found.items():
        if stated[key] != value:
            raise CertificateError(
                f"the certificate states the {key} {stated[key]!r:.300}, but it is {value!r:.300}"
            )
