from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.contract import Program
from evaluators.text.blocks import (
    BlockError,
    block_texts,
    check_frozen,
    check_seed,
    editable,
    editable_text,
    has_blocks,
    path_fault,
    replace_block_texts,
    spans,
)

TEXT = """import math
# EVOLVE-BLOCK-START
A = 1
# EVOLVE-BLOCK-END
def frozen():
    return A
# EVOLVE-BLOCK-START the second
def free():
    return 2
# EVOLVE-BLOCK-END
LAST = '''end'''
"""
SEED = Program({"program.py": TEXT})


def child(old: str, new: str) -> Program:
    assert old in TEXT
    return SEED.with_text(TEXT.replace(old, new, 1))


class TestSpans:
    def test_they_lie_between_the_marker_lines(self):
        assert [TEXT[s.start : s.end] for s in spans(TEXT)] == ["A = 1\n", "def free():\n    return 2\n"]
        assert [s.first_line for s in spans(TEXT)] == [3, 8]
        assert block_texts(TEXT) == ("A = 1\n", "def free():\n    return 2\n")

    def test_a_text_without_markers_has_none(self):
        assert spans("A = 1\n") == ()
        assert block_texts("A = 1\n") == ("A = 1\n",)
        assert not has_blocks(Program({"program.py": "x = 'EVOLVE-BLOCK-START'\n"}))

    @pytest.mark.parametrize("comment", ["#", "//", "--", ";", "%", "/*", "  #  ", "\t#"])
    def test_other_languages_comment_otherwise(self, comment: str):
        text = f"a\n{comment} EVOLVE-BLOCK-START\nb\n{comment} EVOLVE-BLOCK-END\nc"
        assert block_texts(text) == ("b\n",)

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("# EVOLVE-BLOCK-START\n", "line 1: EVOLVE-BLOCK-START is never closed"),
            ("a\n# EVOLVE-BLOCK-END\n", "line 2: EVOLVE-BLOCK-END without a START"),
            (
                "# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-START\n",
                "line 2: EVOLVE-BLOCK-START inside an open block",
            ),
        ],
    )
    def test_unbalanced_markers_are_named_with_their_line(self, text: str, complaint: str):
        with pytest.raises(BlockError, match=complaint):
            spans(text)
        with pytest.raises(BlockError, match=rf"program.py, {complaint}"):
            editable(Program({"program.py": text}))

    def test_windows_line_ends_and_a_missing_last_one_are_fine(self):
        text = "# EVOLVE-BLOCK-START\r\nA = 1\r\n# EVOLVE-BLOCK-END"
        assert block_texts(text) == ("A = 1\r\n",)


class TestEditable:
    def test_without_markers_anywhere_every_file_may_change(self):
        program = Program({"program.py": "a = 1\n", "lib.py": "b = 2\n"})
        assert {path: len(found) for path, found in editable(program).items()} == {
            "program.py": 1,
            "lib.py": 1,
        }
        assert editable_text(program) == "a = 1\n\nb = 2\n"

    def test_with_markers_only_the_blocks_may(self):
        program = Program({"program.py": TEXT, "lib.py": "b = 2\n"})
        assert set(editable(program)) == {"program.py"}
        assert "b = 2" not in editable_text(program)
        assert editable_text(program) == "A = 1\n\ndef free():\n    return 2\n"


class TestReplace:
    def test_blocks_take_new_texts_and_keep_their_markers(self):
        text = replace_block_texts(TEXT, ["A = 7", ""])
        assert block_texts(text) == ("A = 7\n", "")
        assert check_frozen(SEED, SEED.with_text(text)) is None

    def test_a_text_without_markers_is_replaced_whole(self):
        assert replace_block_texts("old", ["new"]) == "new"

    def test_one_text_per_block_is_needed(self):
        with pytest.raises(BlockError, match="got 1 for 2 blocks"):
            replace_block_texts(TEXT, ["A = 2\n"])

    @given(st.lists(st.text(alphabet="ab =1\n\t'\"#()[\\", max_size=40), min_size=2, max_size=2))
    def test_what_was_put_in_comes_out(self, texts: list[str]):
        text = replace_block_texts(TEXT, texts)
        found = block_texts(text)
        assert [t.rstrip("\n") for t in found] == [t.rstrip("\n") for t in texts]
        assert replace_block_texts(text, found) == text


