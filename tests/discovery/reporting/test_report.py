from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from discovery.core.errors import RunFolderError
from discovery.core.records import Change, Record, RunInfo
from discovery.reporting.facts import Story
from discovery.reporting.report import build_report, one_script, page_file, render_report
from discovery.reporting.run_view import RunView
from evaluators.contract import Evaluation, Measure, Objective, Program, Status
from tests.discovery.lineage_runs import made_up_run

RUN = made_up_run(40)
INFO = RunInfo(
    "toy_sum",
    "Make the sum large.\n\nMore words.",
    Objective("score", "maximize", target=1.6, bound=3.0),
    (Measure("breadth", 0, 4, 4), Measure("height", 0, 4, 4)),
    islands=2,
    seed=7,
    started_at=RUN[0].at_s,
    models=("openai/gpt",),
)


def entries(records: Iterable[Record] = RUN) -> list[Mapping[str, Any]]:
    """Returns a journal: two sessions with a pause of an hour, one reply without a child."""
    records = list(records)
    later = [replace(record, at_s=record.at_s + 3600) for record in records[30:]]
    call = {
        "model": "openai/gpt",
        "prompt_tokens": 700,
        "completion_tokens": 9,
        "cost_usd": 0.001,
        "seconds": 1.0,
    }
    return [
        {"type": "opened", "at_s": RUN[0].at_s},
        *({"type": "evaluated", "record": record.to_json()} for record in records[:30]),
        {
            "type": "unproposed",
            "decision": 99,
            "operator": "diff",
            "island": 0,
            "reason": "no code",
            "calls": [call],
        },
        {"type": "opened", "at_s": RUN[0].at_s + 3620},
        *({"type": "evaluated", "record": record.to_json()} for record in later),
        {"type": "held_out", "program_id": max(RUN, key=_score).program_id, "metrics": {"score": 1.25}},
        {
            "type": "closed",
            "at_s": RUN[0].at_s + 3640,
            "reason": "evaluations",
            "message": "40 evaluations are done",
        },
    ]


def _score(record: Record) -> float:
    return record.evaluation.score or 0.0


def write_run(path: Path, journal: Iterable[Mapping[str, Any]], info: RunInfo = INFO) -> Path:
    """Returns a run's folder, made of a journal."""
    path.mkdir(exist_ok=True)
    settings = {"format": 1, "info": info.to_json(), "config": {"budget": {"evaluations": 100}}}
    (path / "config.json").write_text(json.dumps(settings))
    with (path / "journal.jsonl").open("w", encoding="utf-8") as file:
        for entry in journal:
            record = entry.get("record")
            whole = {**entry, "record": record.to_json()} if isinstance(record, Record) else entry
            file.write(json.dumps(whole) + "\n")
    return path


def recorded(records: Iterable[Record]) -> list[dict[str, Any]]:
    return [{"type": "evaluated", "record": record} for record in records]


def data_in(page: str) -> dict[str, Any]:
    found = re.search(r'id="data">([^<]*)</script>', page)
    assert found
    return json.loads(gzip.decompress(base64.b64decode(found[1])))


