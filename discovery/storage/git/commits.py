"""What one record becomes in git: files, message, object ids. Pure: no git is run here.

Equal records give equal bytes, hence equal commit ids: authors, dates and texts all come from the record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from discovery.core.held_out import Exam
from discovery.core.records import ChangeLike, Record, shown
from discovery.core.texts import indented, one_line
from discovery.storage.git.paths import safe_paths
from evaluators.contract import Evaluation

CERTIFICATE = ".certificate.json"
COMMITTER = "Code Discovery <discovery@localhost>"
_SUBJECT_CHARS = 72
_TEXT_CHARS = 4000
_VALUE_CHARS = 500


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one commit: path -> (blob id, content), and the id of the tree that holds them."""

    blobs: Mapping[str, tuple[bytes, bytes]]
    tree: bytes


def program_files(record: Record) -> Files:
    """Returns a record's tree: the program's files under their own paths, beside them its certificate."""
    program = record.program
    paths = safe_paths(program.files)
    contents = {safe: program.files[path].encode("utf-8", "surrogatepass") for path, safe in paths.items()}
    if record.evaluation.certificate is not None:
        text = json.dumps(record.evaluation.certificate, default=_plain, separators=(", ", ": "))
        contents[CERTIFICATE] = text.encode() + b"\n"
    blobs = {path: (object_id(b"blob", data), data) for path, data in contents.items()}
    return Files(blobs, tree_id({path: blob for path, (blob, _) in blobs.items()}))


def object_id(kind: bytes, data: bytes) -> bytes:
    """Returns the 20 bytes by which git knows an object."""
    return hashlib.sha1(b"%s %d\0" % (kind, len(data)) + data, usedforsecurity=False).digest()


def tree_id(blobs: Mapping[str, bytes]) -> bytes:
    """Returns the id of the tree that holds files (path -> blob id) in folders."""
    entries: list[tuple[bytes, bytes]] = []
    folders: dict[str, dict[str, bytes]] = {}
    for path, blob in blobs.items():
        name, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(name, {})[rest] = blob
        else:
            entries.append((name.encode(), b"100644 %s\0%s" % (name.encode(), blob)))
    for folder, inner in folders.items():
        name_bytes = folder.encode()
        entries.append((name_bytes + b"/", b"40000 %s\0%s" % (name_bytes, tree_id(inner))))
    return object_id(b"tree", b"".join(entry for _, entry in sorted(entries)))


EMPTY_TREE = tree_id({})


def commit_id(
    tree: bytes, parents: Iterable[bytes], author: bytes, committer: bytes, message: bytes
) -> bytes:
    """Returns the id of a commit; `author` and `committer` are whole header values."""
    lines = b"".join(b"parent %s\n" % parent.hex().encode() for parent in parents)
    head = b"tree %s\n%sauthor %s\ncommitter %s\n\n" % (tree.hex().encode(), lines, author, committer)
    return object_id(b"commit", head + message)


def signatures(record: Record) -> tuple[bytes, bytes]:
    """Returns author (the operator) and committer (the service) with the record's date."""
    when = f" {max(int(record.at_s), 0)} +0000"
    operator = "".join(
        char for char in record.operator if char.isascii() and (char.isalnum() or char in "-_.")
    )
    operator = operator[:40] or "unknown"
    return f"{operator} <{operator}@localhost>{when}".encode(), f"{COMMITTER}{when}".encode()


def program_message(record: Record, parent_score: float | None) -> bytes:
    """Returns a program's commit message: subject, reason, texts, trailers.

    What comes from programs and models is stripped of control characters and indented, so it can neither look
    like a trailer nor steer a terminal.
    """
    evaluation = record.evaluation
    sections = [_subject(record, parent_score)]
    if evaluation.reason:
        sections.append("Reason:\n" + indented(evaluation.reason, _TEXT_CHARS))
    for name, text in record.texts.items():
        title = one_line(name, 40).strip(": ").capitalize() or "Text"
        sections.append(f"{title}:\n" + indented(text, _TEXT_CHARS))
    if evaluation.feedback:
        sections.append("Output:\n" + indented(evaluation.feedback, _TEXT_CHARS))
    sections.append("\n".join(f"{name}: {one_line(value)}" for name, value in _trailers(record)))
    return ("\n\n".join(sections) + "\n").encode("utf-8", "replace")


