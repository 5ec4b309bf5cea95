"""Who may call the service, and with what."""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from discovery.core.errors import ConfigError
from discovery.service.answers import refusal

OPEN_PATHS = ("/healthz", "/readyz", "/")
"""What anybody may read: whether the process is well, and the page, which shows nothing before it is given the token."""
PAGE = "/page/"


def is_open(path: str) -> bool:
    """Returns whether anybody may read what is at a path."""
    return path in OPEN_PATHS or path.startswith(PAGE)


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


class Guard:
    """Lets in who may call."""

    def __init__(self, app: Any, config: ServiceConfig) -> None:
        self._app = app
        self._config = config

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a request, or has it answered."""
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
        if is_open(request.url.path):
            return None
        if self._config.token:
            given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
            if not hmac.compare_digest(given, self._config.token.encode()):
                return refusal(401, "the token is missing or wrong; send it as: Authorization: Bearer TOKEN")
        elif not is_loopback(
            request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
        ):
            return refusal(403, "without a token this service answers to 127.0.0.1 and localhost only")
        content = request.headers.get("content-type", "").partition(";")[0].strip()
        if request.method == "POST" and content != "application/json":
            return refusal(415, "the body must be JSON, with Content-Type: application/json")
        return None
