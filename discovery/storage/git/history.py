"""The lineage read: what a run tried, what became of it, where the best came from.

A program is named by its id, by any unambiguous beginning of it, by `best`, or by a commit hash.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from discovery.core.errors import LineageError
from discovery.core.texts import one_line
from discovery.storage.git.commits import CERTIFICATE
from discovery.storage.git.repository import BRANCH, Repository
from discovery.storage.index import open_index
from discovery.storage.run_folder import RunFolder

ALL = "all"
NOTES = "refs/notes/summaries"
_FIELDS = "%x1e%H%x1f%P%x1f%ct%x1f%s%x1f%(trailers:only,unfold)%x1f%b"
_HEX = re.compile(r"[0-9a-f]{1,40}")
_AT_FIRST = 32
_AT_ONCE = 1000
_SUGGESTIONS = 8
_SUGGESTED_FROM = 5000


@dataclass(frozen=True, slots=True)
class Entry:
    """One program as its commit tells of it.

    Attributes:
        index: position in the run; program_id, commit: its two names; parents: program ids.
        subject: the commit's first line; at_s: unix time of the evaluation, in whole seconds.
        status, score, reason, metrics, measures, held_out: the evaluation.
        operator, island, cell, model: where it came from and where it stands; "" or None where there is none.
        tokens, cost_usd, seconds: what it took; `cost_usd` is None where a price is unknown.
        layers: the sandbox layers that were in force; body: reason, texts and output, indented.
        note: what was said of it after its evaluation, indented; only `show` reads it.
        self_scored: whether the score is the program's own process's word.
        start_id: the program whose output this one was handed to improve on, "" for what the run began with;
            start_score: what that was worth, None in runs of the other kind.
    """

    index: int
    program_id: str
    commit: str
    parents: tuple[str, ...]
    subject: str
    at_s: int
    status: str
    score: float | None
    reason: str
    metrics: Mapping[str, float]
    measures: tuple[float, ...]
    held_out: Mapping[str, float]
    operator: str
    island: int
    cell: int | None
    model: str
    tokens: int
    cost_usd: float | None
    seconds: float
    layers: tuple[str, ...]
    body: str
    self_scored: bool = False
    start_id: str = ""
    start_score: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A program whole: its entry, its files (path in git -> text) and, where kept, its certificate.

    `chain` are the programs that made what it was handed, one from the other, the newest first.
    """

    entry: Entry
    files: Mapping[str, str]
    certificate: Any
    chain: tuple[Entry, ...] = ()

    @property
    def text(self) -> str:
        """Returns the program as one text; several files follow each other under their names."""
        if len(self.files) == 1:
            return next(iter(self.files.values()))
        return "\n".join(f"# ===== {path} =====\n{text}" for path, text in self.files.items())


def log(run_path: Path, limit: int = 20, which: str = ALL) -> Iterator[Entry]:
    """Yields the newest programs, newest first, as they are read.

    Args:
        run_path: the run folder, or its repository.
        limit: at most so many, >= 1.
        which: "all" of the run; "best": the best and its ancestors; "island/<k>": its elites, past ones too.

    Raises:
        LineageError: there is no such run or branch, or `limit` is out of range.
    """
    if limit < 1:
        raise LineageError(f"limit must be >= 1, got {limit}")
    repository = _open(run_path)
    branch = _branch(repository, which)
    commits = _ancestors(repository, branch, limit) if which == BRANCH else _merged(repository, branch, limit)
    return _read(repository, commits)


def _ancestors(repository: Repository, branch: str, limit: int) -> Iterator[str]:
    yield from repository.run("rev-list", "-n", str(limit), branch).split()


def _merged(repository: Repository, branch: str, limit: int) -> Iterator[str]:
    """Yields the programs that the steps of a branch merged, each once: the first parent is the step before."""
    seen: set[str] = set()
    step, count = branch, _AT_FIRST
    while step:
        lines = repository.run("log", "--first-parent", "--format=%P", "-n", str(count), step).splitlines()
        step = ""
        for line in lines:
            step, *commits = line.split() or [""]
            for commit in commits:
                if commit not in seen:
                    seen.add(commit)
                    yield commit
                    if len(seen) == limit:
                        return
        count = _AT_ONCE


