"""`graft`: a pool of factors with one more, another or one less; asks no model.

A pool is a program that imports `evaluators.alphas.operators as op` and whose function `factors(x)` returns a list.
The moves, chosen at random among those that are possible:

    stretch     a window of a member becomes some times as long or as short
    grow        a random factor (evaluators/alphas/grammar.py) joins the pool
    twin        a member joins once more, with other windows
    transplant  a member of another pool joins
    drop        a member leaves
    exchange    a random factor, a twin or a transplant takes the place of a member
    reshape     a member reads another field of the same kind, or is measured against its own past

A pool that is full only exchanges. What nothing calls any more is deleted, so that programs stay as long as their pools.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from discovery.core.types import Model, OperatorError, Proposal, ProposeJob
from discovery.programs import children
from discovery.programs.constants import shorten
from discovery.programs.languages import python_syntax as syntax
from discovery.programs.languages.python_syntax import Source
from evaluators.alphas.combine import POOL_SIZE
from evaluators.alphas.grammar import PRICES, draw_days, draw_formula
from evaluators.contract import Program

POOL_WEIGHTS: Mapping[str, float] = {"graft": 12.0, "tune": 4.0, "splice": 0.5, "perturb": 0.5}
"""What a search without a model is made of, where it begins with a pool."""
TRIES = 20
FACTORS = "factors"
STRETCH = (2.0, 6.0)
"""A twin's windows are so many times as long or as short; less would overlap with it."""
_IMPORT = ("evaluators.alphas", "operators", "op")
_FIELD = re.compile(r'x\["(\w+)"\]')


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool taken apart.

    Attributes:
        source: the file it stands in.
        listed: the display of its members.
        members: their expressions.
        functions: by name, those at the file's top level that may change.
    """

    source: Source
    listed: ast.List
    members: tuple[str, ...]
    functions: Mapping[str, ast.FunctionDef]

    def text_of(self, name: str) -> str:
        """Returns the text of one of its functions."""
        return self.source.segment(self.functions[name])

    def function_of(self, member: str) -> str | None:
        """Returns the name of the function that a member `name(x)` calls, None for any other expression."""
        found = re.fullmatch(r"(\w+)\(x\)", member)
        return found[1] if found and found[1] in self.functions else None


@dataclass(frozen=True, slots=True)
class _Change:
    """What becomes of a pool: its members, functions (name -> text) that are new in it, whether one is another pool's."""

    members: tuple[str, ...]
    functions: Mapping[str, str]
    is_transplant: bool = False


class Graft:
    """Changes which factors the first parent's pool holds; asks no model."""

    name = "graft"
    needs_model = False
    parents_needed = 2

    def default_weights(self, seed: Program) -> Mapping[str, float] | None:
        """Returns what a search without a model is made of where it begins with a pool; None elsewhere."""
        return None if pool_of(seed) is None else POOL_WEIGHTS

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal:
        """Returns a child that compiles and keeps the frozen part.

        Raises:
            OperatorError: the first parent is no pool, or no other one came out of it.
        """
        del model
        first, *others = job.parents
        if pool_of(first.program) is None:
            raise OperatorError(f"program {first.program_id} is no pool of factors")
        other = next((one for one in others if one.program_id != first.program_id), None)
        made = graft(first.program, None if other is None else other.program, rng)
        if made is None:
            raise OperatorError(f"no other pool came out of program {first.program_id}")
        child, is_transplant = made
        donors = (other.program_id,) if other is not None and is_transplant else ()
        return Proposal(child, (first.program_id, *donors))


def pool_of(program: Program) -> Pool | None:
    """Returns the pool that a program hands in, None where it is written otherwise."""
    for source in syntax.sources(program):
        imported = any(
            isinstance(node, ast.ImportFrom)
            and node.module == _IMPORT[0]
            and any((alias.name, alias.asname) == _IMPORT[1:] for alias in node.names)
            for node in source.tree.body
        )
        functions = {
            node.name: node
            for node in source.tree.body
            if isinstance(node, ast.FunctionDef) and source.is_editable(source.start(node), source.end(node))
        }
        if not imported or (factors := functions.get(FACTORS)) is None:
            continue
        last = factors.body[-1]
        if isinstance(last, ast.Return) and isinstance(last.value, ast.List) and last.value.elts:
            members = tuple(source.segment(node) for node in last.value.elts)
            return Pool(source, last.value, members, functions)
    return None


