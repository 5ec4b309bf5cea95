"""What a worker does with a job from a queue: claim it, do it, leave its result. See remote.py for the protocol."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import socket
import stat
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from discovery.core.events import Broken, Evaluated, EvaluateJob, NotProposed
from discovery.core.types import Model, ModelCall, ProposeJob
from discovery.execution.broker import EVALUATE, PROPOSE, BrokerConfig, Keys, build_version, bundle_key
from discovery.execution.celery import BROKER_ERRORS, connect, make_app, start_worker
from discovery.execution.jobs import propose
from discovery.execution.judges import JudgePool
from discovery.execution.wire import Done, content_id, event_to_json, from_plain, to_plain
from discovery.llm.client import ChatModels
from discovery.llm.meter import CallMeter
from discovery.settings.models import ModelConfig
from evaluators.contract import Evaluation, Status
from evaluators.judging.judge import JudgeError
from evaluators.problems.bundle import hash_of, unpack
from evaluators.problems.loading import ProblemError, ProblemSource
from evaluators.sandbox.base import SandboxError
from evaluators.worker import JudgeProcess

_STREAM_LENGTH = 5000
_INSIST_S = 120.0
_KEEP_RESULT_S = 1800.0
_CLAIM = """
if redis.call('EXISTS', KEYS[4]) == 0 then return 'stale' end
local done = redis.call('GET', KEYS[1])
if done then
  if #done > 0 then redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[5], '*', 'id', ARGV[4]) end
  return 'done'
