"""The HTTP service: runs created, watched, steered, resumed and fetched; GET /openapi.json describes it, / is its page.

Whoever may call it may spend the money of the models that the service is set up for, and have problems judged; so any
address but loopback demands a token, and on loopback, where a page in a browser might try, the Host header must be
local and what is posted must be JSON.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, Header
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from discovery.core.errors import ConfigError, DiscoveryError
from discovery.service.answers import WHERE, EventStream, FiniteJSON, GitBundle, finite, refusal, refuse
from discovery.service.guard import Guard, ServiceConfig, is_open
from discovery.service.hosted_run import BusyError
from discovery.service.messages import (
    Ask,
    Asked,
    Changes,
    Error,
    NewRun,
    Problems,
    Purge,
    Purged,
    Runs,
    Status,
)
from discovery.service.reading import ProgramText, Reading
from discovery.service.runs import HostLike, RunLike
from discovery.settings.config import RunConfig
from discovery.settings.doors import Source, read, read_changes, with_endpoint
from discovery.storage.requests import read_request, send
from evaluators.contract import ContractError
from evaluators.problems.bundle import Bundle
from evaluators.problems.loading import shipped_names

_HEARTBEAT_S = 15.0


def make_app(host: HostLike, config: ServiceConfig, check_ready: Callable[[], None]) -> Any:
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
            (DiscoveryError, ContractError, RequestValidationError, HTTPException, Exception), refuse
        ),
    )
    service, reading = _Service(host, config, check_ready), Reading(host)
    refused = {
        "description": "What is wrong, and the remedy.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    guarded = {"dependencies": [Depends(HTTPBearer(auto_error=False, scheme_name="token"))]}

    def add(path: str, endpoint: Any, says: str, *, method: str = "GET", **more: Any) -> None:
        more |= {} if is_open(path) else guarded
        more["responses"] = {"default": refused, **more.get("responses", {})}
        app.add_api_route(path, endpoint, methods=[method], summary=says, response_description=says, **more)

    def document() -> Response:
        return FiniteJSON(app.openapi())

    run, status = "/runs/{name}", {"model": Status}
    add("/", reading.index, "The page.", response_class=HTMLResponse)
    add("/page/{file}", reading.file, "A file of the page.", response_class=PlainTextResponse)
    add("/healthz", _health, "Whether the process answers.")
    add("/readyz", service.ready, "Whether jobs can be done; 503 with the reason if not.")
    add("/metrics", service.metrics, "Prometheus metrics.", response_class=PlainTextResponse)
    add("/openapi.json", document, "This document.")
    add("/problems", service.problems, "The service's own problems.", responses={200: {"model": Problems}})
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
    add(
        f"{run}/view",
        reading.view,
        "What the page shows of a run; of its programs, those from number `after`.",
    )
    add(f"{run}/best", reading.best, "The best program, its files and how it did.")
    add(f"{run}/log", reading.log, "The newest programs, newest first, as git tells of them.")
    add(f"{run}/programs/{{program}}", reading.program, "Everything on one program.")
    add(f"{run}/diff", reading.diff, "What changed between two programs.", response_class=ProgramText)
    add(f"{run}/archive", reading.archive, "The elites of every island.")
    add(f"{run}/report", reading.report, "One HTML file about a run.", response_class=HTMLResponse)
    add(
        f"{run}/lineage.bundle",
        reading.lineage,
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
    purged = {200: {"model": Purged}}
    add(
        f"{run}/purge",
        service.purge,
        "Take a program out of a run that is not under way.",
        method="POST",
        responses=purged,
    )
    return Guard(app, config)


class _Service:
    def __init__(self, host: HostLike, config: ServiceConfig, check_ready: Callable[[], None]) -> None:
        self._host = host
        self._config = config
        self._check_ready = check_ready

    async def ready(self) -> Response:
        try:
            await run_in_threadpool(self._check_ready)
        except DiscoveryError as error:
            return refusal(503, str(error))
        told = [run.status() for run in self._host.runs()]
        waiting = [
            one["message"]
            for one in told
            if one["state"] == "paused" and one["message"] != "paused on request"
        ]
        if waiting and not any(one["state"] == "running" for one in told):
            return refusal(503, f"every run under way waits: {waiting[0]}")
        return FiniteJSON({"status": "ready"})

    async def metrics(self) -> Response:
        return PlainTextResponse(metrics_text(self._host.runs()), media_type="text/plain; version=0.0.4")

    async def list_runs(self) -> Response:
        return FiniteJSON(
            {"runs": await run_in_threadpool(lambda: [run.status() for run in self._host.runs()])}
        )

    async def status(self, name: str) -> Response:
        return FiniteJSON(await run_in_threadpool(self._host.run(name).status))

    async def create(self, body: Annotated[NewRun, Body()]) -> Response:
        if (given := body.pop("problem", None)) is None:
            raise ConfigError(f'{WHERE}: problem must be a name, or {{"name": ..., "files": {{path: text}}}}')
        problem = given if isinstance(given, str) else Bundle.from_json(given)
        config, launch = read([Source({**body, "problem": "none"}, WHERE)], remote=True)
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
        changes = read_changes(Source(body or {}, WHERE))
        run = await run_in_threadpool(self._host.resume, name, changes)
        return FiniteJSON(run.status(), status_code=202)

    async def ask(self, name: str, body: Ask) -> Response:
        run = self._host.run(name)
        data = body.model_dump(exclude_none=True)
        asked = read_request({**data, "request_id": secrets.token_hex(8), "at_s": time.time()})
        await run_in_threadpool(send, run.folder, asked)
        return FiniteJSON({"request_id": asked.request_id}, status_code=202)

    async def purge(self, name: str, body: Purge) -> Response:
        run = self._host.run(name)
        if run.is_active:
            raise BusyError(f"run {run.name} is under way; stop it, then purge, then resume it")
        gone = await run_in_threadpool(run.purge, body.program, body.reason)
        return FiniteJSON({"program_ids": gone})

    async def problems(self) -> Response:
        return FiniteJSON({"problems": list(shipped_names())})

    async def events(self, name: str, last_event_id: Annotated[str, Header()] = "") -> Response:
        run = self._host.run(name)
        last = int(last_event_id) if last_event_id.isascii() and last_event_id[:18].isdigit() else 0
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return EventStream(_stream(run, last), headers=headers)


async def _health() -> Response:
    return FiniteJSON({"status": "ok"})


async def _stream(run: RunLike, last: int) -> AsyncIterator[str]:
    """Yields a run's events in the form of server-sent events, until the run ends."""
    status = await run_in_threadpool(run.status)
    yield f"event: status\ndata: {json.dumps(finite(status))}\n\n"
    quiet_s = 0.0
    while True:
        was_active = run.is_active
        events = await run_in_threadpool(run.events_after, last, 0.0)
        for number, event in events:
            last = number
            yield f"id: {number}\nevent: {event['event']}\ndata: {json.dumps(finite(event))}\n\n"
        if not was_active and not events:
            return
        quiet_s = 0.0 if events else quiet_s + 0.2
        if quiet_s >= _HEARTBEAT_S:
            quiet_s = 0.0
            yield ": nothing new\n\n"
        await asyncio.sleep(0.2)


def metrics_text(runs: Sequence[RunLike]) -> str:
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