class Outline(HTMLParser):
    """Checks that tags nest, and collects what a browser would act on."""

    VOID = frozenset({"meta", "link", "br", "img", "input"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def page(tmp_path: Path) -> str:
    return render_report(RunView(write_run(tmp_path / "run", entries())))


def test_the_page_is_well_formed_and_loads_nothing(page: str) -> None:
    outline = Outline(page)
    assert {tag for tag, _ in outline.tags} <= {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "noscript",
        "script",
    }
    for tag, attributes in outline.tags:
        assert not {"src", "href", "style", "srcset"} & attributes.keys(), tag
        assert not any(name.startswith("on") for name in attributes)


def test_the_policy_allows_only_the_pages_own_style_and_script(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    for kind in ("style", "script"):
        body = re.findall(f"<{kind}>(.*?)</{kind}>", page, re.S)
        assert len(body) == 1
        digest = base64.b64encode(hashlib.sha256(body[0].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy[1]
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]


def test_the_script_is_the_live_pages_own_modules() -> None:
    script = one_script()
    names = re.findall(r"^const module_(\w+) = ", script, re.M)
    assert names[-1] == "main"
    assert len(names) == len(set(names))
    folder = Path(__file__).parents[3] / "discovery" / "reporting" / "page"
    assert sorted(names) == sorted(path.stem for path in folder.glob("*.js"))
    assert not re.search(r"^(import|export) ", script, re.M)
    assert "</script" not in script


@pytest.mark.parametrize("name", ["../report.py", "page.CSS", "main.js.map", "/etc/passwd", "", "none.js"])
def test_nothing_but_the_pages_files_is_given(name: str) -> None:
    with pytest.raises(FileNotFoundError):
        page_file(name)


EVIL = (
    "</pre></script><script>alert(1)</script><img src=x onerror='alert(2)'>\"' onload=x &lt; \x1b \u202e $x"
)


def evil_run() -> tuple[list[dict[str, Any]], RunInfo]:
    """Returns a journal and a statement in which every text is an attack."""
    program = Program({f"{EVIL}.py": f"seed {EVIL}\n"}, f"{EVIL}.py")
    child = program.with_text(f"child {EVIL}\n")
    common = {"operator": EVIL, "island": 0, "decision": 0, "texts": {EVIL: EVIL}}
    good = Evaluation(Status.OK, 1.0, {"score": 1.0, EVIL: 2.0}, (1.0, 1.0), layers=(EVIL,))
    better = replace(good, score=2.0)
    failed = Evaluation(Status.ERROR, reason=EVIL, feedback=EVIL)
    records = [
        Record(0, program, program.id, (), good, cell=5, changes=(Change(0, 5, program.id),), **common),  # type: ignore[arg-type]
        Record(1, child, child.id, (program.id,), better, cell=None, **common),  # type: ignore[arg-type]
        Record(2, Program({"program.py": ""}), "e" * 16, (child.id,), failed, cell=None, **common),  # type: ignore[arg-type]
    ]
    info = replace(
        INFO,
        problem=EVIL,
        goal=EVIL,
        objective=Objective(EVIL),
        models=(EVIL,),
        measures=(Measure(EVIL, 0, 4, 4),) * 2,
    )
    hint = {"request_id": "a" * 16, "kind": "hint", "text": EVIL}
    asked = {"type": "asked", "at_s": 1.0, "request": hint, "refusal": EVIL}
    return [*recorded(records), asked, {"type": "closed", "at_s": 9e9, "message": EVIL}], info


def test_foreign_texts_are_no_markup_and_printable(tmp_path: Path) -> None:
    page = render_report(RunView(write_run(tmp_path / "run", *evil_run())))
    outline = Outline(page)
    assert [tag for tag, _ in outline.tags].count("script") == 2
    assert "img" not in {tag for tag, _ in outline.tags}
    text = json.dumps(data_in(page), ensure_ascii=False)
    assert text.count("alert(1)") >= 15
    assert "\x1b" not in text
    assert "\\u001b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("records", "info"),
    [
        ([], INFO),
        (RUN[:1], INFO),
        (RUN[5:6], INFO),
        (RUN, replace(INFO, measures=())),
        (RUN, replace(INFO, measures=INFO.measures[:1])),
        (RUN, replace(INFO, measures=(*INFO.measures, Measure("depth", 0, 1, 2)))),
        (RUN, replace(INFO, objective=Objective("score", "minimize", target=0.5), models=())),
    ],
    ids=["nothing", "seed only", "only a failure", "no axes", "one axis", "three axes", "minimise"],
)
def test_every_kind_of_run_has_a_page(records: list[Record], info: RunInfo, tmp_path: Path) -> None:
    data = data_in(render_report(RunView(write_run(tmp_path / "run", recorded(records), info))))
    assert len(data["view"]["programs"]["id"]) == len(records)
    assert len(data["view"]["programs"]["measures"]) == len(info.measures)
    assert "NaN" not in json.dumps(data)


def test_a_large_run_stays_a_small_page(tmp_path: Path) -> None:
    point = RUN[3]
    journal = recorded(
        replace(point, index=n, program_id=f"{n * 7919:016x}", parents=(), changes=(), calls=())
        for n in range(5_000)
    )
    assert len(render_report(RunView(write_run(tmp_path / "run", journal)))) < 400_000


def test_the_texts_of_the_bests_ancestors_are_in_the_report_and_no_more_than_fit(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = data_in(page)
    ids = data["view"]["programs"]["id"]
    lineage = [ids[at] for at in data["view"]["lineage"]]
    assert lineage[0] == RUN[0].program_id
    assert lineage[-1] == max(RUN, key=_score).program_id
    by_id = {record.program_id: record for record in RUN}
    for program_id in lineage:
        assert data["programs"][program_id]["files"] == dict(by_id[program_id].program.files)
    monkeypatch.setattr("discovery.reporting.report.MOST_TEXT_BYTES", 3000)
    fewer = data_in(render_report(RunView(write_run(tmp_path / "run", entries()))))["programs"]
    assert 0 < len(fewer) < len(data["programs"])
    assert lineage[-1] in fewer


def test_children_that_were_screened_out_are_told_apart_from_those_that_never_came() -> None:
    refused = {
        "type": "unproposed",
        "operator": "diff",
        "reason": "screened out: by its lines it is 3% likely to be better than 00ff",
        "calls": [],
    }
    story = Story(INFO)
    for entry in [*entries(), refused, refused]:
        story.fold(entry)
    assert (story.total.childless, story.total.screened) == (3, 2)
    assert (story.operators["diff"].childless, story.operators["diff"].screened) == (3, 2)


def test_the_story_counts_what_happened() -> None:
    story = Story(INFO)
    for entry in entries():
        story.fold(entry)
    assert story.total.tried == len(RUN) + 1
    assert story.total.childless == 1
    assert story.operators["diff"].tried == 1 + sum(record.operator == "diff" for record in RUN)
    assert story.models["openai/gpt"].unpriced == sum(record.cost_usd is None for record in RUN)
    assert story.total.ok == sum(record.evaluation.is_ok for record in RUN)
    assert sum(each.count for each in story.failures.values()) == len(RUN) - story.total.ok
    scores = [record.evaluation.score for record in RUN if record.evaluation.score is not None]
    assert story.total.gain == pytest.approx(max(scores) - scores[0])
    assert story.best is not None
    assert story.best.program_id == max(RUN, key=_score).program_id
    chain = story.lineage_of_best()
    assert (chain[0], chain[-1]) == (RUN[0].program_id, story.best.program_id)
    assert story.worked_s == pytest.approx(RUN[29].at_s - RUN[0].at_s + 20)
    assert story.reason == "40 evaluations are done"
    for island, cells in story.islands.items():
        last = {c.cell: c.program_id for record in RUN for c in record.changes if c.island == island}
        assert cells == last


def test_a_run_folder_becomes_a_file(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", entries())
    build_report(run, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render_report(RunView(run))


def test_bad_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"is no run folder: config.json is missing"):
        build_report(tmp_path, tmp_path / "report.html")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RunFolderError, match="cannot read"):
        build_report(tmp_path, tmp_path / "report.html")
    (tmp_path / "config.json").write_text(json.dumps({"info": INFO.to_json()}))
    (tmp_path / "journal.jsonl").touch()
    with pytest.raises(RunFolderError, match="cannot write the report"):
        build_report(tmp_path, tmp_path / "nowhere" / "report.html")
