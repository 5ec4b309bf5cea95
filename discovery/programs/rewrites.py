"""Programs that a model wrote as a whole: finds the code of a reply and puts it where a program may change.

The reply is untrusted text; what cannot be used raises `EditError` (discovery/programs/search_replace.py). The frozen text of
the program is kept byte for byte, whatever the reply says of it: only the text of its blocks is taken over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from discovery.programs.indentation import indentation
from discovery.programs.languages import language
from discovery.programs.languages.python import PYTHON
from discovery.programs.search_replace import (
    EditError,
    check_child,
    check_reply,
    find_elision,
    path_above,
)
from evaluators.contract import DEFAULT_ENTRY, Program
from evaluators.text.blocks import BlockError, block_texts, has_blocks, replace_block_texts, spans

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^`]*)")
_NAME = re.compile(r"(?:\w+:)?([\w./-]{1,200}\.\w{1,8})")
_MAX_ENDS = 8


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """One fenced block of a reply, and the file name written above it or in its first fence line, if any."""

    text: str
    path: str | None = None


def code_blocks(reply: str, *, entry: str = DEFAULT_ENTRY) -> tuple[CodeBlock, ...]:
    """Returns the closed fenced blocks of a reply that may be in the language of a program's entry file, in order.

    A fence inside Python code (in a string, say) does not end the block if the text compiles up to a later fence.
    """
    lines = [line.removesuffix("\r") for line in reply.split("\n")]
    known = language.of(entry)
    wanted = {"", *known.fences}
    found: list[CodeBlock] = []
    at = 0
    while at < len(lines):
        opened = _FENCE.fullmatch(lines[at])
        if opened is None:
            at += 1
            continue
        ends = _fence_ends(lines, opened[1], at + 1)
        if not ends:
            break
        end = ends[0]
        if known is PYTHON:
            end = next((end for end in ends if PYTHON.fault("\n".join(lines[at + 1 : end])) is None), end)
        words = opened[2].split()
        named = _NAME.fullmatch(words[-1]) if words else None
        if named or (words[0].lower() if words else "") in wanted:
            found.append(
                CodeBlock("\n".join(lines[at + 1 : end]), named[1] if named else path_above(lines, at))
            )
        at = end + 1
    return tuple(found)


def _fence_ends(lines: Sequence[str], fence: str, start: int) -> list[int]:
    ends: list[int] = []
    for at in range(start, len(lines)):
        closing = lines[at].strip()
        if len(closing) >= len(fence) and set(closing) == {fence[0]}:
            ends.append(at)
            if len(ends) == _MAX_ENDS:
                break
    return ends


def apply_rewrite(program: Program, reply: str) -> Program:
    """Returns the program with the code of a reply in place of what may change.

    The reply may hold the new block alone or the whole file, fenced or (if it parses) bare. Of several fenced
    blocks the last counts that is at least half as long as the longest, or each goes to the file it names.

    Raises:
        EditError: there is no code, it cannot be told where it belongs, or `check_child` refuses the child.
    """
    check_reply(reply)
    blocks = code_blocks(reply, entry=program.entry)
    if not blocks and re.search(r"^ {0,3}(?:```|~~~)", reply, re.MULTILINE):
        raise EditError("the code block is not closed: the reply was cut off or lacks its last fence")
    if not blocks and not _is_code(reply, program.entry):
        raise EditError("the reply has no code; put the code in one fenced block")
    blocks = blocks or (CodeBlock(reply),)
    texts: Mapping[str, str] = {
        block.path: block.text for block in blocks if block.path is not None and block.path in program.files
    }
    if not texts:
        texts = {program.entry: _main_text(program, blocks)}
    if elided := find_elision([line for text in texts.values() for line in text.split("\n")], program):
        raise EditError(f"the code leaves lines out (`{elided}`); write every line")
    files = dict(program.files)
    for path, text in texts.items():
        files[path] = _splice(files[path], text) if has_blocks(program) else text.strip("\n") + "\n"
    return check_child(program, Program(files, program.entry))


def restore_frozen(seed: Program, program: Program) -> Program:
    """Returns the seed with the evolvable text of `program` in it (`program` itself where nothing is frozen).

    Raises:
        EditError: the program has not as many blocks in a file as the seed.
    """
    if not has_blocks(seed):
        return program
    files: dict[str, str] = {}
    for path, text in seed.files.items():
        theirs = program.files.get(path, text)
        files[path] = _put_blocks(text, theirs) if spans(text) else text
    return Program(files, seed.entry)


def _main_text(program: Program, blocks: Sequence[CodeBlock]) -> str:
    """Returns the last block that defines what the program does at its top level, else the last that is long enough."""
    text = "\n".join(block_texts(program.text)) if has_blocks(program) else program.text
    wanted = _defined(text, program.entry)
    if wanted and (whole := [one.text for one in blocks if wanted <= _defined(one.text, program.entry)]):
        return whole[-1]
    longest = max(len(block.text) for block in blocks)
    return [block.text for block in blocks if 2 * len(block.text) >= longest][-1]


def _defined(text: str, entry: str) -> frozenset[str]:
    """Returns the functions and types that a text defines; none where it is certain to fail."""
    known = language.of(entry)
    if known.fault(text) is not None:
        return frozenset()
    return frozenset(one.name for one in known.definitions(text) if one.kind != "value")


def _splice(old: str, new: str) -> str:
    found = spans(old)
    if not found:
        raise EditError("the file is frozen; change only lines between the EVOLVE-BLOCK markers")
    if re.search(r"EVOLVE-BLOCK-(?:START|END)", new):
        return _put_blocks(old, new)
    if len(found) > 1:
        raise EditError(f"the program has {len(found)} EVOLVE-BLOCKs; return each with its two marker lines")
    above = old[: found[0].start].split("\n")[:-2]
    below = old[found[0].end :].split("\n")[1:]
    lines = _without_frozen(new.strip("\n").split("\n"), above, below)
    lines = _indented("\n".join(lines).strip("\n").split("\n"), block_texts(old)[0].split("\n"))
    return replace_block_texts(old, ["\n".join(lines) + "\n"])


def _put_blocks(skeleton: str, text: str) -> str:
    try:
        blocks = block_texts(text) if spans(text) else ()
        return replace_block_texts(skeleton, blocks)
    except BlockError as error:
        raise EditError(f"keep the EVOLVE-BLOCK marker lines as they are: {error}") from error


def _without_frozen(lines: list[str], above: Sequence[str], below: Sequence[str]) -> list[str]:
    """Returns the lines without the frozen text around the block, if the whole file came without markers."""
    head = [line.rstrip() for line in above if line.strip()]
    tail = [line.rstrip() for line in below if line.strip()]
    spots = [at for at, line in enumerate(lines) if line.strip()]
    texts = [lines[at].rstrip() for at in spots]
    low = spots[len(head) - 1] + 1 if head and texts[: len(head)] == head else 0
    high = spots[-len(tail)] if tail and texts[-len(tail) :] == tail else len(lines)
    return lines[low:high] if low < high else lines


def _indented(lines: list[str], old: Sequence[str]) -> list[str]:
    """Returns the lines indented as the old block was, if they came without its indentation."""
    wanted = min((indentation(line) for line in old if line.strip()), key=len, default="")
    given = min((indentation(line) for line in lines if line.strip()), key=len, default="")
    return [wanted + line if line.strip() else line for line in lines] if wanted and not given else lines


def _is_code(reply: str, entry: str) -> bool:
    """Returns whether a reply without fences is a text in the language of the entry file that defines something."""
    known = language.of(entry)
    return known.fault(reply) is None and bool(known.definitions(reply))