class TestFrozen:
    def test_changes_inside_blocks_pass(self):
        assert check_frozen(SEED, SEED) is None
        assert check_frozen(SEED, child("A = 1\n", "A = 2\nB = [3,\n     4]\n")) is None
        assert check_frozen(SEED, child("A = 1\n", "")) is None
        assert check_frozen(SEED, child("A = 1\n", "s = 'EVOLVE-BLOCK-END'\nA = '''two\nlines'''\n")) is None
        assert (
            check_frozen(
                SEED, child("    return 2\n", "    def inner():\n        return 2\n    return inner\n")
            )
            is None
        )

    def test_a_block_that_does_not_compile_is_left_to_the_compiler(self):
        assert check_frozen(SEED, child("A = 1\n", "A = = 1\n")) is None

    @pytest.mark.parametrize(
        ("old", "new", "line"),
        [
            ("import math", "import  math", 1),
            ("    return A\n", "    return A \n", 6),
            ("def frozen():\n", "def frozen(a=0):\n", 5),
            ("LAST = '''end'''\n", "LAST = '''end'''", 11),
            ("# EVOLVE-BLOCK-START the second", "# EVOLVE-BLOCK-START", 7),
        ],
    )
    def test_frozen_text_is_kept_byte_for_byte(self, old: str, new: str, line: int):
        assert check_frozen(SEED, child(old, new)) == f"program.py: frozen text was changed near line {line}"

    @pytest.mark.parametrize(
        "new",
        [
            "# EVOLVE-BLOCK-END\n# EVOLVE-BLOCK-START\n",
            "'''\n# EVOLVE-BLOCK-END\ndef frozen():\n    return A\n# EVOLVE-BLOCK-START the second\n'''\n",
            "# EVOLVE-BLOCK-END\n",
            "# EVOLVE-BLOCK-START\n",
        ],
    )
    def test_marker_lines_cannot_be_added(self, new: str):
        assert "marker lines must be kept" in (check_frozen(SEED, child("A = 1\n", "A = 1\n" + new)) or "")

    def test_marker_lines_cannot_be_removed(self):
        text = TEXT.replace("# EVOLVE-BLOCK-END\n", "", 1).replace("# EVOLVE-BLOCK-START the second\n", "", 1)
        assert "marker lines must be kept" in (check_frozen(SEED, SEED.with_text(text)) or "")

    def test_frozen_code_cannot_be_swallowed_by_a_string(self):
        swallowing = child("A = 1\n", "A = '''\n").with_text(
            replace_block_texts(TEXT, ["A = '''\n", "'''\ndef frozen():\n    return 'mine'\n"])
        )
        ast.parse(swallowing.text)
        assert "swallows frozen code" in (check_frozen(SEED, swallowing) or "")

    def test_frozen_code_cannot_be_swallowed_by_the_end_of_the_file(self):
        seed = SEED.with_text(TEXT.replace("LAST = '''end'''", "LAST = 3  # '''"))
        swallowing = seed.with_text(replace_block_texts(seed.text, ["A = 1\n", "S = '''\n"]))
        ast.parse(swallowing.text)
        assert "swallows frozen code" in (check_frozen(seed, swallowing) or "")

    def test_frozen_statements_cannot_become_arguments(self):
        block = "# EVOLVE-BLOCK-START\nA = 1\n# EVOLVE-BLOCK-END\n"
        text = f"{block}x = 1\n{block}"
        seed = Program({"program.py": text})
        for first, last in (("dict(\n", ")\n"), ("def f(\n", "): pass\n"), ("class C(\n", "): pass\n")):
            swallowing = seed.with_text(replace_block_texts(text, [first, last]))
            ast.parse(swallowing.text)
            assert "swallows frozen code" in (check_frozen(seed, swallowing) or ""), first

    def test_blocks_inside_functions_and_brackets_work(self):
        for text in (
            "def f(a, b=1):\n    # EVOLVE-BLOCK-START\n    x = a\n    # EVOLVE-BLOCK-END\n    return x\n",
            "A = [\n# EVOLVE-BLOCK-START\n1, 2,\n# EVOLVE-BLOCK-END\n]\n",
            "if True:\n    # EVOLVE-BLOCK-START\n    # EVOLVE-BLOCK-END\n    x = 1\n",
        ):
            seed = Program({"program.py": text})
            check_seed(seed)
            inside = block_texts(text)[0]
            new = inside.replace("x = a", "x = a + 1").replace("1, 2,", "3, 4, 5,")
            grown = seed.with_text(replace_block_texts(text, [new]))
            assert check_frozen(seed, grown) is None

    def test_files_are_fixed_once_there_are_markers(self):
        seed = Program({"program.py": TEXT, "lib.py": "b = 2\n"})
        assert "lib.py: this file is frozen" in (
            check_frozen(seed, seed.with_text("b = 3\n", "lib.py")) or ""
        )
        assert "'new.py' is new" in (check_frozen(seed, seed.with_text("", "new.py")) or "")
        assert "'lib.py' is missing" in (check_frozen(seed, Program({"program.py": TEXT})) or "")
        assert "entry file must stay" in (check_frozen(seed, Program(seed.files, "lib.py")) or "")

    def test_blocks_in_several_files(self):
        seed = Program({"program.py": TEXT, "lib.py": "# EVOLVE-BLOCK-START\nb = 2\n# EVOLVE-BLOCK-END\n"})
        assert check_frozen(seed, seed.with_text(seed.files["lib.py"].replace("2", "3"), "lib.py")) is None
        assert "lib.py: frozen" in (
            check_frozen(seed, seed.with_text(seed.files["lib.py"] + "c = 1\n", "lib.py")) or ""
        )

    def test_other_languages_are_compared_as_text(self):
        text = "frozen\n// EVOLVE-BLOCK-START\nint a = 'x;\n// EVOLVE-BLOCK-END\n"
        seed = Program({"kernel.c": text}, "kernel.c")
        assert check_frozen(seed, seed.with_text(text.replace("'x", '"('))) is None
        assert check_frozen(seed, seed.with_text(text.replace("frozen", "melted"))) is not None

    @given(st.text(alphabet="ab=1\n'\"#()[]{}\\: ", max_size=60))
    def test_whatever_stands_in_a_block_the_frozen_tree_stays(self, new: str):
        program = SEED.with_text(replace_block_texts(TEXT, [new, "def free():\n    return 2\n"]))
        if check_frozen(SEED, program) is not None:
            return
        try:
            tree = ast.parse(program.text)
        except (SyntaxError, ValueError):
            return
        dumped = [ast.dump(node) for node in ast.walk(tree)]
        for node in ast.parse(TEXT).body:
            if getattr(node, "name", "") == "frozen" or isinstance(node, ast.Import):
                assert ast.dump(node) in dumped


