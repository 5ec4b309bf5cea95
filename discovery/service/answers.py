"""The forms of the service's answers: JSON in which every number is finite, and refusals of one shape."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from discovery.core.errors import DiscoveryError, LineageError
from discovery.reporting.run_view import NoSuchProgramError
from discovery.service.hosted_run import BusyError
from discovery.service.hosting import NoSuchRunError
from discovery.service.messages import Ask
from discovery.settings.schema import nearest, shown_value
from evaluators.contract import ContractError

WHERE = "the request"


class FiniteJSON(JSONResponse):
    """JSON in which what is no finite number is null: no client reads NaN, and none is to be told 500 for it."""

    def render(self, content: Any) -> bytes:
        """Returns the body."""
        try:
            return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
        except ValueError:
            return json.dumps(finite(content), ensure_ascii=False, allow_nan=False).encode()


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


class GitBundle(FileResponse):
    """A git bundle."""

    media_type = "application/x-git-bundle"


def finite(data: Any) -> Any:
    """Returns plain data in which what is no finite number is None."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {key: finite(value) for key, value in data.items()}
    return [finite(value) for value in data] if isinstance(data, list | tuple) else data


def refusal(status: int, message: str) -> JSONResponse:
    """Returns an answer that says what is wrong."""
    return FiniteJSON({"error": message}, status_code=status)


async def refuse(_: Request, error: Exception) -> Response:
    """Returns the answer to what went wrong, always of one shape."""
    statuses: Mapping[type[Exception], int] = {
        NoSuchRunError: 404,
        NoSuchProgramError: 404,
        LineageError: 404,
        BusyError: 409,
    }
    if isinstance(error, RequestValidationError):
        return refusal(400, f"{WHERE}: " + "; ".join(map(_said, error.errors())))
    if isinstance(error, HTTPException):
        return refusal(error.status_code, str(error.detail))
    if isinstance(error, DiscoveryError | ContractError):
        return refusal(statuses.get(type(error), 400), str(error))
    return refusal(500, f"a fault of the service: {type(error).__name__}; its log has more")


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
