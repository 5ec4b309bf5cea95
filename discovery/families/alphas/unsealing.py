"""The sealed test of a run: opened once, after which every account of the run says that it was.

A problem that seals a test has one line `SEALED = True` in its module (evaluators/alphas/exam.py). Opening it
means to judge one program by the same module with that line turned to False. What is asked and after how many
trials stands in the journal BEFORE the program is judged, so that a crash counts as a look; the answer
follows. Both are in git, too, as the annotated tags `sealed-test-1`, `sealed-test-2`, ...

Exceptions:
    SealError (RunError)    the test was opened before, or nothing may be asked of it
"""

from __future__ import annotations

import ast
import json
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from discovery.core.errors import RunError
from discovery.core.records import Record
from discovery.core.texts import one_line
from discovery.families.alphas.admission import Lead, Trials, Verdict
from discovery.settings.config import RunConfig
from discovery.storage.git.repository import Repository
from discovery.storage.journal import Journal, read_entries
from discovery.storage.run_folder import RunFolder
from evaluators.alphas.problem_text import unseal as without_seal
from evaluators.contract import ContractError, Evaluation, Program
from evaluators.problems.loading import Problem, ProblemSource, load_problem, load_source
from evaluators.worker import JudgeProcess

ASKED, ANSWERED = "unsealing", "unsealed"
LOOKS = "looks.jsonl"
"""The file in a panel's folder that tells which runs opened its test."""


class SealError(RunError):
    """The sealed test may not be opened (again); the message says how often it was, and for what."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One look at the sealed test.

    Attributes:
        number: 1 for the first; at_s: when, unix time.
        program_id: what was judged; trials: distinct programs evaluated before; effective_trials: how many
            independent ones they amount to, None where unknown; deflated: the program's deflated Sharpe ratio then.
        admitted: whether it was admitted then.
        metrics: of the test; None where the look was never answered (a crash).
        reason: why there are none.
        looks_elsewhere: how often other runs had opened the test of the same panel before (0 for a synthetic market,
            which is the run's own).
    """

    number: int
    at_s: float
    program_id: str
    trials: int
    effective_trials: float | None
    deflated: float | None
    admitted: bool
    metrics: Mapping[str, float] | None = None
    reason: str = ""
    looks_elsewhere: int = 0

    @property
    def text(self) -> str:
        """Returns the look in one sentence."""
        day = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.at_s))
        looks = self.number + self.looks_elsewhere
        again = "" if looks == 1 else f", look number {looks}: no longer an independent test"
        effective = "" if self.effective_trials is None else f" ({self.effective_trials:.1f} effective)"
        deflated = "" if self.deflated is None else f", deflated Sharpe {self.deflated:.3f}"
        what = f"{'an' if self.admitted else 'a not'} admitted program{deflated}"
        return (
            f"sealed test opened {day} for {self.program_id}, {what}, after {self.trials} trials{effective}{again}: "
            + self.result
        )

    @property
    def result(self) -> str:
        """Returns what came out."""
        if self.metrics is None:
            return self.reason or "never answered"
        names = (
            "kept_rank_ic",
            "kept_net_rank_ic",
            "rank_ic",
            "net_rank_ic",
            "rank_icir",
            "t_nw",
            "aer",
            "ir",
        )
        found = [f"{name} {self.metrics[name]:.4g}" for name in names if name in self.metrics]
        return ", ".join(found) or "no figures"


def openings(entries: Iterable[Mapping[str, Any]]) -> list[Opening]:
    """Returns all looks at the sealed test that a journal tells of, in order."""
    found: list[Opening] = []
    for entry in entries:
        if entry["type"] == ASKED:
            found.append(Opening(**entry["opening"]))
        elif entry["type"] == ANSWERED and found:
            found[-1] = replace(found[-1], metrics=entry["metrics"], reason=entry["reason"])
    return found


