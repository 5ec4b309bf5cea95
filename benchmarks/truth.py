"""Whether what questions tell models is true: rebuilds the questions of a run from its journal, and checks them against its records.

    python -m benchmarks.truth JOURNAL PROBLEM

Before each program that a model made is folded in, the question for a change of its parent is composed with what was known then,
what was under way included. Its statements, and what its task says of the program, are read back from the text, by patterns of
this file and not by the code that wrote them, and compared with the journal's records alone: each score, gain, failure, which
attempt was kept, what the best was. Told are how many statements are true, how many false, how many lines no pattern knows
(unsupported), whether every attempt on the parent stands in the ledger, and the tokens.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from discovery.core.records import Record
from discovery.prompts.question import compose, count_message_tokens
from discovery.search.assembly import assemble
from discovery.search.context import compose_context
from discovery.search.decisions import UnderWay
from discovery.settings.doors import make_config
from evaluators.problems.loading import load_problem

_NUMBER = r"(-?[\d.]+(?:e[-+]?\d+)?|-?inf)"
_PAGE = re.compile(
    rf"Tried on (the current program|the program that this line began with|an ancestor)(?: \(score {_NUMBER}\))?:"
)
_IDEA = r'(?:"(?P<idea>[^"]*)"(?:: |$))?'
_SCORED = re.compile(
    rf"- {_IDEA}score (?P<score>{_NUMBER})(?:, (?P<gain>better by {_NUMBER}|worse by {_NUMBER}|no effect: the same score))?"
    r"(?P<kept>; kept: what follows builds on it)?(?:, (?P<times>\d+) times)?"
)
_FAILED = re.compile(
    rf'- {_IDEA}(?P<status>[a-z_]+)(?: \("(?P<reason>[^"]*)"\))?(?P<kept>; kept: what follows builds on it)?(?:, (?P<times>\d+) times)?'
)
_COUNTED = re.compile(
    r"Before these, (\d+) attempts on (\d+) earlier programs of this line: (\d+) better, (\d+) failed\."
)
_STANDING = re.compile(rf"Score {_NUMBER}(?: \((the best so far|best so far: {_NUMBER})\))?")
_OTHER = re.compile(rf'Score {_NUMBER}(?:, "([^"]*)")?(?:, as a change of the current program)?:')
_LOST = re.compile(r'Failed: [a-z_]+(?: \("[^"]*"\))?(?:, "[^"]*")?:')
_UNDER_WAY = "Changes of this or of other programs that are being evaluated; their results are not known yet:"
_USED = re.compile(rf"CPU time used: {_NUMBER} of {_NUMBER} s a case, in the mean of (\d+) cases?\.")
_HEAD = re.compile(r"`([^`]+)` by (group|case), the worst first \(([^)]*)\):")
_ROW = re.compile(r"- (.+?)(?: \((\d+) cases\))?: ([-\d., e+inf]+)")
_MORE = re.compile(r"- \d+ more, all better")
_DIFFERENCE = re.compile(
    rf"Against its parent, case by case: ([-+][^ ]+) \(standard error {_NUMBER}, (\d+) cases; (\d+) better, (\d+) worse\)\."
)
_HEADS = (
    _UNDER_WAY,
    "# Earlier attempts",
    "Other programs, worst first:",
    "Some of these as changes of the current program, oldest first:",
)


@dataclass
class Tally:
    """What the questions of a run came to."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    incomplete: int = 0

    def judge(self, kind: str, line: str, *, is_true: bool) -> None:
        """Counts one statement."""
        self.counts[f"{kind} {'true' if is_true else 'false'}"] += 1
        if not is_true and len(self.examples) < 10:
            self.examples.append(line)

    def total(self, word: str) -> int:
        """Returns how many statements are "true" or "false"."""
        return sum(count for kind, count in self.counts.items() if kind.endswith(word))


