"""The OpenAPI document of the HTTP service."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from discovery.core.requests import BUDGET_FIELDS, KINDS

_STATUS = {"$ref": "#/components/schemas/Status"}
_BUDGET: dict[str, Any] = {
    "evals": {"type": "integer", "minimum": 1, "description": "End after this many evaluations."},
    "minutes": {"type": "number", "exclusiveMinimum": 0, "description": "End after this much working time."},
    "cost_usd": {
        "type": "number",
        "exclusiveMinimum": 0,
        "description": "End when models have cost this much.",
    },
    "tokens": {"type": "integer", "minimum": 1, "description": "End when models have used this many tokens."},
}
_BUNDLE: dict[str, Any] = {
    "type": "object",
    "required": ["files"],
    "properties": {
        "name": {"type": "string", "description": "The problem's name."},
        "module": {
            "type": "string",
            "description": "The path of its module; problem.py or the only one by default.",
        },
        "is_folder": {"type": "boolean", "description": "Whether all files belong to its version."},
        "files": {
            "type": "object",
            "additionalProperties": {
                "oneOf": [
                    {"type": "string"},
                    {"type": "object", "required": ["base64"], "properties": {"base64": {"type": "string"}}},
                ]
            },
        },
    },
}
_REQUEST: dict[str, Any] = {
    "type": "object",
    "required": ["problem"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "description": "The run's name; the problem's and a number by default."},
        "problem": {"oneOf": [{"type": "string", "description": "A shipped name."}, _BUNDLE]},
        **_BUDGET,
        "target": {"type": "number", "description": "End when a score reaches this value."},
        "seed": {"type": "integer"},
        "islands": {"oneOf": [{"type": "integer"}, {"type": "object"}]},
        "workers": {"type": "integer", "description": "Evaluations at the same time."},
        "model": {"type": "array", "items": {"type": "string"}, "description": "NAME or NAME=WEIGHT."},
        "model_slots": {"type": "integer", "description": "Model calls at the same time."},
        "operators": {"type": "string", "description": "For example diff=3,tune."},
        "tuning": {"type": "object"},
        "parents": {"enum": ["boltzmann", "best", "uniform", "seed"], "description": "How they are drawn."},
        "rebase": {
            "type": "boolean",
            "description": "Whether late changes of the best are carried over into the best.",
        },
        "context": {"type": "object", "description": "What questions to models tell."},
        "planning": {"type": "object"},
        "bandit": {"type": "object"},
        "memory": {"type": "object"},
        "duplicates": {"type": "object"},
        "screening": {"type": "object"},
    },
}
_ASKING: dict[str, Any] = {
    "type": "object",
    "required": ["kind"],
    "additionalProperties": False,
    "properties": {
        "kind": {"enum": list(KINDS)},
        "text": {"type": "string", "description": "The hint, or a note that stays with an injected program."},
        "program": {
            "type": "object",
            "required": ["files", "entry"],
            "properties": {
                "files": {"type": "object", "additionalProperties": {"type": "string"}},
                "entry": {"type": "string"},
            },
        },
        "budget": {
            "type": "object",
            "properties": {name: {"type": "number"} for name in BUDGET_FIELDS},
            "description": "New limits; those not named stay.",
        },
    },
}
_STATUS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "problem": {"type": "string"},
        "state": {"enum": ["running", "paused", "stopping", "done", "stopped", "failed"]},
        "message": {"type": "string"},
        "created_at": {"type": "number"},
        "budget": {"type": "object"},
        "evaluations": {"type": "integer"},
        "best_score": {"type": ["number", "null"]},
        "best_id": {"type": ["string", "null"]},
        "self_scored": {
            "type": ["boolean", "null"],
            "description": "Whether the program's own process gave the score, which it may have forged.",
        },
        "statuses": {"type": "object"},
        "seconds": {"type": "number"},
        "model_calls": {"type": "integer"},
        "tokens": {"type": "integer"},
        "cost_usd": {"type": "number"},
        "unpriced_calls": {"type": "integer"},
        "in_flight": {"type": "integer"},
    },
}


def document() -> dict[str, Any]:
    """Returns the document (OpenAPI 3.1)."""
    run = "/runs/{name}"
    paths: dict[str, Any] = {
        "/healthz": {"get": _operation("Whether the process answers.", security=[])},
        "/readyz": {"get": _operation("Whether jobs can be done; 503 with the reason if not.", security=[])},
        "/metrics": {"get": _operation("Prometheus metrics.", content="text/plain")},
        "/openapi.json": {"get": _operation("This document.")},
        "/runs": {
            "get": _operation(
                "All runs, oldest first.",
                {"type": "object", "properties": {"runs": {"type": "array", "items": _STATUS}}},
            ),
            "post": _operation("Begin a run.", _STATUS, status="201", body=_REQUEST),
        },
        run: {"get": _operation("How a run is doing.", _STATUS)},
        f"{run}/events": {
            "get": _operation(
                "What happens, as server-sent events: status, evaluated, best, ended; Last-Event-ID goes on.",
                content="text/event-stream",
            )
        },
        f"{run}/best": {"get": _operation("The best program, its files and how it did.")},
        f"{run}/archive": {"get": _operation("The elites of every island.")},
        f"{run}/lineage.bundle": {
            "get": _operation(
                "The lineage, to be cloned: git clone RUN.bundle.", content="application/x-git-bundle"
            )
        },
        f"{run}/requests": {
            "post": _operation(
                "Ask something of a run under way: a program to try, a hint, a pause, other limits.",
                {"type": "object", "properties": {"request_id": {"type": "string"}}},
                status="202",
                body=_ASKING,
            )
        },
        f"{run}/stop": {
            "post": _operation(
                "End a run; what is finished is kept.", _STATUS, status="202", body={"type": "object"}
            )
        },
        f"{run}/resume": {
            "post": _operation(
                "Go on with a run, with new limits if given.",
                _STATUS,
                status="202",
                body={"type": "object", "additionalProperties": False, "properties": _BUDGET},
            )
        },
    }
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    for path, item in paths.items():
        if "{name}" in path:
            item["parameters"] = [name]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Code Discovery", "version": version("code-discovery")},
        "paths": paths,
        "security": [{"token": []}],
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Status": _STATUS_SCHEMA,
                "Error": {"type": "object", "properties": {"error": {"type": "string"}}},
            },
        },
    }


def _operation(
    summary: str,
    schema: dict[str, Any] | None = None,
    *,
    status: str = "200",
    content: str = "application/json",
    body: dict[str, Any] | None = None,
    security: list[Any] | None = None,
) -> dict[str, Any]:
    error = {
        "description": "What is wrong, and the remedy.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    found: dict[str, Any] = {
        "summary": summary,
        "responses": {
            status: {"description": summary, "content": {content: {"schema": schema or {}}}},
            "default": error,
        },
    }
    if body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    if security is not None:
        found["security"] = security
    return found
