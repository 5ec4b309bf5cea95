"""What a program must not mention, where the task is to write it from scratch.

These rules keep honest programs to the task. They are no wall: what a program can reach when it runs is the sandbox's
affair (a C kernel's process holds no BLAS at all, and may open no library).
"""

from __future__ import annotations

import ast
import re

from evaluators.contract import Program
from evaluators.kernel_task import KernelTask
from evaluators.text import grammars, trees


def find_forbidden(program: Program, task: KernelTask) -> str:
    """Returns what a program mentions though the task forbids it, in a sentence; "" if nothing."""
    for path, text in program.files.items():
        words = _words_of_python(text) if path.endswith(".py") else _words_of_c(text, path)
        for name in task.forbidden:
            if name in words:
                return f"{path} uses {name}, which this task asks to be written from scratch"
    return ""


def _words_of_c(text: str, path: str) -> set[str]:
    words = grammars.words(text, grammars.of(path) or grammars.C)
    return set(re.findall(r"[A-Za-z_]\w*", " ".join(words)))


def _words_of_python(text: str) -> set[str]:
    """Returns identifiers, attributes and the words in strings (getattr takes them) of a Python text."""
    try:
        tree = trees.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(re.findall(r"[A-Za-z_]\w*", text))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    words: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            words.add(node.id)
        elif isinstance(node, ast.Attribute):
            words.add(node.attr)
        elif isinstance(node, (ast.alias, ast.ImportFrom)):
            name = node.name if isinstance(node, ast.alias) else node.module or ""
            words.update(name.split("."))
        elif isinstance(node, ast.MatMult):
            words.add("matmul")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            words.update(re.findall(r"[A-Za-z_]\w*", node.value))
    return words