class Journal:
    """The records of a run so far, and nothing else."""

    def __init__(self, sign: float) -> None:
        self.records: dict[str, Record] = {}
        self.under_way: dict[int, str] = {}
        self.sign = sign

    def score(self, program_id: str) -> float | None:
        """Returns a program's score, None where it has none."""
        return self.records[program_id].evaluation.score

    def gain(self, record: Record) -> float | None:
        """Returns how much better a program is than its first parent."""
        score, parent = record.evaluation.score, self.score(record.parents[0])
        return None if score is None or parent is None else self.sign * (score - parent)

    def line(self, program_id: str) -> list[str]:
        """Returns a program and those it descends from, by first parents, oldest first."""
        found = [program_id]
        while parents := self.records[found[-1]].parents:
            found.append(parents[0])
        return found[::-1]

    def is_under_way(self, idea: str) -> bool:
        """Returns whether some model's program of this idea has no result yet."""
        return any(_alike(idea, one) for one in self.under_way.values())

    def attempts(self, base: str) -> list[Record]:
        """Returns the children of a program that models made, oldest first."""
        return [one for one in self.records.values() if one.calls and one.parents[:1] == (base,)]

    @property
    def best_id(self) -> str:
        """The program that is the best so far, the first among equals."""
        scored = [one for one in self.records.values() if one.evaluation.score is not None]
        return max(scored, key=lambda one: self.sign * (one.evaluation.score or 0.0)).program_id

    @property
    def best(self) -> float:
        """The best score so far."""
        return self.score(self.best_id) or 0.0


def check_question(text: str, parent: str, journal: Journal, tally: Tally) -> None:
    """Judges the statements of one question about a program."""
    past, _, rest = text.partition("# Current program\n")
    lines = list(_outside_fences(past))
    pages = [page for page in journal.line(parent) if journal.attempts(page)]
    shown: list[str] = []
    base: str | None = None
    is_under_way = False
    for line in lines:
        if found := _PAGE.fullmatch(line):
            at = len(pages) - sum(bool(_PAGE.fullmatch(one)) for one in lines) + len(shown)
            base = parent if found[1] == "the current program" else pages[at]
            shown.append(base)
            score = journal.score(base)
            tally.judge("page", line, is_true=found[2] is None or _same(found[2], score))
        elif found := _COUNTED.fullmatch(line):
            hidden = [one for page in pages[: int(found[2])] for one in journal.attempts(page)]
            better = sum((journal.gain(one) or 0.0) > 0 for one in hidden)
            failed = sum(one.evaluation.score is None for one in hidden)
            tally.judge(
                "count",
                line,
                is_true=(int(found[1]), int(found[3]), int(found[4])) == (len(hidden), better, failed),
            )
        elif line == _UNDER_WAY:
            base, is_under_way = None, True
        elif is_under_way and (found := re.fullmatch(r'- "([^"]*)"', line)):
            tally.judge("under way", line, is_true=journal.is_under_way(found[1]))
        elif line.startswith("- ") and base is not None:
            tally.judge("attempt", line, is_true=_is_attempt(line, base, parent, journal))
        elif (found := _OTHER.fullmatch(line)) and (base is None or not line.startswith("- ")):
            tally.judge(
                "program",
                line,
                is_true=any(_same(found[1], one.evaluation.score) for one in journal.records.values()),
            )
        elif line and line not in _HEADS and not _LOST.fullmatch(line):
            tally.counts["unsupported"] += 1
            tally.examples.append(line)
    standing = rest.split("\n", 1)[0]
    if found := _STANDING.match(standing):
        is_true = _same(found[1], journal.score(parent))
        is_true &= _same(found[3] or found[1], journal.best) if found[2] else True
        tally.judge("standing", standing, is_true=is_true)
    _check_results(rest, parent, journal, tally)
    _check_task(rest.rpartition("# Task\n")[2], parent, journal, tally)
    told = sum(
        int(match["times"] or 1)
        for one in _last_page(lines)
        if (match := _SCORED.fullmatch(one) or _FAILED.fullmatch(one))
    )
    tally.incomplete += told != len(journal.attempts(parent))


