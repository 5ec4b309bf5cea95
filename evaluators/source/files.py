"""The text of a problem, once it is read, and what can be wrong with it.

Exceptions:
    ProblemError (ContractError)   no such problem, or a module that breaks the contract; says what to do
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evaluators.contract import ContractError


class ProblemError(ContractError):
    """A problem cannot be found or breaks the contract.

    Attributes:
        what: what is wrong; remedy: what to do about it.
        file: the file it stands in, or ""; line: the line in it, or 0.
    """

    def __init__(self, what: str, *, remedy: str = "", file: str = "", line: int = 0) -> None:
        place = f"{file}:{line}: " if line else f"{file}: " if file else ""
        super().__init__(place + what + (f"; {remedy}" if remedy else ""))
        self.what, self.remedy, self.file, self.line = what, remedy, file, line


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """The text of a problem, read once.

    Attributes:
        name: the problem's name.
        module: path of the problem's module within `files`.
        files: texts by relative path: the module, the siblings it imports, for a folder all text files in it.
        folder: the folder they were read from ("" when they came over the wire).
        package: dotted name of the package they belong to ("" for none); `from package import x` is a
            sibling.
        version: 16 hex digits of the content, files that are not text included.
    """

    name: str
    module: str
    files: Mapping[str, str]
    folder: str = ""
    package: str = ""
    version: str = ""

    @property
    def path(self) -> str:
        """Returns the path of the module for messages."""
        return str(Path(self.folder, self.module)) if self.folder else self.module
