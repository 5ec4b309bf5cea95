"""C, C++, CUDA and Rust: languages of which tree-sitter has a grammar; see `Language`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from discovery.programs.languages import statement_numbers
from discovery.programs.languages.language import Definition, Number
from discovery.programs.languages.statements import Source, function_heads, name_of
from evaluators.text import grammars
from evaluators.text.blocks import Span
from evaluators.text.grammars import Grammar

_BLANK = "0"  # what stands for every number in the skeleton
_C_FENCES = ("c", "h", "c99", "c11", "gnu11", "cpp", "c++", "cu", "cuda", "opencl")


@dataclass(frozen=True, slots=True)
class Structured:
    """A language with a grammar. A package that brings one registers `Structured(name, Grammar(...), fences)`."""

    name: str
    grammar: Grammar
    fences: tuple[str, ...]
    comment: str = "//"

    @property
    def endings(self) -> tuple[str, ...]:
        """What the names of its files end in."""
        return self.grammar.endings

    def tokens(self, text: str, *, is_skeleton: bool = False) -> list[str]:
        """Returns the tokens without comments."""
        return ["c", *grammars.words(text, self.grammar, number=_BLANK if is_skeleton else None)]

    def numbers(self, text: str) -> Sequence[Number]:
        """Returns the numbers that are choices; see `statement_numbers`."""
        return statement_numbers.find(text, self.grammar)

    def definitions(self, text: str) -> Sequence[Definition]:
        """Returns the functions; public are those that are not `static` (in Rust: all)."""
        code = grammars.read(text, self.grammar).code
        found = []
        for low, high in function_heads(code):
            if name := name_of(code, low, high):
                start = code[low].start
                is_public = not any(token.text == "static" for token in code[low:high])
                signature = text[start : code[high - 1].end]
                found.append(Definition(name, signature, start, "function", is_public))
        return found

    def fault(self, text: str) -> str | None:
        """Returns that brackets do not pair, where that is so."""
        code = grammars.read(text, self.grammar).code
        brackets = sum(token.kind == "mark" and token.text in "()[]{}" for token in code)
        is_paired = 2 * len(grammars.matches(code)) == brackets
        return None if is_paired else "its brackets do not pair"

    def source(self, path: str, text: str, spans: Sequence[Span]) -> Source | None:
        """Returns the text as statements."""
        return Source(path, text, spans, self.grammar)


C = Structured("C", grammars.C, _C_FENCES)
CPP = Structured("C++", grammars.CPP, ("cpp", "c++", "cxx", "cc", "hpp", "c"))
CUDA = Structured("CUDA", grammars.CUDA, ("cuda", "cu", "cpp", "c++", "c"))
RUST = Structured("Rust", grammars.RUST, ("rust", "rs"))
