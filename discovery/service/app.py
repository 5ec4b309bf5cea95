"""The HTTP service: runs created, watched, stopped, resumed and fetched over JSON. See openapi.py for the document.

Whoever may call it may spend the money of the models that the service is set up for, and have problems judged; so any
address but loopback demands a token, and on loopback, where a page in a browser might try, the Host header must be
local and what is posted must be JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import json
import os
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from discovery.core.errors import ConfigError, DiscoveryError, LineageError
from discovery.core.requests import Request as Asking
from discovery.service.hosting import BusyError, Host, HostedRun, NoSuchRunError
from discovery.service.openapi import document
from discovery.settings.config import BUDGET_KEYS, RunConfig, check_keys, make_config
from discovery.storage.git import history
from discovery.storage.git.repository import Repository
from discovery.storage.requests import send
from evaluators.contract import ContractError
from evaluators.problems.bundle import Bundle

RUN_KEYS = (
    "name", "problem", "evals", "minutes", "cost_usd", "tokens", "target", "seed", "islands", "workers", "model",
    "model_slots", "operators", "parents", "rebase", "tuning", "context", "planning", "bandit", "memory", "duplicates",
    "screening",
)  # fmt: skip
_OPEN_PATHS = ("/healthz", "/readyz")
_HEARTBEAT_S = 15.0

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """How the service may be reached.

    Attributes:
        token: what callers must present; "" for none, which only loopback may have.
        is_local: whether it listens on loopback.
        most_bytes: the largest body of a request.
        api_base: the endpoint of all models; callers cannot name one, for keys would go there.
    """

    token: str = ""
    is_local: bool = True
    most_bytes: int = 16 << 20
    api_base: str | None = None


class TooLargeError(DiscoveryError):
    """The body of a request is too large."""


def is_loopback(host: str) -> bool:
    """Returns whether an address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_address(host: str, token: str) -> None:
    """Checks that an address that others can reach has a token.

    Raises:
        ConfigError: it has none, or a short one.
    """
    if not is_loopback(host) and len(token) < 16:
        raise ConfigError(
            f"host {host} can be reached by others: set DISCOVERY_TOKEN to a secret of at least 16 characters "
            "(for example: openssl rand -hex 24), or listen on 127.0.0.1"
        )


def make_app(host: Host, config: ServiceConfig, check_ready: Callable[[], None]) -> Any:
    """Returns the ASGI application.

    Args:
        host: the runs.
        config: who may call.
        check_ready: raises a DiscoveryError while jobs cannot be done (the broker is away).
    """
    service = _Service(host, config, check_ready)
    routes = [
        Route("/healthz", _health),
        Route("/readyz", service.ready),
        Route("/metrics", service.metrics),
        Route("/openapi.json", service.openapi),
        Route("/runs", service.list_runs, methods=["GET"]),
        Route("/runs", service.create, methods=["POST"]),
        Route("/runs/{name}", service.status),
        Route("/runs/{name}/events", service.events),
        Route("/runs/{name}/best", service.best),
        Route("/runs/{name}/archive", service.archive),
        Route("/runs/{name}/lineage.bundle", service.lineage),
        Route("/runs/{name}/requests", service.ask, methods=["POST"]),
        Route("/runs/{name}/stop", service.stop, methods=["POST"]),
        Route("/runs/{name}/resume", service.resume, methods=["POST"]),
    ]
    handlers = dict.fromkeys((DiscoveryError, ContractError), _refuse)
    app = Starlette(routes=routes, exception_handlers=handlers)
    return _Guard(app, config)


class _Guard:
    """Lets in who may call."""

    def __init__(self, app: Any, config: ServiceConfig) -> None:
        self._app = app
        self._config = config

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and (refusal := self._refusal(Request(scope))) is not None:
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        if request.url.path in _OPEN_PATHS:
            return None
        if self._config.token:
            given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
            if not hmac.compare_digest(given, self._config.token.encode()):
                return _error(401, "the token is missing or wrong; send it as: Authorization: Bearer TOKEN")
        elif not is_loopback(
            request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
        ):
            return _error(403, "without a token this service answers to 127.0.0.1 and localhost only")
        content = request.headers.get("content-type", "").partition(";")[0].strip()
        if request.method == "POST" and content != "application/json":
            return _error(415, "the body must be JSON, with Content-Type: application/json")
        return None


