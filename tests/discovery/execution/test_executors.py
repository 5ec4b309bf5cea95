"""One suite that every executor passes, and what only those with a broker must survive."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from discovery.core.errors import ConfigError, RunError
from discovery.core.events import Broken, Evaluated, EvaluateJob, Event, Proposed
from discovery.core.types import Context, Individual, ProposeJob
from discovery.execution.broker import BrokerConfig, Levels, build_version
from discovery.execution.celery import check_broker, connect
from discovery.execution.embedded import EmbeddedExecutor, Executor
from discovery.execution.proposers import ProposerProcesses
from discovery.execution.remote import CeleryExecutor, executor_maker
from discovery.execution.worker import JobRunner, RefusedError, place_of_processes, private_folder
from discovery.operators.registry import OPERATORS
from discovery.settings.config import RunConfig
from discovery.settings.models import ModelConfig
from discovery.testing import ChatEndpoint, ScriptedMutator
from discovery.testing.redis_server import RedisServer, find_server
from evaluators.contract import Evaluation, Incumbent, Program, Status
from evaluators.problems.loading import Problem, ProblemSource, load_problem, load_source
from evaluators.worker import JudgeProcess
from islands.chance import Purpose, keyed
from tests.discovery.conftest import TOY
from tests.foreign_folders import OPENEVOLVE, SEED_SCORE, write_folder

pytestmark = pytest.mark.skipif(find_server() is None, reason="there is no redis-server")

SECRET = bytes(range(16))
SEED = "# EVOLVE-BLOCK-START\ndef answer():\n    return [0.25, 0.35, 0.45]\n# EVOLVE-BLOCK-END\n"


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture(scope="module")
def endpoint() -> Iterator[ChatEndpoint]:
    with ChatEndpoint(ScriptedMutator(seed=1)) as running:
        yield running


class Workers:
    """Worker processes that a test starts and ends."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.running: list[subprocess.Popen[bytes]] = []

    def start(
        self, queues: str = "propose,evaluate", *options: str, **environment: str
    ) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "discovery",
            "worker",
            "--queues",
            queues,
            "--broker",
            self.url,
            *options,
        ]
        worker = subprocess.Popen(command, env={**os.environ, **environment}, start_new_session=True)
        self.running.append(worker)
        return worker

    def stop(self) -> None:
        for worker in self.running:
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        self.running.clear()


@pytest.fixture(scope="module")
def steady(server: RedisServer) -> Iterator[Workers]:
    """One worker that stays for the whole suite."""
    workers = Workers(server.url)
    workers.start("propose,evaluate", "--concurrency", "2")
    yield workers
    workers.stop()


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    path = tmp_path_factory.mktemp("problem") / "toy.py"
    path.write_text(TOY)
    return load_problem(str(path))


def celery(url: str, problem: Problem, config: RunConfig, **quick: float) -> CeleryExecutor:
    settings = {"info": {"started_at": time.time(), "seed": 1}, "problem": problem.source.to_json()}
    options = {"lease_s": 1.5, "patience_s": 3.0, **quick}
    return executor_maker(BrokerConfig(url, **options), settings)(config, problem, SECRET)


@pytest.fixture(params=["embedded", "celery"])
def executor(
    request: pytest.FixtureRequest, problem: Problem, endpoint: ChatEndpoint, tmp_path: Path
) -> Iterator[Executor]:
    calls = tmp_path / "calls.jsonl"
    models = ModelConfig(models=(("scripted", 1.0),), api_base=endpoint.api_base)
    config = RunConfig(str(problem.source.where), seed=7, models=models)
    made: Executor
    if request.param == "celery":
        url = request.getfixturevalue("server").url
        request.getfixturevalue("steady")
        made = celery(url, problem, config)
    else:
        made = EmbeddedExecutor(
            make_judge=lambda: JudgeProcess(problem.source, SECRET),
            slots=2,
            operators=OPERATORS,
            make_asker=lambda put: ProposerProcesses(models, slots=4, put=put, calls=calls),
        )
    yield made
    made.close()


