from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from discovery.core.errors import RunFolderError
from discovery.core.records import Change, Record, RunInfo
from discovery.reporting.facts import Story, ancestors_of_best, bin_of, read_story
from discovery.reporting.report import build_report, render_report
from discovery.storage.index import open_index
from discovery.storage.run_folder import RunFolder
from evaluators.contract import Evaluation, Measure, Objective, Program, Status
from tests.discovery.lineage_runs import made_up_run

GOLDEN = Path(__file__).parent / "golden" / "report.html"
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


def page_of(records: Iterable[Record], info: RunInfo = INFO) -> str:
    return page_from([{"type": "evaluated", "record": record.to_json()} for record in records], info)


def page_from(journal: Iterable[Mapping[str, Any]] | None = None, info: RunInfo = INFO) -> str:
    """Returns the report of a run with this journal; by default with that of `entries`."""
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(Path(place) / "run")
        folder.create({"info": info.to_json()}, bytes(16))
        lines = entries() if journal is None else journal
        folder.journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
        with open_index(folder) as index:
            return render_report(info, index)


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


def test_the_page_is_the_one_that_was_looked_at() -> None:
    page = page_from()
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(page, encoding="utf-8")
    assert page == GOLDEN.read_text(encoding="utf-8"), "look at the page, then run with UPDATE_GOLDEN=1"


def test_the_page_is_well_formed_and_loads_nothing() -> None:
    outline = Outline(page_from())
    names = {tag for tag, _ in outline.tags}
    assert not names & {"link", "img", "iframe", "object", "embed", "base", "form", "a", "image", "use"}
    for tag, attributes in outline.tags:
        assert not {"src", "href", "xlink:href", "style", "srcset", "action"} & attributes.keys(), tag
        assert not any(name.startswith("on") for name in attributes)


def test_the_policy_allows_only_the_pages_own_style_and_script() -> None:
    page = page_from()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    for kind in ("style", "script"):
        body = re.findall(f"<{kind}>(.*?)</{kind}>", page, re.S)
        assert len(body) == 1
        digest = base64.b64encode(hashlib.sha256(body[0].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy[1]
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]


EVIL = (
    "</pre></script><script>alert(1)</script><img src=x onerror='alert(2)'>\"' onload=x &lt; \x1b \u202e $x"
)


def test_foreign_texts_are_only_text() -> None:
    program = Program({f"{EVIL}.py": f"seed {EVIL}\n"}, f"{EVIL}.py")
    child = program.with_text(f"child {EVIL}\n")
    common = {"operator": EVIL, "island": 0, "decision": 0, "texts": {EVIL: EVIL}}
    good = Evaluation(Status.OK, 1.0, {"score": 1.0}, (1.0, 1.0), layers=(EVIL,))
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
    page = page_of(records, info)
    outline = Outline(page)
    assert [tag for tag, _ in outline.tags].count("script") == 1
    assert "img" not in {tag for tag, _ in outline.tags}
    assert not any(name.startswith("on") for _, attributes in outline.tags for name in attributes)
    assert sum("alert(1)" in words for words in outline.words) >= 8
    assert not any(char in page for char in "\x1b\u202e")


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
def test_every_kind_of_run_has_a_page(records: list[Record], info: RunInfo) -> None:
    page = page_of(records, info)
    assert "nan" not in page.lower().replace("nance", "")
    Outline(page)


def test_a_large_run_stays_a_small_page() -> None:
    point = RUN[3]
    journal = [
        {
            "type": "evaluated",
            "record": replace(
                point, index=n, program_id=f"{n:016x}", parents=(), changes=(), calls=()
            ).to_json(),
        }
        for n in range(20_000)
    ]
    assert len(page_from(journal)) < 1_500_000


def test_children_that_were_screened_out_are_told_apart_from_those_that_never_came() -> None:
    refused = {
        "type": "unproposed",
        "operator": "diff",
        "reason": "screened out: by its lines it is 3% likely to be better than 00ff",
        "calls": [],
    }
    journal = [*entries(), refused, refused]
    story = Story(INFO)
    for entry in journal:
        story.fold(entry)
    assert (story.total.childless, story.total.screened) == (3, 2)
    assert (story.operators["diff"].childless, story.operators["diff"].screened) == (3, 2)
    page = page_from(journal)
    assert "<th class='n'>screened out</th>" in page
    assert "<td class='n'>1</td><td class='n'>2</td>" in page


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
    assert story.worked_s == pytest.approx(RUN[29].at_s - RUN[0].at_s + 20)
    assert story.reason == "40 evaluations are done"


def test_the_story_that_an_index_tells_is_that_of_its_journal(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create({"info": INFO.to_json()}, bytes(16))
    folder.journal.write_text("".join(json.dumps(line) + "\n" for line in entries()))
    folded = Story(INFO)
    for entry in entries():
        folded.fold(entry)
    with open_index(folder) as index:
        story = read_story(INFO, index)
        chain = ancestors_of_best(index)
    assert story.best is not None
    assert (chain[0].program_id, chain[-1].program_id) == (RUN[0].program_id, story.best.program_id)
    assert all(child.parents[0] == parent.program_id for parent, child in pairwise(chain))
    assert replace(story, islands={}) == folded
    for island, cells in story.islands.items():
        last = {c.cell: c.program_id for record in RUN for c in record.changes if c.island == island}
        assert {cell: elite.program_id for cell, elite in cells.items()} == last


@pytest.mark.parametrize(
    ("value", "expected"), [(-1, 0), (0, 0), (0.99, 0), (1, 1), (3.5, 3), (4, 3), (9, 3)]
)
def test_values_outside_go_to_the_edge_bins(value: float, expected: int) -> None:
    assert bin_of(value, Measure("x", 0, 4, 4)) == expected


def test_a_run_folder_becomes_a_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"format": 1, "info": INFO.to_json()}))
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries()))
    build_report(tmp_path, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page_from()


def test_bad_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"is no run folder: config.json is missing"):
        build_report(tmp_path, tmp_path / "report.html")
    (tmp_path / "config.json").write_text('{"format": 1}')
    with pytest.raises(RunFolderError, match="cannot read"):
        build_report(tmp_path, tmp_path / "report.html")
    (tmp_path / "config.json").write_text(json.dumps({"format": 1, "info": INFO.to_json()}))
    (tmp_path / "journal.jsonl").touch()
    with pytest.raises(RunFolderError, match="cannot write the report"):
        build_report(tmp_path, tmp_path / "nowhere" / "report.html")