def _check_results(rest: str, parent: str, journal: Journal, tally: Tally) -> None:
    """Judges what is told of the program's results by group or case, of what it used, and of how it differs from its parent."""
    own = journal.records[parent]
    ids = {"this program": parent, "its parent": (own.parents or ("",))[0], "the best": journal.best_id}
    labels: list[str] = []
    is_group, name, last = False, "", -math.inf
    for line in rest.partition("```")[0].split("\n")[1:]:
        if found := _USED.fullmatch(line):
            used = own.evaluation.cpu_s / own.evaluation.cases_done
            tally.judge(
                "used", line, is_true=f"{used:.3g}" == found[1] and int(found[3]) == own.evaluation.cases_done
            )
        elif found := _HEAD.fullmatch(line):
            name, is_group, labels = found[1], found[2] == "group", found[3].split(", ")
            tally.judge("table", line, is_true=all(ids[label] for label in labels))
        elif labels and (found := _ROW.fullmatch(line)):
            told = found[3].split(", ")
            values = [
                _part(journal.records[ids[label]], found[1], name, is_group=is_group) for label in labels
            ]
            fitness = journal.sign * (values[0] or 0.0)
            tally.judge(
                "row",
                line,
                is_true=fitness >= last
                and told == ["-" if value is None else f"{value:.4g}" for value in values],
            )
            last = fitness
        elif found := _DIFFERENCE.fullmatch(line):
            tally.judge("difference", line, is_true=_is_difference(found, own, journal, name))
        elif line and not _MORE.fullmatch(line):
            tally.counts["unsupported"] += 1
            tally.examples.append(line)


def _part(record: Record, told: str, name: str, *, is_group: bool) -> float | None:
    parts = record.evaluation.by_group if is_group else record.evaluation.by_case
    found = (one for at, one in enumerate(parts, 1) if (one.name or f"case {at}") == told)
    return next((one.metrics.get(name) for one in found), None)


def _is_difference(found: re.Match[str], own: Record, journal: Journal, name: str) -> bool:
    parent = journal.records[own.parents[0]]
    values = [[part.metrics[name] for part in one.evaluation.by_case] for one in (own, parent)]
    gains = journal.sign * (np.array(values[0]) - np.array(values[1]))
    error = np.std(gains, ddof=1) / math.sqrt(len(gains))
    slack = 1e-9 * float(np.abs(values).max())
    is_mean = math.isclose(float(found[1]), gains.mean(), rel_tol=6e-3, abs_tol=slack)
    is_error = math.isclose(float(found[2]), error, rel_tol=6e-2, abs_tol=slack)
    counts = (len(gains), int((gains > 0).sum()), int((gains < 0).sum()))
    return is_mean and is_error and counts == (int(found[3]), int(found[4]), int(found[5]))


def _check_task(task: str, parent: str, journal: Journal, tally: Tally) -> None:
    """Judges what the task says of the program, where it says anything."""
    attempts = journal.attempts(parent)
    gains = [journal.gain(one) for one in attempts]
    own = journal.gain(journal.records[parent]) if journal.records[parent].parents else None
    said = {
        "The last change of this program made it better, and nothing was tried": not attempts
        and (own or 0) > 0,
        "No change of this program that was tried": bool(attempts)
        and not any((gain or 0) > 0 for gain in gains),
        "None of the attempts on this program made it better": not any((gain or 0) > 0 for gain in gains)
        and len(attempts) >= 2,
        "The last attempt left the score as it was": bool(attempts) and gains[-1] == 0,
        "The last attempt on this program failed": bool(attempts) and attempts[-1].evaluation.score is None,
    }
    for begins, is_true in said.items():
        if task.startswith(begins):
            tally.judge("task", task[:80], is_true=is_true)


def _is_attempt(line: str, base: str, parent: str, journal: Journal) -> bool:
    """Returns whether some attempt on `base` did what a line says."""
    on_line = set(journal.line(parent))
    found = _SCORED.fullmatch(line)
    lost = None if found else _FAILED.fullmatch(line)
    for one in journal.attempts(base):
        idea = (found or lost or {"idea": None})["idea"]
        if idea is not None and not _alike(idea, one.texts.get("idea", "")):
            continue
        evaluation = one.evaluation
        if found:
            is_this = _same(found["score"], evaluation.score) and _is_gain(found["gain"], journal.gain(one))
            is_this = is_this and bool(found["kept"]) == (one.program_id in on_line)
        else:
            is_this = (
                lost is not None and evaluation.score is None and lost["status"] == str(evaluation.status)
            )
            is_this = is_this and _alike(lost["reason"] or "", evaluation.reason)
        if is_this:
            return True
    return False


