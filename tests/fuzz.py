"""Hostile input for everything that reads what a model, a program or a person sent.

    python -m tests.fuzz TARGET --minutes 10        # one of: reply edit blocks fingerprint frames certificate service journal

Each target takes any input and either returns or refuses it in the one way that its contract names; anything else, and
a call of more than `DEADLINE_S` seconds of CPU, is a fault. test_fuzz.py runs a little of each.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import hypothesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from discovery.certify import certificates
from discovery.core.errors import CertificateError, ConfigError, JournalError
from discovery.operators import chat, plan
from discovery.programs import fingerprint, near_duplicates, search_replace, static_checks
from discovery.programs.line_diff import hunks
from discovery.programs.search_replace import Edit, EditError
from discovery.prompts.quoting import change_text, show_program
from discovery.storage.journal import read_entries
from discovery.storage.run_folder import RunFolder
from evaluators.contract import Program
from evaluators.sandbox import frames, plain
from evaluators.text import blocks, measures

DEADLINE_S = 5.0
TOKENS: Sequence[str] = (
    "a", "é", " ", "\t", "\n", "\r", "\f", "\\", "\\\n", '"\\', "'\\", '"', "'", '"""', "\'\'\'", "(", "()", "[", "[]",
    "{", "{}", "{a}", "{{", "}}", "f'{a}'", "f'", "rf'", "0", "1.", "1e", "0x", "0xf", "1_0", "_", "#", "# a\n", "a.",
    "a,", "a(", "a[", "a[0]", "a()", "+", "-", "not ", "~", "lambda:", "*", "**", "a=", "a==", "@a\n", "import a\n", ";",
    "\0", "\ud800", "%", "global a\n", "yield ", "await ", "x = 1\n", "def f():\n pass\n", "if a:\n", "class A:",
    "a: int\n", "match a:\n case 1: pass\n", "a:=1", "[a for a in a]", "a if a else ", "```\n", "```python\n", "~~~\n",
    "````\n", "<<<<<<< SEARCH\n", "=======\n", ">>>>>>> REPLACE\n", "<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n",
    "<<<<<<< SEARCH\n    x = 1\n=======\n    x = 2\n>>>>>>> REPLACE\n", "# EVOLVE-BLOCK-START\n", "# EVOLVE-BLOCK-END\n",
    "// EVOLVE-BLOCK-START\n", "// EVOLVE-BLOCK-END\n", "EVOLVE-BLOCK-END", "idea: ", "used: ", "plan: ", "outlines: ",
    "p.py\n", "k.c", "int f(int a) {", "}", "/*", "*/", "//", "#define a(", "return x\n", "    x = 1\n",
)  # fmt: skip
PYTHON = (
    "import numpy\n\n\ndef f(x):\n    # EVOLVE-BLOCK-START\n    x = 1\n    # EVOLVE-BLOCK-END\n    return x\n"
)
C = "#include <stdint.h>\n// EVOLVE-BLOCK-START\nvoid f(int a) { a = 1; }\n// EVOLVE-BLOCK-END\n"
PARENTS = (
    Program({"p.py": PYTHON}, "p.py"),
    Program({"p.py": "x = 1\n"}, "p.py"),
    Program({"k.c": C, "h.h": "int a;\n"}, "k.c"),
)

pieces = st.sampled_from(TOKENS) | st.sampled_from(PYTHON.splitlines(True))
runs = st.tuples(pieces | st.text(max_size=20), st.sampled_from((1, 1, 1, 2, 3, 17, 300, 5000))).map(
    lambda run: run[0] * run[1]
)
texts = st.lists(runs, max_size=12).map("".join).map(lambda text: text[:200_000])
wrapped = texts.map(lambda text: PYTHON.replace("    x = 1\n", text + "\n"))
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


class Target(NamedTuple):
    """What is fed with `inputs`: `read` returns or raises one of `refusals`."""

    inputs: st.SearchStrategy[Any]
    read: Callable[[Any], object]
    refusals: tuple[type[Exception], ...] = ()


def _reply(given: tuple[str, Program, Any]) -> None:
    text, parent, kind = given
    chat.find_idea(text)
    list(plan._PLAN.finditer(text))
    plan._line(text, "summary")
    child = chat.read_child(kind, parent, text)
    assert blocks.check_frozen(parent, child) is None
    fingerprint.fingerprint(child)


