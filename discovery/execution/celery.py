"""The one door to Celery and Redis: the application, its workers, a client that tries everything once."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Sequence

import redis
from celery import Celery
from celery.exceptions import SecurityWarning
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.retry import Retry

from discovery.core.errors import RunError
from discovery.execution.broker import (
    BrokerConfig,
)

BROKER_ERRORS = (redis.RedisError, OperationalError, OSError)
_ANSWER_S = 10.0


def make_app(config: BrokerConfig, *, consumes: bool) -> Celery:
    """Returns the Celery application of a broker; one that only sends (not `consumes`) gives up on a broker that hangs."""
    app = Celery("discovery", broker=config.celery_url, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_time_limit=config.job_limit_s,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=3,
        broker_transport_options={
            "visibility_timeout": config.visibility_s,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            "priority_steps": list(range(10)),
            "queue_order_strategy": "priority",
            "socket_connect_timeout": 3,
            "socket_keepalive": True,
            "health_check_interval": 10,
            **({} if consumes else {"socket_timeout": _ANSWER_S}),
        },
    )
    return app


def start_worker(app: Celery, queues: Sequence[str], *, concurrency: int, pool: str) -> int:
    """Works off queues in this process until SIGTERM or SIGINT, and returns the exit code."""
    warnings.filterwarnings("ignore", category=SecurityWarning)  # of root: nothing but JSON is read
    logging.getLogger("kombu.asynchronous.hub").addFilter(_in_one_line)
    worker = app.Worker(
        queues=list(queues),
        concurrency=concurrency,
        pool=pool,
        loglevel="WARNING",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def _in_one_line(record: logging.LogRecord) -> bool:
    """Leaves out where a library was when Redis failed: it says so every second of an outage."""
    record.exc_info = None
    return True


def connect(config: BrokerConfig) -> redis.Redis:
    """Returns a client that tries everything once; nothing is asked yet."""
    return redis.Redis.from_url(
        config.url,
        socket_connect_timeout=3,
        socket_timeout=_ANSWER_S,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


def check_broker(config: BrokerConfig) -> None:
    """Checks that the broker answers.

    Raises:
        RunError: it does not.
    """
    try:
        with contextlib.closing(connect(config)) as client:
            client.ping()
    except BROKER_ERRORS as error:
        raise RunError(
            f"the broker at {config.shown} does not answer ({error}); start a Redis there, check the address and "
            "its password, or leave --broker out to run on this machine alone"
        ) from error


def explained(error: Exception, config: BrokerConfig) -> str:
    """Returns what is wrong with the broker, for people."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, redis.exceptions.OutOfMemoryError) or "OOM" in text:
        return f"the broker at {config.shown} is out of memory (raise its maxmemory)"
    return f"the broker at {config.shown} does not answer ({text})"