def show(run_path: Path, name: str) -> Shown:
    """Returns everything on one program.

    Raises:
        LineageError: there is no such run, or `name` names no program or several.
    """
    repository = _open(run_path)
    commit = _resolve(repository, name)
    files: dict[str, str] = {}
    certificate = None
    listing = repository.run("ls-tree", "-r", "-z", "--name-only", commit)
    for path in listing.split("\0")[:-1]:
        content = repository.run_bytes("cat-file", "blob", f"{commit}:{path}")
        if path == CERTIFICATE:
            certificate = json.loads(content)
        else:
            files[path] = content.decode("utf-8", "surrogatepass")
    entry, *makers = _chain(repository, commit)
    return Shown(replace(entry, note=_note(repository, commit)), files, certificate, tuple(makers))


def best(run_path: Path) -> Shown:
    """Returns everything on the best program.

    Raises:
        LineageError: there is no such run, or no program has a score yet.
    """
    return show(run_path, BRANCH)


def diff(run_path: Path, before: str, after: str) -> str:
    """Returns the unified diff between two programs' files, as git writes it; "" where they are equal.

    The lines are the programs' own: make them `printable` before they go to a terminal.

    Raises:
        LineageError: there is no such run, or a name names no program or several.
    """
    repository = _open(run_path)
    return _diff(repository, _resolve(repository, before), _resolve(repository, after))


def ancestry(run_path: Path, name: str = BRANCH) -> list[Entry]:
    """Returns a program and its first parents back to the seed, the program first.

    Raises:
        LineageError: there is no such run, or `name` names no program or several.
    """
    repository = _open(run_path)
    return _entries(repository, ("--first-parent", _resolve(repository, name)))


def commit_of(run_path: Path, name: str) -> str:
    """Returns the commit of a program.

    Raises:
        LineageError: there is no such run, or `name` names no program or several.
    """
    return _resolve(_open(run_path), name)


def chain(run_path: Path, name: str = BRANCH) -> list[Entry]:
    """Returns a program and those that made what it was handed, one from the other, the program first.

    In a run where programs start from nothing, that is the program alone.

    Raises:
        LineageError: there is no such run, or `name` names no program or several.
    """
    repository = _open(run_path)
    return _chain(repository, _resolve(repository, name))


def _chain(repository: Repository, commit: str) -> list[Entry]:
    found = list(_read(repository, [commit]))
    while found[-1].start_id:
        found += _read(repository, [_resolve(repository, found[-1].start_id)])
    return found


def _open(run_path: Path) -> Repository:
    for folder in (run_path / "lineage", run_path):
        repository = Repository(folder)
        if repository.exists:
            return repository
    raise LineageError(f"{run_path} holds no lineage; give the folder of a run (with lineage/ in it)")


def _branch(repository: Repository, which: str) -> str:
    branches = repository.run("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads").split()
    if which in branches:
        return f"refs/heads/{which}"
    if which in (ALL, BRANCH):
        what = "no program is recorded" if which == ALL else "no program has a score"
        raise LineageError(f"{repository.path}: {what} yet; wait for the first evaluation")
    raise LineageError(
        f"there is no branch {one_line(which, 60)!r}; there are: {', '.join(branches) or 'none'}"
    )


def _resolve(repository: Repository, name: str) -> str:
    """Returns the commit of the program that `name` names."""
    if name == BRANCH:
        return repository.run("rev-parse", "--verify", _branch(repository, BRANCH)).strip()
    wanted = name.strip().lower()
    if _HEX.fullmatch(wanted):
        found = _named(repository, wanted)
        if len(found) == 1:
            return found[0][1]
        if found:
            some = ", ".join(program_id for program_id, _ in found[:_SUGGESTIONS])
            more = " and more" if len(found) > _SUGGESTIONS else ""
            raise LineageError(f"{name!r} names several programs ({some}{more}); give more digits")
        if commit := _program_commit(repository, wanted):
            return commit
    known = [program_id for program_id, _ in _searched(repository, "", limit=_SUGGESTED_FROM)]
    near = difflib.get_close_matches(wanted[:16], known, _SUGGESTIONS, cutoff=0.5)
    hint = f"; the nearest are {', '.join(near)}" if near else "; `discovery log` lists them"
    raise LineageError(f"no program is named {one_line(name, 60)!r}{hint}")


def _named(repository: Repository, prefix: str) -> list[tuple[str, str]]:
    """Returns (program id, commit) of programs whose id begins with `prefix`; of a few where there are many."""
    folder = RunFolder(repository.path.parent)
    if not folder.journal.exists():  # a lineage apart from its run
        return _searched(repository, prefix)
    with open_index(folder) as index:
        found = index.find(prefix, at_most=_SUGGESTIONS + 1)
    commits = [_numbered(repository, number, program_id) for number, program_id in found]
    known = [(name, commit) for (_, name), commit in zip(found, commits, strict=True) if commit]
    return known if len(known) == len(found) else _searched(repository, prefix)


