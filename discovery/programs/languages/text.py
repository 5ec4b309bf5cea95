"""Languages that are known by name only: their files are told, fenced and kept as theirs, and compared by their words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from discovery.programs.languages.language import Definition, Number
from discovery.programs.languages.statements import Source
from evaluators.text import comments
from evaluators.text.blocks import Span


@dataclass(frozen=True, slots=True)
class Text:
    """A language of which nothing is known but what it is called; see `Language`."""

    name: str
    endings: tuple[str, ...]
    fences: tuple[str, ...]

    @property
    def comment(self) -> str:
        """What begins a comment."""
        return comments.sign(f"file{self.endings[0]}")

    def tokens(self, text: str, *, is_skeleton: bool = False) -> list[str]:
        """Returns the words of the text."""
        del is_skeleton
        return ["text", *text.split()]

    def numbers(self, text: str) -> Sequence[Number]:
        """Returns (): which numbers may be tuned is not known."""
        del text
        return ()

    def definitions(self, text: str) -> Sequence[Definition]:
        """Returns (): what is a definition is not known."""
        del text
        return ()

    def fault(self, text: str) -> str | None:
        """Returns None: nothing is certain."""
        del text
        return None

    def source(self, path: str, text: str, spans: Sequence[Span]) -> Source | None:
        """Returns None: where a statement ends is not known."""
        del path, text, spans
        return None


PLAIN = Text("plain-text", ("",), ("text", "txt", "plaintext", "markdown", "md"))
GO = Text("Go", (".go",), ("go", "golang"))
HTML = Text("HTML", (".html", ".htm"), ("html", "xml"))
JAVA = Text("Java", (".java",), ("java",))
JAVASCRIPT = Text("JavaScript", (".js", ".mjs", ".cjs"), ("javascript", "js", "mjs", "node"))
LATEX = Text("LaTeX", (".tex",), ("latex", "tex"))
LISP = Text("Lisp", (".lisp", ".el", ".scm"), ("lisp", "elisp", "scheme", "common-lisp"))
MARKDOWN = Text("Markdown", (".md",), ("markdown", "md", "text"))
SQL = Text("SQL", (".sql",), ("sql", "sqlite", "sqlite3", "postgresql", "postgres", "mysql"))
TYPESCRIPT = Text("TypeScript", (".ts",), ("typescript", "ts"))