@dataclass(frozen=True, slots=True)
class Account:
    """What a run's journal says for and against a program: the verdict on it, and the looks at the sealed test.

    `lead` is its lead over the first program of the run, `choice` what `discovery unseal` would judge.
    """

    verdict: Verdict | None
    looks: tuple[Opening, ...]
    lead: Lead | None = None
    choice: str | None = None

    @property
    def lines(self) -> list[str]:
        """Returns it in sentences, none where the problem asks for no verdict."""
        verdict = [] if self.verdict is None else [self.verdict.text]
        lead = [] if self.lead is None else [self.lead.text]
        choice = [] if self.choice is None else [f"chosen for the sealed test: {self.choice}"]
        return verdict + lead + choice + [look.text for look in self.looks]

    def to_json(self) -> dict[str, Any]:
        """Returns the JSON form."""
        return {
            "admission": None if self.verdict is None else asdict(self.verdict),
            "lead": None if self.lead is None else asdict(self.lead),
            "choice": self.choice,
            "sealed_test": [asdict(look) for look in self.looks],
        }


def account(journal: Path, program_id: str) -> Account:
    """Returns the account of a program of a problem that asks for verdicts."""
    trials, looks = Trials(read_entries(journal)), tuple(openings(read_entries(journal)))
    lead = None if program_id == trials.first else trials.lead(program_id)
    return Account(trials.verdict(program_id), looks, lead, trials.choice())


def open_test(folder: RunFolder, name: str = "", *, again: bool = False) -> Opening:
    """Returns the answer of the sealed test for a program of a run, from the journal if it was asked before.

    Args:
        folder: the run, which nobody else may be working on.
        name: id of the program or its beginning; "best" for the best score; "" for the admitted program that is surest
            to be better than what the search began with (`Trials.choice`).
        again: look again, for another program or once more; the record says so from then on.

    Raises:
        SealError: it was opened before, or no program is admitted.
        RunError: the problem seals no test, or there is no such program.
    """
    settings = folder.read_settings()
    problem = load_source(ProblemSource.from_json(settings["problem"]))
    with folder.lock(), tempfile.TemporaryDirectory(prefix="discovery-unseal-") as place:
        opened = _unsealed_copy(problem, Path(place))
        trials = Trials(read_entries(folder.journal))
        before = openings(read_entries(folder.journal))
        panel = panel_of(problem.files.files[problem.files.module])
        elsewhere = [] if panel is None else _looks_of_others(panel, folder)
        record, verdict = _choose(folder, problem, trials, name)
        if before and not again:
            last = before[-1]
            if last.program_id == record.program_id and last.metrics is not None:
                return last
            if last.program_id != record.program_id or last.metrics is not None:
                raise SealError(
                    f"{last.text}. A second look would choose by it; only new data can judge {record.program_id}. To "
                    "look all the same, and have it on record, give --again"
                )
        if elsewhere and not before and not again:
            raise SealError(
                f"the sealed test of the panel in {panel} was opened {len(elsewhere)} times by other runs, last by "
                f"{elsewhere[-1]}; a look from here is no longer independent of them. To look all the same, give --again"
            )
        asked = Opening(
            len(before) + 1,
            time.time(),
            record.program_id,
            trials.count,
            trials.luck.effective,
            verdict.deflated if verdict else None,
            verdict is not None and verdict.admitted,
            looks_elsewhere=len(elsewhere),
        )
        if panel is not None:
            _note_look(panel, folder, asked)
        return _ask(folder, RunConfig.from_json(settings["config"]), opened, record.program, asked)