def graft(first: Program, second: Program | None, rng: np.random.Generator) -> tuple[Program, bool] | None:
    """Returns `first` with another pool, and whether it has a member of `second` now; None if `TRIES` attempts made none.

    `second` is where transplants come from, if there is one.
    """
    pool = pool_of(first)
    if pool is None:
        return None
    other = None if second is None else pool_of(second)
    for _ in range(TRIES):
        if (change := _draw(pool, other, rng)) is None:
            continue
        child = _written(first, pool, change)
        if children.is_child(first, child):
            return child, change.is_transplant
    return None


def _draw(pool: Pool, other: Pool | None, rng: np.random.Generator) -> _Change | None:
    newcomers: list[Callable[[], _Change | None]] = [
        lambda: _grown(pool, rng),
        lambda: _twin(pool, rng),
        lambda: None if other is None else _transplant(pool, other, rng),
    ]
    able = [
        place
        for place, member in enumerate(pool.members)
        if _windows(pool.functions.get(pool.function_of(member) or ""))
    ]
    move = rng.random() if able else rng.uniform(_STRETCH, 1.0)
    if move < _STRETCH:
        return _stretched(pool, able[rng.integers(len(able))], rng)
    place = int(rng.integers(len(pool.members)))
    rest = pool.members[:place] + pool.members[place + 1 :]
    if move < _DROP:
        return _Change(rest, {}) if rest else None
    if move < _RESHAPE:
        return _reshaped(pool, place, rng)
    newcomer = newcomers[rng.choice(len(newcomers), p=_NEWCOMERS)]()
    if newcomer is None:
        return None
    if move < _EXCHANGE or len(pool.members) >= POOL_SIZE:
        return replace(newcomer, members=(*rest, *newcomer.members))
    return replace(newcomer, members=(*pool.members, *newcomer.members))


_STRETCH, _DROP, _RESHAPE, _EXCHANGE = 0.9, 0.93, 0.95, 0.96
"""Cumulated shares of the moves; the rest joins. Stretching most: where a few hundred days choose, whatever exchanges
whole members is chosen by its luck (docs/alphas.md has the figures)."""
_NEWCOMERS = (0.5, 0.2, 0.3)
"""Shares of random factors, twins and transplants. Few twins: nine of ten overlap with the member they are made of."""


def _grown(pool: Pool, rng: np.random.Generator) -> _Change:
    formula = draw_formula(rng)
    name = _free_name(formula.name, pool)
    return _Change((f"{name}(x)",), {name: formula.function(name)})


def _twin(pool: Pool, rng: np.random.Generator) -> _Change | None:
    if (drawn := _member_function(pool, rng)) is None:
        return None
    text = _restretched(pool, drawn, _windows(pool.functions[drawn]), rng)
    name = _free_name(drawn, pool)
    return _Change((f"{name}(x)",), {name: _renamed(text, drawn, name)})


def _windows(function: ast.FunctionDef | None) -> list[tuple[ast.Constant, float]]:
    """Returns the defaults of a function that are floats, with their values; none of no function."""
    defaults = [] if function is None else function.args.defaults
    return [
        (one, one.value) for one in defaults if isinstance(one, ast.Constant) and isinstance(one.value, float)
    ]


def _restretched(
    pool: Pool, name: str, windows: Sequence[tuple[ast.Constant, float]], rng: np.random.Generator
) -> str:
    """Returns the text of a function with these of its windows so many times as long, or as short."""
    start, text = pool.source.start(pool.functions[name]), pool.text_of(name)
    for window, days in reversed(windows):
        other = days * draw_days(rng, *STRETCH) ** (1 if rng.random() < 1 / 2 else -1)
        begin, end = pool.source.start(window) - start, pool.source.end(window) - start
        text = text[:begin] + repr(shorten(other, 0.1 * other)) + text[end:]
    return text


def _stretched(pool: Pool, place: int, rng: np.random.Generator) -> _Change | None:
    """Returns the pool with one window of a member changed, in a copy of its function; None where it has none."""
    drawn = pool.function_of(pool.members[place])
    windows = [] if drawn is None else _windows(pool.functions[drawn])
    if drawn is None or not windows:
        return None
    text = _restretched(pool, drawn, [windows[rng.integers(len(windows))]], rng)
    return _in_place(pool, place, drawn, text)