class _Service:
    def __init__(self, host: Host, config: ServiceConfig, check_ready: Callable[[], None]) -> None:
        self._host = host
        self._config = config
        self._check_ready = check_ready

    async def ready(self, _: Request) -> Response:
        try:
            await run_in_threadpool(self._check_ready)
        except DiscoveryError as error:
            return _error(503, str(error))
        return JSONResponse({"status": "ready"})

    async def openapi(self, _: Request) -> Response:
        return JSONResponse(document())

    async def metrics(self, _: Request) -> Response:
        return PlainTextResponse(metrics_text(self._host.runs()), media_type="text/plain; version=0.0.4")

    async def list_runs(self, _: Request) -> Response:
        return JSONResponse({"runs": [run.status() for run in self._host.runs()]})

    async def status(self, request: Request) -> Response:
        return JSONResponse(self._run(request).status())

    async def create(self, request: Request) -> Response:
        data = await self._body(request)
        check_keys(data, RUN_KEYS, where="the request")
        name, given = data.pop("name", None), data.pop("problem", None)
        if name is not None and not isinstance(name, str):
            raise ConfigError(f"the request: name must be a text, got {name!r:.80}")
        if given is None:
            raise ConfigError('the request: problem must be a name, or {"name": ..., "files": {path: text}}')
        problem = given if isinstance(given, str) else Bundle.from_json(given)
        if self._config.api_base is not None:
            data["api_base"] = self._config.api_base

        def config(spec: str) -> RunConfig:
            return make_config({**data, "problem": spec}, "the request")

        run = await run_in_threadpool(self._host.create, name, config, problem)
        return JSONResponse(run.status(), status_code=201, headers={"Location": f"/runs/{run.name}"})

    async def stop(self, request: Request) -> Response:
        run = self._run(request)
        await self._body(request)
        if not run.is_active:
            raise BusyError(f"run {run.name} is not under way")
        await run_in_threadpool(run.stop, for_good=True)
        return JSONResponse(run.status(), status_code=202)

    async def resume(self, request: Request) -> Response:
        name = self._run(request).name
        data = await self._body(request)
        check_keys(data, tuple(BUDGET_KEYS), where="the request")
        budget = {BUDGET_KEYS[key]: value for key, value in data.items()}
        make_config({"problem": "none", **data}, "the request")  # the rules of a budget
        run = await run_in_threadpool(self._host.resume, name, budget)
        return JSONResponse(run.status(), status_code=202)

    async def ask(self, request: Request) -> Response:
        run = self._run(request)
        data = await self._body(request)
        check_keys(data, ("kind", "text", "program", "budget"), where="the request")
        asked = Asking.from_json({**data, "request_id": secrets.token_hex(8), "at_s": time.time()})
        await run_in_threadpool(send, run.folder, asked)
        return JSONResponse({"request_id": asked.request_id}, status_code=202)

    async def best(self, request: Request) -> Response:
        shown = await run_in_threadpool(history.best, self._run(request).folder.lineage)
        found = {**asdict(shown.entry), "files": dict(shown.files), "certificate": shown.certificate}
        return JSONResponse(found)

    async def archive(self, request: Request) -> Response:
        run = self._run(request)
        return JSONResponse(await run_in_threadpool(archive_of, run))

    async def lineage(self, request: Request) -> Response:
        run = self._run(request)
        handle, path = tempfile.mkstemp(prefix="discovery-", suffix=".bundle")
        os.close(handle)
        try:
            repository = Repository(run.folder.lineage)
            await run_in_threadpool(repository.run, "bundle", "create", "--quiet", path, "--all", "HEAD")
        except LineageError:
            Path(path).unlink(missing_ok=True)
            raise
        clean = BackgroundTask(Path(path).unlink, missing_ok=True)
        return FileResponse(
            path, filename=f"{run.name}.bundle", media_type="application/x-git-bundle", background=clean
        )

    async def events(self, request: Request) -> Response:
        run = self._run(request)
        try:
            last = int(request.headers.get("last-event-id", "0"))
        except ValueError:
            last = 0
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_stream(run, last), media_type="text/event-stream", headers=headers)

    def _run(self, request: Request) -> HostedRun:
        return self._host.run(request.path_params["name"])

    async def _body(self, request: Request) -> dict[str, Any]:
        chunks, size = [], 0
        try:
            async for chunk in request.stream():
                size += len(chunk)
                if size > self._config.most_bytes:
                    raise TooLargeError(f"the request must be at most {self._config.most_bytes >> 10} KiB")
                chunks.append(chunk)
        except ClientDisconnect:
            raise ConfigError("the request: it ended too early") from None
        try:
            data = json.loads(b"".join(chunks) or b"{}")
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"the request: not JSON: {error!s:.200}") from None
        if not isinstance(data, dict):
            raise ConfigError("the request: the body must be a JSON object")
        return data


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _stream(run: HostedRun, last: int) -> AsyncIterator[str]:
    """Yields a run's events in the form of server-sent events, until the run ends."""
    yield f"event: status\ndata: {json.dumps(run.status())}\n\n"
    quiet_s = 0.0
    while True:
        was_active = run.is_active
        events = run.events_after(last, 0.0)
        for number, event in events:
            last = number
            yield f"id: {number}\nevent: {event['event']}\ndata: {json.dumps(event)}\n\n"
        if not was_active and not events:
            return
        quiet_s = 0.0 if events else quiet_s + 0.2
        if quiet_s >= _HEARTBEAT_S:
            quiet_s = 0.0
            yield ": nothing new\n\n"
        await asyncio.sleep(0.2)