def _is_gain(told: str | None, gain: float | None) -> bool:
    """Returns whether a gain is what is told of it, to three digits; nothing is true of all."""
    if told is None or gain is None:
        return told is None
    if told.startswith("no effect"):
        return gain == 0
    sign = -1.0 if told.startswith("worse") else 1.0
    return math.isclose(sign * float(told.rpartition(" ")[2]), gain, rel_tol=6e-3, abs_tol=1e-12)


def _outside_fences(text: str) -> Iterator[str]:
    fence = ""
    for line in text.split("\n"):
        if fence:
            fence = "" if line == fence else fence
        elif line.startswith("```"):
            fence = line[: len(line) - len(line.lstrip("`"))]
        else:
            yield line


def _last_page(lines: list[str]) -> list[str]:
    starts = [at for at, line in enumerate(lines) if line == "Tried on the current program:"]
    if not starts:
        return []
    rest = lines[starts[-1] + 1 :]
    return rest[: next((at for at, line in enumerate(rest) if not line.startswith("- ")), len(rest))]


def _alike(told: str, whole: str) -> bool:
    """Returns whether a quoted text is another, or its beginning where it was cut."""
    plain = re.sub(r"[^\w]+", "", whole)
    return plain.startswith(re.sub(r"[^\w]+", "", told.removesuffix("…").removesuffix("...")))


def _same(told: str | None, value: float | None) -> bool:
    return told is not None and value is not None and f"{value:.8g}" == told


def replay(entries: Iterator[Mapping[str, Any]], problem: str) -> Tally:
    """Returns what the questions of a run come to."""
    found = load_problem(problem)
    config = make_config({"problem": problem, "seed": 1, "model": ["a-model"]}, "this benchmark")
    coordinator, _ = assemble(found, config, "replayed")
    journal = Journal(1.0 if found.objective.direction == "maximize" else -1.0)
    tally = Tally()
    for entry in entries:
        if entry["type"] == "evaluated":
            record = Record.from_json(entry["record"])
            if (
                record.calls
                and record.operator in ("diff", "rewrite")
                and (parent := coordinator.state.find(record.parents[0]))
            ):
                rng = np.random.default_rng(record.decision)
                ideas = tuple(idea for number, idea in journal.under_way.items() if number != record.decision)
                context = compose_context(
                    coordinator.state,
                    record.island,
                    (parent,),
                    rng,
                    config=config.context,
                    under_way=UnderWay(ideas),
                )
                messages = compose("diff", (parent,), context)
                tally.tokens.append(count_message_tokens(messages))
                check_question(messages[1]["content"], parent.program_id, journal, tally)
            journal.records[record.program_id] = record
            journal.under_way.pop(record.decision, None)
        elif entry["type"] == "proposed":
            journal.under_way[entry["decision"]] = entry["texts"].get("idea", "")
        coordinator.replay(entry)
    return tally


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("journal", type=Path)
    parser.add_argument("problem")
    chosen = parser.parse_args()
    with chosen.journal.open(encoding="utf-8") as file:
        tally = replay((json.loads(line) for line in file), chosen.problem)
    questions = len(tally.tokens)
    print(
        f"{questions} questions; {np.mean(tally.tokens):.0f} tokens in the mean, {max(tally.tokens)} at most"
    )
    print(
        f"statements: {tally.total('true')} true, {tally.total('false')} false, {tally.counts['unsupported']} unsupported"
    )
    print(", ".join(f"{kind}: {count}" for kind, count in sorted(tally.counts.items())))
    print(f"questions whose ledger lacks an attempt on the program: {tally.incomplete}")
    for line in tally.examples:
        print(f"  {line[:200]}")


if __name__ == "__main__":
    main()
