"""Regular expressions and readers of foreign text take linear time, whatever the text is."""

from __future__ import annotations

import ast
import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

import discovery
import evaluators
from discovery.core.redaction import redact
from discovery.operators import chat
from discovery.programs.fingerprint import fingerprint
from discovery.programs.line_diff import hunks
from discovery.programs.search_replace import Edit, EditError, apply_edits
from discovery.programs.static_checks import static_fault
from evaluators.contract import Program
from evaluators.text import comments, trees
from evaluators.text.blocks import BlockError, check_frozen, spans
from evaluators.text.measures import NAMES, measure_program
from tests import growth

ROOTS = [Path(str(package.__file__)).parent for package in (discovery, evaluators)]
NO_FOREIGN_TEXT = (
    "discovery/testing/",  # a stand-in for a model
)
METHODS = {"search", "match", "fullmatch", "findall", "finditer", "sub", "split", "compile"}
SAMPLES = {
    "key": "plan", "item_id": "a1", "name": "a1", "re": re, "pattern": comments._BY_ENDING[".java"].pattern
}  # fmt: skip
"""What stands for the variables of an expression that is put together when it is used."""


class Expression(NamedTuple):
    where: str
    pattern: str
    flags: int
    methods: tuple[str, ...]

    def run(self, text: str) -> None:
        """Uses it on a text, as the code does (searching, where it is handed about)."""
        compiled = re.compile(self.pattern, self.flags)
        if set(self.methods) <= {"fullmatch"}:
            compiled.fullmatch(text)
        elif set(self.methods) <= {"fullmatch", "match"}:
            compiled.match(text)
        else:
            for _ in compiled.finditer(text):
                pass


def expressions() -> Iterator[Expression]:
    """All regular expressions of the two packages that may meet foreign text."""
    for root in ROOTS:
        for path in sorted(root.rglob("*.py")):
            where = path.relative_to(root.parent).as_posix()
            if not where.startswith(NO_FOREIGN_TEXT):
                yield from expressions_of(path.read_text(encoding="utf-8"), where)