def archive_of(run: HostedRun) -> dict[str, Any]:
    """Returns the elites of every island as the lineage has them, by cell.

    Raises:
        LineageError: the lineage cannot be read.
    """
    measures = [measure["name"] for measure in run.settings["info"]["measures"]]
    islands = []
    for island in range(run.settings["info"]["islands"]):
        cells: dict[int, dict[str, Any]] = {}
        with contextlib.suppress(LineageError):
            for entry in history.log(run.folder.lineage, 1_000_000, f"island/{island}"):
                if entry.cell is not None and entry.cell not in cells:
                    cells[entry.cell] = {
                        "cell": entry.cell,
                        "program_id": entry.program_id,
                        "score": entry.score,
                        "measures": dict(zip(measures, entry.measures, strict=False)),
                    }
        islands.append({"island": island, "elites": [cells[cell] for cell in sorted(cells)]})
    return {"measures": measures, "islands": islands}


def metrics_text(runs: list[HostedRun]) -> str:
    """Returns the Prometheus text form of the service's figures."""
    rows = {
        "discovery_evaluations_total": ("counter", "Programs evaluated.", "evaluations"),
        "discovery_in_flight": ("gauge", "Decisions under way.", "in_flight"),
        "discovery_best_score": ("gauge", "The best score so far.", "best_score"),
        "discovery_model_calls_total": ("counter", "Calls of models.", "model_calls"),
        "discovery_tokens_total": ("counter", "Tokens of model calls.", "tokens"),
        "discovery_cost_usd_total": ("counter", "Cost of model calls where the price is known.", "cost_usd"),
    }
    lines = ["# HELP discovery_runs Runs by state.", "# TYPE discovery_runs gauge"]
    states = [run.state for run in runs]
    lines += [
        f'discovery_runs{{state="{state}"}} {states.count(state)}'
        for state in ("running", "paused", "stopping", "done", "stopped", "failed")
    ]
    for name, (kind, text, key) in rows.items():
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        for run in runs:
            if (value := run.facts.get(key)) is not None:
                lines.append(f'{name}{{run="{run.name}"}} {value}')
    return "\n".join(lines) + "\n"


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status_code=status)


async def _refuse(_: Request, error: Exception) -> Response:
    statuses: Mapping[type[Exception], int] = {
        NoSuchRunError: 404,
        BusyError: 409,
        TooLargeError: 413,
        LineageError: 404,
    }
    return _error(statuses.get(type(error), 400), str(error))