def events_of(executor: Executor, count: int, timeout_s: float = 40.0) -> list[Event]:
    """Returns the first events, each job's once."""
    found: dict[str, Event] = {}
    end_s = time.monotonic() + timeout_s
    while len(found) < count and time.monotonic() < end_s:
        for event in executor.next_events(0.1):
            found.setdefault(getattr(event, "job_id", f"broken {len(found)}"), event)
    assert len(found) >= count, f"only {len(found)} of {count} events within {timeout_s} s: {found}"
    return list(found.values())


def program(number: int) -> Program:
    return Program({"program.py": f"def answer():\n    return [0.3, 0.3, {0.1 + number / 100}]\n"})


def proposal(operator: str = "diff", job_id: str = "5-diff") -> ProposeJob:
    seed = Program({"program.py": SEED})
    parent = Individual(seed, Evaluation(Status.OK, -0.3, {"closeness": -0.3}, (0.25,)), seed.id)
    context = Context("Return three numbers.", "closeness", "maximize", seed)
    return ProposeJob(job_id, operator, 0, 5, (parent,), context, rng_key=(1, Purpose.PROPOSAL, 5))


class TestEveryExecutor:
    def test_judges_many_programs_each_under_its_own_id(self, executor: Executor) -> None:
        for number in range(12):
            executor.evaluate(EvaluateJob(f"{number}-x", program(number)))
        events = events_of(executor, 12)
        assert sorted(event.job_id for event in events) == sorted(f"{n}-x" for n in range(12))
        for event in events:
            assert isinstance(event, Evaluated)
            third = 0.1 + int(event.job_id[:-2]) / 100
            expected = -(2 * (0.09 - 0.5) ** 2 + (third * third - 0.5) ** 2)
            assert event.evaluation.score == pytest.approx(expected)
            assert event.evaluation.layers
            assert abs(event.at_s - time.time()) < 60

    def test_a_program_that_fails_is_data(self, executor: Executor) -> None:
        executor.evaluate(EvaluateJob("1-bad", Program({"program.py": "def answer():\n    return 1 / 0\n"})))
        (event,) = events_of(executor, 1)
        assert isinstance(event, Evaluated)
        assert event.evaluation.status is Status.ERROR
        assert "ZeroDivisionError" in event.evaluation.reason

    def test_asks_a_model_and_says_what_it_cost(self, executor: Executor) -> None:
        executor.propose(proposal(), needs_model=True)
        (event,) = events_of(executor, 1)
        assert isinstance(event, Proposed), event
        assert event.proposal.program.text != SEED
        assert event.proposal.calls[0].prompt_tokens > 0
        assert event.refusal == ""

    def test_a_proposal_without_a_model_is_there_at_once_and_the_same_everywhere(
        self, executor: Executor
    ) -> None:
        job = proposal("perturb", "6-perturb")
        executor.propose(job, needs_model=False)
        (event,) = executor.next_events(0.0)
        assert isinstance(event, Proposed)
        expected = OPERATORS["perturb"].propose(job, keyed(job.rng_key), None)
        assert event.proposal == expected

    def test_nothing_to_tell_returns_within_the_time(self, executor: Executor) -> None:
        begun = time.monotonic()
        assert executor.next_events(0.1) == []
        assert time.monotonic() - begun < 5

    def test_closing_with_work_under_way_does_not_hang(self, executor: Executor) -> None:
        for number in range(6):
            executor.evaluate(EvaluateJob(f"{number}-late", program(number)))
        executor.next_events(0.0)
        executor.close()


def test_cases_that_cannot_be_drawn_break_the_run_with_their_own_words(
    server: RedisServer, steady: Workers, tmp_path: Path
) -> None:
    path = tmp_path / "raising.py"
    path.write_text(TOY.replace("return [Case(None)]", 'raise KeyError("oops")'))
    problem = load_problem(str(path))
    executor = celery(server.url, problem, RunConfig(str(path), seed=1))
    executor.evaluate(EvaluateJob("0-seed", Program({"program.py": SEED})))
    (event,) = events_of(executor, 1)
    executor.close()
    assert isinstance(event, Broken)
    assert "oops" in event.reason


