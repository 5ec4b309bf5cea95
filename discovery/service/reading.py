"""What the service tells of runs: the page, its data, programs, differences, archives, the report, the lineage."""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import Query
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from discovery.core.errors import LineageError
from discovery.core.texts import printable
from discovery.reporting.report import page_file, render_report
from discovery.service.answers import FiniteJSON, GitBundle
from discovery.service.runs import HostLike, RunLike
from discovery.storage.git import history
from discovery.storage.git.repository import Repository

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}


class ProgramText(PlainTextResponse):
    """A text of foreign origin, which no browser is to take for anything else."""

    def __init__(self, content: str, status_code: int = 200, **more: Any) -> None:
        super().__init__(content, status_code, headers={"X-Content-Type-Options": "nosniff"}, **more)


class Reading:
    """Answers about the runs of a host; the facts of the runs looked at last are kept."""

    def __init__(self, host: HostLike) -> None:
        self._host = host

    async def index(self) -> Response:
        """Answers with the page."""
        return HTMLResponse(page_file("index.html"), headers=_HEADERS)

    async def file(self, file: str) -> Response:
        """Answers with a file of the page."""
        try:
            text = page_file(file)
        except FileNotFoundError:
            raise HTTPException(404, f"the page has no file {file!r:.80}") from None
        return Response(text, media_type=_TYPES[Path(file).suffix], headers=_HEADERS)

    async def view(
        self, name: str, after: Annotated[int, Query(ge=0)] = 0, edition: int | None = None
    ) -> Response:
        """Answers with what the page shows of a run."""
        run = self._host.run(name)

        def answer() -> Response:
            return FiniteJSON({"status": run.status(), **self._host.view(run).to_json(after, edition)})

        return await run_in_threadpool(answer)

    async def program(self, name: str, program: str) -> Response:
        """Answers with everything on one program."""
        run = self._host.run(name)
        found = await run_in_threadpool(self._host.view(run).program, program)
        return FiniteJSON({**found, "commands": commands(run, found)})

    async def diff(self, name: str, before: str, after: str) -> Response:
        """Answers with what changed between two programs."""
        path = self._host.run(name).folder.lineage
        return ProgramText(printable(await run_in_threadpool(history.diff, path, before, after)))

    async def log(
        self, name: str, limit: Annotated[int, Query(ge=1, le=10_000)] = 20, of: str = "all"
    ) -> Response:
        """Answers with the newest programs."""
        path = self._host.run(name).folder.lineage
        entries = await run_in_threadpool(history.log, path, limit, of)
        return FiniteJSON({"programs": [asdict(entry) for entry in entries]})

    async def report(self, name: str) -> Response:
        """Answers with the report."""
        view = self._host.view(self._host.run(name))
        headers = {
            "Content-Disposition": f'attachment; filename="{name}.html"',
            "X-Content-Type-Options": "nosniff",
        }
        return HTMLResponse(await run_in_threadpool(render_report, view), headers=headers)

    async def best(self, name: str) -> Response:
        """Answers with the best program."""
        shown = await run_in_threadpool(history.best, self._host.run(name).folder.lineage)
        found = {**asdict(shown.entry), "files": dict(shown.files), "certificate": shown.certificate}
        return FiniteJSON(found)

    async def archive(self, name: str) -> Response:
        """Answers with the elites."""
        return FiniteJSON(await run_in_threadpool(archive_of, self._host.run(name)))

    async def lineage(self, name: str) -> Response:
        """Answers with the lineage as a bundle."""
        run = self._host.run(name)
        handle, path = tempfile.mkstemp(prefix="discovery-", suffix=".bundle")
        os.close(handle)
        try:
            repository = Repository(run.folder.lineage)
            await run_in_threadpool(repository.run, "bundle", "create", "--quiet", path, "--all", "HEAD")
        except LineageError:
            Path(path).unlink(missing_ok=True)
            raise
        clean = BackgroundTask(Path(path).unlink, missing_ok=True)
        return GitBundle(path, filename=f"{run.name}.bundle", background=clean)


def commands(run: RunLike, program: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns how a person gets to a program on the command line: what for, and the command."""
    program_id, commit = program["program_id"], program["commit"]
    place = shlex.quote(run.lineage) if run.lineage else f"{run.name}.git"
    known = (
        [("read it", f"discovery show {shlex.quote(str(run.folder.path))} {program_id}")]
        if run.lineage
        else []
    )
    fetched = [] if run.lineage else [("fetch all programs", f"discovery fetch {run.name}")]
    if not commit:
        return known
    return [
        *known,
        *fetched,
        ("see the commit", f"git -C {place} show {commit}"),
        ("how it came about", f"git -C {place} log --graph {commit}"),
        ("who wrote which line", f"git -C {place} blame {commit} -- {shlex.quote(program['entry'])}"),
        ("get its files", f"git -C {place} worktree add ../program-{program_id[:8]} {commit}"),
    ]


def archive_of(run: RunLike) -> dict[str, Any]:
    """Returns the elites of every island as the lineage has them, by cell.

    Raises:
        LineageError: the lineage cannot be read.
    """
    measures = [measure["name"] for measure in run.settings["info"]["measures"]]
    islands = []
    for island in range(run.settings["info"]["islands"]):
        cells: dict[int, dict[str, Any]] = {}
        with contextlib.suppress(LineageError):
            for entry in history.log(run.folder.lineage, 1_000_000, f"island/{island}"):
                if entry.cell is not None and entry.cell not in cells:
                    cells[entry.cell] = {
                        "cell": entry.cell,
                        "program_id": entry.program_id,
                        "score": entry.score,
                        "measures": dict(zip(measures, entry.measures, strict=False)),
                    }
        islands.append({"island": island, "elites": [cells[cell] for cell in sorted(cells)]})
    return {"measures": measures, "islands": islands}