end
local holder = redis.call('GET', KEYS[2])
if holder then return 'held ' .. holder end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
local tries = redis.call('INCR', KEYS[3])
redis.call('EXPIRE', KEYS[3], ARGV[3])
return tries
"""
_log = logging.getLogger(__name__)

T = TypeVar("T")


class RefusedError(Exception):
    """This worker cannot do this job, another one might; the message says why."""


class JobRunner:
    """Does jobs in one worker process; made before the process forks, used after. Thread-safe.

    Args:
        config: the broker.
        concurrency: how many jobs may be under way in one process.
        unsafe: whether jobs that ask for it run without a whole sandbox.
        cache: where problems' files are kept.
    """

    def __init__(
        self, config: BrokerConfig, *, concurrency: int, unsafe: bool = False, cache: Path | None = None
    ) -> None:
        self._config = config
        self._unsafe = unsafe
        self._cache = cache or private_folder(f"code-discovery-problems-{os.getuid()}")
        self._concurrency = concurrency
        self._name = socket.gethostname()
        self._place = place_of_processes()
        self._held: dict[str, tuple[str, float, float]] = {}
        self._lock = threading.Lock()

    def run(self, kind: str, message: Mapping[str, Any]) -> None:
        """Claims a job, does it, and leaves its result; or passes over what is done, held or not wanted any more."""
        keys, token = Keys.of(message["id"]), f"{self._place} {os.getpid()} {uuid.uuid4().hex}"
        state = _insist(lambda: self._claim(keys, message, token))
        if not isinstance(state, int):
            return
        if state > message["tries"]:
            event = _quarantine(kind, message)
            if isinstance(event, NotProposed):
                event = replace(event, calls=self._meter(message).calls)
            self._leave(keys, message, json.dumps(event_to_json(event)))
            return
        with self._lock:
            until_s = time.monotonic() + self._config.job_limit_s
            self._held[keys.lease] = (token, message["lease_s"], until_s)
        self._heart()
        try:
            event = (
                self._evaluate(message) if kind == EVALUATE else self._propose(message, self._meter(message))
            )
            self._leave(keys, message, json.dumps(event_to_json(event), allow_nan=False))
        except RefusedError as error:
            with self._lock:  # before it is given up: a renewal would hold it
                self._held.pop(keys.lease, None)
            self._refuse(keys, message, f"worker {self._name} {error}")
        finally:
            with self._lock:
                self._held.pop(keys.lease, None)

    @functools.cached_property
    def _redis(self) -> Any:
        return connect(self._config)

    @functools.cached_property
    def _judges(self) -> JudgePool:
        return JudgePool(idle=self._concurrency + 1)

    @functools.cached_property
    def _claim_script(self) -> Any:
        return self._redis.register_script(_CLAIM)

    @functools.cache  # noqa: B019 - one runner lives as long as its process
    def _heart(self) -> threading.Thread:
        thread = threading.Thread(target=self._renew, name="leases", daemon=True)
        thread.start()
        return thread

    @functools.cache  # noqa: B019 - as above
    def _model(self, models: str) -> Model:
        return ChatModels(ModelConfig(**json.loads(models)))

    def _claim(self, keys: Keys, message: Mapping[str, Any], token: str) -> int | str:
        places = [keys.result, keys.lease, keys.tries, message["alive"], message["stream"]]
        values = [token, int(1000 * message["lease_s"]), message["keep_s"], message["id"], _STREAM_LENGTH]
        answer = self._claim_script(keys=places, args=values)
        if isinstance(answer, bytes) and answer.startswith(b"held ") and self._is_dead(answer.decode()[5:]):
            self._redis.delete(keys.lease)
            answer = self._claim_script(keys=places, args=values)
        return answer if isinstance(answer, int) else answer.decode()

    def _is_dead(self, holder: str) -> bool:
        """Returns whether a job's holder was a process among this one's that has ended."""
        place, pid, _ = holder.split(" ", 2)
        return place == self._place and not Path("/proc", pid).exists() and Path("/proc/self").exists()

    def _renew(self) -> None:
        while True:
            with self._lock:
                held = [one for one in self._held.items() if time.monotonic() < one[1][2]]
            with contextlib.suppress(*BROKER_ERRORS), self._redis.pipeline(transaction=False) as pipe:
                for key, (token, lease_s, _) in held:
                    pipe.set(key, token, px=int(1000 * lease_s))
                pipe.execute()
            time.sleep(min([lease_s / 4 for _, (_, lease_s, _) in held], default=0.25))

    def _leave(self, keys: Keys, message: Mapping[str, Any], result: str) -> None:
        def leave() -> None:
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.set(keys.result, result, nx=True, ex=message["keep_s"])
                pipe.delete(keys.lease, keys.tries)
                pipe.xadd(message["stream"], {"id": message["id"]}, maxlen=_STREAM_LENGTH)
                pipe.expire(message["stream"], message["keep_s"])
                pipe.execute()

        _insist(leave, _KEEP_RESULT_S)  # what was worked out, or paid for, waits for the broker

    def _refuse(self, keys: Keys, message: Mapping[str, Any], reason: str) -> None:
        def refuse() -> None:
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.delete(keys.lease, keys.tries)
                pipe.xadd(message["stream"], {"id": message["id"], "refusal": reason}, maxlen=_STREAM_LENGTH)
                pipe.expire(message["stream"], message["keep_s"])
                pipe.execute()

        _log.warning("%s", reason)
        _insist(refuse)

    def _meter(self, message: Mapping[str, Any]) -> CallMeter:
        """Returns what counts the calls of a job, those of workers that ended at it included."""
        key, job_id = message["calls"], message["job"]["job_id"]

        def note(calls: Sequence[ModelCall], is_open: bool) -> None:
            del is_open
            with contextlib.suppress(*BROKER_ERRORS), self._redis.pipeline(transaction=False) as pipe:
                pipe.hset(key, job_id, json.dumps(to_plain(calls)))
                pipe.expire(key, message["keep_s"])
                pipe.execute()

        found: Any = _insist(lambda: self._redis.hget(key, job_id))
        earlier = [from_plain(ModelCall, call) for call in json.loads(found or "[]")]
        return CallMeter(_RunStop(self._redis, message["alive"]), note, earlier)

    def _propose(self, message: Mapping[str, Any], meter: CallMeter) -> Done:
        from discovery.operators.registry import JOBS

        _check_version(message)
        job = from_plain(ProposeJob, message["job"])
        model = self._model(json.dumps(message["models"], sort_keys=True)) if message["models"] else None
        try:
            return propose(job, JOBS[job.operator], model, meter)
        except Exception as error:  # noqa: BLE001 - the outermost loop of a worker: a fault of ours must end the run loudly
            return Broken(f"operator {job.operator} failed: {type(error).__name__}: {error}")

    def _evaluate(self, message: Mapping[str, Any]) -> Done:
        _check_version(message)
        settings = message["judge"]
        if settings["unsafe"] and not self._unsafe:
            raise RefusedError("does not run unsafe jobs; start it with --unsafe, or run without")
        try:
            source = self._source(settings)
            with self._judges.borrow(content_id(settings), lambda: _make_judge(source, settings)) as judge:
                job = from_plain(EvaluateJob, message["job"])
                evaluation = judge.evaluate(job.program, held_out=job.held_out, start=job.start)
        except JudgeError as error:
            return Broken(f"JudgeError: {error}")
        except (ProblemError, SandboxError, OSError) as error:
            raise RefusedError(f"cannot judge: {error}") from error
        except (*BROKER_ERRORS, RefusedError):
            raise
        except Exception as error:  # noqa: BLE001 - as above
            return Broken(f"{type(error).__name__}: {error}")
        return Evaluated(message["job"]["job_id"], evaluation, time.time())

    def _source(self, settings: Mapping[str, Any]) -> ProblemSource:
        source, bundle_id = ProblemSource.from_json(settings["problem"]), settings["bundle"]
        if bundle_id is None:
            return source
        return replace(source, kind="path", where=self._problem_path(bundle_id))

    def _problem_path(self, bundle_id: str) -> str:
        data: Any = _insist(lambda: self._redis.get(bundle_key(bundle_id)))
        if data is None or hash_of(data) != bundle_id:
            raise RefusedError("finds no files of this problem in Redis; they are sent again")
        try:
            return str(unpack(data, self._cache))
        except OSError as error:
            raise RefusedError(
                f"cannot write a problem's files below {self._cache}: {error.strerror}"
            ) from error


class _RunStop:
    """Whether a run has ended, so that no further question may go out for it. See `Stop`."""

    def __init__(self, client: Any, key: str) -> None:
        self._redis, self._key = client, key

    def is_set(self) -> bool:
        try:
            return not self._redis.exists(self._key)
        except BROKER_ERRORS:  # nobody has said so
            return False

    def wait(self, timeout: float) -> bool:
        end_s = time.monotonic() + timeout
        while not (is_set := self.is_set()) and (rest_s := end_s - time.monotonic()) > 0:
            time.sleep(min(1.0, rest_s))
        return is_set


def place_of_processes() -> str:
    """Returns what tells the processes that this one can see from those of other machines and containers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return uuid.uuid4().hex  # nobody else's: their jobs come back when their leases run out


