from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evaluators.contract import Case, Invalid, Objective, Result
from evaluators.problems.loading import ProblemError, ProblemSource, load_problem, load_source, shipped_names
from evaluators.source.files import SourceFiles
from evaluators.source.modules import import_source, run_half, run_source

TEXT = '''"""Guess the number that guess() should return."""

from evaluators.contract import Case, Invalid, Limits, Measure, Objective

import helper

SEED = """
# EVOLVE-BLOCK-START
def guess():
    return 3.0
# EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("closeness", "maximize")
LIMITS = Limits(cpu_s=1)
SCALE = 2.0
HIDDEN = [42.0]


def cases(rng, stage):
    return [Case(inputs=None, answer=HIDDEN[0])]


def run(program, inputs):
    return helper.double(program.guess()) * SCALE


def score(case, output):
    import helper

    if not isinstance(output, float):
        raise Invalid("guess() must return a float")
    return {"closeness": -abs(helper.double(output) - case.answer)}
'''
HELPER = "def double(x):\n    return 2 * x\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "guessing.py").write_text(TEXT)
    (tmp_path / "helper.py").write_text(HELPER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, *changes: tuple[str, str], name: str = "guessing.py") -> Path:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / name
    path.write_text(text)
    return path


def complaint(folder: Path, *changes: tuple[str, str]) -> str:
    with pytest.raises(ProblemError) as caught:
        load_problem(str(write(folder, *changes)))
    return str(caught.value)


class Stub:
    @staticmethod
    def guess() -> float:
        return 3.0


class TestLoading:
    def test_a_file(self, folder: Path):
        problem = load_problem("./guessing.py")
        assert (problem.name, problem.goal) == ("guessing", "Guess the number that guess() should return.")
        assert problem.objective == Objective("closeness", "maximize")
        assert [measure.source for measure in problem.measures] == ["code", "code"]
        assert (problem.stages, problem.thresholds, problem.run_extras) == (1, (), ())
        assert problem.seed.text.count("EVOLVE-BLOCK") == 2
        (case,) = problem.draw_cases(np.random.default_rng(0))
        output = problem.run(Stub, case.inputs)
        assert output == 12.0
        assert problem.score_output(case, output) == {"closeness": -18.0}
        assert problem.combine([Result(case, {"closeness": value}) for value in (1.0, 2.0)]) == {
            "closeness": 1.5
        }

    @pytest.mark.parametrize("spec", ["guessing", "guessing.py", "./guessing.py"])
    def test_the_same_file_by_other_names(self, folder: Path, spec: str):
        problem = load_problem(spec)
        assert problem.source.where == str(folder / "guessing.py")
        assert problem.version == load_problem(str(folder / "guessing.py")).version

    @pytest.mark.parametrize("module", ["problem.py", "tiling.py"])
    def test_a_folder_with_one_module(self, folder: Path, module: str):
        inner = folder / "my_tiling"
        inner.mkdir()
        (inner / module).write_text(TEXT)
        (inner / "helper.py").write_text(HELPER)
        (inner / "__pycache__").mkdir()
        (inner / "__pycache__" / "x.pyc").write_bytes(b"\xff")
        problem = load_problem("my_tiling")
        assert problem.name == "my_tiling"
        assert set(problem.files.files) == {module, "helper.py"}
        (inner / "data.bin").write_bytes(b"\xff\x00")
        assert load_problem("my_tiling").version != problem.version

    def test_a_folder_with_two_candidates(self, folder: Path):
        (folder / "two").mkdir()
        for name in ("a.py", "b.py"):
            (folder / "two" / name).write_text(TEXT)
        with pytest.raises(
            ProblemError, match=r"2 modules define score\(\): a\.py, b\.py; name the .* problem\.py"
        ):
            load_problem("./two")
        (folder / "none").mkdir()
        with pytest.raises(ProblemError, match=r"no module of this folder defines score\(\)"):
            load_problem("./none")

    def test_a_dotted_module_with_its_siblings(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        package = folder / "guess_package"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "helper.py").write_text(HELPER)
        for statement in (
            "from guess_package import helper",
            "import guess_package.helper as helper",
            "import helper",
        ):
            (package / "guessing.py").write_text(
                TEXT.replace("import helper\n\nSEED", statement + "\n\nSEED")
            )
            monkeypatch.syspath_prepend(str(folder))
            problem = load_problem("guess_package.guessing")
            assert set(problem.files.files) == {"guessing.py", "helper.py"}
            assert problem.run(Stub, None) == 12.0
        assert "guess_package.helper" not in sys.modules

    def test_an_entry_point(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        info = folder / "guess_dist-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: guess-dist\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[code_discovery.problems]\nregistered = guessing\n")
        monkeypatch.syspath_prepend(str(folder))
        problem = load_problem("registered")
        assert (problem.name, problem.source.kind) == ("registered", "module")
        again = load_source(ProblemSource.from_json(json.loads(json.dumps(problem.source.to_json()))))
        assert (again.name, again.version) == ("registered", problem.version)

    def test_two_problems_of_one_name_do_not_collide(self, folder: Path):
        other = folder / "other"
        other.mkdir()
        (other / "guessing.py").write_text(TEXT)
        (other / "helper.py").write_text(HELPER.replace("2", "5"))
        first, second = load_problem("./guessing.py"), load_problem("./other/guessing.py")
        assert first.run(Stub, None) == 12.0
        assert second.run(Stub, None) == 30.0
        (case,) = second.draw_cases(np.random.default_rng(0))
        assert second.score_output(case, 1.0) == {"closeness": -37.0}  # the import inside the function, too
        assert "helper" not in sys.modules
        assert str(folder) not in sys.path

    def test_shipped_problems_by_name_without_importing_others(self):
        code = (
            "import sys; from evaluators.problems.loading import load_problem; p = load_problem('circle_packing');"
            "print(p.name, p.source.kind, [m for m in sys.modules if m.split('.')[0] == 'problems'])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/"
        )
        assert done.stdout.strip() == "circle_packing name []"
        assert {"circle_packing", "function_minimization", "online_bin_packing"} <= set(shipped_names())


