"""The fingerprint of a program: equal for programs that differ only in how they are written down.

Each file counts by the tokens of its language (`Language.tokens`): a Python file by its syntax tree without comments,
formatting, docstrings, `pass` and annotations (those in a class body stay: dataclasses read them); C, C++, CUDA and
Rust by their tokens without comments; any other file, and Python that does not parse, by its words. Names are kept.
"""

from __future__ import annotations

import hashlib

from discovery.programs.languages import language
from evaluators.contract import Program


def fingerprint(program: Program) -> str:
    """Returns 32 hex digits that are equal for programs of equal normalised code (see the module)."""
    return _digest(program, is_skeleton=False)


def skeleton(program: Program) -> str:
    """Returns 32 hex digits that are equal for programs which differ only in their numbers (and as above)."""
    return _digest(program, is_skeleton=True)


def tokens(program: Program, *, is_skeleton: bool = False) -> list[str]:
    """Returns a program's normalised code as a flat list, file by file; in a skeleton, all numbers are equal."""
    parts: list[str] = []
    for path in sorted(program.files):
        parts += [path, *language.of(path).tokens(program.files[path], is_skeleton=is_skeleton)]
    return parts


def _digest(program: Program, *, is_skeleton: bool) -> str:
    data = "\0".join([program.entry, *tokens(program, is_skeleton=is_skeleton)]).encode(
        "utf-8", "surrogatepass"
    )
    return hashlib.blake2b(data, digest_size=16).hexdigest()