def panel_of(text: str) -> Path | None:
    """Returns the folder that a problem's line `PANEL = ...` names; None for a synthetic market."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if names == ["PANEL"] and isinstance(node.value.value, str):
                return Path(node.value.value)
    return None


def _looks_of_others(panel: Path, folder: RunFolder) -> list[str]:
    """Returns which other runs opened the test of the panel in its present state, in order."""
    path = panel / LOOKS
    if not path.exists():
        return []
    digest = _digest(panel)
    looks = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [look["run"] for look in looks if look["panel"] == digest and look["run"] != str(folder.path)]


def _note_look(panel: Path, folder: RunFolder, asked: Opening) -> None:
    """Writes beside the panel that its test is opened.

    Raises:
        RunError: the panel's folder cannot be written.
    """
    look = {
        "run": str(folder.path),
        "panel": _digest(panel),
        "program_id": asked.program_id,
        "at_s": asked.at_s,
    }
    try:
        with (panel / LOOKS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(look) + "\n")
    except OSError as error:
        raise RunError(
            f"cannot note in {panel} that its test is opened ({error.strerror}); make the folder writable"
        ) from error


def _digest(panel: Path) -> str:
    return str(json.loads((panel / "panel.json").read_text(encoding="utf-8"))["digest"])


def _choose(folder: RunFolder, problem: Problem, trials: Trials, name: str) -> tuple[Record, Verdict | None]:
    """Returns the program to judge, with the verdict on it."""
    scored = [
        entry["record"]
        for entry in read_entries(folder.journal)
        if entry["type"] == "evaluated" and entry["record"]["evaluation"].get("score") is not None
    ]
    scored.sort(key=lambda record: -problem.objective.fitness(record["evaluation"]["score"]))
    if not scored:
        raise RunError(f"{folder.path} holds no program with a score yet")
    choice = None if name else trials.choice()
    for data in scored:
        program_id = data["program_id"]
        verdict = trials.verdict(program_id)
        if choice is not None:
            is_chosen = program_id == choice
        elif name in ("", "best"):  # nothing leads where the first program was not examined
            is_chosen = name == "best" or (verdict is not None and verdict.admitted)
        else:
            is_chosen = program_id.startswith(name.lower())
        if is_chosen:
            return Record.from_json(data), verdict
    if name:
        raise RunError(f"no scored program is named {one_line(name, 60)!r}; `discovery log` lists them")
    best = trials.verdict(scored[0]["program_id"])
    raise SealError(
        f"no program is admitted after {trials.count} trials; the best: {best.text if best else 'no exam'}. "
        "To spend the test on it all the same, name it: --program best"
    )


def _unsealed_copy(problem: Problem, place: Path) -> Problem:
    """Returns the problem with its seal turned, loaded from a copy."""
    files = problem.files
    try:
        texts = {**files.files, files.module: without_seal(files.files[files.module])}
    except ContractError as error:
        raise RunError(f"{problem.name} seals no test: {error}") from error
    for path, text in texts.items():
        target = place / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return load_problem(str(place / files.module))


def _ask(folder: RunFolder, config: RunConfig, problem: Problem, program: Program, asked: Opening) -> Opening:
    """Returns the answered opening; question and answer are on the disk when it returns."""
    facts = {name: value for name, value in asdict(asked).items() if name not in ("metrics", "reason")}
    journal = Journal(folder.journal)
    try:
        journal.append([{"type": ASKED, "opening": facts}])
        with closing(
            JudgeProcess(
                problem.source, folder.read_secret(config.seed), unsafe=config.unsafe, tier=config.tier
            )
        ) as judge:
            evaluation = judge.evaluate(program, held_out=True)
        answered = replace(asked, metrics=_figures(evaluation), reason=evaluation.reason)
        entry = {"type": ANSWERED, "program_id": asked.program_id, "metrics": answered.metrics}
        journal.append([{**entry, "reason": answered.reason, "exhibit": evaluation.exhibit}])
    finally:
        journal.close()
    tag_openings(folder, [answered])
    return answered


def _figures(evaluation: Evaluation) -> dict[str, float] | None:
    if not evaluation.is_ok:
        return None
    return {**(evaluation.held_out or {}), **evaluation.metrics}


def tag_openings(folder: RunFolder, found: Sequence[Opening]) -> None:
    """Writes looks at the sealed test into the run's git repository, as annotated tags."""
    repository = Repository(folder.lineage)
    for opening in found:
        commit = repository.run(
            "log", "-1", "--format=%H", f"--grep=^Program-Id: {opening.program_id}$", "--branches"
        ).strip()
        effective = "" if opening.effective_trials is None else f"{opening.effective_trials:.2f}"
        deflated = "" if opening.deflated is None else f"{opening.deflated:.6f}"
        message = (
            f"{one_line(opening.text, 400)}\n\nTrials: {opening.trials}\nEffective-Trials: {effective}\n"
            f"Deflated-Sharpe: {deflated}\nOpened: {round(opening.at_s)}\nLook: {opening.number}\n"
            f"Test: {one_line(opening.result, 400)}\n"
        )
        repository.run("tag", "--annotate", "--force", f"sealed-test-{opening.number}", commit, "-m", message)
