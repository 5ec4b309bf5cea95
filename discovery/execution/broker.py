"""What an executor and its workers agree on: the words of a job, where its traces lie, how a run takes its turn.

Everything here is plain data; the one door to Redis is `celery`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import version

from discovery.core.errors import ConfigError
from discovery.execution.wire import FORMAT

PROPOSE, EVALUATE = "propose", "evaluate"
QUEUES = (PROPOSE, EVALUATE)
LEVEL_SIZES = (1, 1, 2, 4, 8, 16, 32, 64, 128)
"""How many jobs one run may hold at each priority but the last, 0 being served first."""
_URL = re.compile(r"(rediss?://[^\s/]+(/\d*)?|unix://(?:[^\s/]*)/\S+)")


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """How jobs reach workers.

    Attributes:
        url: redis://[:PASSWORD@]HOST:PORT/DB, rediss://..., or unix:///PATH of a socket.
        lease_s: a worker that gives no sign of life for so long has lost its job.
        patience_s: a job of which there is no trace is sent again after this long; then doubled each time.
        outage_limit_s: how long a broker may be away before a run ends (and can be resumed).
        visibility_s: after this long the broker itself hands out an unfinished job again; above any job's length.
        keep_s: how long results and traces stay that nobody has asked for.
        forget_s: how long it is known that a job was done, once its result is saved; copies of it are then passed over.
        job_limit_s: a job that takes longer is taken from its worker.
        tries: a job that ended so many workers is not tried again.
    """

    url: str
    lease_s: float = 10.0
    patience_s: float = 30.0
    outage_limit_s: float = 300.0
    visibility_s: int = 4 * 3600
    keep_s: int = 8 * 3600
    forget_s: int = 1800
    job_limit_s: int = 3600
    tries: int = 3

    def __post_init__(self) -> None:
        if not _URL.fullmatch(self.url):
            raise ConfigError(
                "broker must be redis://HOST:PORT/DB, rediss://HOST:PORT/DB or unix:///PATH of a Redis, "
                f"got {redacted(self.url)!r}"
            )
        for name in ("lease_s", "patience_s", "outage_limit_s", "forget_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be > 0, got {getattr(self, name)}")
        if not self.job_limit_s < self.visibility_s < self.keep_s:
            raise ConfigError("job_limit_s < visibility_s < keep_s must hold: a shorter one repeats jobs")

    @property
    def shown(self) -> str:
        """Returns the address without its password."""
        return redacted(self.url)

    @property
    def celery_url(self) -> str:
        """Returns the address as Celery writes it."""
        return self.url.replace("unix://", "redis+socket://", 1)


def redacted(url: str) -> str:
    """Returns an address without the password in it."""
    return re.sub(r"(?<=://)[^@/]*@", "[redacted]@", url)


def build_version() -> str:
    """Returns what a run and its workers must have in common."""
    return f"{version('code-discovery')}/{FORMAT}"


@dataclass(frozen=True, slots=True)
class Keys:
    """Where the traces of one job lie in Redis.

    Attributes:
        result: the event it led to, as JSON; empty once the run has it in its journal.
        lease: who works on it, while they do.
        tries: how often it was begun and not finished.
    """

    result: str
    lease: str
    tries: str

    @staticmethod
    def of(wire_id: str) -> Keys:
        """Returns the keys of a job."""
        return Keys(f"discovery:result:{wire_id}", f"discovery:lease:{wire_id}", f"discovery:tries:{wire_id}")


def bundle_key(bundle_id: str) -> str:
    """Returns where the files of a problem lie in Redis."""
    return f"discovery:problem:{bundle_id}"


class Levels:
    """Gives each job of a run its priority, so that no run starves another.

    A job takes the first level at which its run has room. So every run, large or small, has its first jobs at the
    front, where they are served in the order in which they came.
    """

    def __init__(self) -> None:
        self._held = [0] * (len(LEVEL_SIZES) + 1)

    def take(self) -> int:
        """Returns the level of a new job, in 0..9."""
        level = next((n for n, size in enumerate(LEVEL_SIZES) if self._held[n] < size), len(LEVEL_SIZES))
        self._held[level] += 1
        return level

    def give_back(self, level: int) -> None:
        """Notes that a job of this level is done."""
        self._held[level] -= 1
