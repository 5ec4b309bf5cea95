"""The HTTP service: runs created, watched, stopped, resumed and fetched over JSON; GET /openapi.json describes it.

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
import math
import os
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, Header
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse

from discovery.core.errors import ConfigError, DiscoveryError, LineageError
from discovery.service.hosted_run import BusyError, HostedRun
from discovery.service.hosting import Host, NoSuchRunError
from discovery.service.messages import Ask, Asked, Changes, Error, NewRun, Runs, Status
from discovery.settings.config import RunConfig
from discovery.settings.doors import Source, read, read_changes, with_endpoint
from discovery.settings.schema import nearest, shown_value
from discovery.storage.git import history
from discovery.storage.git.repository import Repository
from discovery.storage.requests import read_request, send
from evaluators.contract import ContractError
from evaluators.problems.bundle import Bundle

_OPEN_PATHS = ("/healthz", "/readyz")
_HEARTBEAT_S = 15.0
_WHERE = "the request"


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """How the service may be reached.

    Attributes:
        token: what callers must present; "" for none, which only loopback may have.
        is_local: whether it listens on loopback.
        most_bytes: the largest body of a request.
        api_base: the endpoint of models whose names have no provider; callers cannot name one, for keys would go there.
        api_key_env: the variable of its key; no key goes there if left out.
    """

    token: str = ""
    is_local: bool = True
    most_bytes: int = 16 << 20
    api_base: str | None = None
    api_key_env: str | None = None


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
    app = FastAPI(
        title="Code Discovery",
        version=version("code-discovery"),
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        openapi_url=None,  # served below, as all else
        default_response_class=FiniteJSON,
        exception_handlers=dict.fromkeys(
            (DiscoveryError, ContractError, RequestValidationError, HTTPException, Exception), _refuse
        ),
    )
    service = _Service(host, config, check_ready)
    refused = {
        "description": "What is wrong, and the remedy.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    guarded = {"dependencies": [Depends(HTTPBearer(auto_error=False, scheme_name="token"))]}

    def add(path: str, endpoint: Any, says: str, *, method: str = "GET", **more: Any) -> None:
        more |= {} if path in _OPEN_PATHS else guarded
        more["responses"] = {"default": refused, **more.get("responses", {})}
        app.add_api_route(path, endpoint, methods=[method], summary=says, response_description=says, **more)

    def document() -> Response:
        return FiniteJSON(app.openapi())

    run, status = "/runs/{name}", {"model": Status}
    add("/healthz", _health, "Whether the process answers.")
    add("/readyz", service.ready, "Whether jobs can be done; 503 with the reason if not.")
    add("/metrics", service.metrics, "Prometheus metrics.", response_class=PlainTextResponse)
    add("/openapi.json", document, "This document.")
    add(
        "/runs",
        service.list_runs,
        "All runs, oldest first.",
        responses={200: {"model": Runs}, 400: {"model": Error}},
    )
    add("/runs", service.create, "Begin a run.", method="POST", status_code=201, responses={201: status})
    add(run, service.status, "How a run is doing.", responses={200: status})
    add(
        f"{run}/events",
        service.events,
        "What happens, as server-sent events: status, evaluated, best, asked, warned, ended; Last-Event-ID goes on.",
        response_class=EventStream,
    )
    add(f"{run}/best", service.best, "The best program, its files and how it did.")
    add(f"{run}/archive", service.archive, "The elites of every island.")
    add(
        f"{run}/lineage.bundle",
        service.lineage,
        "The lineage, to be cloned: git clone RUN.bundle.",
        response_class=GitBundle,
    )
    add(
        f"{run}/requests",
        service.ask,
        "Ask something of a run under way: a program to try, a hint, a pause, other limits.",
        method="POST",
        status_code=202,
        responses={202: {"model": Asked}},
    )
    accepted: dict[str, Any] = {"method": "POST", "status_code": 202, "responses": {202: status}}
    add(f"{run}/stop", service.stop, "End a run; what is finished is kept.", **accepted)
    add(f"{run}/resume", service.resume, "Go on with a run, with other settings if given.", **accepted)
    return _Guard(app, config)


class FiniteJSON(JSONResponse):
    """JSON in which what is no finite number is null: no client reads NaN, and none is to be told 500 for it."""

    def render(self, content: Any) -> bytes:
        """Returns the body."""
        return json.dumps(_finite(content), ensure_ascii=False, allow_nan=False).encode()


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


class GitBundle(FileResponse):
    """A git bundle."""

    media_type = "application/x-git-bundle"


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    return [_finite(value) for value in data] if isinstance(data, list | tuple) else data


class _Guard:
    """Lets in who may call."""

    def __init__(self, app: Any, config: ServiceConfig) -> None:
        self._app = app
        self._config = config

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            if (refusal := self._refusal(Request(scope))) is not None:
                await refusal(scope, receive, send)
                return
            receive = self._limited(receive)
        await self._app(scope, receive, send)

    def _limited(self, receive: Any) -> Any:
        """Returns what reads a body, up to the largest that is allowed."""
        size = 0

        async def read_some() -> Any:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._config.most_bytes:
                raise HTTPException(413, f"the request must be at most {self._config.most_bytes >> 10} KiB")
            return message

        return read_some

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

    async def ready(self) -> Response:
        try:
            await run_in_threadpool(self._check_ready)
        except DiscoveryError as error:
            return _error(503, str(error))
        return FiniteJSON({"status": "ready"})

    async def metrics(self) -> Response:
        return PlainTextResponse(metrics_text(self._host.runs()), media_type="text/plain; version=0.0.4")

    async def list_runs(self) -> Response:
        return FiniteJSON({"runs": [run.status() for run in self._host.runs()]})

    async def status(self, name: str) -> Response:
        return FiniteJSON(self._host.run(name).status())

    async def create(self, body: Annotated[NewRun, Body()]) -> Response:
        if (given := body.pop("problem", None)) is None:
            raise ConfigError(
                f'{_WHERE}: problem must be a name, or {{"name": ..., "files": {{path: text}}}}'
            )
        problem = given if isinstance(given, str) else Bundle.from_json(given)
        config, launch = read([Source({**body, "problem": "none"}, _WHERE)], remote=True)
        config = with_endpoint(config, self._config.api_base, self._config.api_key_env)

        def make_config(spec: str) -> RunConfig:
            return replace(config, problem=spec)

        run = await run_in_threadpool(self._host.create, launch.name, make_config, problem, launch)
        return FiniteJSON(run.status(), status_code=201, headers={"Location": f"/runs/{run.name}"})

    async def stop(self, name: str, body: Annotated[dict[str, Any] | None, Body()] = None) -> Response:
        run = self._host.run(name)
        if not run.is_active:
            raise BusyError(f"run {run.name} is not under way")
        await run_in_threadpool(run.stop, for_good=True)
        return FiniteJSON(run.status(), status_code=202)

    async def resume(self, name: str, body: Annotated[Changes | None, Body()] = None) -> Response:
        self._host.run(name)
        changes = read_changes(Source(body or {}, _WHERE))
        run = await run_in_threadpool(self._host.resume, name, changes)
        return FiniteJSON(run.status(), status_code=202)

    async def ask(self, name: str, body: Ask) -> Response:
        run = self._host.run(name)
        data = body.model_dump(exclude_none=True)
        asked = read_request({**data, "request_id": secrets.token_hex(8), "at_s": time.time()})
        await run_in_threadpool(send, run.folder, asked)
        return FiniteJSON({"request_id": asked.request_id}, status_code=202)

    async def best(self, name: str) -> Response:
        shown = await run_in_threadpool(history.best, self._host.run(name).folder.lineage)
        found = {**asdict(shown.entry), "files": dict(shown.files), "certificate": shown.certificate}
        return FiniteJSON(found)

    async def archive(self, name: str) -> Response:
        return FiniteJSON(await run_in_threadpool(archive_of, self._host.run(name)))

    async def lineage(self, name: str) -> Response:
        run = self._host.run(name)
        handle, path = tempfile.mkstemp(prefix="discovery-", suffix=".bundle")
        os.close(handle)
        try:
            repository = Repository(run.folder.lineage)
            await run_in_threadpool(repository.run, "bundle", "create", "--quiet", path, "--all", "HEAD")
        except LineageError:
            Path(path).unlink(missing_ok=True)
            raise
        clean = BackgroundTask(Path(path).unlink, missing_ok=True)
        return GitBundle(path, filename=f"{run.name}.bundle", background=clean)

    async def events(self, name: str, last_event_id: Annotated[str, Header()] = "") -> Response:
        run = self._host.run(name)
        last = int(last_event_id) if last_event_id.isascii() and last_event_id[:18].isdigit() else 0
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return EventStream(_stream(run, last), headers=headers)


async def _health() -> Response:
    return FiniteJSON({"status": "ok"})


async def _stream(run: HostedRun, last: int) -> AsyncIterator[str]:
    """Yields a run's events in the form of server-sent events, until the run ends."""
    yield f"event: status\ndata: {json.dumps(_finite(run.status()))}\n\n"
    quiet_s = 0.0
    while True:
        was_active = run.is_active
        events = run.events_after(last, 0.0)
        for number, event in events:
            last = number
            yield f"id: {number}\nevent: {event['event']}\ndata: {json.dumps(_finite(event))}\n\n"
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
    return FiniteJSON({"error": message}, status_code=status)


