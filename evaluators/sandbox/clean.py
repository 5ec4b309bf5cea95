"""Text of a program made harmless for a terminal, a prompt, a git trailer and a log."""

from __future__ import annotations

import unicodedata

MAX_CHARACTERS = 2000
_CUT = "\n[... cut ...]\n"
_KEPT = "\n\t"


def clean(text: str, max_characters: int = MAX_CHARACTERS) -> str:
    """Returns `text` without control, format (bidirectional, zero-width) and private characters, cut short.

    Escape sequences lose their escape character; backticks in a row are broken up, so that the text cannot
    close a fence around it; every line keeps its place.
    """
    half = max_characters // 2
    if len(text) > 4 * max_characters:
        text = text[: 2 * max_characters] + _CUT + text[-2 * max_characters :]
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii() or not text.replace("\n", "").replace("\t", "").isprintable():
        text = "".join(character for character in text if character in _KEPT or _is_harmless(character))
    text = text.replace("```", "'''").strip("\n")
    if len(text) > max_characters:
        text = text[: half - len(_CUT)] + _CUT + text[-half:]
    return text


def clean_line(text: str, max_characters: int = 300) -> str:
    """Returns `text` cleaned, on one line."""
    line = " ".join(clean(text, 4 * max_characters).split())
    return line if len(line) <= max_characters else line[: max_characters - 3] + "..."


def _is_harmless(character: str) -> bool:
    return unicodedata.category(character)[0] != "C" and unicodedata.category(character) not in ("Zl", "Zp")