class TestWithoutMarkers:
    seed = Program({"program.py": "a = 1\n"})

    def test_everything_may_change_and_files_may_come(self):
        assert check_frozen(self.seed, Program({"program.py": "b\n", "lib/util.py": "c\n"})) is None

    def test_the_entry_stays(self):
        assert "entry file 'program.py' is missing" in (check_frozen(self.seed, Program({"x.py": ""})) or "")

    def test_children_may_not_freeze_themselves(self):
        frozen = self.seed.with_text("x\n# EVOLVE-BLOCK-START\n")
        assert "line 2: the seed has no EVOLVE-BLOCK markers" in (check_frozen(self.seed, frozen) or "")

    @pytest.mark.parametrize(
        "path",
        [
            "../x.py",
            "/etc/passwd",
            "a//b.py",
            "a/../b.py",
            ".git/config",
            "lib/.gitattributes",
            "a\\b.py",
            "",
            "a\nb.py",
            "a b.py",
            "-rf",
            "a/b/c/d/e/f/g.py",
            "x" * 101,
            "\u202ea.py",
        ],
    )
    def test_paths_are_plain(self, path: str):
        assert path_fault(path)
        reason = check_frozen(self.seed, Program({"program.py": "", path: ""}))
        assert reason is not None
        assert "\n" not in reason
        assert "\u202e" not in reason

    def test_a_path_is_a_file_or_a_folder(self):
        clash = Program({"program.py": "", "lib": "", "lib/a.py": ""})
        assert "both a file and a folder" in (check_frozen(self.seed, clash) or "")

    def test_there_are_not_too_many_files(self):
        many = Program({"program.py": ""} | {f"f{i}.py": "" for i in range(64)})
        assert "may have 64 files, got 65" in (check_frozen(self.seed, many) or "")


