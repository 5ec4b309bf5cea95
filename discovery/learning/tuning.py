"""Sessions of CMA-ES over the constants of elites: which program to tune, with which numbers, until when.

Everything here is pure and deterministic: `ask` and `tell` in, numbers out. A session is rebuilt from the
fitnesses it was told, in any order and at any time, so a run resumes by replaying its records: `open` the
sessions they name and `tell` their results. That costs about a microsecond a record; the emitter of a session
is built when its next values are asked for, and that of a finished one never.

The rules, by measurement (docs/tuning.md):

- The first open session goes first; another gets programs only while all of the first's generation are under
  way. One search that converges beats several that do not.
- A generation is half as large again as the CMA-ES default: rugged landscapes ask for more.
- A program is tuned anew from its best version with half the step as long as that gains, then others take
  turns.
- A session whose first generation mostly fails holds its ints, and if that does not help takes smaller steps.
- A session that could not reach the best known fitness at its present pace ends.
"""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from discovery.core.types import Individual
from discovery.programs.constants import Template, shorten, template
from discovery.programs.fingerprint import skeleton
from discovery.settings.learning import TuningConfig
from islands.chance import Purpose, seeds, stream
from islands.emitter import CmaEmitter

SCANNED = 100  # best elites of an island among which a session's root is sought,
CANDIDATES = 8  # until so many of different skeletons are found
ATTEMPTS = 4  # how often a session whose programs mostly fail may start again, more carefully
RESTART_STEPS = (0.5, 1.0, 0.25)  # steps of later sessions on the same program, in units of sigma0
PURSUIT = 4.0  # how many times its patience a session may lie behind the best
SKELETONS_KEPT = 4096  # programs whose skeleton is kept, to be found again without reading them
OPENING = 8  # results from which a session's starting level is taken


class Candidate(Protocol):
    """An elite of an island, as far as it matters here."""

    @property
    def program_id(self) -> str:
        """Returns its id."""
        ...

    @property
    def fitness(self) -> float:
        """Returns its fitness, larger is better."""
        ...


@dataclass(frozen=True, slots=True)
class Ask:
    """One program to make and to evaluate: `root` with `values` in place of its constants, for `island`.

    Whatever becomes of it, tell the tuner with `session` and `step`.
    """

    session: int
    step: int
    island: int
    root: Individual
    values: tuple[float, ...]


@dataclass(slots=True)
class _Tries:
    """How often programs of one skeleton were tuned, and how often in a row without gain."""

    sessions: int = 0
    idle: int = 0


class Session:
    """One search over the constants of one program, generation by generation.

    Attributes:
        number, island, root: see `Ask`; is_finished: whether it asks for nothing more.
    """

    def __init__(self, number: int, island: int, root: Individual, fitness: float, *, seed: int) -> None:
        """Opens a session on `root`, whose fitness (larger is better) is known; nothing is computed yet."""
        self.number, self.island, self.root = number, island, root
        self.is_finished = False
        self._fitness = fitness
        self._seed = seed
        self._results: dict[int, float | None] = {}
        self._asked: set[int] = set()
        self._search: _Search | None = None

    @property
    def reached(self) -> float:
        """Fitness of the best program that it came to, its root included."""
        return self._fitness + max(self.gain, 0.0)

    @property
    def gain(self) -> float:
        """Returns by how much its best program beats its root (negative if none does)."""
        return (
            max((one for one in self._results.values() if one is not None), default=-math.inf) - self._fitness
        )

    @property
    def has_gained(self) -> bool:
        """Returns whether it beats its root by more than a thousandth of what it gained since its start."""
        first = [one for step in range(OPENING) if (one := self._results.get(step)) is not None]
        level = min(statistics.median(first), self._fitness) if first else self._fitness
        return self.gain > 0.001 * (self._fitness + self.gain - level)

    def tell(self, step: int, fitness: float | None) -> None:
        """Notes one result; only the first tell of a step counts."""
        self._results.setdefault(step, fitness)

    def next(self, config: TuningConfig, sigma: float, best: float) -> tuple[int, tuple[float, ...]] | None:
        """Returns the next (step, values), or None: all of the generation is under way, or it is finished.

        Args:
            config: the tuner's, the same in every call.
            sigma: the first step in units of the scales, the same in every call.
            best: the best fitness known anywhere.
        """
        if self.is_finished:
            return None
        if self._search is None:
            self._search = _Search(template(self.root.program), config, sigma, self._seed, self.number)
        search = self._search
        while all(step in self._results for step in search.steps):
            search.learn([self._results[step] for step in search.steps])
            has_gone_on = any(step in self._results for step in search.steps)  # in a replay
            if search.is_over or (not has_gone_on and search.is_hopeless(best)):
                self.is_finished = True
                self._search = None
                return None
        for step in search.steps:
            if step not in self._asked and step not in self._results:
                self._asked.add(step)
                return step, search.values(step)
        return None