class TestVersion:
    def test_it_is_that_of_all_that_belongs_to_the_problem(self, folder: Path):
        first = load_problem("guessing").version
        (folder / "unrelated.py").write_text("x = 1\n")
        assert load_problem("guessing").version == first
        (folder / "helper.py").write_text(HELPER + "\n")
        second = load_problem("guessing").version
        write(folder, ("SCALE = 2.0", "SCALE = 2.5"))
        assert len({first, second, load_problem("guessing").version}) == 3

    def test_a_seed_in_a_file_belongs_to_it(self, folder: Path):
        (folder / "seed.py").write_text("def guess():\n    return 1.0\n")
        text = (
            TEXT[: TEXT.index("SEED =")]
            + 'from pathlib import Path\nSEED = Path("seed.py")\n'
            + TEXT[TEXT.index("OBJ") :]
        )
        (folder / "guessing.py").write_text(text)
        problem = load_problem("guessing")
        assert problem.seed.files == {"program.py": "def guess():\n    return 1.0\n"}
        assert problem.files.files["seed.py"] == problem.seed.text
        (folder / "seed.py").write_text("def guess():\n    return 2.0\n")
        assert load_problem("guessing").version != problem.version

    def test_a_seed_in_a_folder(self, folder: Path):
        (folder / "seed" / "lib").mkdir(parents=True)
        (folder / "seed" / "program.py").write_text("from lib import util\n")
        (folder / "seed" / "lib" / "util.py").write_text("A = 1\n")
        text = (
            TEXT[: TEXT.index("SEED =")]
            + 'from pathlib import Path\nSEED = {"": Path("seed")}\n'
            + TEXT[TEXT.index("OBJ") :]
        )
        (folder / "guessing.py").write_text(text)
        assert set(load_problem("guessing").seed.files) == {"program.py", "lib/util.py"}

    def test_another_process_loads_the_same_or_nothing(self, folder: Path):
        source = load_problem("guessing").source
        again = ProblemSource.from_json(json.loads(json.dumps(source.to_json())))
        assert load_source(again).version == source.version
        write(folder, ("SCALE = 2.0", "SCALE = 3.0"))
        with pytest.raises(
            ProblemError, match=r"'guessing' has changed: its version was .*; restore the old text"
        ):
            load_source(again)
        (folder / "guessing.py").unlink()
        with pytest.raises(ProblemError, match="no such file"):
            load_source(again)
        with pytest.raises(ProblemError, match="must have the keys"):
            ProblemSource.from_json({"name": "x"})

    def test_the_texts_alone_are_enough_to_run_it(self, folder: Path):
        files = load_problem("guessing").files
        for path in ("guessing.py", "helper.py"):
            (folder / path).unlink()
        carried = SourceFiles("guessing", files.module, json.loads(json.dumps(dict(files.files))))
        assert import_source(carried).run(Stub, None) == 12.0