class TestSeed:
    def test_markers_in_strings_are_refused(self):
        text = "s = '''\n# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-END\n'''\n"
        with pytest.raises(
            BlockError, match=r"program\.py, line 2: this EVOLVE-BLOCK marker stands in a string"
        ):
            check_seed(Program({"program.py": text}))

    def test_the_entry_must_be_there(self):
        with pytest.raises(
            BlockError, match=r"entry 'program\.py' is not among the files \['main\.py'\]; set ENTRY"
        ):
            check_seed(Program({"main.py": ""}))

    def test_sound_seeds_pass(self):
        check_seed(SEED)
        check_seed(
            Program({"program.py": "a = 1\n", "data.txt": "# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-END\n"})
        )


LANGUAGES = {
    "a.sql": ("select 1 -- one\n  from t;", "-- EVOLVE-BLOCK-{}", ["select /* open", "select 'open"]),
    "a.html": ("<p>it's <b>1</b></p>", "<!-- EVOLVE-BLOCK-{} -->", ["<!-- open", "<p> <!-- <!-- "]),
    "a.tex": ("50\\% of $x$ % a note", "% EVOLVE-BLOCK-{}", ["\\begin{verbatim}", "\\begin{comment}"]),
    "a.lisp": ('(f "a ; b" #\\" 1) ; a note', ";; EVOLVE-BLOCK-{}", ["#| open", '"open']),
    "a.go": ('s := `//` + "/*" + \'"\' // a note', "// EVOLVE-BLOCK-{}", ["/* open", "s := `open"]),
    "a.java": ('String s = """\n  " // """; // a', "// EVOLVE-BLOCK-{}", ["/* open", 's = """']),
    "a.js": ("let s = `/* ${1}` + '\\'//'; // a", "// EVOLVE-BLOCK-{}", ["/* open", "s = `open"]),
    "a.cpp": ('auto s = R"x(/* ")x"; // a', "// EVOLVE-BLOCK-{}", ["/* open", 's = R"x(', "#define A \\"]),
    "a.cu": ("f<<<1, 2>>>(x); /* a */", "/* EVOLVE-BLOCK-{} */", ["/* open", "// a \\"]),
    "a.rs": (
        "let c = 'x'; f::<'a>(r#\"/*\"#); /* /* */ */",
        "// EVOLVE-BLOCK-{}",
        ["/* /* */", 's = r#"', 's = "'],
    ),
    "a.txt": ("some words, 'open", "# EVOLVE-BLOCK-{}", []),
}


@pytest.mark.parametrize("path", LANGUAGES)
def test_blocks_are_enforced_in_every_language(path: str):
    old, marker, swallowing = LANGUAGES[path]
    start, end = marker.format("START"), marker.format("END")
    text = f"first\n{start}\n{old}\n{end}\nlast\n"
    seed = Program({path: text}, path)
    check_seed(seed)
    assert block_texts(text) == (f"{old}\n",)
    assert check_frozen(seed, seed.with_text(text.replace(old, f"{old}\n{old}"))) is None
    assert check_frozen(seed, seed.with_text(text.replace("last", "least"))) is not None
    assert check_frozen(seed, seed.with_text(text.replace(end, end.replace("END", "end")))) is not None
    for block in swallowing:
        reason = check_frozen(seed, seed.with_text(text.replace(old, block)))
        assert reason is not None, block
        assert "swallows" in reason


@pytest.mark.parametrize(("path", "sign"), [("a.sql", "//"), ("a.c", "#"), ("a.html", "#"), ("a.rs", ";")])
def test_a_marker_that_is_no_comment_of_the_language_is_named(path: str, sign: str):
    text = f"{sign} EVOLVE-BLOCK-START\nx\n{sign} EVOLVE-BLOCK-END\n"
    with pytest.raises(BlockError, match=r"line 1: .*begin it with"):
        check_seed(Program({path: text}, path))