class _Search:
    """The mathematics of a session: the emitter, what it moves, and how it has gone so far."""

    def __init__(self, source: Template, config: TuningConfig, sigma: float, seed: int, number: int) -> None:
        self._config, self._sigma = config, sigma
        self._seed, self._number = seed, number
        self._origin = np.array(source.values)
        self._scales = np.array(source.scales)
        self._is_int = np.array([constant.is_int for constant in source.constants])
        count = len(self._origin)
        self._moves = np.arange(count)
        if count > config.max_constants:
            rng = stream(seed, Purpose.TUNING_CONSTANTS, number)
            self._moves = np.sort(rng.choice(count, config.max_constants, replace=False))
        self._batch = max(4, round(config.batch * (4 + 3 * math.log(len(self._moves)))))
        self._attempt = 0
        self._bests: list[float] = []
        self._level = math.nan
        self.is_over = False
        self.steps = range(self._batch)
        self._start()

    def _start(self) -> None:
        self._emitter = CmaEmitter(
            self._origin[self._moves],
            self._sigma * self._scales[self._moves],
            seed=seeds(self._seed, Purpose.TUNING_POINTS, self._number, self._attempt),
            batch=self._batch,
        )
        self._points = self._emitter.ask()

    @property
    def _patience(self) -> int:
        """Returns over how many generations the gain is judged."""
        return math.ceil(5 + 15 * len(self._moves) / self._batch)

    def values(self, step: int) -> tuple[float, ...]:
        """Returns the values of one step of this generation, all constants, with the digits that matter."""
        values = self._origin.tolist()
        widths = self._emitter.sigma * self._sigma * self._scales
        for place, value in zip(
            self._moves.tolist(), self._points[step - self.steps.start].tolist(), strict=True
        ):
            values[place] = shorten(value, widths[place])
        return tuple(values)

    def learn(self, fitnesses: Sequence[float | None]) -> None:
        """Takes in the fitnesses of the generation and begins the next one."""
        finite = [one for one in fitnesses if one is not None]
        self.steps = range(self.steps.stop, self.steps.stop + self._batch)
        if not self._bests and 2 * len(finite) < len(fitnesses):
            self._start_again()
            return
        if finite:
            if not self._bests:
                self._level = statistics.median(finite)
            self._bests.append(max(finite + self._bests[-1:]))
        elif self._bests:
            self._bests.append(self._bests[-1])
        self._emitter.tell([math.nan if one is None else one for one in fitnesses])
        self.is_over = (
            self._emitter.has_converged or self._recent_gain <= self._config.tolerance * self._whole_gain
        )
        self._points = self._emitter.ask()

    def is_hopeless(self, best: float) -> bool:
        """Returns whether it would take more than PURSUIT times its patience to catch up with `best`."""
        return bool(self._bests) and best - self._bests[-1] > PURSUIT * self._recent_gain

    @property
    def _recent_gain(self) -> float:
        """Returns what the last generations gained; inf while there are too few to tell."""
        if len(self._bests) <= self._patience:
            return math.inf
        return self._bests[-1] - self._bests[-1 - self._patience]

    @property
    def _whole_gain(self) -> float:
        return self._bests[-1] - self._level if self._bests else 0.0

    def _start_again(self) -> None:
        """Begins anew after a generation that mostly failed: with the ints held, or with smaller steps."""
        self._attempt += 1
        floats = self._moves[~self._is_int[self._moves]]
        if 0 < len(floats) < len(self._moves):
            self._moves = floats
        else:
            self._sigma /= 3
        self.is_over = self._attempt >= ATTEMPTS
        self._start()


