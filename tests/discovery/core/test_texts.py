from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from discovery.core.texts import indented, one_line, printable


def test_plain_text_stays() -> None:
    assert printable("a = 1\n\nb = 'é' # ∑") == "a = 1\n\nb = 'é' # ∑"


def test_escapes_and_marks_are_taken_out() -> None:
    assert printable("\x1b[31mred\x07\u202e\ud800\u200b|\tx\r\ny\u2028z\xa0") == "�[31mred����|    x\ny z "
    assert one_line(" a\n\n b\x0bc\r ") == "a b c"
    assert indented("\n\na\n\n b \n\n") == "    a\n\n     b"
    assert printable("abcdef", 4) == "abc…"


@given(st.text(st.characters(codec=None)), st.integers(1, 20))
def test_everything_is_printable_and_short(text: str, limit: int) -> None:
    assert all(char == "\n" or char.isprintable() for char in printable(text))
    assert len(one_line(text, limit)) <= limit
    assert one_line(text).isprintable()
    assert all(not line or line.startswith("    ") for line in indented(text).split("\n"))
