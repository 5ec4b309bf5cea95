from __future__ import annotations

import re

from discovery.core.records import RunInfo
from discovery.families.alphas.exhibits import Exhibits
from discovery.families.alphas.unsealing import ANSWERED, ASKED
from discovery.reporting.facts import Story
from evaluators.contract import Evaluation, Status
from tests.discovery.lineage_runs import made_up_run

LINES = {
    "title": "RankIC <over> time",
    "note": "Daily & cumulated.",
    "kind": "lines",
    "x": "day",
    "y": "RankIC",
    "series": [
        {"name": "a", "points": [[0, -1.0], [1, 2.0]]},
        {"name": "b</svg>", "points": [[0, 0.0], [1, 1.0]]},
    ],
}
BARS = {
    "title": "Decay",
    "note": "",
    "kind": "bars",
    "y": "RankIC",
    "names": ["h 1", "h 2"],
    "values": [0.03, -0.01],
}
MATRIX = {
    "title": "Pool",
    "note": "",
    "kind": "matrix",
    "names": ["f1", "f2"],
    "values": [[1.0, 0.25], [0.25, 1.0]],
}
TABLE = {"title": "Members", "note": "", "kind": "table", "columns": ["member"], "rows": [["<b>one</b>"]]}
RUN = made_up_run(3)
BEST = max(RUN, key=lambda record: record.evaluation.score or 0.0).program_id


def drawn(*pages: object, metrics: dict | None = None, more: tuple = ()) -> str:
    story, exhibits = Story(RunInfo("toy")), Exhibits()
    entries = [{"type": "evaluated", "record": record} for record in RUN]
    entries += [
        {"type": "held_out", "program_id": BEST, "metrics": metrics or {}, "exhibit": list(pages)},
        *more,
    ]
    for entry in entries:
        story.fold(entry)
        exhibits.fold(entry)
    return "".join(exhibits.sections(story))


def test_pages_are_drawn_by_kind_and_their_texts_cannot_break_out() -> None:
    text = drawn(LINES, BARS, MATRIX, TABLE)
    assert text.count("<section>") == 4
    assert "RankIC &lt;over&gt; time" in text
    assert text.count("<polyline") == 2
    assert "b</svg>" not in text
    assert "<b>one</b>" not in text
    assert "h 2: -0.01" in text
    assert "f1, f2: 0.250" in text


def test_bars_stand_on_zero() -> None:
    heights = [float(found) for found in re.findall(r'class="bar"[^>]* height="([\d.]+)"', drawn(BARS))]
    assert heights[0] / heights[1] > 2.9
    assert heights[0] / heights[1] < 3.1


def test_what_is_no_page_is_passed_over() -> None:
    bad = [
        None,
        7,
        {},
        {"kind": "film"},
        {**LINES, "series": 3},
        {**LINES, "series": [{"name": "a", "points": [[0, float("nan")]]}]},
        {**BARS, "values": ["x", "y"]},
        {**BARS, "values": [1.0]},
        {"kind": "table", "columns": None, "rows": []},
    ]
    assert drawn(*bad) == ""


def test_sealed_tests_and_their_number_are_told() -> None:
    asked = {
        "number": 2,
        "at_s": 1_700_000_000.0,
        "program_id": BEST,
        "trials": 40,
        "effective_trials": 3.5,
        "deflated": 0.97,
        "admitted": True,
    }
    answer = {
        "type": ANSWERED,
        "program_id": BEST,
        "metrics": {"kept_rank_ic": 0.041},
        "reason": "",
        "exhibit": [BARS],
    }
    text = drawn(more=({"type": ASKED, "opening": asked}, answer))
    assert "after 40 trials (3.5 effective), look number 2: no longer an independent test" in text
    assert "kept_rank_ic 0.041" in text
    assert "The sealed test." in text


def test_a_run_without_such_things_says_nothing() -> None:
    assert drawn() == ""


def test_an_evaluation_carries_its_exhibit() -> None:
    evaluation = Evaluation(Status.OK, 1.0, {"score": 1.0}, held_out={"score": 0.5}, exhibit=[BARS])
    assert Evaluation.from_json(evaluation.to_json()) == evaluation
    assert "exhibit" not in Evaluation(Status.OK, 1.0).to_json()