class Tuner:
    """The sessions of a run. One caller at a time; no I/O, no clock, no global randomness."""

    def __init__(self, config: TuningConfig, *, seed: int) -> None:
        """Starts without sessions; `seed` and a session's number decide all its random choices."""
        self.config = config
        self._seed = seed
        self._sessions: dict[int, Session] = {}
        self._sigmas: dict[int, float] = {}
        self._latest: list[Session | None] = [None] * config.sessions
        self._lost: set[int] = set()
        self._tries: dict[str, _Tries] = {}
        self._skeletons: dict[str, str] = {}
        self._best = -math.inf

    def ask(
        self,
        island: int,
        elites: Callable[[int], Sequence[Candidate]],
        find: Callable[[str], Individual],
        *,
        least: float = -math.inf,
    ) -> Ask | None:
        """Returns the next program to try, or None where nothing can be tuned or all is under way.

        Args:
            island: where a new session looks for its root, if one is opened.
            elites: returns an island's elites.
            find: returns one of them by its id.
            least: no program below this fitness is worth it; a session that has come no further ends.
        """
        for slot in range(self.config.sessions):
            session = self._latest[slot]
            if session is not None and least > -math.inf and session.reached < least:
                session.is_finished = True
            proposal = None if session is None else self._next(session)
            if session is None or session.is_finished:
                worthy = [elite for elite in elites(island) if elite.fitness >= least]
                session = self._open_next(slot, island, worthy, find)
                if session is None:
                    return None
                proposal = self._next(session)
            if proposal is not None:
                return Ask(session.number, proposal[0], session.island, session.root, proposal[1])
        return None

    def _next(self, session: Session) -> tuple[int, tuple[float, ...]] | None:
        return session.next(self.config, self._sigmas[session.number], self._best)

    def tell(self, session: int, step: int, fitness: float | None) -> None:
        """Notes the fitness (larger is better) of an asked program, None if it failed.

        Only the first tell of a step counts, and none of a session that was never opened.
        """
        if fitness is not None and fitness > self._best:
            self._best = fitness
        if (found := self._sessions.get(session)) is not None:
            found.tell(step, fitness)
        elif not self.knows(session):
            self._lost.add(session)

    def knows(self, session: int) -> bool:
        """Returns whether a session of this number is or was open: in each slot they are opened in order."""
        latest = self._latest[session % self.config.sessions]
        return latest is not None and session <= latest.number

    def open(self, session: int, island: int, root: Individual, fitness: float) -> None:
        """Opens a session as it was opened before, for a replay; `fitness` is its root's."""
        slot = session % self.config.sessions
        if (before := self._latest[slot]) is not None:
            self._settle(before)
            del self._sessions[before.number], self._sigmas[before.number]
        self._lost = {one for one in self._lost if one % self.config.sessions != slot or one > session}
        tries = self._tries_of(self._skeleton(root))
        opened = Session(session, island, root, fitness, seed=self._seed)
        self._sessions[session] = self._latest[slot] = opened
        step = RESTART_STEPS[tries.idle % len(RESTART_STEPS)] if tries.sessions else 1.0
        self._sigmas[session] = self.config.sigma0 * step
        self._best = max(self._best, fitness)

    def _open_next(
        self, slot: int, island: int, elites: Sequence[Candidate], find: Callable[[str], Individual]
    ) -> Session | None:
        if not (roots := self._roots(elites, find)):
            return None
        before = self._latest[slot]
        number = slot if before is None else before.number + self.config.sessions
        while number in self._lost:
            number += self.config.sessions
        rng = stream(self._seed, Purpose.TUNING_ROOT, number)
        is_exploring = rng.random() < self.config.explore
        tries = {key: self._tries_of(key) for key in roots}
        key = min(roots, key=lambda key: tries[key].sessions if is_exploring else tries[key].idle)
        self.open(number, island, find(roots[key].program_id), roots[key].fitness)
        return self._latest[slot]

    def _roots(self, elites: Sequence[Candidate], find: Callable[[str], Individual]) -> dict[str, Candidate]:
        """Returns the best elite of each of the best skeletons that have constants, best first."""
        roots: dict[str, Candidate] = {}
        for elite in sorted(elites, key=lambda one: (-one.fitness, one.program_id))[:SCANNED]:
            if (key := self._skeleton(find(elite.program_id))) and key not in roots:
                roots[key] = elite
                if len(roots) == CANDIDATES:
                    break
        return roots

    def _skeleton(self, individual: Individual) -> str:
        """Returns a digest of what the program has in common with its tuned versions; "" if there is nothing to tune."""
        key = self._skeletons.get(individual.program_id)
        if key is None:
            key = _digest(skeleton(individual.program)) if template(individual.program).constants else ""
            if len(self._skeletons) >= SKELETONS_KEPT:
                self._skeletons.clear()
            self._skeletons[individual.program_id] = key
        return key

    def _tries_of(self, key: str) -> _Tries:
        return self._tries.setdefault(key, _Tries())

    def _settle(self, session: Session) -> None:
        session.is_finished = True
        tries = self._tries_of(self._skeleton(session.root))
        tries.sessions += 1
        tries.idle = 0 if session.has_gained else tries.idle + 1


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
