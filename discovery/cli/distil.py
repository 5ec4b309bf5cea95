"""`discovery distil`: the smallest program that still does what the best one does."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import click

from discovery.analysis import distillation
from discovery.cli.options import Finite
from discovery.cli.problems import best_record
from discovery.core.errors import RunError
from discovery.core.texts import one_line, printable
from discovery.execution.runs import run_folder
from discovery.settings.config import RunConfig
from evaluators.problems.loading import ProblemSource, load_source
from evaluators.worker import JudgeProcess


@click.command()
@click.argument("path", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--epsilon",
    type=Finite(0),
    default=0.0,
    show_default=True,
    help="By how much the score may be worse, on held-out cases too.",
)
@click.option("--evals", type=click.IntRange(1), default=1000, show_default=True, help="Evaluations at most.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Where to write it, a folder if it has several files."
)
@click.option("--tier", type=click.IntRange(1, 2), help="Sandbox tier to use.  [default: the best there is]")
@click.option("--unsafe", is_flag=True, help="Run even where the sandbox lacks protections.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def distil(
    path: Path, epsilon: float, evals: int, out: Path | None, tier: int | None, unsafe: bool, as_json: bool
) -> None:
    """Leave out of the best program of RUN whatever it does not need, and shorten its constants.

    What is kept stays within --epsilon of its score on the run's cases and on the held-out ones.
    """
    folder = run_folder(path)
    settings = folder.read_settings()
    config = replace(RunConfig.from_json(settings["config"]), tier=tier, unsafe=unsafe)
    problem = load_source(ProblemSource.from_json(settings["problem"]))
    record = best_record(folder)
    secret = folder.read_secret(config.seed)
    judge = JudgeProcess(problem.source, secret, unsafe=config.unsafe, tier=config.tier)
    with closing(judge):
        try:
            found = distillation.distil(
                record.program,
                problem.seed,
                problem.objective,
                lambda program: judge.evaluate(program, held_out=problem.held_out is not None),
                epsilon=epsilon,
                evaluations=evals,
            )
        except distillation.CannotDistilError as error:
            raise RunError(f"{one_line(str(error))}; see: discovery verify {folder.path}") from error
    if out is not None:
        _write(found.program.files, out)
    if as_json:
        summary = {
            "program_id": found.program.id,
            "from": record.program_id,
            "nodes_before": found.nodes[0],
            "nodes": found.nodes[1],
            "score_before": found.before.score,
            "score": found.evaluation.score,
            "held_out_before": found.before.held_out,
            "held_out": found.evaluation.held_out,
            "evaluations": found.evaluations,
            "is_minimal": found.is_minimal,
            "files": dict(found.program.files),
        }
        click.echo(json.dumps(summary))
        return
    if out is None:
        for name, text in found.program.files.items():
            head = f"# {name}\n" if len(found.program.files) > 1 else ""
            click.echo(printable(head + text), nl=False)
    click.echo(
        f"{found.nodes[0]} nodes became {found.nodes[1]}; score {found.before.score!r} became {found.evaluation.score!r}; "
        f"{found.evaluations} evaluations; "
        + ("nothing more can be left out alone" if found.is_minimal else "more --evals may leave out more"),
        file=sys.stderr if out is None else sys.stdout,
    )


def _write(files: Mapping[str, str], out: Path) -> None:
    try:
        if len(files) == 1:
            out.write_text(next(iter(files.values())), encoding="utf-8")
            return
        for name, text in files.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {error.filename}: {error.strerror}") from error