@pytest.mark.parametrize(
    ("change", "complaint_"),
    [
        (
            ("OBJECTIVE =", "OBJECTVE ="),
            ":13: OBJECTVE is not a name of the contract; did you mean OBJECTIVE?",
        ),
        (("OBJECTIVE =", "GOAL ="), ": OBJECTIVE must be defined; add OBJECTIVE = ..."),
        (("def score(", "def scores("), ":27: scores is not a name of the contract; did you mean score?"),
        (("def score(", "def rate("), ": score must be defined; add def score(...)"),
        (("SCALE = 2.0", "STAGE = 2"), ":15: STAGE is not a name of the contract; did you mean STAGES?"),
        (("SCALE = 2.0", "THRESHOLD = (2,)"), "did you mean THRESHOLDS?"),
        (('"maximize")', '"maximize", taget=3)'), ":13: TypeError: Objective.__init__() got an unexpected"),
        (('"maximize")', '"maximize", taget=3)'), "did you mean 'target'?"),
        (
            ('"maximize")', '"maximise")'),
            ":13: Objective direction must be 'maximize' or 'minimize', got 'maximise'",
        ),
        (
            ("Objective(", "Objectiv("),
            ":13: NameError: name 'Objectiv' is not defined; from evaluators.contract import Objective",
        ),
        (
            ('"""Guess the number that guess() should return."""', ""),
            ":1: the module's docstring is the goal",
        ),
        (('"""Guess the number that guess() should return."""', '"""  """'), "missing or empty"),
        (("# EVOLVE-BLOCK-END", "# END"), ":7: SEED: program.py, line 2: EVOLVE-BLOCK-START is never closed"),
        (("    return 3.0", "    return 3.0)"), ":7: SEED: program.py, line 4: is no Python: unmatched ')'"),
        (("cpu_s=1", "cpu_s=0"), ":14: Limits cpu_s must be > 0 seconds, got 0"),
        (("cpu_s=1", "cpu=1"), "did you mean 'cpu_s'?"),
        (("LIMITS = Limits(cpu_s=1)", "LIMITS = 3"), ":14: LIMITS must be a Limits, got 3"),
        (
            ("import helper", "import helpr"),
            ":5: imports what is not there: No module named 'helpr'; install it",
        ),
        (("SCALE = 2.0", "SCALE = 1 / 0"), ":15: ZeroDivisionError: division by zero"),
        (("SCALE = 2.0", "raise SystemExit(3)"), ":15: SystemExit: 3"),
        (
            ("def run(program, inputs):", "def run(program, inputs:"),
            ":23: is no Python: '(' was never closed",
        ),
        (
            ("def cases(rng, stage):", "def cases(rng):"),
            ":19: cases(rng) must take rng, stage; write def cases(rng, stage)",
        ),
        (("def score(case, output):", "def score(case):"), ":27: score(case) must take case, output"),
        (
            ("def run(program, inputs):", "def run(inputs, program):"),
            ":23: run(inputs, program) must take program, inputs",
        ),
        (("def run(program, inputs):", "def run(program, inputs, reprot):"), "did you mean 'report'?"),
        (
            ("def run(program, inputs):", "def run(program, inputs, oracle):"),
            "run() takes oracle but there is no serve()",
        ),
        (("SCALE = 2.0", "def serve(case):\n    return None"), "serve() is there but run() takes no oracle"),
        (("SCALE = 2.0", "serve = 3"), ":15: serve must be a function, got 3"),
        (
            ("SCALE = 2.0", "THRESHOLDS = (1,)"),
            "one value per stage but the last, got 1; with STAGES = 1 give 0",
        ),
        (("SCALE = 2.0", "STAGES = 2\nTHRESHOLDS = ('a',)"), "THRESHOLDS must be a tuple of finite numbers"),
        (("SCALE = 2.0", "STAGES = 0"), "STAGES must be a whole number from 1 to 100, got 0"),
        (("SCALE = 2.0", "STAGES = True"), "STAGES must be a whole number from 1 to 100, got True"),
        (
            ("SCALE = 2.0", "PRELOAD = 'numpy'"),
            "PRELOAD must be a tuple of texts, got 'numpy'; as in (\"numpy\",)",
        ),
        (("SCALE = 2.0", "CERTIFICATE = 1"), "CERTIFICATE must be a bool, got 1"),
        (("SCALE = 2.0", "NOTES = 1"), "NOTES must be a str, got 1"),
        (
            ("SCALE = 2.0", "ENTRY = 'main.py'\nSEED = {'a.py': 'x = 1'}"),
            "entry 'main.py' is not among the files ['a.py']",
        ),
        (
            ("SCALE = 2.0", "MEASURES = (Measure('x', 3, 1),)"),
            ":15: Measure 'x' low must be below high, got 3 and 1",
        ),
        (
            ("SCALE = 2.0", "MEASURES = (Measure('ast_node', 0, 1, source='code'),)"),
            "did you mean 'ast_nodes'?",
        ),
        (("SCALE = 2.0", "MEASURES = (Measure('x', 0, 1), Measure('x', 0, 2))"), "must have different names"),
        (
            (
                "SCALE = 2.0",
                "MEASURES = tuple(Measure(name, 0, 1, source='novelty') for name in ('x', 'y'))",
            ),
            "MEASURES must have one novelty at most; remove the other",
        ),
        (("SCALE = 2.0", "MEASURES = ()"), "MEASURES must not be empty"),
        (("SCALE = 2.0", "MEASURES = ('x',)"), "MEASURES must be a tuple of Measure"),
        (("SCALE = 2.0", "SEED = None"), "SEED must be a text, a Path, or a dict of texts by path, got None"),
        (("SCALE = 2.0", "SEED = '  '"), "SEED: program.py is empty; give a program that runs and scores"),
        (("SCALE = 2.0", "SEED = {'../x.py': '', 'program.py': 'x'}"), "SEED: path '../x.py' is not plain"),
        (("SCALE = 2.0", "SEED = {'program.py': 3}"), "SEED must map paths to texts"),
        (("SCALE = 2.0", "from pathlib import Path\nSEED = Path('nothing.py')"), "nothing.py cannot be read"),
        (
            ("    return helper", "    cases(1, 2)\n    return helper"),
            "run() uses the trusted function cases()",
        ),
    ],
)
def test_a_fault_is_named_with_its_place_and_remedy(folder: Path, change: tuple[str, str], complaint_: str):
    text = complaint(folder, change)
    assert text.startswith(str(folder / "guessing.py"))
    assert complaint_ in text


