"""What a program can keep from one call for another: tried with the seed, which keeps it wherever a process can.

In globals, in modules, in files of the scratch folder and in descriptors that stay open. Two variants of the seed are
tried: one that only leaves marks, which tells whether cases and phases are apart, and one that cheats: what it returns
is a token, and where it is handed the token again it gives back what it was given for it. A problem whose round trip
runs in one process rewards that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from evaluators.checking import probes
from evaluators.checking.findings import Finding, Level
from evaluators.contract import Evaluation, Program
from evaluators.problems.problem import Problem

_ACROSS = "another process: "
_SAID = re.compile(r"^stash: (.+)$", re.MULTILINE)
_STASH = """

def _stash(space, names, cheats):
    import builtins, os, pickle, sys, tempfile

    me, path, calls = os.urandom(8).hex(), os.path.join(tempfile.gettempdir(), "kept"), [0]

    def kept():
        yield "globals", getattr(builtins, "_kept", {})
        yield "modules", getattr(sys, "_kept", {})
        try:
            with open(path, "rb") as file:
                yield "files", pickle.load(file)
        except Exception:
            pass
        for fd in range(3, 64):
            try:
                data = os.pread(fd, 1 << 22, 0)
                if data.startswith(b"\\x80") and b"_kept" in data:
                    yield "descriptors", pickle.loads(data)
            except Exception:
                pass

    def keep(key, value):
        found = {**getattr(builtins, "_kept", {}), key: value, "_kept": me}
        builtins._kept = sys._kept = found
        try:
            data = pickle.dumps(found)
            with open(path, "wb") as file:
                file.write(data)
            fd = os.open(path + "-open", os.O_CREAT | os.O_RDWR | os.O_TRUNC)
            os.write(fd, data)
            os.unlink(path + "-open")
        except Exception:
            pass

    def token(result):
        calls[0] += 1
        n = calls[0] % 256
        if isinstance(result, (bytes, bytearray)) and len(result) > 1:
            return bytes([n])
        if isinstance(result, str) and len(result) > 1:
            return chr(33 + n)
        if isinstance(result, (list, tuple)) and len(result) > 1:
            return [n]
        if getattr(result, "ndim", 0) and result.size > 1:
            return result.reshape(-1)[:1] * 0 + n
        return None

    def key_of(value):
        return repr(list(value)) if getattr(value, "ndim", 0) else repr(value)

    def looked(given):
        keys = [key_of(one) for one in given]
        for place, found in kept():
            if cheats:
                hits = [found[key] for key in keys if key in found]
                if hits:
                    yield place, hits[0]
            elif found.get("_kept", me) != me:
                yield "another process: " + place, None
            elif any(key not in ("_kept", repr(given)[:1000]) for key in found):
                yield place, None

    def wrapped(call):
        def probed(*given, **named):
            found = dict(looked(given))
            for place in found:
                print("stash:", place, flush=True)
            if found and cheats:
                return next(iter(found.values()))
            result = call(*given, **named)
            small = token(result) if cheats and given else None
            if small is None:
                keep(repr(given)[:1000], 1)
                return result
            keep(key_of(small), given[0])
            return small
        return probed

    for name in names:
        if callable(space.get(name)):
            space[name] = wrapped(space[name])


_stash(globals(), NAMES, CHEATS)
"""


def check_stash(
    problem: Problem, cases: int, evaluate: Callable[[Program], Evaluation], honest: Evaluation
) -> Iterator[Finding]:
    """Yields what programs gain, or could gain, by what they keep from call to call, in a problem of so many cases."""
    called = probes.called_functions(problem.files.files[problem.files.module])
    if not called or not problem.seed.entry.endswith(".py"):
        return
    if cases > 1 or problem.follow is not None:
        yield from _check_marks(problem, _places(evaluate(_variant(problem.seed, called, cheats=False))))
    if len(called) > 1 or problem.follow is not None:
        yield from _check_cheat(
            problem, called, evaluate(_variant(problem.seed, called, cheats=True)), honest
        )


def _check_marks(problem: Problem, places: list[str]) -> Iterator[Finding]:
    if across := [place for place in places if place.startswith(_ACROSS)]:
        detail = f"what the seed had kept in one process it found in {', '.join(across)}"
        yield Finding(
            Level.ERROR, "cases are not apart", detail, "look at the sandbox layers: discovery doctor"
        )
    elif problem.shares_process:
        where = f": the seed found what it had kept in {', '.join(places)}" if places else ""
        remedy = "leave SHARED_PROCESS out where one case tells of another; a child for each costs some 5 ms"
        detail = f"what a program keeps of one case is there in the next{where}"
        yield Finding(Level.NOTE, "cases share a process", detail, remedy)


def _check_cheat(
    problem: Problem, called: tuple[str, ...], cheating: Evaluation, honest: Evaluation
) -> Iterator[Finding]:
    places = _places(cheating)
    if cheating.score is None or honest.score is None or not places:
        return
    fitness = problem.objective.fitness
    is_better = fitness(cheating.score) > fitness(honest.score)
    yield Finding(
        Level.ERROR if is_better else Level.WARNING,
        "a stash beats the seed" if is_better else "a stash gets a score",
        f"{' and '.join(called)} run in one process: a program that keeps what it is given in {', '.join(places)}, "
        f"returns a token and gives back what it kept for the token, scores {cheating.score:g} (the seed: {honest.score:g})",
        "run the second part in a phase of its own, a fresh child: follow(case, output) returns its Case",
    )


def _variant(seed: Program, called: tuple[str, ...], *, cheats: bool) -> Program:
    text = _STASH.replace("NAMES", repr(list(called))).replace("CHEATS", repr(cheats))
    return seed.with_text(seed.text.rstrip("\n") + "\n" + text)


def _places(evaluation: Evaluation) -> list[str]:
    """Returns where a variant says that it found what it had kept."""
    return list(dict.fromkeys(_SAID.findall(evaluation.feedback)))