def private_folder(name: str) -> Path:
    """Returns a folder of that name for temporary files, or another if somebody else could write to that one."""
    path = Path(tempfile.gettempdir()) / name
    with contextlib.suppress(OSError):
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022:
            return path
    return Path(tempfile.mkdtemp(prefix=f"{name}-"))


def _make_judge(source: ProblemSource, settings: Mapping[str, Any]) -> JudgeProcess:
    return JudgeProcess(
        source,
        bytes.fromhex(settings["secret"]),
        unsafe=settings["unsafe"],
        tier=settings["tier"],
        untrusted=settings["untrusted"],
    )


def _check_version(message: Mapping[str, Any]) -> None:
    if message["version"] != (own := build_version()):
        time.sleep(0.5)  # leaves the job to workers of the right version
        raise RefusedError(
            f"has code-discovery {own}, the run {message['version']}; install the same on both"
        )


def _quarantine(kind: str, message: Mapping[str, Any]) -> Done:
    reason = f"quarantined: {message['tries']} workers ended while they worked on it"
    job_id = message["job"]["job_id"]
    if kind == PROPOSE:
        return NotProposed(job_id, reason)
    return Evaluated(job_id, Evaluation(Status.CRASHED, reason=reason), time.time())


def _insist(call: Callable[[], T], limit_s: float = _INSIST_S) -> T:
    """Returns what `call` returns, tried again while the broker is away, for up to `limit_s`."""
    end_s, pause_s = time.monotonic() + limit_s, 0.05
    while True:
        try:
            return call()
        except BROKER_ERRORS:
            if time.monotonic() > end_s:
                raise
        time.sleep(pause_s)
        pause_s = min(2.0, 2 * pause_s)


def _register(app: Any, queue: str, runner: JobRunner) -> None:
    def work(message: Mapping[str, Any]) -> None:
        runner.run(queue, message)

    app.task(work, name=f"discovery.{queue}")


def serve_queues(config: BrokerConfig, queues: Sequence[str], *, concurrency: int, unsafe: bool) -> int:
    """Works off queues until SIGTERM or SIGINT, and returns the exit code.

    Workers that only evaluate have one process per job, which a time limit can end; those that propose wait
    for models most of the time, and use threads.
    """
    app = make_app(config, consumes=True)
    in_threads = PROPOSE in queues
    runner = JobRunner(config, concurrency=concurrency if in_threads else 1, unsafe=unsafe)
    for queue in queues:
        _register(app, queue, runner)
    return start_worker(app, queues, concurrency=concurrency, pool="threads" if in_threads else "prefork")
