"""The report: one HTML file about a run that loads nothing from anywhere.

Every text that comes from a program, a model or a problem is made printable and escaped; beside that, the
page's policy allows only the style and the script that are written here, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.resources
import json
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from discovery.core import plugins
from discovery.core.errors import RunFolderError
from discovery.core.records import Record, RecordError, RunInfo
from discovery.reporting import sections
from discovery.reporting.facts import Story
from discovery.storage.purged import current_entries

_CONFIG = "config.json"
_JOURNAL = "journal.jsonl"


class ReportPage(Protocol):
    """Sections of the report that a family of problems adds; registered under `discovery.report_pages`.

    Contract: made without arguments; `fold` takes the journal's entries in order and ignores those that it does not
    know; `sections` returns HTML in which every foreign text is escaped.
    """

    def fold(self, entry: Mapping[str, Any]) -> None:
        """Takes in one entry."""
        ...

    def sections(self, story: Story) -> Iterable[str]:
        """Yields the sections, none where there is nothing to show."""
        ...


def build_report(run_path: Path, out: Path) -> None:
    """Writes the report of a run, finished or not, to the file `out`.

    Raises:
        RunFolderError: the run folder or `out` cannot be read or written, or the folder is of another kind.
        JournalError: the journal is broken.
    """
    info = read_info(run_path)
    page = render_report(info, lambda: current_entries(run_path / _JOURNAL))
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"cannot write the report {out}: {error.strerror}") from error


def read_info(run_path: Path) -> RunInfo:
    """Returns what a run folder says of its run.

    Raises:
        RunFolderError: it is no run folder, or was written by another version.
    """
    path = run_path / _CONFIG
    try:
        return RunInfo.from_json(json.loads(path.read_text(encoding="utf-8"))["info"])
    except FileNotFoundError:
        raise RunFolderError(f"{run_path} is no run folder: {_CONFIG} is missing") from None
    except (OSError, ValueError, KeyError, TypeError, RecordError) as error:
        raise RunFolderError(f"cannot read {path}: {error}; restore it from a backup") from error


def render_report(info: RunInfo, entries: Callable[[], Iterable[Mapping[str, Any]]]) -> str:
    """Returns the page; `entries` gives the journal's entries from the start and is called twice."""
    story = Story(info)
    pages: list[ReportPage] = [make() for make in plugins.load("discovery.report_pages").values()]
    for entry in entries():
        story.fold(entry)
        for page in pages:
            page.fold(entry)
    ancestors = _records(entries(), story.lineage_of_best())
    style, script = _template("report.css"), _template("script.txt")
    return string.Template(_template("report.html")).substitute(
        title=html.escape(f"{sections.clean(info.problem)} · Code Discovery"),
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        body="\n".join(filter(None, _body(story, ancestors, pages))),
    )


def _body(story: Story, ancestors: Sequence[Record], pages: Sequence[ReportPage]) -> Iterable[str]:
    yield sections.header(story)
    yield sections.tiles(story)
    if not story.points:
        yield '<section><p class="note">No program has been evaluated yet.</p></section>'
        return
    yield sections.trust(story)
    yield sections.progress(story)
    for page in pages:
        yield from page.sections(story)
    yield sections.maps(story)
    yield sections.ancestry(story, ancestors)
    yield sections.yields(story)
    yield sections.failures(story)
    yield sections.spending(story)
    yield sections.layers(story)


def _records(entries: Iterable[Mapping[str, Any]], program_ids: Sequence[str]) -> list[Record]:
    """Returns the records of these programs, in their order."""
    wanted = dict.fromkeys(program_ids)
    found: dict[str, Record] = {}
    for entry in entries:
        if entry["type"] != "evaluated":
            continue
        record = entry["record"]
        if not isinstance(record, Record):
            if record["program_id"] not in wanted:
                continue
            record = Record.from_json(record)
        if record.program_id in wanted:
            found[record.program_id] = record
    return [found[program_id] for program_id in program_ids]


def _template(name: str) -> str:
    return (importlib.resources.files("discovery.reporting") / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
