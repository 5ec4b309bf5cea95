"""The report: one HTML file about a run that loads nothing from anywhere.

Every text that comes from a program, a model or a problem is made printable and escaped; beside that, the
page's policy allows only the style and the script that are written here, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.resources
import string
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from discovery.core import plugins
from discovery.core.errors import RunFolderError
from discovery.core.records import Record, RunInfo
from discovery.reporting import sections
from discovery.reporting.facts import Story, ancestors_of_best, read_story
from discovery.storage.index import Index, open_index
from discovery.storage.run_folder import RunFolder


class ReportPage(Protocol):
    """Sections of the report that a family of problems adds; registered under `discovery.report_pages`.

    Contract: made without arguments; `kinds` says which entries of the journal it wants, `fold` takes these in order;
    `sections` returns HTML in which every foreign text is escaped.
    """

    def kinds(self, metrics: Mapping[str, float]) -> Collection[str]:
        """Returns the types of entries that it wants to see, given the metrics of the best program.

        To ask for "evaluated" is to have every program of the run read.
        """
        ...

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
    folder = RunFolder(run_path)
    info = folder.read_info()
    with open_index(folder) as index:
        page = render_report(info, index)
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"cannot write the report {out}: {error.strerror}") from error


def render_report(info: RunInfo, index: Index) -> str:
    """Returns the page of a run."""
    story = read_story(info, index)
    ancestors = ancestors_of_best(index)
    metrics = ancestors[-1].evaluation.metrics if ancestors else {}
    pages: list[ReportPage] = [make() for make in plugins.load("discovery.report_pages").values()]
    for page in pages:
        for entry in index.entries(page.kinds(metrics)):
            page.fold(entry)
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
    yield sections.progress(story, ancestors)
    for page in pages:
        yield from page.sections(story)
    yield sections.maps(story)
    yield sections.ancestry(story, ancestors)
    yield sections.yields(story)
    yield sections.failures(story)
    yield sections.spending(story)
    yield sections.layers(story)


def _template(name: str) -> str:
    return (importlib.resources.files("discovery.reporting") / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