def test_workers_hand_programs_the_best_output_so_far(
    server: RedisServer, steady: Workers, tmp_path: Path
) -> None:
    path = tmp_path / "improving.py"
    path.write_text(TOY + "\n\nCERTIFICATE = True\n")
    source = ProblemSource.from_json(load_problem(str(path)).source.to_json() | {"improve_s": 1.0})
    executor = celery(server.url, load_source(source), RunConfig(str(path), seed=1))
    body = "def improve(inputs, best, report, deadline_s):\n    report([*best[:2], 0.7])\n"
    for number, start in enumerate(
        (Incumbent([0.5, 0.6, 0.1], -0.5), Incumbent([0.5, 0.7, 0.1], -0.3, "a" * 16))
    ):
        executor.evaluate(EvaluateJob(f"{number}-tune", Program({"program.py": body}), start=start))
    found = sorted(events_of(executor, 2), key=lambda event: str(event.job_id))
    executor.close()
    assert [(e.evaluation.certificate, e.evaluation.start_id, e.evaluation.start_score) for e in found] == [
        ([0.5, 0.6, 0.7], "", -0.5),
        ([0.5, 0.7, 0.7], "a" * 16, -0.3),
    ]


def test_a_folder_of_another_system_is_judged_by_workers_and_marked(
    server: RedisServer, steady: Workers, tmp_path: Path
) -> None:
    problem = load_problem(str(write_folder(tmp_path / "square_root", OPENEVOLVE)))
    executor = celery(server.url, problem, RunConfig(str(tmp_path / "square_root"), seed=1))
    executor.evaluate(EvaluateJob("0-seed", problem.seed))
    (event,) = events_of(executor, 1)
    executor.close()
    assert isinstance(event, Evaluated)
    assert event.evaluation.score == pytest.approx(SEED_SCORE)
    assert event.evaluation.self_scored


def until(executor: Executor, condition: Callable[[], bool], timeout_s: float = 20.0) -> list[Event]:
    """Runs the executor until a condition holds."""
    events: list[Event] = []
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "it did not come to that in time"
        events += executor.next_events(0.05)
    return events


