from __future__ import annotations

from discovery.core.records import RunInfo
from discovery.families.alphas.exhibits import Exhibits
from discovery.families.alphas.unsealing import ANSWERED, ASKED
from discovery.reporting.drawings import Drawing
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


def drawn(*pages: object, metrics: dict | None = None, more: tuple = ()) -> list[Drawing]:
    story, exhibits = Story(RunInfo("toy")), Exhibits()
    entries = [{"type": "evaluated", "record": record} for record in RUN]
    entries += [
        {"type": "held_out", "program_id": BEST, "metrics": metrics or {}, "exhibit": list(pages)},
        *more,
    ]
    for entry in entries:
        story.fold(entry)
        exhibits.fold(entry)
    return list(exhibits.sections(story))


def test_pages_of_the_best_are_shown_and_say_where_they_come_from() -> None:
    found = drawn(LINES, BARS, MATRIX, TABLE, {"kind": "film"})
    assert [one["kind"] for one in found] == ["lines", "bars", "matrix", "table"]
    assert found[0]["title"] == "RankIC <over> time"
    assert found[0]["note"] == "The best program on the days that chose it. Daily & cumulated."
    assert found[3]["rows"] == [["<b>one</b>"]]


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
    luck, test = drawn(more=({"type": ASKED, "opening": asked}, answer))
    text = " ".join(luck["texts"])
    assert "after 40 trials (3.5 effective), look number 2: no longer an independent test" in text
    assert "kept_rank_ic 0.041" in text
    assert test["note"].startswith("The sealed test.")


def test_a_run_without_such_things_says_nothing() -> None:
    assert drawn() == []


def test_an_evaluation_carries_its_exhibit() -> None:
    evaluation = Evaluation(Status.OK, 1.0, {"score": 1.0}, held_out={"score": 0.5}, exhibit=[BARS])
    assert Evaluation.from_json(evaluation.to_json()) == evaluation
    assert "exhibit" not in Evaluation(Status.OK, 1.0).to_json()