def _edit(given: tuple[Program, list[tuple[str, str, str | None]]]) -> None:
    parent, asked = given
    edits = [Edit(tuple(old.split("\n")), tuple(new.split("\n")), path) for old, new, path in asked]
    child = search_replace.apply_edits(parent, edits)
    assert blocks.check_frozen(parent, child) is None
    change_text(parent, child)


def _blocks(given: tuple[str, str]) -> None:
    one, other = (Program({"p.py": text}, "p.py") for text in given)
    blocks.check_frozen(one, other)
    blocks.check_frozen(PARENTS[0], other)
    blocks.editable_text(one)
    show_program(one, is_cut=True)
    hunks(given[0].split("\n"), given[1].split("\n"))
    blocks.check_seed(other)


def _fingerprint(text: str) -> None:
    program = Program({"p.py": text}, "p.py")
    fingerprint.fingerprint(program)
    fingerprint.skeleton(program)
    near_duplicates.sketch(program)
    static_checks.static_fault(PARENTS[1], program)
    measures.measure_program(program, measures.NAMES)


def _frames(data: bytes) -> None:
    plain.decode(data)
    near, far = os.pipe()
    try:
        os.write(far, data[:4096])
        os.close(far)
        reader = frames.Reader(near)
        while reader.read() is not None:
            pass
    finally:
        os.close(near)


def _frame_data() -> st.SearchStrategy[bytes]:
    written = values.map(lambda value: b"j" + json.dumps(value).encode())
    deep = st.sampled_from([b"[", b'{"a":', b"1", b'"$"', b"]", b"}"]).flatmap(
        lambda part: st.integers(1, 200_000).map(lambda count: b"j" + part * count)
    )
    arrays = st.tuples(values, st.binary(max_size=64)).map(
        lambda parts: (
            b"a" + len(text := json.dumps(parts[0]).encode()).to_bytes(4, "little") + text + parts[1]
        )
    )
    return st.binary(max_size=200) | written | deep | arrays


