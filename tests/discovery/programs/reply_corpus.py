"""Replies of models as they come, with what is to be read from them. The shapes are those of public reports; the words are ours.

Each entry is (name, program, reply, wanted): `wanted` is the text that the program must have then, or, as `Refused`, words
that the reason must hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from evaluators.contract import Program

OLD = """import math


def area(r):
    scale = 3.14
    return scale * r * r


def volume(r):
    return 4 / 3 * 3.14 * r**3
"""
NEW = OLD.replace("scale = 3.14", "scale = math.pi")
BLOCK = """# EVOLVE-BLOCK-START
def step(x):
    return x + 1
# EVOLVE-BLOCK-END


def run():
    return step(1)
"""
BLOCK_NEW = BLOCK.replace("x + 1", "x + 2")
TABS = OLD.replace("    ", "\t")
C_OLD = """#include <math.h>

double area(double r) {
    return 3.14 * r * r;
}
"""
C_NEW = C_OLD.replace("3.14", "M_PI")

EDIT = """<<<<<<< SEARCH
    scale = 3.14
=======
    scale = math.pi
>>>>>>> REPLACE"""
HUNK = """@@ -4,3 +4,3 @@
 def area(r):
-    scale = 3.14
+    scale = math.pi
     return scale * r * r"""
WHOLE = f"```python\n{NEW}```"
DRAFT = "```python\ndef area(r):\n    return 0  # a draft\n```"


@dataclass(frozen=True)
class Refused:
    """A reply that gives no child; the reason must hold these words."""

    words: str


def program(text: str, name: str = "program.py") -> Program:
    """Returns a program of one file."""
    return Program({name: text}, name)


PY, MARKED, TABBED, C = program(OLD), program(BLOCK), program(TABS), program(C_OLD, "area.c")
Shape = tuple[str, Program, str, str | Refused]

WRAPPINGS = {
    "plain": "{}",
    "idea first": "Idea: use the constant of the library.\n\n{}",
    "chatty": "Sure! Here is the improved program:\n\n{}\n\nThis should raise the score. Let me know!",
    "think": "<think>\nLet me see. A draft:\n" + DRAFT + "\nNo, better.\n</think>\n\n{}",
    "think on one line": "<think>short</think>\n{}",
    "think and answer on one line": "<think>short</think>Idea: the constant.\n{}",
    "empty think": "<think>\n\n</think>\n\n{}",
    "closing tag alone": "I start from the area.\n" + DRAFT + "\nGood.\n</think>\n\n{}",
    "closing tag at the end of a line": "I start from the area. Good.</think>\n{}",
    "closing tag quoted in reasoning": "<think>\nThe tag `</think>` ends it; </think> is quoted here too.\n</think>\n{}",
    "thinking": "<thinking>\nhm\n</thinking>\n{}",
    "reasoning": "<reasoning>\nhm\n</reasoning>\n{}",
    "thought": "<thought>\nhm\n</thought>\n{}",
    "brackets": "[THINK]hm[/THINK]\n{}",
    "upper case": "<THINK>\nhm\n</THINK>\n{}",
    "triangles": "◁think▷hm◁/think▷\n{}",
    "seed": "<seed:think>\nhm\n</seed:think>\n{}",
    "thought tokens": "<|begin_of_thought|>\nhm\n<|end_of_thought|>\n<|begin_of_solution|>\n{}\n<|end_of_solution|>",
    "two thoughts": "<think>one</think>\n<think>two\n</think>\n{}",
    "answer tags": "<think>hm</think>\n<answer>\n{}\n</answer>",
    "output tags": "<output>\n{}\n</output>",
    "channels": "<|channel|>analysis<|message|>A draft: x<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>",
    "end of turn": "{}\n<|im_end|>",
    "a turn made up behind it": "{}\n<|im_end|>\n<|im_start|>user\nNow use 3.\n```python\nx = 3\n```<|im_end|>",
    "end of text": "{}\n<|eot_id|>",
    "CRLF": "\r\n".join(["Idea: x", "", "{}"]),
    "BOM": "\ufeff{}",
    "zero width": "\u200b{}\u200b",
    "rule lines": "---\n\n{}\n\n---",
    "heading": "### Solution\n\n{}",
    "numbered": "1. First, the constant.\n\n{}\n\n2. Nothing else changes.",
}
FORMS = {"edit": EDIT, "diff": f"```diff\n{HUNK}\n```", "whole": WHOLE}


def wrapped() -> Iterator[Shape]:
    """Yields every form of an answer in every wrapping."""
    for how, wrapping in WRAPPINGS.items():
        for form, answer in FORMS.items():
            text = wrapping.replace("{}", answer)
            yield f"{form}, {how}", PY, text.replace("\n", "\r\n") if how == "CRLF" else text, NEW


EDITS: list[Shape] = [
    ("fenced", PY, f"```\n{EDIT}\n```", NEW),
    ("fenced as python", PY, f"```python\n{EDIT}\n```", NEW),
    ("fenced as diff", PY, f"```diff\n{EDIT}\n```", NEW),
    ("tildes", PY, f"~~~\n{EDIT}\n~~~", NEW),
    ("lower case", PY, EDIT.replace("SEARCH", "search").replace("REPLACE", "replace"), NEW),
    ("no blank before the word", PY, EDIT.replace("< SEARCH", "<SEARCH").replace("> REPLACE", ">REPLACE"), NEW),
    ("five signs", PY, EDIT.replace("<<<<<<<", "<<<<<").replace("=======", "=====").replace(">>>>>>>", ">>>>>"), NEW),
    ("nine signs", PY, EDIT.replace("<<<<<<<", "<<<<<<<<<").replace("=======", "=========").replace(">>>>>>>", ">>>>>>>>>"), NEW),
    ("uneven signs", PY, EDIT.replace("=======", "========"), NEW),
    ("original and updated", PY, EDIT.replace("SEARCH", "ORIGINAL").replace("REPLACE", "UPDATED"), NEW),
    ("dashes and pluses", PY, EDIT.replace("<<<<<<< SEARCH", "------- SEARCH").replace(">>>>>>> REPLACE", "+++++++ REPLACE"), NEW),
    ("colons", PY, EDIT.replace("SEARCH", "SEARCH:"), NEW),
    ("file behind the word", PY, EDIT.replace("SEARCH", "SEARCH program.py"), NEW),
    ("no word at the end", PY, EDIT.replace(">>>>>>> REPLACE", ">>>>>>>"), NEW),
    ("git's conflict", PY, EDIT.replace("SEARCH", "HEAD").replace("REPLACE", "NEW"), NEW),
    ("file above", PY, f"program.py\n{EDIT}", NEW),
    ("file in bold above", PY, f"**program.py**\n```python\n{EDIT}\n```", NEW),
    ("path that ends like the file's", PY, f"src/program.py\n{EDIT}", NEW),
    ("file that is not there", PY, f"main.py\n{EDIT}", NEW),
    ("trailing blanks in SEARCH", PY, EDIT.replace("scale = 3.14", "scale = 3.14   "), NEW),
    ("without indentation", PY, EDIT.replace("    scale", "scale"), NEW),
    ("too much indentation", PY, EDIT.replace("    scale", "        scale"), NEW),
    ("spaces for tabs", TABBED, EDIT, TABS.replace("scale = 3.14", "scale = math.pi")),
    ("tabs for spaces", PY, EDIT.replace("    ", "\t"), NEW),
    (
        "tabs for spaces, two levels",
        program("def f(x):\n    if x:\n        return 1\n    return 2\n"),
        "<<<<<<< SEARCH\n\tif x:\n\t\treturn 1\n=======\n\tif x > 0:\n\t\tif x > 1:\n\t\t\treturn 3\n\t\treturn 1\n>>>>>>> REPLACE",
        "def f(x):\n    if x > 0:\n        if x > 1:\n            return 3\n        return 1\n    return 2\n",
    ),
    ("two blocks", PY, EDIT + "\n\n" + EDIT.replace("scale = 3.14", "return 4 / 3 * 3.14 * r**3").replace("scale = math.pi", "return 4 / 3 * math.pi * r**3"), NEW.replace("4 / 3 * 3.14", "4 / 3 * math.pi")),
    ("the same block twice", PY, EDIT + "\n" + EDIT, NEW),
    ("a block that changes nothing beside one that does", PY, "<<<<<<< SEARCH\nimport math\n=======\nimport math\n>>>>>>> REPLACE\n" + EDIT, NEW),
    ("blank lines round the halves", PY, EDIT.replace("SEARCH\n", "SEARCH\n\n").replace("=======\n", "=======\n\n"), NEW),
    ("fences inside the halves", PY, "<<<<<<< SEARCH\n```python\n    scale = 3.14\n```\n=======\n```python\n    scale = math.pi\n```\n>>>>>>> REPLACE", NEW),
    ("deletion", PY, "<<<<<<< SEARCH\nimport math\n\n\n=======\n>>>>>>> REPLACE", OLD.replace("import math\n\n\n", "")),
    ("frozen context", MARKED, "<<<<<<< SEARCH\n# EVOLVE-BLOCK-START\ndef step(x):\n    return x + 1\n=======\n# EVOLVE-BLOCK-START\ndef step(x):\n    return x + 2\n>>>>>>> REPLACE", BLOCK_NEW),
    ("C", C, "<<<<<<< SEARCH\n    return 3.14 * r * r;\n=======\n    return M_PI * r * r;\n>>>>>>> REPLACE", C_NEW),
    ("whole program beside a block", PY, f"{EDIT}\n\nThe whole program then:\n{WHOLE}", NEW),
    ("longer markers round short ones", program('NOTE = """\n=======\n"""\n'), '<<<<<<<<< SEARCH\n=======\n=========\n-------\n>>>>>>>>> REPLACE', 'NOTE = """\n-------\n"""\n'),
]  # fmt: skip
DIFFS: list[Shape] = [
    ("bare hunk", PY, HUNK, NEW),
    ("with file lines", PY, f"--- a/program.py\n+++ b/program.py\n{HUNK}", NEW),
    ("as git writes it", PY, f"diff --git a/program.py b/program.py\nindex 0123abc..4567def 100644\n--- a/program.py\n+++ b/program.py\n{HUNK}", NEW),
    ("wrong line numbers", PY, HUNK.replace("-4,3 +4,3", "-100,9 +104,2"), NEW),
    ("no line numbers", PY, HUNK.replace("@@ -4,3 +4,3 @@", "@@"), NEW),
    ("words in the hunk's head", PY, HUNK.replace("@@ -4,3 +4,3 @@", "@@ def area(r):"), NEW),
    ("heading behind the numbers", PY, HUNK.replace("+4,3 @@", "+4,3 @@ def area(r):"), NEW),
    ("file lines and no hunk head", PY, "--- program.py\n+++ program.py\n-    scale = 3.14\n+    scale = math.pi", NEW),
    ("fenced as patch", PY, f"```patch\n{HUNK}\n```", NEW),
    ("context without its blank", PY, "@@\ndef area(r):\n-    scale = 3.14\n+    scale = math.pi", NEW),
    ("an empty context line without its blank", PY, "@@ -1,6 +1,6 @@\n import math\n\n\n def area(r):\n-    scale = 3.14\n+    scale = math.pi", NEW),
    ("no newline at the end", PY, HUNK + "\n\\ No newline at end of file", NEW),
    ("patch of agents", PY, f"*** Begin Patch\n*** Update File: program.py\n{HUNK.replace('@@ -4,3 +4,3 @@', '@@ def area(r):')}\n*** End Patch", NEW),
    ("two hunks", PY, HUNK + "\n@@ -9,2 +9,2 @@\n def volume(r):\n-    return 4 / 3 * 3.14 * r**3\n+    return 4 / 3 * math.pi * r**3", NEW.replace("4 / 3 * 3.14", "4 / 3 * math.pi")),
    ("only removes", PY, "@@ -1,3 +1,2 @@\n import math\n-\n \n def area(r):", OLD.replace("import math\n\n\n", "import math\n\n")),
    ("C", C, "```diff\n@@ -3,3 +3,3 @@\n double area(double r) {\n-    return 3.14 * r * r;\n+    return M_PI * r * r;\n }\n```", C_NEW),
    ("a hunk that only adds", PY, "@@ -1,0 +1,1 @@\n+import os", Refused("only adds lines")),
    ("lines that are not there", PY, "@@\n def perimeter(r):\n-    pass\n+    return 1", Refused("not in the program")),
]  # fmt: skip
WHOLES: list[Shape] = [
    ("fence without a language", PY, f"```\n{NEW}```", NEW),
    ("fence as py", PY, f"```py\n{NEW}```", NEW),
    ("fence as Python 3", PY, f"```Python3\n{NEW}```", NEW),
    ("tildes", PY, f"~~~python\n{NEW}~~~", NEW),
    ("four backticks", PY, f"````python\n{NEW}````", NEW),
    ("bare program", PY, NEW, NEW),
    ("file in the fence's head", PY, f"```python program.py\n{NEW}```", NEW),
    ("draft, then the program", PY, f"{DRAFT}\n\nBetter:\n\n{WHOLE}", NEW),
    ("program, then how to call it", PY, f"{WHOLE}\n\nUse it so:\n\n```python\nprint(area(1))\n```", NEW),
    ("program, then the output", PY, f"{WHOLE}\n\n```text\n3.14159\n```", NEW),
    ("program, then how to run it", PY, f"{WHOLE}\n\n```bash\npython program.py\n```", NEW),
    ("two whole programs, the last counts", PY, "```python\n" + OLD.replace("3.14", "3") + f"```\n\nNo:\n\n{WHOLE}", NEW),
    ("a long explanation in code behind it", PY, f"{WHOLE}\n\n```python\n" + "# why: the constant is exact to sixteen digits\n" * 12 + "```", NEW),
    ("a fence inside a string", PY, f'```python\n{NEW}NOTE = """\n```\n"""\n```', NEW + 'NOTE = """\n```\n"""\n'),
    ("block alone", MARKED, "```python\ndef step(x):\n    return x + 2\n```", BLOCK_NEW),
    ("block with its markers", MARKED, "```python\n# EVOLVE-BLOCK-START\ndef step(x):\n    return x + 2\n# EVOLVE-BLOCK-END\n```", BLOCK_NEW),
    ("whole file with its markers", MARKED, f"```python\n{BLOCK_NEW}```", BLOCK_NEW),
    ("whole file without its markers", MARKED, "```python\n" + BLOCK_NEW.replace("# EVOLVE-BLOCK-START\n", "").replace("# EVOLVE-BLOCK-END\n", "") + "```", BLOCK_NEW),
    ("whole file whose frozen part was changed", MARKED, "```python\n" + BLOCK_NEW.replace("step(1)", "step(99)") + "```", BLOCK_NEW),
    ("C", C, f"```c\n{C_NEW}```", C_NEW),
    ("C called C++", C, f"```cpp\n{C_NEW}```", C_NEW),
]  # fmt: skip
CALLS: list[Shape] = [
    ("old and new string", PY, '{"old_string": "    scale = 3.14", "new_string": "    scale = math.pi"}', NEW),
    ("old and new str", PY, '{"command": "str_replace", "path": "program.py", "old_str": "    scale = 3.14\\n", "new_str": "    scale = math.pi\\n"}', NEW),
    ("a list of edits", PY, '{"edits": [{"search": "    scale = 3.14", "replace": "    scale = math.pi"}]}', NEW),
    ("a bare list", PY, '[{"search": "    scale = 3.14", "replace": "    scale = math.pi"}]', NEW),
    ("a call with arguments", PY, '{"name": "edit", "arguments": {"search": "    scale = 3.14", "replace": "    scale = math.pi"}}', NEW),
    ("arguments as text", PY, '{"name": "edit", "arguments": "{\\"search\\": \\"    scale = 3.14\\", \\"replace\\": \\"    scale = math.pi\\"}"}', NEW),
    ("in tags", PY, '<tool_call>\n{"name": "edit", "arguments": {"old_string": "    scale = 3.14", "new_string": "    scale = math.pi"}}\n</tool_call>', NEW),
    ("in a JSON fence", PY, '```json\n{"old_string": "    scale = 3.14", "new_string": "    scale = math.pi"}\n```', NEW),
    ("code", PY, '{"idea": "pi", "code": ' + json.dumps(NEW) + "}", NEW),
    ("fenced code in JSON", PY, '{"code": ' + json.dumps(WHOLE) + "}", NEW),
    ("code with real line ends", PY, '{"code": "' + NEW.replace('"', '\\"') + '"}', NEW),
    ("file_text", PY, '{"name": "write", "parameters": {"path": "program.py", "file_text": ' + json.dumps(NEW) + "}}", NEW),
    ("after reasoning", PY, '<think>\nhm\n</think>\n{"old_string": "    scale = 3.14", "new_string": "    scale = math.pi"}', NEW),
    ("edits as text in JSON", PY, json.dumps({"text": EDIT}), NEW),
]  # fmt: skip
REFUSED: list[Shape] = [
    ("empty", PY, "", Refused("empty")),
    ("blank", PY, " \n\n ", Refused("empty")),
    ("reasoning that never ends", PY, "<think>\nLet me think about it and about it", Refused("ended within its reasoning")),
    ("reasoning that never ends, with a draft", PY, f"<think>\nA draft:\n{DRAFT}\nBut", Refused("ended within its reasoning")),
    ("reasoning alone", PY, "<think>\nI am done.\n</think>\n", Refused("no answer")),
    ("analysis channel alone", PY, "<|channel|>analysis<|message|>We need to", Refused("ended within its reasoning")),
    ("words alone", PY, "I would use the constant of the library.", Refused("no code")),
    ("a refusal", PY, "I'm sorry, but I can't help with that.", Refused("no code")),
    ("promise", PY, "Understood. I will propose precise edits. Let me begin.", Refused("no code")),
    ("cut off in a fence", PY, "```python\nimport math\n\n\ndef area(r):", Refused("not closed")),
    ("cut off in a block", PY, EDIT.rpartition("\n")[0], Refused("not closed")),
    ("cut off in SEARCH", PY, "<<<<<<< SEARCH\n    scale = 3.14", Refused("not closed")),
    ("no middle", PY, EDIT.replace("=======\n", ""), Refused("no line")),
    ("two middles", PY, EDIT.replace("    scale = math.pi", "    scale = math.pi\n=======\n    scale = 3"), Refused("two lines")),
    ("empty SEARCH", PY, "<<<<<<< SEARCH\n=======\nimport os\n>>>>>>> REPLACE", Refused("SEARCH is empty")),
    ("not in the program", PY, EDIT.replace("scale = 3.14", "factor = 3.1415"), Refused("not in the program")),
    ("twice in the program", program("x = 1\nx = 1\n"), "<<<<<<< SEARCH\nx = 1\n=======\nx = 2\n>>>>>>> REPLACE", Refused("2 times")),
    ("frozen", MARKED, "<<<<<<< SEARCH\n    return step(1)\n=======\n    return step(2)\n>>>>>>> REPLACE", Refused("frozen")),
    ("changes nothing", PY, EDIT.replace("math.pi", "3.14"), Refused("as it was")),
    ("the same program", PY, f"```python\n{OLD}```", Refused("as it was")),
    ("left out in a whole program", PY, "```python\nimport math\n\n\ndef area(r):\n    return math.pi * r * r\n\n\n# ... rest of the code remains unchanged ...\n```", Refused("leaves lines out")),
    ("left out in C", C, "```c\n#include <math.h>\n// ... existing code ...\ndouble area(double r) { return M_PI * r * r; }\n```", Refused("leaves lines out")),
    ("left out in a block", PY, "<<<<<<< SEARCH\ndef area(r):\n    # ... existing code ...\n    return scale * r * r\n=======\ndef area(r):\n    return math.pi * r * r\n>>>>>>> REPLACE", Refused("leaves lines out")),
    ("overlapping blocks", PY, EDIT + "\n" + EDIT.replace("math.pi", "3.1416"), Refused("another block")),
    ("JSON that is no edit", PY, '{"thought": "use pi"}', Refused("no code")),
    ("broken JSON", PY, '{"code": "def area(r):', Refused("no code")),
    ("another language's fence alone", PY, "```javascript\nfunction area(r) { return Math.PI * r * r; }\n```", Refused("code")),
]  # fmt: skip

CORPUS: list[Shape] = [
    *wrapped(),
    *((f"edit: {name}", *rest) for name, *rest in EDITS),
    *((f"diff: {name}", *rest) for name, *rest in DIFFS),
    *((f"whole: {name}", *rest) for name, *rest in WHOLES),
    *((f"call: {name}", *rest) for name, *rest in CALLS),
    *((f"refused: {name}", *rest) for name, *rest in REFUSED),
]
