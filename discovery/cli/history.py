"""`discovery best`, `log`, `show`, `diff` and `report`: what a run did, read from its lineage."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import click

from discovery.core.errors import ConfigError
from discovery.core.held_out import Exam
from discovery.core.records import shown as visible
from discovery.core.texts import SELF_SCORED, printable
from discovery.core.verdicts import Account, accounts
from discovery.execution.runs import run_folder
from discovery.reporting.part_lines import part_lines
from discovery.storage.exams import best_examined, objective_of, read_agreement, read_exams
from discovery.storage.git import history
from discovery.storage.git.history import Entry, Shown
from discovery.storage.index import open_index
from evaluators.contract import Evaluation

CHOSEN = "chosen by its score on the held-out cases, which are therefore no longer held out: that score is too good on average"

_run = click.argument("path", metavar="RUN", type=click.Path(path_type=Path))
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@_run
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write the program here (a folder if it has several files).",
)
@click.option(
    "--by",
    type=click.Choice(["score", "held-out"]),
    default="score",
    help="held-out: the best on the held-out cases, which are no longer held out then.  [default: score]",
)
@_json
def best(path: Path, out: Path | None, by: str, as_json: bool) -> None:
    """Print the best program of RUN, or save it."""
    lineage, folder = _lineage(path), run_folder(path)
    exams = read_exams(folder)
    if by == "held-out":
        shown = history.show(lineage, best_examined(exams, objective_of(folder)))
        click.echo(CHOSEN, err=True)
    else:
        shown = history.best(lineage)
    found = accounts(folder.journal, shown.entry.program_id, shown.entry.metrics)
    exam = exams.get(shown.entry.program_id)
    if exams:
        click.echo(printable(f"held out: {exam.text() if exam else 'not examined yet'}"), err=True)
        click.echo(read_agreement(folder, exams).text, err=True)
    _deliver(shown, out, as_json=as_json, found=found, exam=exam)


@click.command()
@_run
@click.option("-n", "--limit", type=click.IntRange(1), default=20, help="How many.  [default: 20]")
@click.option(
    "--of",
    "which",
    default="all",
    help="all, best (and its ancestors), island/K, or chain (who made the best output).  [default: all]",
)
@_json
def log(path: Path, limit: int, which: str, as_json: bool) -> None:
    """List the newest programs of RUN, newest first."""
    lineage = _lineage(path)
    entries = (
        islice(history.chain(lineage), limit) if which == "chain" else history.log(lineage, limit, which)
    )
    folder = run_folder(path)
    with open_index(folder) as index:
        if as_json:
            for number, entry in enumerate(entries):
                text = json.dumps(_data(entry, index.exam(entry.index)))
                click.echo((", " if number else "[") + text, nl=False)
            click.echo("]")
            return
        name = objective_of(folder).name
        for entry in entries:
            click.echo(printable(_line(entry, index.exam(entry.index), name)))


def _line(entry: Entry, exam: Exam | None, name: str) -> str:
    """Returns the line of a program in the log; `name` is that of the objective."""
    score = f"{entry.score:.8g}" if entry.score is not None else entry.status
    parents = " ".join(parent[:8] for parent in entry.parents) or "-"
    place = f"island {entry.island}" + (f" cell {entry.cell}" if entry.cell is not None else "")
    line = f"{entry.index:6} {entry.program_id[:8]} {score:>14} {entry.operator:10} {place:18} from {parents}"
    mark = "  self-scored" if entry.self_scored and entry.score is not None else ""
    if entry.start_score is not None:
        mark += f"  on {entry.start_id[:8] or 'the start'} {entry.start_score:.8g}"
    if exam is not None:
        mark += f"  held out {exam.text(name)}"
    return line + mark + (f"  {entry.reason}" if entry.reason else "")


@click.command()
@_run
@click.argument("program")
@_json
def show(path: Path, program: str, as_json: bool) -> None:
    """Show PROGRAM (an id, its beginning, `best`, or a commit) of RUN."""
    shown = history.show(_lineage(path), program)
    folder = run_folder(path)
    with open_index(folder) as index:
        number = shown.entry.index
        exam, evaluation = index.exam(number), index.record(number).evaluation
    parts = list(part_lines(evaluation, objective_of(folder)))
    _deliver(shown, None, as_json=as_json, with_entry=True, exam=exam, parts=parts, evaluation=evaluation)


@click.command()
@_run
@click.argument("before")
@click.argument("after")
def diff(path: Path, before: str, after: str) -> None:
    """Show what changed from program BEFORE to program AFTER of RUN."""
    text = history.diff(_lineage(path), before, after)
    click.echo(printable(text) if text else "the two programs are equal")


@click.command()
@_run
@click.option("--out", type=click.Path(path_type=Path), help="The file to write.  [default: RUN/report.html]")
def report(path: Path, out: Path | None) -> None:
    """Write one self-contained HTML file about RUN."""
    from discovery.reporting.report import build_report

    folder = run_folder(path)
    folder.read_settings()
    target = out or folder.path / "report.html"
    build_report(folder.path, target)
    click.echo(f"{target} written")


@click.command()
@_run
@click.option("--elites", is_flag=True, help="List the elite of every cell too.")
@_json
def archive(path: Path, elites: bool, as_json: bool) -> None:
    """Tell how full the archive of every island of RUN is, in pyribs' own terms.

    Fitness is the score turned so that larger is better; the QD score is the sum over all cells. The latest 32 children
    of an island are worth between 1 (clones) and 32 different programs.
    """
    from discovery.analysis.diversity import effective_children
    from discovery.execution.population import population_of

    folder = run_folder(path)
    with open_index(folder) as index:
        population = population_of(folder, index)
        different = effective_children(index)
        born = [index.born(number) for number in range(len(population))]
    rows: list[dict[str, Any]] = []
    for number in range(len(population)):
        stats = population.archive(number).store.stats
        row: dict[str, Any] = {
            "island": number,
            "elites": int(stats.num_elites),
            "coverage": float(stats.coverage),
        }
        row |= {"qd_score": float(stats.qd_score), "best_fitness": float(stats.obj_max or 0.0)}
        row["effective_children"] = different.get(number, 0.0)
        row |= {"born": born[number], "opens_at": number * population.config.opening_interval}
        if elites:
            row["cells"] = [asdict(elite) for elite in population.elites(number)]
        rows.append(row)
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        click.echo(
            f"island {row['island']}: {row['elites']} elites, coverage {row['coverage']:.1%}, "
            f"QD score {row['qd_score']:.6g}, best fitness {row['best_fitness']:.10g}, "
            f"its latest children are worth {row['effective_children']:.1f} different programs"
            + _nothing_yet(row, sum(born))
        )
        for cell in row.get("cells", ()):
            measures = ", ".join(f"{value:.4g}" for value in cell["measures"])
            click.echo(f"  cell {cell['cell']:6} {cell['program_id']} {cell['fitness']:.8g}  at {measures}")


def _nothing_yet(row: Mapping[str, Any], programs: int) -> str:
    """Returns that an island has nothing of its own yet, and since when it could; "" where it has."""
    if row["born"]:
        return ""
    opens = f"opens after {row['opens_at']} programs" if row["opens_at"] > programs else "has just opened"
    return f"; no program of its own yet: it {opens}"


def _lineage(path: Path) -> Path:
    folder = run_folder(path)
    folder.read_settings()
    return folder.lineage


def _deliver(
    shown: Shown,
    out: Path | None,
    *,
    as_json: bool,
    with_entry: bool = False,
    found: Sequence[Account] = (),
    exam: Exam | None = None,
    parts: Sequence[str] = (),
    evaluation: Evaluation | None = None,
) -> None:
    if out is not None:
        _write(shown, out)
        click.echo(f"{out} written: {_headline(shown.entry)}", err=as_json)
    if as_json:
        data: dict[str, Any] = {
            **_data(shown.entry, exam),
            "files": dict(shown.files),
            "certificate": shown.certificate,
        }
        if evaluation is not None:
            whole = evaluation.to_json()
            data |= {name: whole[name] for name in ("by_case", "by_group") if name in whole}
        for account in found:
            data |= account.to_json()
        click.echo(json.dumps(data))
    elif out is None:
        click.echo(_headline(shown.entry), err=not with_entry)
        for line in (line for account in found for line in account.lines):
            click.echo(printable(line), err=True)
        if with_entry:
            click.echo(_details(shown, exam, parts))
        click.echo(printable(shown.text))


def _headline(entry: Entry) -> str:
    mark = " (self-scored)" if entry.self_scored else ""
    score = f"score {entry.score!r}{mark}" if entry.score is not None else f"{entry.status}: {entry.reason}"
    return printable(f"program {entry.program_id} (number {entry.index}) by {entry.operator}: {score}")


def _chain_text(shown: Shown) -> str:
    """Returns who made what a program was handed, the first first; "" where it started from nothing."""
    entries = [shown.entry, *shown.chain][::-1]
    if entries[0].start_score is None:
        return ""
    return " > ".join(
        [
            f"the start {entries[0].start_score:.8g}",
            *(f"{e.program_id[:8]} {e.score or 0:.8g}" for e in entries),
        ]
    )


def _data(entry: Entry, exam: Exam | None) -> dict[str, Any]:
    data = asdict(entry)
    return data if exam is None else data | {"held_out": dict(exam.metrics), "held_out_failed": exam.reason}


def _details(shown: Shown, exam: Exam | None, parts: Sequence[str]) -> str:
    entry = shown.entry
    cost = "unknown" if entry.cost_usd is None else f"{entry.cost_usd:.4f} USD"
    rows = [
        ("commit", entry.commit),
        ("parents", " ".join(entry.parents) or "none"),
        ("island", f"{entry.island}" + (f", cell {entry.cell}" if entry.cell is not None else ", no cell")),
        ("metrics", ", ".join(f"{name} {value:.8g}" for name, value in visible(entry.metrics).items())),
        ("held out", "" if exam is None else exam.text()),
        ("model", f"{entry.model}, {entry.tokens} tokens, {cost}" if entry.model else ""),
        ("took", f"{entry.seconds:.3f} s"),
        ("layers", ", ".join(entry.layers)),
        ("trust", SELF_SCORED if entry.self_scored else ""),
        ("chain", _chain_text(shown)),
    ]
    lines = [f"{name:9}{value}" for name, value in rows if value]
    return printable("\n".join([*lines, *parts, entry.body, entry.note]).rstrip() + "\n")


def _write(shown: Shown, out: Path) -> None:
    try:
        if len(shown.files) == 1:
            out.write_text(next(iter(shown.files.values())), encoding="utf-8")
            return
        for name, text in shown.files.items():
            target = out / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot write {error.filename}: {error.strerror}; name another place with --out"
        ) from error
