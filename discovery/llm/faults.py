"""What a failed call to a model means: whether it was paid, whether asking again helps and when, and what to do about it."""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Iterator
from typing import Any

from discovery.core.redaction import redact
from discovery.core.texts import one_line

_MAX_MESSAGE_CHARS = 300
_NEVER_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "ConnectionRefusedError", "gaierror")
_UNREACHED_STATUS = range(400, 500)
_OVERFLOW = re.compile(
    r"(?i)context.{0,40}(length|window|size|limit)|maximum (context|prompt|input)|(prompt|input|request) (is )?too (long|large)"
    r"|too many (input )?tokens|exceed.{0,30}(context|input tokens)|reduce the length"
)
_POLICY = re.compile(r"(?i)content[_ ](management )?polic|content[_ ]filter|safety polic")


def was_paid(error: BaseException) -> bool:
    """Returns whether a call that failed may have been charged: it reached the endpoint, which did not refuse it.

    What timed out, broke off, or answered something else than a chat was worked on, as far as anybody here can tell.
    """
    chain = list(_chain(error))
    if any(type(one).__name__ in _NEVER_SENT for one in chain):
        return False
    answered = [status for one in chain if (status := _response_status(one)) is not None]
    if answered:
        return answered[0] < 300
    return getattr(error, "status_code", None) not in set(_UNREACHED_STATUS) - {408}


def may_pass(error: BaseException) -> bool:
    """Returns whether a further attempt may succeed."""
    status = getattr(error, "status_code", None)
    return not isinstance(status, int) or status >= 500 or status in (408, 409, 425, 429)


def retry_after_s(error: BaseException, now_s: float | None = None) -> float | None:
    """Returns how long an endpoint asks to be left alone, given in seconds or as a date; None where it does not.

    Args:
        error: what came of a call.
        now_s: unix time; the machine's by default.
    """
    headers = getattr(error, "litellm_response_headers", None) or getattr(
        getattr(error, "response", None), "headers", None
    )
    said = str((headers or {}).get("retry-after", "")).strip()
    try:
        asked_s = float(said)
    except ValueError:
        try:
            asked_s = email.utils.parsedate_to_datetime(said).timestamp() - (
                time.time() if now_s is None else now_s
            )
        except (TypeError, ValueError, OverflowError):
            return None
    return max(0.0, asked_s) if math.isfinite(asked_s) else None


def explained(error: Any, *, timeout_s: float, has_key: bool = True) -> tuple[str, bool]:
    """Returns what happened and what to do about it, with the endpoint's words, and whether asking again cannot help.

    Args:
        error: what was raised.
        timeout_s: the longest wait for an answer.
        has_key: whether a key went with the question.
    """
    status = getattr(error, "status_code", None)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    said = one_line(redact(_unwrapped(str(error))), _MAX_MESSAGE_CHARS)
    is_fatal = False
    if is_overflow(error):
        what = "the prompt is too long for it; choose a model with a longer context or lower the token budget"
    elif "ContentPolicyViolationError" in kinds or (status == 400 and _POLICY.search(str(error))):
        what = "it refused the prompt by its content policy"
    elif status == 429 and "quota" in str(error).lower():
        what, is_fatal = "its quota is used up; add credit, or choose another model", True
    elif status == 429:
        what = "it is rate-limited; lower the number of workers, or try later"
    elif kinds & {"Timeout", "TimeoutException"}:
        what = f"no answer within {timeout_s:g} s; raise timeout_s, or choose a faster model"
    elif status in (401, 403) and not has_key:
        what, is_fatal = (
            "it wants a key, and none is named for that address; give its variable with api_key_env",
            True,
        )
    elif status in (401, 403):
        what, is_fatal = "the key was refused; check the key of its provider in the environment", True
    elif status == 402:
        what, is_fatal = "the account has no credit left", True
    elif status == 404:
        what, is_fatal = "the endpoint does not know it; check the model's name and --api-base", True
    elif status in (400, 422):
        what, is_fatal = "the request was refused as malformed; check that it is a chat model", True
    elif isinstance(status, int) and 300 <= status < 400:
        what, is_fatal = "the endpoint is elsewhere; check --api-base", True
    elif "connection error" in said.lower() or kinds & {"APIConnectionError", "OSError", "TransportError"}:
        what = "cannot connect; check that the endpoint runs, the network, and --api-base"
    elif status is None:
        what = "the endpoint's answer is not in the chat format; check --api-base"
    else:
        what = f"the endpoint failed with status {status}; try later, or choose another model"
    return f"{what} ({said})", is_fatal


def is_overflow(error: BaseException) -> bool:
    """Returns whether an endpoint refused a question because it is too long for the model."""
    if any(kind.__name__ == "ContextWindowExceededError" for kind in type(error).__mro__):
        return True
    return getattr(error, "status_code", None) in (400, 413, 422, 500) and bool(_OVERFLOW.search(str(error)))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and those that led to it."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__


def _response_status(error: BaseException) -> int | None:
    """Returns the status that an endpoint really sent with an error, None where it is not known to have sent any."""
    if type(error).__module__.partition(".")[0] == "litellm":  # which makes up responses where there was none
        return None
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _unwrapped(message: str) -> str:
    """Returns the endpoint's own words from a litellm message, without class names and stack traces."""
    message = message.partition("Traceback (most recent call last)")[0]
    return re.sub(
        r"^(?:litellm\.)?(?:\w+(?:Error|Exception|Timeout)\s*(?::|-)\s*|litellm\.\w+:\s*)+", "", message
    )
