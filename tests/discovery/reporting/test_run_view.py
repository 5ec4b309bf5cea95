from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from discovery.reporting.run_view import NoSuchProgramError, RunView
from tests.discovery.reporting.test_report import RUN, entries, write_run


def append(path: Path, *more: Mapping[str, Any]) -> None:
    with (path / "journal.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(entry) + "\n" for entry in more)


def rebuilt(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the columns that a reader has who was told in parts, words for codes."""
    found: dict[str, Any] = {"id": [], "score": [], "operator": [], "parent": [], "elites": {}}
    for part in parts:
        assert part["after"] == len(found["id"])
        for name in ("id", "score", "parent"):
            found[name] += part["programs"][name]
        found["operator"] += [part["words"]["operator"][code] for code in part["programs"]["operator"]]
        found["elites"] |= {(island, cell): place for island, cell, place in part["moves"]}
    return found


def test_what_is_told_in_parts_is_what_is_told_at_once(tmp_path: Path) -> None:
    lines = entries()
    run = write_run(tmp_path / "run", lines[:9])
    view = RunView(run)
    parts = [view.to_json()]
    for first in range(9, len(lines), 7):
        append(run, *lines[first : first + 7])
        parts.append(view.to_json(after=sum(len(part["programs"]["id"]) for part in parts), edition=0))
    whole = RunView(run).to_json()
    assert rebuilt(parts) == rebuilt([whole])
    assert [len(part["programs"]["id"]) for part in parts][:2] == [8, 7]
    for name in ("bests", "lineage", "operators", "models", "failures", "held_out", "worked_s", "ended"):
        assert parts[-1][name] == whole[name]


def test_a_line_that_is_not_whole_yet_is_waited_for(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", entries()[:4])
    view = RunView(run)
    assert len(view.to_json()["programs"]["id"]) == 3
    line = json.dumps(entries()[4])
    with (run / "journal.jsonl").open("a") as file:
        file.write(line[:50])
        file.flush()
        assert view.to_json(after=3)["programs"]["id"] == []
        file.write(line[50:] + "\n")
    assert view.to_json(after=3)["programs"]["id"] == [RUN[3].program_id]


def test_a_purge_begins_a_new_edition_that_is_told_whole(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", entries())
    view = RunView(run)
    before = view.to_json()
    best = before["programs"]["id"][before["bests"][-1]]
    append(run, {"type": "purged", "program_id": best, "reason": "it read the clock"})
    after = view.to_json(after=len(RUN), edition=before["edition"])
    assert after["edition"] == before["edition"] + 1
    assert (after["after"], len(after["programs"]["id"])) == (0, len(RUN))
    place = after["programs"]["id"].index(best)
    assert after["programs"]["score"][place] is None
    assert place not in after["bests"]
    assert "purged: it read the clock" in view.program(best)["reason"]
    assert view.to_json(after=len(RUN), edition=after["edition"])["programs"]["id"] == []


def test_a_program_is_found_by_id_beginning_or_as_the_best(tmp_path: Path) -> None:
    view = RunView(write_run(tmp_path / "run", entries()))
    for record in RUN:
        assert view.record(record.program_id) == RunView(view.path).record(record.program_id[:14])
    best = max(RUN, key=lambda record: record.evaluation.score or 0.0)
    found = view.program("best")
    assert found["program_id"] == best.program_id
    assert found["held_out"] == {"score": 1.25}
    assert found["commit"] == ""  # this run has no git
    for name in ("", "zzzz"):
        with pytest.raises(NoSuchProgramError):
            view.program(name)


def test_requests_are_told_in_a_persons_words_and_followed(tmp_path: Path) -> None:
    def asked(kind: str, **more: Any) -> dict[str, Any]:
        return {
            "type": "asked",
            "at_s": 5.0,
            "request": {"kind": kind, **more},
            "refusal": more.pop("refusal", ""),
        }

    lines = [asked("budget", budget={"evaluations": 7}), asked("hint", text="be\nbrief"), asked("pause")]
    view = RunView(write_run(tmp_path / "run", [*entries()[:3], *lines]))
    assert [text for _, text in view.to_json()["asked"]] == [
        "limits changed",
        "hint to the models: be brief",
        "paused",
    ]
    assert view.story().is_paused
    assert view.story().limits == {"evaluations": 7}
    append(view.path, asked("resume"))
    view.to_json()
    assert not view.story().is_paused
