"""Syntax trees of texts, one thread at a time.

CPython (seen in 3.11.7) keeps the depth of the tree it is building per interpreter, not per thread: when two threads
parse at once and a collection of garbage switches between them, one gets `SystemError: AST constructor recursion
depth mismatch`. Everything here that parses in a process with threads does it through `parse`, and whatever is loaded
late, beside threads, is loaded under `one_at_a_time`: to load a module may take parsing, too (`inspect.signature` of a
builtin function parses its text).
"""

from __future__ import annotations

import ast
import threading
import warnings

one_at_a_time = threading.RLock()


def parse(text: str, filename: str = "<text>") -> ast.Module:
    """Returns the syntax tree of a text, without the compiler's warnings.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: see `ast.parse`.
    """
    with one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text, filename)
