"""`discovery evaluate`, `check`, `new`, `verify` and `doctor`: about problems and this machine."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from discovery.api.search import evaluate as judged
from discovery.certify import claims
from discovery.cli.options import secret_file
from discovery.core.errors import RunFolderError
from discovery.core.records import Record
from discovery.core.records import shown as visible
from discovery.core.texts import SELF_SCORED, printable
from discovery.core.verdicts import accounts
from discovery.execution.runs import run_folder
from discovery.reporting.part_lines import part_lines
from discovery.settings.config import RunConfig
from discovery.storage.exams import read_exams
from discovery.storage.index import open_index
from discovery.storage.run_folder import RunFolder
from discovery.storage.secret import new_secret, shared_secret
from evaluators.contract import Evaluation, Objective
from evaluators.problems.loading import Problem, ProblemSource, load_problem, load_source
from evaluators.worker import JudgeProcess

EXIT_FAILED = 1

_unsafe = click.option("--unsafe", is_flag=True, help="Run even where the sandbox lacks protections.")
_tier = click.option(
    "--tier", type=click.IntRange(1, 2), help="Sandbox tier to use.  [default: the best there is]"
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.command()
@click.argument("problem")
@click.argument("file", type=click.Path(path_type=Path))
@secret_file
@click.option("--seed", type=int, hidden=True)
@click.option("--held-out", is_flag=True, help="Score the held-out cases too.")
@_tier
@_unsafe
@_json
def evaluate(
    problem: str,
    file: Path,
    secret_file: Path | None,
    seed: int | None,
    held_out: bool,
    tier: int | None,
    unsafe: bool,
    as_json: bool,
) -> None:
    """Judge the program in FILE (or, for programs of several files, a folder) on PROBLEM."""
    if seed is not None:
        click.echo(
            "--seed decides nothing here any more; to meet the same cases again: --secret-file", err=True
        )
    evaluation = judged(problem, file, secret_file=secret_file, held_out=held_out, tier=tier, unsafe=unsafe)
    if as_json:
        click.echo(json.dumps(_summary(evaluation)))
    else:
        _print_evaluation(evaluation, load_problem(problem).objective)
    if not evaluation.is_ok:
        sys.exit(EXIT_FAILED)


@click.command()
@click.argument("problem")
@_tier
@_unsafe
@_json
def check(problem: str, tier: int | None, unsafe: bool, as_json: bool) -> None:
    """Tell what is wrong with PROBLEM, before a run pays for it."""
    from evaluators.checking.check import check_problem

    loaded = load_problem(problem)
    with closing(_judge(loaded, new_secret(), tier=tier, unsafe=unsafe)) as judge:
        findings = check_problem(loaded, judge.evaluate)
    if as_json:
        rows = [
            {"level": str(f.level), "title": f.title, "detail": f.detail, "remedy": f.remedy}
            for f in findings
        ]
        click.echo(json.dumps({"problem": loaded.name, "findings": rows}))
    else:
        for finding in findings:
            click.echo(f"{str(finding.level).upper():8}{finding.title}: {finding.detail}")
            if finding.remedy:
                click.echo(f"        {finding.remedy}")
        click.echo(f"{loaded.name}: {len(findings)} finding{'s' if len(findings) != 1 else ''}")
    if any(str(finding.level) == "error" for finding in findings):
        sys.exit(EXIT_FAILED)


@click.command()
@click.argument("name")
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path(), help="Where to write it.")
def new(name: str, folder: Path) -> None:
    """Write a small problem NAME.py to start from."""
    from discovery.cli.scaffold import write_problem

    path = write_problem(name, folder)
    click.echo(f"{path} written; try: discovery check {path} && discovery run {path} --minutes 1")


@click.command()
@click.argument("path", metavar="RUN", type=click.Path(path_type=Path), required=False)
@click.option(
    "--out", type=click.Path(path_type=Path), help="The certificate.  [default: RUN/certificate.json]"
)
@click.option("--certificate", type=click.Path(path_type=Path), help="Check this file; no run is needed.")
@click.option("--problem", help="What the certificate is about, if it is not shipped.")
@click.option(
    "--secret-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The run's secret (RUN/secret), to check the program of a --certificate on the very same cases.",
)
@_tier
@_unsafe
@_json
def verify(
    path: Path | None,
    out: Path | None,
    certificate: Path | None,
    problem: str | None,
    secret_file: Path | None,
    tier: int | None,
    unsafe: bool,
    as_json: bool,
) -> None:
    """Judge the best program of RUN again and write a certificate of it; or check a --certificate.

    The program is judged in a fresh sandbox, on the same cases, and compared with what was recorded. A certificate of
    an object (a packing, a set) is checked without running any program.
    """
    if (path is None) == (certificate is None):
        raise click.UsageError("name a RUN, or a file with --certificate")
    if path is not None:
        if secret_file is not None:
            raise click.UsageError("--secret-file belongs to --certificate: RUN is judged by its own secret")
        _verify_run(path, out, tier=tier, unsafe=unsafe, as_json=as_json)
        return
    assert certificate is not None
    secret = None if secret_file is None else shared_secret(secret_file)
    finding = claims.check(certificate, spec=problem, secret=secret, tier=tier, unsafe=unsafe)
    click.echo(json.dumps(asdict(finding)) if as_json else finding.text())


def _verify_run(path: Path, out: Path | None, *, tier: int | None, unsafe: bool, as_json: bool) -> None:
    folder = run_folder(path)
    settings = folder.read_settings()
    config = RunConfig.from_json(settings["config"] | {"tier": tier, "unsafe": unsafe})
    problem = load_source(ProblemSource.from_json(settings["problem"]))
    record = best_record(folder)
    recorded = record.evaluation
    if problem.source.improve_s is None:
        secret = folder.read_secret(config.seed)
        with closing(_judge(problem, secret, tier=tier, unsafe=unsafe)) as judge:
            again, is_same = claims.judged_again(judge, problem, record)
    else:  # how far a program comes in a given time is no claim; what it found is
        problem = load_source(replace(problem.source, improve_s=None))
        again = claims.scored_again(problem, record)
        is_same = again.score == recorded.score
    verdict = {
        "verdict": "confirmed" if is_same else "differs",
        "problem": problem.name,
        "problem_version": problem.version,
        "program_id": record.program_id,
        "recorded_score": recorded.score,
        "score": again.score,
        "status": str(again.status),
        "reason": again.reason,
        "certificate": again.certificate,
        "layers": list(again.layers),
    }
    if is_same:
        made = claims.certify(folder, problem, config, record)
        target = out or folder.path / "certificate.json"
        claims.write(target, made)
        verdict |= {"written": str(target), "exact": made["score"]["exact"], "standing": made["verdict"]}
    found = accounts(folder.journal, record.program_id, recorded.metrics)
    for account in found:
        verdict |= account.to_json()
    exam = read_exams(folder).get(record.program_id)
    if exam is not None:
        verdict |= {"held_out": visible(exam.metrics), "held_out_failed": exam.reason}
    if as_json:
        click.echo(json.dumps(verdict))
    else:
        click.echo(
            f"{verdict['verdict']}: program {record.program_id} scores {again.score!r}, recorded {recorded.score!r}"
            + (f" ({again.status}: {again.reason})" if not again.is_ok else "")
        )
        for line in (line for account in found for line in account.lines):
            click.echo(printable(line))
        if exam is not None:
            told = "; nothing is known of it on cases that were not seen" if exam.has_failed else ""
            click.echo(printable(f"held out: {exam.text()}{told}"))
        if is_same:
            click.echo(
                f"{verdict['standing']} (best known: {claims.known_text(problem)}); {verdict['written']} written"
            )
    if not is_same:
        sys.exit(EXIT_FAILED)


@click.command()
@_json
def doctor(as_json: bool) -> None:
    """Tell which protections of the sandbox are in force here, and which tools are there."""
    from discovery.cli.doctor import examine

    report = examine()
    if as_json:
        click.echo(json.dumps(report.to_json()))
    else:
        click.echo(report.text())
    if not report.can_run:
        sys.exit(EXIT_FAILED)


def best_record(folder: RunFolder) -> Record:
    """Returns the best record of a run (the first among equals).

    Raises:
        RunFolderError: no program has a score yet.
    """
    with open_index(folder) as index:
        if (number := index.best()) is None:
            raise RunFolderError(f"{folder.path} holds no program with a score yet")
        return index.record(number)


def _judge(problem: Problem, secret: bytes, *, tier: int | None, unsafe: bool) -> JudgeProcess:
    return JudgeProcess(problem.source, secret, unsafe=unsafe, tier=tier)


def _summary(evaluation: Evaluation) -> dict[str, Any]:
    data = evaluation.to_json()
    data["seconds"] = data.pop("wall_s", 0.0)
    return {"status": None, "score": None, "metrics": {}, "reason": ""} | data


def _print_evaluation(evaluation: Evaluation, objective: Objective) -> None:
    click.echo(f"{evaluation.status}" + (f": {evaluation.reason}" if evaluation.reason else ""))
    if evaluation.is_ok:
        click.echo(f"score {evaluation.score!r}")
        if evaluation.self_scored:
            click.echo(f"  {SELF_SCORED}")
    for name, value in visible(evaluation.metrics).items():
        click.echo(f"  {name} {value:.10g}")
    for line in part_lines(evaluation, objective):
        click.echo(printable(f"  {line}"))
    for name, value in visible(evaluation.held_out or {}).items():
        click.echo(f"  held out {name} {value:.10g}")
    click.echo(
        f"{evaluation.cpu_s:.3f} s CPU, {evaluation.wall_s:.3f} s in all; {', '.join(evaluation.layers)}"
    )
    if evaluation.feedback:
        click.echo(evaluation.feedback)
