"""Syntax trees of texts, one thread at a time.

CPython (seen in 3.11.7) keeps the depth of the tree it is building per interpreter, not per thread: when two threads
parse at once and a collection of garbage switches between them, one gets `SystemError: AST constructor recursion
depth mismatch`. Everything here that parses in a process with threads does it through `parse`, and whatever is loaded
late, beside threads, is loaded under `one_at_a_time`: to load a module may take parsing, too (`inspect.signature` of a
builtin function parses its text).
"""

from __future__ import annotations

import ast
import re
import threading
import warnings

one_at_a_time = threading.RLock()

MAX_CHARS = 1 << 20
MAX_FIELDS = 4096
"""Braces in a text with f-strings: the parser of CPython 3.11 takes quadratic time for the parts of one."""
_FORMATTED = re.compile(r"[fF][rR]?['\"]")
_LONG_NUMBER = re.compile(r"0[xXoObB](?:_?[0-9a-fA-F]){3000}")
"""Python refuses to print such a number (and to read one of as many decimal digits)."""


def parse(text: str, filename: str = "<text>") -> ast.Module:
    """Returns the syntax tree of a text, without the compiler's warnings.

    Raises:
        SyntaxError, RecursionError, MemoryError: see `ast.parse`.
        ValueError: see `ast.parse`; also where parsing would take long, or a number could not be printed.
    """
    if len(text) > MAX_CHARS:
        raise ValueError(f"a text may have {MAX_CHARS:,} characters to be parsed, got {len(text):,}")
    if (fields := text.count("{")) > MAX_FIELDS and _FORMATTED.search(text):
        raise ValueError(f"a text with f-strings may have {MAX_FIELDS:,} braces, got {fields:,}")
    if _LONG_NUMBER.search(text):
        raise ValueError("a number may have 3,000 digits at most")
    with one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text, filename)
