"""The report: a run's page with its data inside, one HTML file that loads nothing from anywhere.

It is the page that `discovery serve` shows, its modules put into one script and its data beside it, compressed. The
page's policy allows only that style and that script, by their hashes; the data is base64, so no text in it is markup.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import importlib.resources
import json
import re
import string
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from discovery.core.errors import RunFolderError
from discovery.core.texts import one_line
from discovery.reporting.run_view import RunView

MOST_TEXT_BYTES = 6 << 20
"""How much a report keeps of programs' texts: the best's ancestors come first, then elites, then failures."""
FIRST = "main.js"
_FILES = importlib.resources.files("discovery.reporting") / "page"
_IMPORT = re.compile(r'^import \{([^{}]*)\} from "\./([a-z_]+\.js)";\n', re.M)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) (\w+))", re.M)


def build_report(run_path: Path, out: Path) -> None:
    """Writes the report of a run, finished or not, to the file `out`.

    Raises:
        RunFolderError: the run folder or `out` cannot be read or written, or the folder is of another kind.
        JournalError: the journal is broken.
    """
    page = render_report(RunView(run_path))
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"cannot write the report {out}: {error.strerror}") from error


def render_report(view: RunView) -> str:
    """Returns the report of a run.

    Raises:
        JournalError: the journal is broken.
    """
    data = view.to_json()
    title = html.escape(f"{data['run']['problem']} · Code Discovery")
    name = one_line(view.path.name, 80)
    return _page(title, {"name": name, "view": data, "programs": _programs(view)})


def page_file(name: str) -> str:
    """Returns a file of the page.

    Raises:
        FileNotFoundError: there is none of that name.
    """
    if not re.fullmatch(r"[a-z_]+\.(js|css|html|svg)", name):
        raise FileNotFoundError(name)
    return (_FILES / name).read_text(encoding="utf-8")


def one_script() -> str:
    """Returns the page's modules as one script that imports nothing."""
    parts: dict[str, str] = {}
    _collect(FIRST, parts)
    return "".join(parts.values())


def _collect(name: str, parts: dict[str, str]) -> None:
    """Puts a module, after those that it imports, into `parts`: each a function that is called once and gives its exports."""
    text = page_file(name)
    for _, other in _IMPORT.findall(text):
        if other not in parts:
            _collect(other, parts)
    body = _IMPORT.sub(
        lambda found: f"const {{{found[1].replace(' as ', ': ')}}} = {_name_of(found[2])};\n", text
    )
    exports = ", ".join(_EXPORT.findall(body))
    parts[name] = (
        f"const {_name_of(name)} = (() => {{\n{_EXPORT.sub('', body)}return {{ {exports} }};\n}})();\n"
    )


def _name_of(module: str) -> str:
    return f"module_{module.removesuffix('.js')}"


def _programs(view: RunView) -> dict[str, Any]:
    """Returns the programs whose text the report keeps, by id."""
    story = view.story()
    wanted = [*story.lineage_of_best()[::-1], *(best.program_id for best in story.bests[::-1])]
    elites = {program_id for cells in story.islands.values() for program_id in cells.values()}
    fitness = story.info.objective.fitness
    ranked = sorted(
        elites & story.places.keys(), key=lambda one: -_worth(fitness, story.points[story.places[one]].score)
    )
    failed = [failure.example for failure in story.failures.values()]
    parents: Iterable[str] = (one for each in ranked for one in story.points[story.places[each]].parents[:1])
    held = (one for one in (*wanted, *ranked, *failed, *parents) if one in story.places)
    return view.programs(held, MOST_TEXT_BYTES)


def _worth(fitness: Any, score: float | None) -> float:
    return float("-inf") if score is None else fitness(score)


def _page(title: str, data: Mapping[str, Any]) -> str:
    style, script = page_file("page.css"), one_script()
    packed = gzip.compress(
        json.dumps(_finite(data), separators=(",", ":"), allow_nan=False).encode(), mtime=0
    )
    return string.Template(page_file("report.html")).substitute(
        title=title,
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        data=base64.b64encode(packed).decode(),
    )


def _finite(data: Any) -> Any:
    return json.loads(json.dumps(data), parse_constant=lambda _: None)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