def test_paths_and_names_that_lead_nowhere(folder: Path):
    for spec, expected in (
        ("circle_packin", "there is no problem 'circle_packin'; did you mean 'circle_packing'?"),
        ("zzzzzzzz", "there is no problem 'zzzzzzzz'; choose from "),
        ("./guesing.py", "no such file or folder; did you mean 'guessing.py'?"),
        (
            "./nothing/here.py",
            "no such file or folder; check the path, or write one with `discovery new NAME`",
        ),
        ("no.such.module", "there is no module 'no.such.module'"),
        ("", "problem must be a name, a module, a file or a folder, got ''"),
        ("a\0b", "problem must be a name"),
    ):
        with pytest.raises(ProblemError) as caught:
            load_problem(spec)
        assert expected in str(caught.value)


def test_files_that_are_no_problem(folder: Path):
    (folder / "latin.py").write_bytes("# é".encode("latin-1"))
    with pytest.raises(ProblemError, match=r"latin\.py: is not UTF-8 text; save it as UTF-8"):
        load_problem("./latin.py")
    (folder / "notes.txt").write_text("")
    with pytest.raises(ProblemError, match=r"must be a \.py file or a folder"):
        load_problem("./notes.txt")


def test_names_like_those_of_the_contract_are_fine_when_the_real_one_is_there(folder: Path):
    write(
        folder,
        ("SCALE = 2.0", "SCALE = 2.0\nSEEDS = 3\nLIMIT = 4\n_STAGE = 5\n\n\ndef scores():\n    pass\n"),
    )
    assert load_problem("guessing").name == "guessing"


