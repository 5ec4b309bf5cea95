"""`discovery worker` and `discovery serve`: the parts that work for runs on this machine or on others."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from discovery.core.errors import ConfigError
from discovery.execution.broker import QUEUES, BrokerConfig

if TYPE_CHECKING:
    from discovery.service.hosting import Host

OUTAGE_LIMIT_S = 30 * 86400.0
"""A service waits for its broker; a person sees it in the state of its runs."""
BROKER = click.option(
    "--broker",
    envvar="DISCOVERY_BROKER",
    help="A Redis, as redis://HOST:PORT/0.  [default: DISCOVERY_BROKER in the environment]",
)


@click.command()
@click.option(
    "--queues", default=",".join(QUEUES), help="propose, evaluate or both.  [default: propose,evaluate]"
)
@click.option(
    "--concurrency", type=click.IntRange(1, 1024), default=2, help="Jobs at the same time.  [default: 2]"
)
@click.option(
    "--unsafe", is_flag=True, help="Accept jobs that ask for no whole sandbox (never for untrusted code)."
)
@click.option(
    "--alive-file", type=click.Path(path_type=Path), help="A file to touch every 5 s, for health checks."
)
@BROKER
def worker(queues: str, concurrency: int, unsafe: bool, alive_file: Path | None, broker: str | None) -> None:
    """Do the jobs of runs that were started with --broker, until SIGTERM.

    A worker for `evaluate` needs no key and no network but the broker's; one for `propose` runs no candidate.
    """
    names = [name.strip() for name in queues.split(",") if name.strip()]
    if not names or set(names) - set(QUEUES):
        raise ConfigError(f"queues must be among {', '.join(QUEUES)}, got {queues!r}")
    config = BrokerConfig(require_broker(broker))
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", stream=sys.stderr)
    from discovery.execution.worker import serve_queues

    click.echo(f"worker for {', '.join(names)}: {concurrency} jobs at a time from {config.shown}", err=True)
    if alive_file is not None:
        threading.Thread(target=_touch, args=(alive_file,), name="alive", daemon=True).start()
    sys.exit(serve_queues(config, names, concurrency=concurrency, unsafe=unsafe))


def _touch(path: Path) -> None:
    while True:
        path.touch()
        time.sleep(5)


def require_broker(broker: str | None) -> str:
    """Returns the broker's address.

    Raises:
        ConfigError: there is none.
    """
    if not broker:
        raise ConfigError("no broker is named; give --broker redis://HOST:PORT/0, or set DISCOVERY_BROKER")
    return broker


@click.command()
@click.option(
    "--host", default="127.0.0.1", help="Address to listen on; others than loopback need DISCOVERY_TOKEN."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8420, help="Port to listen on.  [default: 8420]"
)
@click.option(
    "--runs",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    help="Where runs lie.  [default: runs]",
)
@click.option("--max-runs", type=click.IntRange(1), default=32, help="Runs under way at once.  [default: 32]")
@click.option(
    "--max-workers",
    type=click.IntRange(1),
    default=256,
    help="Evaluations at once of one run.  [default: 256]",
)
@click.option(
    "--max-upload-mib", type=click.IntRange(1, 1024), default=16, help="Largest request.  [default: 16]"
)
@click.option(
    "--api-base",
    envvar="DISCOVERY_API_BASE",
    help="Base URL of the endpoint of models that name no provider.",
)
@click.option(
    "--api-key-env",
    envvar="DISCOVERY_API_KEY_ENV",
    help="Variable that holds that endpoint's key; none is sent there if left out.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="Holds the callers' secret; made if it is not there.",
)
@click.option("--demo", help="Begin one run of this problem, named demo, if there is none of that name.")
@click.option(
    "--demo-evals", type=click.IntRange(1), default=2000, help="Evaluations of that run.  [default: 2000]"
)
@BROKER
def serve(
    host: str, port: int, folder: Path, max_runs: int, max_workers: int, max_upload_mib: int, **options: Any
) -> None:
    """Host any number of runs behind an HTTP API, until SIGTERM; unfinished ones go on at the next start.

    Without a broker, runs are done on this machine. Callers present the secret in DISCOVERY_TOKEN, if it is set.
    """
    import uvicorn

    from discovery.service.app import make_app
    from discovery.service.guard import ServiceConfig, check_address, is_loopback
    from discovery.service.hosting import Host, HostConfig
    from discovery.service.sockets import PatientProtocol, listen

    token = os.environ.get("DISCOVERY_TOKEN", "") or _token_of(options["token_file"])
    check_address(host, token)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", stream=sys.stderr)
    broker = BrokerConfig(options["broker"], outage_limit_s=OUTAGE_LIMIT_S) if options["broker"] else None
    listener = listen(host, port)  # before anything is begun
    hosted = Host(HostConfig(folder, broker, most_runs=max_runs, most_workers=max_workers))
    config = ServiceConfig(
        token, is_loopback(host), max_upload_mib << 20, options["api_base"], options["api_key_env"]
    )
    try:
        for name in hosted.resume_unfinished():
            click.echo(f"run {name} goes on", err=True)
        if (problem := options["demo"]) and "demo" not in {run.name for run in hosted.runs()}:
            _begin_demo(hosted, problem, options["demo_evals"])
        app = make_app(hosted, config, lambda: _check_ready(broker))
        click.echo(
            f"the page is at http://{host}:{listener.getsockname()[1]}/, runs in {folder.absolute()}",
            err=True,
        )
        settings = uvicorn.Config(
            app, http=PatientProtocol, log_level="warning", lifespan="off", timeout_graceful_shutdown=3,
            server_header=False, proxy_headers=False,
        )  # fmt: skip
        for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn ends on them, then hands them on to us
            signal.signal(number, lambda *_: None)
        uvicorn.Server(settings).run(sockets=[listener])
    finally:
        hosted.close()


@click.command()
@click.argument("paths", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--host", default="127.0.0.1", help="Address to listen on; others than loopback need DISCOVERY_TOKEN."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8421, help="Port; 0 takes a free one.  [default: 8421]"
)
def watch(paths: tuple[Path, ...], host: str, port: int) -> None:
    """Show RUN as a live page in the browser, whether or not something works on it; Ctrl-C ends the page, not the run."""
    import uvicorn

    from discovery.service.app import make_app
    from discovery.service.guard import ServiceConfig, check_address, is_loopback
    from discovery.service.sockets import PatientProtocol, listen
    from discovery.service.watching import Watch

    token = os.environ.get("DISCOVERY_TOKEN", "")
    check_address(host, token)
    watched = Watch(paths)
    listener = listen(host, port)
    app = make_app(watched, ServiceConfig(token, is_loopback(host)), lambda: None)
    where = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/"
    runs = watched.runs()
    click.echo(f"see {where}#/run/{runs[0].name}" if len(runs) == 1 else f"see {where}")
    settings = uvicorn.Config(
        app,
        http=PatientProtocol,
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=1,
        server_header=False,
        proxy_headers=False,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    uvicorn.Server(settings).run(sockets=[listener])


def _token_of(path: Path | None) -> str:
    """Returns the secret in a file, which is made where there is none.

    Raises:
        ConfigError: the file cannot be read or written.
    """
    if path is None:
        return ""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(
                os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii"
            ) as file:
                file.write(secrets.token_urlsafe(24) + "\n")
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the token file {path} cannot be used: {error}") from error


def _begin_demo(hosted: Host, problem: str, evaluations: int) -> None:
    from discovery.settings.doors import make_config

    hosted.create(
        "demo", lambda spec: make_config({"problem": spec, "evals": evaluations}, "--demo"), problem
    )


def _check_ready(broker: BrokerConfig | None) -> None:
    if broker is not None:
        from discovery.execution.celery import check_broker

        check_broker(broker)