def _certificate(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        certificates.program_of(certificates.read(Path(file.name)))


def _certificate_data() -> st.SearchStrategy[bytes]:
    """Certificates of which one entry is another, with hashes that fit; and any text."""

    def changed(given: tuple[str, Any]) -> bytes:
        program = PARENTS[0]
        data: dict[str, Any] = dict.fromkeys(certificates._KEYS)
        data |= {
            "format": certificates.FORMAT, "package": "1", "claim": "program", "cases": None,
            "problem": {"name": "a", "version": "b"}, "score": {"float": 1.0, "exact": None},
            "program": {"files": dict(program.files), "entry": program.entry, "id": program.id}, "sha256": {},
        }  # fmt: skip
        data[given[0]] = given[1]
        try:
            data["sha256"] = certificates.hashes(data) if given[0] != "sha256" else given[1]
            return certificates.render(data)
        except (TypeError, ValueError, KeyError, AttributeError):
            return json.dumps(given[1]).encode()

    entries = st.sampled_from(certificates._KEYS)
    files = st.dictionaries(st.text(max_size=4), st.text(max_size=4) | values, max_size=3)
    programs = st.fixed_dictionaries({"files": files, "entry": values | st.text(max_size=4), "id": values})
    deep = st.integers(1, 100_000).map(lambda count: b"[" * count)
    return st.tuples(entries, values | programs).map(changed) | st.binary(max_size=60) | deep


class _Nowhere:
    """Hosts nothing: it reads what is asked, and refuses it."""

    def __init__(self) -> None:
        folder = RunFolder(Path(tempfile.mkdtemp()) / "run")
        folder.create({}, bytes(16))
        self._run = SimpleNamespace(name="here", folder=folder, is_active=False, status=dict)

    def create(self, name: Any, make_config: Callable[[str], Any], problem: Any, launch: Any) -> None:
        make_config(problem if isinstance(problem, str) else problem.name)
        raise ConfigError("nothing is hosted here")

    def resume(self, name: str, budget: Any) -> None:
        raise ConfigError("nothing is hosted here")

    def run(self, name: str) -> Any:
        return self._run


def _service() -> Target:
    from discovery.service.app import make_app
    from discovery.service.guard import ServiceConfig
    from discovery.settings.doors import NAMES

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from starlette.testclient import TestClient
    app = make_app(_Nowhere(), ServiceConfig(), lambda: None)  # type: ignore[arg-type]
    client = TestClient(app, base_url="http://127.0.0.1:8420")

    def read(given: tuple[str, bytes]) -> None:
        answer = client.post(given[0], content=given[1], headers={"Content-Type": "application/json"})
        assert answer.status_code < 500, answer.text

    keys = st.sampled_from([*NAMES, "kind", "text", "program", "budget", "files", "entry"]) | st.text(
        max_size=5
    )
    files = st.dictionaries(
        texts.map(lambda text: text[:50]), texts.map(lambda text: text[:50]) | values, max_size=3
    )
    problems = st.fixed_dictionaries({"name": st.text(max_size=5), "files": files})
    kinds = st.sampled_from(["hint", "inject", "pause", "budget", "purge", "import"])
    objects = st.dictionaries(keys, values | problems | kinds, max_size=5)
    named = objects.map(lambda one: {"problem": "circle_packing", **one})
    bodies = (objects | named | values).map(lambda one: json.dumps(one).encode())
    bodies |= st.binary(max_size=50) | st.integers(1, 100_000).map(lambda count: b'{"a":' * count)
    paths = st.sampled_from(["/runs", "/runs/here/requests", "/runs/here/resume", "/runs/here/stop"])
    return Target(st.tuples(paths, bodies), read)


def _journal(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        for entry in read_entries(Path(file.name)):
            assert isinstance(entry, dict)


def _lines() -> st.SearchStrategy[bytes]:
    line = values.map(lambda one: json.dumps({"type": one}).encode()) | st.binary(max_size=30)
    deep = st.integers(1, 100_000).map(lambda count: b'{"type":' + b"[" * count)
    long = st.integers(4000, 9000).map(lambda count: b'{"type": ' + b"1" * count + b"}")
    return st.lists(line | deep | long, max_size=5).map(b"\n".join)


def targets() -> dict[str, Target]:
    """All targets by name."""
    parents, kinds = st.sampled_from(PARENTS), st.sampled_from(["diff", "rewrite", "repair", "crossover"])
    paths = st.none() | st.sampled_from(["p.py", "k.c", "other.py"])
    edits = st.lists(st.tuples(texts | st.just("    x = 1"), texts, paths), min_size=1, max_size=4)
    big = wrapped.map(lambda text: Program({"p.py": text}, "p.py"))
    broken = (EditError, blocks.BlockError)
    return {
        "reply": Target(st.tuples(texts, parents | big, kinds), _reply, broken),
        "edit": Target(st.tuples(parents | big, edits), _edit, broken),
        "blocks": Target(st.tuples(texts | wrapped, texts | wrapped), _blocks, broken),
        "fingerprint": Target(texts | wrapped, _fingerprint),
        "frames": Target(_frame_data(), _frames, (plain.PlainDataError,)),
        "certificate": Target(_certificate_data(), _certificate, (CertificateError,)),
        "service": _service(),
        "journal": Target(_lines(), _journal, (JournalError,)),
    }


def check(target: Target, given_input: Any) -> None:
    """Feeds a target, and raises what no reader may raise."""
    begun = time.thread_time()
    with contextlib.suppress(*target.refusals):
        target.read(given_input)
    spent = time.thread_time() - begun
    assert spent < DEADLINE_S, f"it took {spent:.1f} s"


def fuzz(target: Target, examples: int, seed: int) -> int:
    """Feeds a target with up to so many random inputs; returns how many it took."""
    count = 0

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples, deadline=None, database=None, print_blob=False,
        suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip
    @given(target.inputs)
    def run(given_input: Any) -> None:
        nonlocal count
        count += 1
        check(target, given_input)

    run()
    return count


def main() -> None:
    """Parses the command line; prints how many inputs were read, and every fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument(
        "target",
        choices=("reply", "edit", "blocks", "fingerprint", "frames", "certificate", "service", "journal"),
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    target, end_s = targets()[options.target], time.monotonic() + 60 * options.minutes
    total, faults, seed = 0, 0, options.seed
    while time.monotonic() < end_s:
        try:
            total += fuzz(target, 50, seed)
        except Exception as error:  # noqa: BLE001 - every fault is to be told
            faults += 1
            notes = " ".join(getattr(error, "__notes__", []))
            sys.stdout.write(f"seed {seed}: {type(error).__name__}: {error!s:.300}\n{notes:.1500}\n")
        seed += 1
        sys.stdout.flush()
    sys.stdout.write(f"{options.target}: {total} inputs, {faults} faults\n")


if __name__ == "__main__":
    main()