class TestFaults:
    """Each with a server and workers of its own, for they are killed."""

    @pytest.fixture
    def own(self) -> Iterator[RedisServer]:
        with RedisServer() as running:
            yield running

    @pytest.fixture
    def workers(self, own: RedisServer) -> Iterator[Workers]:
        made = Workers(own.url)
        yield made
        made.stop()

    def test_a_killed_workers_job_goes_to_another_and_a_restarted_empty_redis_is_told_all_again(
        self, own: RedisServer, workers: Workers, tmp_path: Path
    ) -> None:
        path = tmp_path / "slow.py"
        path.write_text(
            TOY.replace("return program.answer()", "import time; time.sleep(0.5); return program.answer()")
        )
        problem = load_problem(str(path))
        executor = celery(own.url, problem, RunConfig(str(path), seed=1))
        for number in range(6):
            executor.evaluate(EvaluateJob(f"{number}-x", program(number)))
        first = workers.start("evaluate", "--concurrency", "2")
        client = connect(BrokerConfig(own.url))
        events = until(executor, lambda: bool(client.keys("discovery:lease:*")))
        os.killpg(first.pid, signal.SIGKILL)
        workers.start("evaluate", "--concurrency", "2")
        own.kill()
        own.forget()
        events += executor.next_events(0.05)
        assert "does not answer" in executor.paused
        own.start()
        events += events_of(executor, 6 - len(events))
        executor.close()
        assert executor.paused == ""
        assert sorted(event.job_id for event in events) == [f"{n}-x" for n in range(6)]

    def test_a_job_that_ends_every_worker_is_quarantined_and_the_others_go_on(
        self, own: RedisServer, workers: Workers, tmp_path: Path
    ) -> None:
        path = tmp_path / "poisoned.py"
        kill = "import os\n    if output[0] == 0.666:\n        os.kill(os.getppid(), 9)\n        os._exit(1)\n    return {"
        path.write_text(TOY.replace("return {", kill))
        executor = celery(own.url, load_problem(str(path)), RunConfig(str(path), seed=1))
        poison = Program({"program.py": "def answer():\n    return [0.666, 0.1, 0.1]\n"})
        executor.evaluate(EvaluateJob("1-poison", poison))
        for number in range(4):
            executor.evaluate(EvaluateJob(f"{number}-good", program(number)))
        workers.start("evaluate", "--concurrency", "2")
        events = {event.job_id: event for event in events_of(executor, 5)}
        executor.close()
        assert all(events[f"{n}-good"].evaluation.status is Status.OK for n in range(4))
        assert events["1-poison"].evaluation.status is Status.CRASHED
        assert "quarantined: 3 workers ended" in events["1-poison"].evaluation.reason

    def test_a_broker_that_stays_away_ends_the_run_with_a_clear_message(self, problem: Problem) -> None:
        with RedisServer() as gone:
            url = gone.url
        executor = celery(url, problem, RunConfig(str(problem.source.where), seed=1), outage_limit_s=0.3)
        executor.evaluate(EvaluateJob("0-seed", Program({"program.py": SEED})))
        (event,) = events_of(executor, 1)
        executor.close()
        assert isinstance(event, Broken)
        assert url in event.reason
        assert "discovery resume" in event.reason
        with pytest.raises(RunError, match="does not answer"):
            check_broker(BrokerConfig(url))

    def test_a_broker_that_is_full_or_hangs_is_waited_for_and_named(
        self, own: RedisServer, problem: Problem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("discovery.execution.celery._ANSWER_S", 0.3)
        client = connect(BrokerConfig(own.url))
        executor = celery(own.url, problem, RunConfig(str(problem.source.where), seed=1))
        client.config_set("maxmemory", "1")
        executor.evaluate(EvaluateJob("0-x", program(0)))
        executor.next_events(0.0)
        assert "is out of memory (raise its maxmemory)" in executor.paused
        client.config_set("maxmemory", "0")
        until(executor, lambda: executor.paused == "" and client.llen("evaluate") == 1)
        os.kill(own.pid, signal.SIGSTOP)
        begun = time.monotonic()
        executor.evaluate(EvaluateJob("1-x", program(1)))
        until(executor, lambda: executor.paused != "")
        assert "does not answer" in executor.paused
        assert time.monotonic() - begun < 5
        os.kill(own.pid, signal.SIGCONT)
        until(
            executor, lambda: executor.paused == "" and sum(map(client.llen, client.keys("evaluate*"))) >= 2
        )
        executor.close()

    def test_a_lease_does_not_outlive_its_worker_because_a_clock_was_set_back(
        self, own: RedisServer, problem: Problem
    ) -> None:
        client = connect(BrokerConfig(own.url))
        executor = celery(own.url, problem, RunConfig(str(problem.source.where), seed=1), lease_s=5.0)
        executor.evaluate(EvaluateJob("0-x", program(0)))
        executor.next_events(0.0)
        (keys,) = [flight.keys for flight in executor._flights.values()]
        client.set(keys.lease, "elsewhere 1 x", px=3_600_000)
        until(executor, lambda: client.pttl(keys.lease) <= 5000)
        executor.close()

    def test_a_job_that_a_worker_refuses_is_free_for_another_at_once(
        self, own: RedisServer, problem: Problem
    ) -> None:
        client = connect(BrokerConfig(own.url))
        executor = celery(own.url, problem, RunConfig(str(problem.source.where), seed=1))
        executor.evaluate(EvaluateJob("0-x", program(0)))
        executor.next_events(0.0)
        (flight,) = executor._flights.values()
        runner = JobRunner(BrokerConfig(own.url), concurrency=1)
        runner.run("evaluate", {**flight.message, "version": "9.9/9"})
        assert client.exists(flight.keys.lease, flight.keys.tries) == 0
        assert client.xlen(flight.message["stream"]) == 1
        runner.run("evaluate", flight.message)
        (event,) = events_of(executor, 1)
        executor.close()
        runner._judges.close()
        assert isinstance(event, Evaluated)
        assert event.evaluation.status is Status.OK
        assert client.exists(flight.keys.lease, flight.keys.tries) == 0

    def test_a_worker_of_another_version_or_without_the_problem_says_so(
        self, server: RedisServer, steady: Workers, problem: Problem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("discovery.execution.remote.REFUSAL_LIMIT", 2)
        monkeypatch.setattr("discovery.execution.remote.build_version", lambda: "9.9/9")
        executor = celery(server.url, problem, RunConfig(str(problem.source.where), seed=1))
        executor.evaluate(EvaluateJob("0-seed", Program({"program.py": SEED})))
        (event,) = events_of(executor, 1)
        executor.close()
        assert isinstance(event, Broken)
        assert "the run 9.9/9; install the same on both" in event.reason
        monkeypatch.undo()
        monkeypatch.setattr("discovery.execution.remote.REFUSAL_LIMIT", 2)
        source = replace(load_problem("circle_packing").source, version="0" * 16)
        executor = celery(server.url, replace(problem, source=source), RunConfig("circle_packing", seed=1))
        executor.evaluate(EvaluateJob("0-seed", Program({"program.py": SEED})))
        (event,) = events_of(executor, 1)
        executor.close()
        assert isinstance(event, Broken)
        assert "its version was 0000000000000000" in event.reason

    def test_a_result_that_a_killed_coordinator_did_not_save_is_not_made_again(
        self, server: RedisServer, steady: Workers, problem: Problem, tmp_path: Path
    ) -> None:
        settings = {"info": {"started_at": 1.0, "seed": 1}, "problem": problem.source.to_json()}
        config = RunConfig(str(problem.source.where), seed=1)
        make = executor_maker(BrokerConfig(server.url), settings)
        job = EvaluateJob("0-seed", program(50))
        first = make(config, problem, SECRET)
        first.evaluate(job)
        (before,) = events_of(first, 1)
        second = make(config, problem, SECRET)  # the first was killed: it did not close
        second.evaluate(job)
        begun = time.monotonic()
        (after,) = events_of(second, 1)
        assert after.evaluation == before.evaluation  # its times too: it is the same result
        assert time.monotonic() - begun < 10
        second.next_events(0.0)  # saved now
        client = connect(BrokerConfig(server.url))
        kept_s = [client.ttl(key) for key in client.keys("discovery:result:*") if not client.get(key)]
        assert (
            0 < min(kept_s) <= BrokerConfig(server.url).forget_s
        )  # not the hours of a result that nobody has read
        third = make(config, problem, SECRET)
        third.evaluate(job)
        (again,) = events_of(third, 1)
        assert again.evaluation.score == before.evaluation.score
        for executor in (first, second, third):
            executor.close()


@pytest.mark.parametrize(
    ("fault", "kind"), [(KeyError("start"), Broken), (OSError(28, "No space left on device"), RefusedError)]
)
def test_a_fault_in_a_worker_ends_the_run_loudly_and_a_full_disk_sends_the_job_on(
    problem: Problem, monkeypatch: pytest.MonkeyPatch, fault: Exception, kind: type
) -> None:
    def fail(settings: object) -> None:
        raise fault

    runner = JobRunner(BrokerConfig("redis://127.0.0.1:1/0"), concurrency=1)
    monkeypatch.setattr(runner, "_source", fail)
    message = {"version": build_version(), "judge": {"unsafe": False}, "job": {}}
    try:
        found: object = runner._evaluate(message)
    except RefusedError as error:
        found = error
    assert isinstance(found, kind)
    assert fault.args[-1] in str(found)


def test_a_place_is_the_same_for_all_processes_that_see_each_other() -> None:
    code = "from discovery.execution.worker import place_of_processes; print(place_of_processes())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == place_of_processes()
    assert place_of_processes() != socket.gethostname()  # which two machines may share


def test_a_folder_that_others_could_write_to_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    own = private_folder("cache")
    assert own == tmp_path / "cache" == private_folder("cache")
    own.chmod(0o777)
    assert private_folder("cache") != own
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert private_folder("link").resolve() != tmp_path / "elsewhere"


class TestLevels:
    def test_every_run_has_its_first_jobs_at_the_front(self) -> None:
        levels = Levels()
        assert [levels.take() for _ in range(9)] == [0, 1, 2, 2, 3, 3, 3, 3, 4]
        levels.give_back(0)
        assert levels.take() == 0

    def test_a_thousand_jobs_have_levels_within_the_brokers_range(self) -> None:
        levels = Levels()
        taken = [levels.take() for _ in range(1000)]
        assert taken == sorted(taken)
        assert taken[-1] == 9


@pytest.mark.parametrize(
    "url", ["", "localhost:6379", "http://x/0", "redis://", "redis://:secret@h:1/zero", "amqp://x"]
)
def test_an_address_that_is_no_redis_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match="broker must be redis://") as caught:
        BrokerConfig(url)
    assert "secret" not in str(caught.value)
