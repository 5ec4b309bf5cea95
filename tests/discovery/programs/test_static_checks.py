from __future__ import annotations

import pytest

from discovery.programs.static_checks import static_fault
from evaluators.contract import Program

SEED = "import math\n\n# EVOLVE-BLOCK-START\ndef f(x):\n    return math.sqrt(x)\n# EVOLVE-BLOCK-END\n\n\ndef run(x):\n    return f(x)\n"


def fault(block: str, seed: str = SEED) -> str | None:
    start, end = seed.index("def f"), seed.index("# EVOLVE-BLOCK-END")
    return static_fault(
        Program({"program.py": seed}), Program({"program.py": seed[:start] + block + seed[end:]})
    )


@pytest.mark.parametrize(
    "block",
    [
        "def f(x):\n    return x\n",
        "import numpy as np\n\n\ndef f(x):\n    return np.sqrt(x)\n",
        "def f(x):\n    global total\n    total = x\n    return total\n",
        "f = math.sqrt\n",
        "class A:\n    y = 1\n\n    def g(self):\n        return __class__, self.y\n\n\ndef f(x):\n    return [k for k in range(x)]\n",
        "try:\n    import not_there_at_all as fast\nexcept ImportError:\n    fast = None\n\n\ndef f(x):\n    return fast or x\n",
        "def f(x):\n    exec('y = x')\n    return y\n",
        "from math import *\n\n\ndef f(x):\n    return floor(x)\n",
        "def f(x):\n    match x:\n        case [first, *rest]:\n            return first, rest\n    return (lambda z: z)(x)\n",
        "def f(x):\n    try:\n        return x\n    except ValueError as error:\n        return error\n    finally:\n        del x\n",
    ],
)
def test_programs_that_may_work_pass(block: str) -> None:
    assert fault(block) is None


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ("def f(x:\n    return x\n", "line 4"),
        ("def f(x):\n    return x\nreturn 3\n", "outside function"),
        ("def f(x):\n    nonlocal y\n    return y\n", "nonlocal"),
        ("def f(x):\n    return helper(x) + other\n", "`helper`, `other`"),
        ("import torhc\n\n\ndef f(x):\n    return x\n", "`torhc`"),
        ("def g(x):\n    return x\n", "`f`"),
        ("def f(x):\n    return '''\n", "does not compile"),
    ],
)
def test_what_cannot_work_is_told(block: str, told: str) -> None:
    found = fault(block)
    assert found is not None
    assert told in found
    assert "\n" not in found


def test_frozen_text_is_compared_and_offered_names_must_stay() -> None:
    seed = Program({"program.py": SEED})
    assert "frozen" in str(
        static_fault(seed, Program({"program.py": SEED.replace("return f(x)", "return 1")}))
    )
    free = Program({"program.py": "def solve(n):\n    return n\n"})
    assert "`solve`" in str(static_fault(free, Program({"program.py": "def other(n):\n    return n\n"})))
    assert static_fault(free, Program({"program.py": "solve = abs\n"})) is None


def test_other_files_of_a_program_are_checked_too_and_count_as_modules() -> None:
    seed = Program(
        {
            "program.py": "import lib.a\n\n\ndef solve():\n    return lib.a.f()\n",
            "lib/a.py": "def f():\n    return 1\n",
        }
    )
    assert static_fault(seed, seed) is None
    broken = seed.with_text("def f():\n    return missing\n", "lib/a.py")
    assert "lib/a.py: it uses `missing`" in str(static_fault(seed, broken))