def _transplant(pool: Pool, other: Pool, rng: np.random.Generator) -> _Change | None:
    if (drawn := _member_function(other, rng)) is None:
        return None
    text = other.text_of(drawn)
    if drawn in pool.functions and pool.text_of(drawn) == text:
        return None
    read = syntax.names_read([other.functions[drawn]])
    if read & other.functions.keys() - {drawn} or read - syntax.names_visible(pool.source, ()):
        return None
    name = _free_name(drawn, pool)
    return _Change((f"{name}(x)",), {name: _renamed(text, drawn, name)}, is_transplant=True)


def _reshaped(pool: Pool, place: int, rng: np.random.Generator) -> _Change | None:
    """Returns the pool with another field, or a step against its own past, in a copy of one member's function."""
    drawn = pool.function_of(pool.members[place])
    if drawn is None:
        return None
    text = pool.text_of(drawn)
    fields = list(_FIELD.finditer(text))
    if fields and rng.random() < 2 / 3:
        found = fields[rng.integers(len(fields))]
        others = [price for price in PRICES if price != found[1]]
        if found[1] not in PRICES:
            return None
        text = text[: found.start(1)] + others[rng.integers(len(others))] + text[found.end(1) :]
    else:
        last = pool.functions[drawn].body[-1]
        if not isinstance(last, ast.Return) or last.value is None:
            return None
        start = pool.source.start(last.value) - pool.source.start(pool.functions[drawn])
        value = pool.source.segment(last.value)
        days = draw_days(rng, 10.0, 250.0)
        text = f"{text[:start]}({value}) - op.ewma({value}, {days!r})"
    return _in_place(pool, place, drawn, text)


def _in_place(pool: Pool, place: int, drawn: str, text: str) -> _Change:
    """Returns the pool with a changed copy of the function `drawn` in the place of a member that calls it."""
    name = _free_name(drawn, pool)
    members = (*pool.members[:place], f"{name}(x)", *pool.members[place + 1 :])
    return _Change(members, {name: _renamed(text, drawn, name)})


def _member_function(pool: Pool, rng: np.random.Generator) -> str | None:
    names = [name for member in pool.members if (name := pool.function_of(member)) is not None]
    return names[rng.integers(len(names))] if names else None


def _renamed(text: str, old: str, new: str) -> str:
    return text.replace(f"def {old}(", f"def {new}(", 1)


def _free_name(wanted: str, pool: Pool) -> str:
    """Returns the name, with a number behind it where the file binds it already."""
    stem = re.sub(r"_\d+$", "", wanted)
    taken = syntax.names_bound(pool.source.tree.body)
    return next(one for one in (stem, *(f"{stem}_{n}" for n in range(2, len(taken) + 3))) if one not in taken)


def _written(program: Program, pool: Pool, change: _Change) -> Program:
    """Returns the program with the changed pool, without the functions that nothing reads any more."""
    source = pool.source
    factors = source.start(pool.functions[FACTORS])
    added = "".join(f"{text.rstrip()}\n\n\n" for text in change.functions.values())
    edits = [
        (source.start(pool.listed), source.end(pool.listed), f"[{', '.join(change.members)}]"),
        (factors, factors, added),
        *((*_lines(source, node), "") for node in _unread(pool, change)),
    ]
    text = source.text
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return program.with_text(text, source.path)


def _unread(pool: Pool, change: _Change) -> Sequence[ast.FunctionDef]:
    """Returns the functions that only members read which are in the pool no more."""
    gone = {pool.function_of(member) for member in pool.members} - {
        found[1] for member in change.members if (found := re.match(r"(\w+)\(", member))
    }
    elsewhere = syntax.names_read(
        [node for node in pool.source.tree.body if getattr(node, "name", None) != FACTORS]
    ) | syntax.names_read(pool.functions[FACTORS].body[:-1])
    kept = " ".join(change.members)
    return [
        node
        for name, node in pool.functions.items()
        if name in gone and name not in elsewhere and not re.search(rf"\b{name}\b", kept)
    ]


def _lines(source: Source, node: ast.FunctionDef) -> tuple[int, int]:
    """Returns the lines of a function and the blank ones after it."""
    end = source.line_of(source.end(node))[1]
    while source.text[end : end + 1] == "\n":
        end += 1
    return source.start(node), end