def _numbered(repository: Repository, number: int, program_id: str) -> str | None:
    """Returns the commit of a program of the run; None where git holds another one in its place, or none yet."""
    tip, _, subject = repository.run("log", "-1", "--format=%H%x09%s", _branch(repository, ALL)).partition(
        "\t"
    )
    if (back := int(subject.split(" ")[0]) - number) < 0:
        return None
    line = repository.run("log", "-1", "--format=%P%x09%s", f"{tip}~{back}")
    parents, _, subject = line.partition("\t")
    return parents.split(" ")[-1] if subject.split(" ")[1] == program_id else None


def _searched(repository: Repository, prefix: str, limit: int = _SUGGESTIONS + 1) -> list[tuple[str, str]]:
    """Returns the same by a search through the log, the newest first."""
    grep = f"--grep=^[0-9][0-9]* {prefix}"
    found = []
    branch = _branch(repository, ALL)
    for line in repository.run(
        "log", "--first-parent", "--format=%P%x09%s", grep, "-n", str(limit), branch
    ).splitlines():
        parents, _, subject = line.partition("\t")
        found.append((subject.split(" ")[1], parents.split(" ")[-1]))
    return found


def _program_commit(repository: Repository, prefix: str) -> str | None:
    """Returns the program's commit for a commit hash, also that of a step of `all` or of an island."""
    try:
        commit = repository.run("rev-parse", "--verify", "--quiet", f"{prefix}^{{commit}}").strip()
    except LineageError:
        return None
    lines = repository.run("log", "-1", "--format=%(trailers:key=Status,valueonly)%x1f%P", commit)
    status, _, parents = lines.partition("\x1f")
    if status.strip():
        return commit
    program = parents.split()[1:2]
    return program[0] if program and _program_commit(repository, program[0]) else None


def _note(repository: Repository, commit: str) -> str:
    """Returns what was said of a program after its evaluation; "" if nothing was."""
    if not repository.run("for-each-ref", NOTES).strip():
        return ""
    return repository.run("log", "-1", "--format=%N", f"--notes={NOTES}", commit).strip("\n")


def _diff(repository: Repository, before: str, after: str) -> str:
    options = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames")
    names = repository.run(*options, "--name-only", "-z", before, after).split("\0")[:-1]
    names = [name for name in names if name != CERTIFICATE]
    return repository.run(*options, before, after, "--", *names) if names else ""


def _read(repository: Repository, commits: Iterable[str]) -> Iterator[Entry]:
    """Yields the entries of commits: the first few at once, so that the first line is there soon."""
    waiting, count = iter(commits), _AT_FIRST
    while batch := list(islice(waiting, count)):
        yield from _entries(repository, ("--no-walk=unsorted", *batch))
        count = _AT_ONCE


def _entries(repository: Repository, arguments: Sequence[str]) -> list[Entry]:
    text = repository.run("log", f"--format={_FIELDS}", *arguments)
    return [_entry(part) for part in text.split("\x1e")[1:]]


def _entry(text: str) -> Entry:
    commit, _, at_s, subject, trailers, body = text.split("\x1f", 5)
    facts = dict(line.split(": ", 1) for line in trailers.splitlines() if ": " in line)
    cost = facts.get("Cost-USD", "0")
    return Entry(
        index=int(facts["Index"]),
        program_id=facts["Program-Id"],
        commit=commit,
        parents=tuple(facts.get("Parents", "").split()),
        subject=subject,
        at_s=int(at_s),
        status=facts["Status"],
        score=float(facts["Score"]) if "Score" in facts else None,
        reason=facts.get("Reason", ""),
        metrics=json.loads(facts.get("Metrics", "{}")),
        measures=tuple(json.loads(facts.get("Measures", "[]"))),
        held_out=json.loads(facts.get("Held-Out", "{}")),
        operator=facts["Operator"],
        island=int(facts["Island"]),
        cell=int(facts["Cell"]) if "Cell" in facts else None,
        model=facts.get("Model", ""),
        tokens=int(facts.get("Tokens", "0").split()[0]),
        cost_usd=None if cost == "unknown" else float(cost),
        seconds=float(facts["Seconds"]),
        layers=tuple(facts.get("Layers", "").split()),
        body=body.rpartition("\nProgram-Id:")[0].strip("\n"),
        self_scored=facts.get("Self-Scored") == "yes",
        start_id=facts.get("Start", "-").split()[0].strip("-"),
        start_score=float(facts["Start"].split()[1]) if "Start" in facts else None,
    )
