from __future__ import annotations

import ast
import gc
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from evaluators.text import trees

TEXT = "\n".join(f"x{n} = [{n}, (1.5 + {n}) * {{'a': {n}}}['a'], lambda y: y ** {n}]" for n in range(60))


@pytest.fixture
def _switching_collections() -> Iterator[None]:
    """Garbage is collected all the time, and each collection lets another thread run (as finalisers may)."""
    before = gc.get_threshold()

    def switch(phase: str, info: dict[str, int]) -> None:
        time.sleep(0)

    gc.callbacks.append(switch)
    gc.set_threshold(20)
    yield
    gc.set_threshold(*before)
    gc.callbacks.remove(switch)


def parse_in_threads(parse: Callable[[str], ast.Module]) -> list[int]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: len(parse(TEXT).body), range(100)))


@pytest.mark.usefixtures("_switching_collections")
def test_many_threads_parse_at_once() -> None:
    assert parse_in_threads(trees.parse) == [60] * 100


def test_warnings_of_the_text_are_not_ours() -> None:
    assert trees.parse("x = 'a\\d'; assert (1, 'always')").body


def test_a_broken_text_is_a_syntax_error() -> None:
    with pytest.raises(SyntaxError):
        trees.parse("def f(:")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1\n" * 200_000, "1,048,576 characters"),
        ("x = f'" + "{a}" * 5_000 + "'\n", "4,096 braces"),
        ("X = 0x" + "f" * 5_000, "3,000 digits"),
        ("X = 0b" + "1_" * 5_000 + "1", "3,000 digits"),
    ],
)
def test_what_would_take_long_or_could_not_be_printed_is_refused_before_it_is_parsed(text: str, reason: str):
    with pytest.raises(ValueError, match=reason):
        trees.parse(text)


def test_braces_without_an_f_string_are_no_matter():
    trees.parse("x = [" + "{}, " * 5_000 + "]\n")
