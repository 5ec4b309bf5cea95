from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import discovery.__main__ as entry
from discovery.cli import search
from discovery.cli.main import cli
from discovery.cli.progress import Progress, left_text
from discovery.core.budget import Ledger
from discovery.core.errors import ConfigError
from discovery.core.requests import KIND_WORDS, KINDS
from discovery.settings.budget import Budget
from discovery.settings.doors import read
from discovery.settings.toml import read_toml
from discovery.storage.git.repository import Repository


@pytest.fixture
def discovery(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs the command line in this process, and gives its exit code and what it said on stderr."""

    def call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["discovery", *map(str, arguments)])
        code = 0
        try:
            entry.main()
        except SystemExit as left:
            code = int(left.code or 0)
        return code, capsys.readouterr().err

    return call


WRONG = [
    (["rum"], "did you mean 'run'"),
    (["xyzzy"], "see: discovery --help"),
    (["run", "--evalz", "3"], "--evals"),
    (["run", "settings.toml"], "--config settings.toml"),
    (["run"], "no problem is named"),
    (["run", "circle_packing", "--evals", "-1"], "evals must be > 0"),
    (["run", "circle_packing", "--evals", "many"], "not a valid integer"),
    (["run", "circle_packing", "--islands", "0"], "islands must be in 1..1024"),
    (["run", "--config", "nowhere.toml"], "cannot read nowhere.toml"),
    (["worker", "--queues", "sing", "--broker", "redis://localhost:1/0"], "queues must be among"),
    (["worker"], "no broker is named"),
    (["completion", "tcsh"], "'tcsh' is not one of"),
    (["new", "Bad-Name"], "lower-case letters"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[" ".join(one) for one, _ in WRONG])
def test_wrong_usage_is_told_what_is_right_and_exits_with_2(
    arguments: list[str],
    message: str,
    discovery: Callable[..., tuple[int, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISCOVERY_BROKER", raising=False)
    code, said = discovery(*arguments)
    assert code == 2, said
    assert message in said


def test_ctrl_c_while_modules_are_loaded_ends_without_a_traceback(
    discovery: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "_run", interrupted)
    assert discovery("run") == (130, "interrupted\n")
    loaded = subprocess.run(
        [sys.executable, "-c", "import discovery.__main__, sys; print('click' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout == "False\n"  # so that nearly all loading is done where it is caught


def outcome_of(**summary: Any) -> Any:
    whole = {
        "best_score": None,
        "best_id": None,
        "seed_score": None,
        "self_scored": None,
        "evaluations": 3,
        "run": "runs/x",
        **summary,
    }
    return SimpleNamespace(
        summary=whole, is_success=True, message="budget used up: evaluations", reason="evaluations"
    )


def told(outcome: Any) -> str:
    @click.command()
    def command() -> None:
        search._tell(outcome, as_json=False)

    result: Result = CliRunner().invoke(command)
    return result.output


def test_a_run_without_a_score_says_so_and_one_with_tells_its_gain() -> None:
    nothing = told(outcome_of())
    assert "None" not in nothing
    assert "no program has a score after 3 evaluations; see why: discovery log runs/x" in nothing
    gained = told(outcome_of(best_score=2.5, best_id="ab", seed_score=1.0))
    assert "best 2.5 (ab), +1.5 from the first program, after 3 evaluations" in gained


@pytest.mark.parametrize(
    ("ledger", "budget", "rate", "text"),
    [
        (
            Ledger(evaluations=264, elapsed_s=20),
            Budget(evaluations=600),
            12.0,
            "44% of 600 evaluations, about 28 s left",
        ),
        (
            Ledger(evaluations=264, elapsed_s=150),
            Budget(minutes=5.0, evaluations=6000),
            1.0,
            "50% of 5 minutes, about 2 min left",
        ),
        (
            Ledger(calls=5, cost_usd=1.0, elapsed_s=3600),
            Budget(cost_usd=4.0),
            0.0,
            "25% of 4 USD, about 3.0 h left",
        ),
        (Ledger(), Budget(evaluations=2000), 0.0, "0% of 2,000 evaluations"),
        (Ledger(evaluations=2), Budget(patience=50), 1.0, "until 50 evaluations without a better program"),
        (Ledger(evaluations=2), Budget(), 1.0, ""),
    ],
)
def test_progress_tells_the_share_of_the_nearest_limit_and_what_is_left(
    ledger: Ledger, budget: Budget, rate: float, text: str
) -> None:
    assert left_text(ledger, budget, rate) == text


def test_what_people_asked_is_told_in_words() -> None:
    stream = io.StringIO()
    progress = Progress(stream, Budget(evaluations=10))
    request = {"request_id": "a" * 16, "kind": "budget", "budget": {"evaluations": 99}}
    progress.saved([{"type": "asked", "request": request, "refusal": ""}])
    progress.saved(
        [{"type": "asked", "request": {**request, "kind": "hint", "text": "be brief"}, "refusal": "too late"}]
    )
    assert stream.getvalue() == "limits changed\nhint to the models: be brief (refused: too late)\n"
    assert set(KIND_WORDS) == set(KINDS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('problem = "x"\nevals = "5"', "line 2: evals must be an integer, got '5', a string"),
        (
            'problem = "x"\n\n[islands]\nislands = true',
            "line 4: islands must be an integer, got True, a boolean",
        ),
        ('problem = "x"\nminutes = [1]', "line 2: minutes must be a number, got [1], an array"),
        (
            'problem = "x"\n[bandit]\nfloor = {a = 1}',
            "line 3: bandit.floor must be a number, got {'a': 1}, a table",
        ),
    ],
)
def test_a_wrong_type_in_a_file_is_told_by_its_name_in_toml_and_its_line(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read([read_toml(path)])
    assert message in str(error.value)


def test_plain_git_log_warns_of_nothing_before_there_are_notes(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "lineage")
    repository.create()
    tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # the empty one
    subprocess.run(
        ["git", "-C", repository.path, "hash-object", "-w", "-t", "tree", "/dev/null"],
        check=True,
        capture_output=True,
    )
    commit = repository.run("commit-tree", "-m", "one", tree).strip()
    repository.run("update-ref", "refs/heads/best", commit)
    log = subprocess.run(["git", "-C", repository.path, "log"], capture_output=True, text=True, check=True)
    assert "one" in log.stdout
    assert log.stderr == ""
    repository.run("notes", "--ref", "refs/notes/summaries", "add", "-m", "it is shown", commit)
    assert (
        "it is shown"
        in subprocess.run(
            ["git", "-C", repository.path, "log"], capture_output=True, text=True, check=True
        ).stdout
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_given_its_completion(shell: str) -> None:
    assert (
        "_DISCOVERY_COMPLETE" in CliRunner().invoke(cli, ["completion", shell], prog_name="discovery").output
    )


def test_commands_are_completed() -> None:
    words = {"_DISCOVERY_COMPLETE": "bash_complete", "COMP_WORDS": "discovery repo", "COMP_CWORD": "1"}
    assert "plain,report" in CliRunner().invoke(cli, [], prog_name="discovery", env=words).output


def test_a_panel_without_what_its_problem_needs_is_refused(
    tmp_path: Path, discovery: Callable[..., tuple[int, str]]
) -> None:
    from evaluators.alphas.markets.panel import make_panel, save_panel
    from evaluators.alphas.markets.synthetic import synthesize

    panel = synthesize(1, days=120, names=30).panel
    fields = {name: values for name, values in panel.fields.items() if name != "vwap"}
    save_panel(
        make_panel(panel.dates, panel.symbols, fields, universe=panel.universe, tradable=panel.tradable),
        tmp_path / "bare",
    )
    code, said = discovery(
        "panel", "problem", tmp_path / "bare", "alpha_single", "--out", tmp_path / "mine.py"
    )
    assert code == 2
    assert "has no vwap, which alpha_single hands to its programs" in said
    assert not (tmp_path / "mine.py").exists()