def expressions_of(text: str, where: str) -> Iterator[Expression]:
    tree = ast.parse(text)
    constants = dict(SAMPLES)
    for node in tree.body:  # a pattern may be put together from constants of the module
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            constants |= evaluated(node.value, {}, node.targets[0].id)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            constants |= evaluated(node.value, {"frozenset": frozenset}, node.target.id)
    named = {
        id(node.value): node.targets[0].id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for call in ast.walk(tree):
        if not (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and isinstance(call.func.value, ast.Name)
            and call.func.value.id == "re"
            and call.func.attr in METHODS
        ):
            continue
        flags = 0
        for one in [*call.args[1:], *(keyword.value for keyword in call.keywords)]:
            flags |= evaluated(one, {"re": re}, "flags").get("flags", 0) if "re." in ast.unparse(one) else 0
        methods = (call.func.attr,)
        if call.func.attr == "compile":
            name = named.get(id(call), "")
            used = {
                node.func.attr
                for node in ast.walk(tree)
                if isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == name
            }
            handed = sum(isinstance(node, ast.Name) and node.id == name for node in ast.walk(tree))
            methods = tuple(sorted(used)) or (("fullmatch",) if HANDED.get(name) and handed else ("search",))
        pattern = call.args[0]
        table = (
            pattern.value.id
            if isinstance(pattern, ast.Subscript) and isinstance(pattern.value, ast.Name)
            else ""
        )
        if isinstance(constants.get(table), dict):
            for key, one in constants[table].items():
                yield Expression(f"{where}:{table}[{key}]", one, int(flags), methods)
            continue
        found = evaluated(pattern, constants, "pattern").get("pattern")
        assert isinstance(found, (str, bytes)), (
            f"{where}:{call.lineno}: {ast.unparse(pattern)} is not understood"
        )
        text_of = found.decode("latin-1") if isinstance(found, bytes) else found
        yield Expression(f"{where}:{call.lineno}", text_of, int(flags), methods)


HANDED = {"_OPEN": True, "_MIDDLE": True, "_CLOSE": True}
"""Those that search_replace.py hands to a function that calls `fullmatch`."""


def evaluated(node: ast.expr, names: dict[str, object], key: str) -> dict[str, object]:
    """The value of an expression of constants, by name; nothing, where it is none."""
    try:
        return {key: eval(compile(ast.Expression(node), "<pattern>", "eval"), dict(names))}
    except Exception:  # noqa: BLE001 - it is no constant
        return {}


@pytest.mark.parametrize("one", list(expressions()), ids=lambda one: one.where)
def test_every_regular_expression_is_linear(one: Expression) -> None:
    for name, text in growth.attacks(one.pattern, one.flags):
        found = growth.exponent(one.run, text)
        assert found < growth.EXPONENT, f"{one.pattern!r} takes n ** {found:.2f} on {name}"


@pytest.mark.parametrize(
    ("pattern", "flags"),
    [
        (r"^[\s#>*_-]*idea[\s*_]*:", re.MULTILINE),
        (r"\d*\.\d+", 0),
        (r"/\*.*?\*/", re.DOTALL),
        (r"^[a-z][\w \t]*?(\w+)\(", re.MULTILINE),
        (r"^[a-z_][\w \t*]*\([^;{}]*\)\s*\{", re.MULTILINE),
        (r"\s*\d*\s*\|", 0),
        (r"(a|a)*b", 0),
        (r"(a*)*b", 0),
    ],
)
def test_quadratic_and_worse_expressions_are_found_out(pattern: str, flags: int) -> None:
    one = Expression("here", pattern, flags, ("search",))
    largest = 16 if pattern.startswith("(") else growth.LARGEST
    if largest == 16:  # exponential: a longer text would never end
        times = [growth.seconds(one.run, "a" * size) for size in (10, 20)]
        assert times[1] > 50 * times[0]
        return
    assert any(growth.exponent(one.run, text) > growth.EXPONENT for _, text in growth.attacks(pattern, flags))


Reader = Callable[[str], object]
SEED = "def f():\n    # EVOLVE-BLOCK-START\n    x = 1\n    # EVOLVE-BLOCK-END\n    return x\n"
PARENT, FREE = (Program({"p.py": text}, "p.py") for text in (SEED, "x = 1\n"))
IN_C = Program({"k.c": "void f(int a) { a = 1; }\n"}, "k.c")


def python(text: str) -> Program:
    return Program({"p.py": text}, "p.py")


def refusing(read: Reader) -> Reader:
    """A reader that takes what it refuses as read."""

    def call(text: str) -> None:
        with contextlib.suppress(EditError, BlockError):
            read(text)

    return call


def replaced(text: str) -> Program:
    """What becomes of a program by an edit whose lines are hostile; its refusal names the nearest lines."""
    lines = tuple(text.split("\n"))
    return apply_edits(PARENT, [Edit(lines, lines[::-1])] * 8)


def parsed(text: str) -> None:
    with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        trees.parse(text)


READERS: dict[str, Reader] = {
    "parse": parsed,
    "reply with edits": lambda text: chat.read_child("diff", PARENT, text),
    "reply with a program": lambda text: chat.read_child("rewrite", FREE, f"```python\n{text}\n```"),
    "reply in C": lambda text: chat.read_child("diff", IN_C, f"```c\n{text}\n```"),
    "edit": replaced,
    "nearest lines": lambda text: apply_edits(python(text), [Edit(("abab" * 30,), ("b",))]),
    "frozen text": lambda text: check_frozen(PARENT, python(SEED.replace("x = 1", text))),
    "markers": spans,
    **{
        f"comments in *{ending}": partial(comments.starts, path=f"a{ending}")
        for ending in comments._BY_ENDING
    },
    "fingerprint": lambda text: fingerprint(python(text)),
    "static checks": lambda text: static_fault(FREE, python(text)),
    "measures": lambda text: measure_program(python(text), NAMES),
    "difference": lambda text: hunks(text.split("\n"), text[::-1].split("\n")),
    "idea": chat.find_idea,
    "redaction": redact,
}
TEXTS: dict[str, growth.Text] = {
    "an identifier in a comment": lambda n: "# " + "a" * n + "\n",
    "an identifier in a comment in C": lambda n: "/*\n" + "a" * n + "\n*/\n",
    "parts of an f-string": lambda n: "x = f'" + "{a}" * (n // 3) + "'\n",
    "f-strings": lambda n: "x = (" + "f'{a}'\n" * (n // 7) + ")\n",
    "open strings": lambda n: '"\\' * (n // 2),
    "a long number": lambda n: "X = 0x" + "f" * n + "\n",
    "calls in C": lambda n: "a(\n" * (n // 3),
    "empty calls in C": lambda n: "a()\n" * (n // 4),
    "open comments in C": lambda n: "/*" * (n // 2),
    "line feeds": lambda n: "\n" * n,
    "spaces": lambda n: "x = 1" + " " * n + "\n",
    "equal lines": lambda n: "x = 1\n" * (n // 6),
    "two lines in turns": lambda n: "a\nb\n" * (n // 4),
    "two letters": lambda n: ("ab" * 60 + "\n") * (n // 121),
    "fences": lambda n: "```\n" * (n // 4),
    "open fences": lambda n: "```python\n" * (n // 10),
    "open edits": lambda n: "<<<<<<< SEARCH\n" * (n // 15),
    "edits": lambda n: "<<<<<<< SEARCH\nb\n=======\na\n>>>>>>> REPLACE\n" * (n // 43),
    "markers": lambda n: "# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-END\n" * (n // 40),
    "attributes": lambda n: "x = " + "a." * (n // 2) + "a\n",
    "signs": lambda n: "x = " + "-" * n + "1\n",
    "parentheses": lambda n: "x = " + "(" * n + "\n",
    "names": lambda n: "".join(f"x{i} = y{i}\n" for i in range(n // 16)),
    "ideas": lambda n: "idea\n" * (n // 5),
    "stars": lambda n: "idea:" + "*" * n,
}


QUICK_S = 0.1
"""What takes less on the longest text holds nothing up, whatever the noise makes of its exponent."""


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("text", TEXTS)
def test_every_reader_of_foreign_text_is_linear(reader: str, text: str) -> None:
    found = growth.exponent(refusing(READERS[reader]), TEXTS[text])
    took_s = growth.seconds(refusing(READERS[reader]), TEXTS[text](growth.LARGEST))
    assert found < growth.EXPONENT or took_s < QUICK_S, f"{reader} takes n ** {found:.2f} on {text}"


def main() -> None:
    """Prints the exponent of every expression on the worst text that was found for it."""
    for one in expressions():
        worst = max(
            (growth.exponent(one.run, text), name) for name, text in growth.attacks(one.pattern, one.flags)
        )
        sys.stdout.write(
            f"{worst[0]:.2f}  {one.where}  {one.pattern!r:.100}  {worst[1] if worst[0] else ''}\n"
        )
        sys.stdout.flush()
    for reader, text in product(READERS, TEXTS):
        if found := growth.exponent(refusing(READERS[reader]), TEXTS[text]):
            sys.stdout.write(f"{found:.2f}  {reader} on {text}\n")


if __name__ == "__main__":
    main()