def note_text(texts: Mapping[str, str]) -> str:
    """Returns the text of a note: what was said of a program after its evaluation, printable and indented."""
    parts = [
        f"{one_line(name, 40).strip(': ').capitalize() or 'Text'}:\n{indented(text, _TEXT_CHARS)}"
        for name, text in texts.items()
    ]
    return "\n".join(parts) + "\n"


def exam_text(exam: Exam) -> str:
    """Returns the text of a note on the held-out cases: a trailer with the metrics, or with why they refused the program."""
    if exam.has_failed:
        return f"Held-Out-Failed: {one_line(exam.reason, _VALUE_CHARS) or 'no reason given'}\n"
    return f"Held-Out: {_json(shown(exam.metrics))}\n"


def island_message(
    record: Record, changes: Sequence[ChangeLike], scores: Mapping[str, float | None]
) -> bytes:
    """Returns the message of one step of an island; `scores` knows the programs that it names."""
    first = changes[0]
    before = f" (was {number(scores.get(first.displaced))})" if first.displaced else ""
    more = f", and {len(changes) - 1} more" if len(changes) > 1 else ""
    subject = f"cell {first.cell}: {number(scores.get(first.program_id))}{before} by {first.cause}{more}"
    lines = [f"Cell: {c.cell} {c.program_id} {one_line(c.cause, 20)} {c.displaced or '-'}" for c in changes]
    facts = (f"Index: {record.index}", f"Program-Id: {record.program_id}")
    return "\n".join((subject, "", *facts, *lines, "")).encode()


def number(value: float | None) -> str:
    """Returns a score for people."""
    return "no score" if value is None else f"{value:.6g}"


def _subject(record: Record, parent_score: float | None) -> str:
    evaluation = record.evaluation
    operator = one_line(record.operator, 40)
    if evaluation.score is None:
        return one_line(
            f"{operator}: {evaluation.status}, {evaluation.reason or 'no reason given'}", _SUBJECT_CHARS
        )
    gain = "" if parent_score is None else f" ({evaluation.score - parent_score:+.4g})"
    return f"{operator}: {number(evaluation.score)}{gain}"


def _trailers(record: Record) -> list[tuple[str, str]]:
    evaluation, calls = record.evaluation, record.calls
    found: list[tuple[str, str | None]] = [
        ("Program-Id", record.program_id),
        ("Index", str(record.index)),
        ("Parents", " ".join(record.parents)),
        ("Status", str(evaluation.status)),
        ("Score", None if evaluation.score is None else repr(float(evaluation.score))),
        ("Reason", one_line(evaluation.reason, _VALUE_CHARS)),
        ("Metrics", _json(evaluation.metrics)),
        ("Measures", _json(evaluation.measures)),
        ("Held-Out", _json(evaluation.held_out)),
        ("Cases", f"{evaluation.cases_done}/{evaluation.cases_total}" if evaluation.cases_total else None),
        ("Island", str(record.island)),
        ("Cell", None if record.cell is None else str(record.cell)),
        ("Operator", record.operator),
        ("Model", ", ".join(dict.fromkeys(one_line(call.model, 100) for call in calls))),
        ("Tokens", _tokens(record)),
        ("Cost-USD", _cost(record)),
        ("Seconds", f"{evaluation.wall_s:.6g}"),
        ("Layers", " ".join(evaluation.layers)),
        ("Self-Scored", "yes" if evaluation.self_scored else None),
        ("Start", _start(evaluation)),
    ]
    return [(name, value) for name, value in found if value]


def _start(evaluation: Evaluation) -> str | None:
    """Returns the program whose output this one was handed ("-" for what the run began with), and its score."""
    score = evaluation.start_score
    return None if score is None else f"{evaluation.start_id or '-'} {float(score)!r}"


def _tokens(record: Record) -> str | None:
    if not record.calls:
        return None
    prompt = sum(call.prompt_tokens for call in record.calls)
    return f"{record.tokens} ({prompt} + {record.tokens - prompt})"


def _cost(record: Record) -> str | None:
    if not record.calls:
        return None
    return "unknown" if record.cost_usd is None else f"{record.cost_usd:.6g}"


def _json(value: Any) -> str | None:
    return json.dumps(value, default=_plain) if value else None


def _plain(value: Any) -> Any:
    """Returns JSON for what plain data may hold beside JSON."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not plain data")