class TestChecksOfWhatItsFunctionsReturn:
    def test_cases(self, folder: Path):
        for returned in ("[]", "None", "[1]", "Case(None)"):
            write(folder, ("return [Case(inputs=None, answer=HIDDEN[0])]", f"return {returned}"))
            with pytest.raises(ProblemError, match=r"cases\(\) must return a non-empty list of Case"):
                load_problem("guessing").draw_cases(np.random.default_rng(0))

    @pytest.mark.parametrize(
        ("returned", "expected"),
        [
            ("3", r"score\(\) must return a dict of metrics, got int"),
            ("{}", r"score\(\) must return the metric 'closeness', got \[\]; add it"),
            ("{'closness': 1}", "did you mean 'closness'"),
            ("{'closeness': float('nan')}", "must return finite numbers by name, got 'closeness': nan"),
            ("{'closeness': True}", "must return finite numbers"),
            ("{'closeness': '1'}", "must return finite numbers"),
            ("{'closeness': 1, 2: 3}", "must return finite numbers by name, got 2: 3"),
            ("{'closeness': 10**400}", "must return finite numbers"),
        ],
    )
    def test_metrics(self, folder: Path, returned: str, expected: str):
        write(
            folder, ('return {"closeness": -abs(helper.double(output) - case.answer)}', f"return {returned}")
        )
        problem = load_problem("guessing")
        with pytest.raises(ProblemError, match=expected):
            problem.score_output(Case(None, 1.0), 2.0)

    def test_numpy_numbers_are_numbers(self, folder: Path):
        write(folder, ("-abs(helper.double(output) - case.answer)", "__import__('numpy').float32(0.5)"))
        found = load_problem("guessing").score_output(Case(None, 1.0), 2.0)
        assert found == {"closeness": 0.5}
        assert type(found["closeness"]) is float

    def test_cases_with_different_metrics_need_an_aggregate(self, folder: Path):
        problem = load_problem("guessing")
        with pytest.raises(Invalid, match="define aggregate"):
            problem.combine(
                [Result(Case(None), one) for one in ({"closeness": 1.0}, {"closeness": 1.0, "x": 2.0})]
            )

    def test_score_may_refuse(self, folder: Path):
        with pytest.raises(Invalid, match="must return a float"):
            load_problem("guessing").score_output(Case(None, 1.0), "2")