async def _refuse(_: Request, error: Exception) -> Response:
    """Returns the answer to what went wrong, always of one shape."""
    statuses: Mapping[type[Exception], int] = {NoSuchRunError: 404, BusyError: 409, LineageError: 404}
    if isinstance(error, RequestValidationError):
        return _error(400, f"{_WHERE}: " + "; ".join(map(_said, error.errors())))
    if isinstance(error, HTTPException):
        return _error(error.status_code, str(error.detail))
    if isinstance(error, DiscoveryError | ContractError):
        return _error(statuses.get(type(error), 400), str(error))
    return _error(500, f"a fault of the service: {type(error).__name__}; its log has more")


def _said(one: Mapping[str, Any]) -> str:
    """Returns what is wrong with a part of a body."""
    names = [str(part) for part in one["loc"] if part != "body"]
    where = ".".join(names) or "the body"
    match one["type"]:
        case "json_invalid":
            return f"not JSON: {one['ctx']['error']}"
        case "extra_forbidden":
            fields = list(Ask.model_fields)
            return (
                f"unknown key {names[-1]!r:.80}{nearest(names[-1], fields)}; there are: {', '.join(fields)}"
            )
        case "missing":
            return f"{where} must be given"
        case "dict_type" if not names:
            return f"the body must be a JSON object, got {shown_value(one['input'])}"
    return f"{where} {one['msg'].replace('Input should', 'must')}, got {shown_value(one['input'])}"
