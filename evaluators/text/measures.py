"""Measures of a program's text: sizes and shapes that span an archive's axes without running anything.

Every measure sums over the program's files (`ast_depth` takes the largest). C, C++, CUDA and Rust are measured by
their tokens: `ast_nodes` counts them, `ast_depth` is how deep their brackets nest. Other text that is not Python, or does not
parse, is measured by rough counts of its words, so a measure never fails.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise

from evaluators.contract import ContractError, Measure, Program
from evaluators.text import grammars, trees
from evaluators.text.grammars import Grammar, Token

ALONE = 1.0
"""The novelty of a program that there is nothing to compare with. A judge, which knows one program, says so of all."""
_MAX_PARSED_BYTES = 256 * 1024

_BRANCHES = frozenset({ast.If, ast.IfExp, ast.Match, ast.BoolOp, ast.Assert, ast.Try, ast.TryStar})
_COMPREHENSIONS = frozenset({ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp})
_LOOPS = frozenset({ast.For, ast.AsyncFor, ast.While}) | _COMPREHENSIONS
_FUNCTIONS = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda})
_ARITHMETIC = frozenset({ast.BinOp, ast.UnaryOp, ast.AugAssign})
_IMPORTS = frozenset({ast.Import, ast.ImportFrom})

_GROUPS: Mapping[str, frozenset[type[ast.AST]]] = {
    "branches": _BRANCHES,
    "loops": _LOOPS,
    "functions": _FUNCTIONS,
    "classes": frozenset({ast.ClassDef}),
    "calls": frozenset({ast.Call}),
    "comparisons": frozenset({ast.Compare}),
    "arithmetic": _ARITHMETIC,
    "assignments": frozenset({ast.Assign, ast.AugAssign, ast.AnnAssign, ast.NamedExpr}),
    "comprehensions": _COMPREHENSIONS,
    "imports": _IMPORTS,
    "returns": frozenset({ast.Return, ast.Yield, ast.YieldFrom}),
}

NAMES: Mapping[str, str] = {
    "ast_nodes": "nodes of the syntax tree",
    "ast_depth": "depth of the syntax tree",
    "branches": "if, conditional expression, match, and/or, assert, try",
    "loops": "for, while and comprehensions",
    "constants": "numeric constants",
    "functions": "functions and lambdas",
    "classes": "class definitions",
    "calls": "calls",
    "comparisons": "comparisons",
    "arithmetic": "arithmetic operations",
    "assignments": "assignments",
    "comprehensions": "comprehensions and generator expressions",
    "imports": "import statements",
    "returns": "return and yield",
    "vector_words": "vector types, intrinsics and pragmas of C",
    "arrays": "arrays declared and buffers allocated in C",
    "code_bytes": "bytes of text, UTF-8",
    "code_lines": "lines that are neither blank nor only a comment",
}
"""What can be measured: the name of each measure and what it counts."""

_WORDS: Mapping[str, str] = {
    "branches": r"\b(?:if|elif|match|switch|and|or|assert|try)\b|&&|\|\|",
    "loops": r"\b(?:for|while)\b",
    "functions": r"\b(?:def|lambda|fn|func|function)\b",
    "classes": r"\b(?:class|struct)\b",
    "calls": r"\w\s*\(",
    "comparisons": r"[<>]=?|==|!=",
    "arithmetic": r"(?<![=<>!])[-+*/%](?!\s*=)",
    "assignments": r"(?<![=<>!])=(?!=)",
    "comprehensions": r"[\[({][^\[\](){}\n]{0,200}\bfor\b",
    "imports": r"\b(?:import|include|using)\b",
    "returns": r"\b(?:return|yield)\b",
    "constants": r"(?<![\w.])\d[\d.]*",
    "ast_nodes": r"\w+|[-+*/%<>=!&|]+",
}

_C_KEYWORDS = frozenset(
    {"for", "if", "while", "switch", "match", "return", "sizeof", "_Alignof", "__attribute__"}
)
_C_WORDS: Mapping[str, frozenset[str]] = {
    "branches": frozenset({"if", "switch", "?", "&&", "||"}),
    "loops": frozenset({"for", "while"}),
    "classes": frozenset({"struct", "union"}),
    "comparisons": frozenset({"<", "<=", ">", ">=", "==", "!="}),
    "arithmetic": frozenset({"+", "-", "*", "/", "%", "+=", "-=", "*=", "/=", "%=", "++", "--"}),
    "assignments": frozenset({"=", "+=", "-=", "*=", "/=", "%=", "<<=", ">>=", "&=", "|=", "^="}),
    "comprehensions": frozenset(),
    "imports": frozenset({"include"}),
    "returns": frozenset({"return"}),
}
_MORE_WORDS: Mapping[Grammar, Mapping[str, frozenset[str]]] = {
    grammars.CPP: {"classes": frozenset({"class"})},
    grammars.CUDA: {"classes": frozenset({"class"})},
    grammars.RUST: {
        "branches": frozenset({"match"}),
        "loops": frozenset({"loop"}),
        "imports": frozenset({"use"}),
    },
}
_C_PATTERNS: Mapping[str, str] = {
    "vector_words": r"\b_mm\d*_\w+|\b__m(?:128|256|512)\w*|\bvector_size\b|\bomp simd\b|\bGCC (?:ivdep|unroll)\b",
    "arrays": r"\b(?:float|double|int|char|short|long|unsigned|signed|size_t|u?int\d+_t) \w+ \["
    r"|\b(?:malloc|calloc|aligned_alloc|alloca) \(",
}


def check_names(names: Iterable[str]) -> None:
    """Checks that all `names` are code measures.

    Raises:
        ContractError: one is unknown; the message names the nearest.
    """
    for name in names:
        if name not in NAMES:
            near = get_close_matches(name, NAMES, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(NAMES)}"
            raise ContractError(f"code measure {name!r} is unknown; {hint}")


def axis_values(axes: Iterable[Measure], program: Program, metrics: Mapping[str, float]) -> tuple[float, ...]:
    """Returns the value of a program on each axis, in order; its novelty is `ALONE`, until the search tells.

    Raises:
        ContractError: the name of a code measure is unknown.
    """
    axes = tuple(axes)
    names = [axis.name for axis in axes if axis.source == "code"]
    from_code = measure_program(program, names) if names else {}
    known = {"metrics": metrics, "code": from_code}
    return tuple(ALONE if axis.source == "novelty" else float(known[axis.source][axis.name]) for axis in axes)


def measure_program(program: Program, names: Iterable[str]) -> dict[str, float]:
    """Returns the code measures `names` of a program.

    Raises:
        ContractError: a name is unknown.
    """
    names = tuple(names)
    check_names(names)
    totals = dict.fromkeys(names, 0.0)
    for path, text in program.files.items():
        measured = (
            _measure_tokens(text, grammar, names)
            if (grammar := grammars.of(path)) is not None
            else _measure_text(text, names, is_python=path.endswith(".py"))
        )
        for name, value in measured.items():
            totals[name] = max(totals[name], value) if name == "ast_depth" else totals[name] + value
    return totals


def _measure_text(text: str, names: tuple[str, ...], *, is_python: bool) -> dict[str, float]:
    found = {name: float(measure(text)) for name, measure in _TEXT_MEASURES.items() if name in names}
    found |= {name: 0.0 for name in _C_PATTERNS if name in names}
    rest = [name for name in names if name not in found]
    if not rest:
        return found
    tree = _parse(text) if is_python else None
    if tree is None:
        return found | {name: float(_rough(text, name)) for name in rest}
    kinds, depth, numbers = _count(tree)
    for name in rest:
        if name == "ast_nodes":
            found[name] = float(sum(kinds.values()))
        elif name == "ast_depth":
            found[name] = float(depth)
        elif name == "constants":
            found[name] = float(numbers)
        else:
            found[name] = float(sum(kinds.get(kind, 0) for kind in _GROUPS[name]))
    return found


def _measure_tokens(text: str, grammar: Grammar, names: tuple[str, ...]) -> dict[str, float]:
    words = grammars.words(text, grammar)
    is_rust = grammar is grammars.RUST
    bare = " ".join(words)
    code = grammars.read(text, grammar).code
    plain = [token.text for token in code if token.kind != "directive"]
    found: dict[str, float] = {}
    for name in names:
        if name in _TEXT_MEASURES:
            found[name] = float(
                _TEXT_MEASURES[name](text) if name == "code_bytes" else _token_lines(text, code)
            )
        elif name in _C_PATTERNS:
            found[name] = float(sum(1 for _ in re.finditer(_C_PATTERNS[name], bare)))
        elif name in _C_WORDS:
            counted = words if name == "imports" else plain
            wanted = _C_WORDS[name] | _MORE_WORDS.get(grammar, {}).get(name, frozenset())
            found[name] = float(sum(word in wanted for word in counted))
        else:
            found[name] = float(_count_tokens(code, words, name, is_rust=is_rust))
    return found


def _token_lines(text: str, code: Sequence[Token]) -> int:
    """Returns how many lines hold a token."""
    lines: set[int] = set()
    line = at = 0
    for token in code:
        line += text.count("\n", at, token.start)
        at = token.start
        lines |= set(range(line, line + token.text.count("\n") + 1))
    return len(lines)


def _count_tokens(code: Sequence[Token], words: list[str], name: str, *, is_rust: bool) -> int:
    if name == "constants":
        return sum(token.kind == "number" for token in code)
    if name == "ast_nodes":
        return sum(word not in "()[]{};,\n" for word in words)
    depth = deepest = calls = functions = 0
    for before, word in pairwise(words):
        calls += word == "(" and (before[0].isalpha() or before[0] == "_") and before not in _C_KEYWORDS
        functions += before == "fn" if is_rust else depth == 0 and (before, word) == (")", "{")
        depth = max(0, depth + (word in "([{") - (word in ")]}"))
        deepest = max(deepest, depth)
    return {"ast_depth": 1 + deepest, "functions": functions, "calls": max(0, calls - functions)}[name]


def _parse(text: str) -> ast.Module | None:
    if len(text) > _MAX_PARSED_BYTES:
        return None
    try:
        return trees.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _count(tree: ast.AST) -> tuple[dict[type, int], int, int]:
    """Returns nodes per type, the depth of the tree, and the number of numeric constants.

    Nodes without content (Load, Add, Pass) are not counted. Walks level by level, so that depth needs neither
    recursion nor bookkeeping per node.
    """
    kinds: dict[type, int] = {}
    depth = numbers = 0
    level: list[ast.AST] = [tree]
    while level:
        depth += 1
        below: list[ast.AST] = []
        for node in level:
            kind = type(node)
            kinds[kind] = kinds.get(kind, 0) + 1
            if kind is ast.Constant:
                numbers += type(node.value) in (int, float, complex)  # type: ignore[attr-defined]
                continue
            for value in node.__dict__.values():
                if isinstance(value, ast.AST):
                    if value._fields:
                        below.append(value)
                elif isinstance(value, list):
                    below += [item for item in value if isinstance(item, ast.AST) and item._fields]
        level = below
    return kinds, depth, numbers


def _rough(text: str, name: str) -> int:
    if name == "ast_depth":
        indents = [len(line) - len(line.lstrip()) for line in text.splitlines() if line.strip()]
        return 2 + min(max(indents, default=0), 400) // 4
    return sum(1 for _ in re.finditer(_WORDS[name], text))


def _code_lines(text: str) -> int:
    stripped = (line.strip() for line in text.splitlines())
    return sum(1 for line in stripped if line and not line.startswith(("#", "//")))


_TEXT_MEASURES: Mapping[str, Callable[[str], int]] = {
    "code_bytes": lambda text: len(text.encode("utf-8", "surrogatepass")),
    "code_lines": _code_lines,
}