class TestRunHalf:
    def test_only_run_and_what_it_needs_is_kept(self, folder: Path):
        source = run_source(load_problem("guessing").files)
        text = source.files["guessing.py"]
        for word in ("HIDDEN", "42", "score", "cases", "Objective", "SEED"):
            assert word not in text
        assert text.split("\n").index("SCALE = 2.0") == TEXT.split("\n").index("SCALE = 2.0")
        module = import_source(source)
        assert module.run(Stub, None) == 12.0
        assert not hasattr(module, "score")

    def test_siblings_that_only_the_scorer_needs_stay_behind(self, folder: Path):
        (folder / "answers.py").write_text("HIDDEN = 42.0\n")
        write(
            folder,
            ("import helper\n\nSEED", "import answers\nimport helper\n\nSEED"),
            ("HIDDEN[0]", "answers.HIDDEN"),
        )
        files = load_problem("guessing").files
        assert set(files.files) == {"guessing.py", "helper.py", "answers.py"}
        assert set(run_source(files).files) == {"guessing.py", "helper.py"}

    @pytest.mark.parametrize(
        ("text", "kept", "dropped"),
        [
            ("A = 1\nB = 2\ndef run(p, i): return A\n", "A = 1", "B = 2"),
            ("A = []\nfor x in range(3): A.append(x)\ndef run(p, i): return A\n", "append", "zzz"),
            ("A = []\nA[:] = [1]\ndef run(p, i): return A\n", "A[:]", "zzz"),
            ("A = {}\nA['x'] = 1\nB = 2\nB += A['x']\ndef run(p, i): return A\n", "A['x'] = 1", "zzz"),
            (
                "def f(): return g()\ndef g(): return 1\ndef h(): return f()\ndef run(p, i): return f()\n",
                "def g",
                "def h",
            ),
            ("class K:\n    x = 1\ndef run(p, i): return K.x\n", "class K", "zzz"),
            (
                "try:\n    import a\nexcept ImportError:\n    a = None\ndef run(p, i): return a\n",
                "except",
                "zzz",
            ),
            ("SECRET = 5\nOTHER = SECRET\nA = 3\ndef run(p, i): return A\n", "A = 3", "SECRET"),
            (
                "def run(p, i):\n    cases = score = 3\n    return [cases for serve in i]\n"
                "def score(c, o): pass\n",
                "cases",
                "def score",
            ),
            ("@wrap\ndef run(p, i): return 1\ndef wrap(f): return f\n", "@wrap", "zzz"),
            ("A = 1; B = 2\ndef run(p, i): return A\n", "A = 1", "B = 2"),
            ("def run(p, i):\n    def inner():\n        return A\n    return inner\nA = 1\n", "A = 1", "zzz"),
            ("if True:\n    A = 1\n    SECRET = 2\ndef run(p, i): return A\n", "A = 1", "zzz"),
        ],
    )
    def test_slices(self, text: str, kept: str, dropped: str):
        half = run_half(text)
        assert kept in half
        assert dropped not in half
        compile(half, "x", "exec")

    def test_the_future_is_kept(self):
        text = "from __future__ import annotations\nX = 1\ndef run(p: Nope, i): return 2\n"
        half = run_half(text)
        namespace: dict[str, object] = {}
        exec(half, namespace)
        assert namespace["run"](None, None) == 2
        assert "X" not in namespace

    def test_run_may_not_lean_on_the_scorer(self):
        text = "def score(c, o): return 1\ndef f(): return score(1, 2)\ndef run(p, i): return f()\n"
        with pytest.raises(
            ProblemError, match=r"x\.py:1: run\(\) uses the trusted function score\(\).*of its own"
        ):
            run_half(text, file="x.py")
