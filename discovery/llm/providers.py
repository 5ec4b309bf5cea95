"""The one door to litellm, through which models are asked that are where their providers serve them.

litellm takes seconds to import, so it is loaded by the first call that needs it, in the process that asks.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import logging
import os
import sys
import warnings
from collections.abc import Mapping
from typing import Any

from discovery.llm.routes import Route
from evaluators.text import trees


def ask_provider(route: Route, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns what a provider answers to a chat, in the OpenAI format. Thread-safe.

    Raises:
        Exception: one of `call_errors()`.
    """
    address = {} if route.address is None else {"api_base": route.address}
    key = {} if (found := route.key()) is None else {"api_key": found}
    headers = {"extra_headers": more} if (more := route.headers()) else {}
    response = load_litellm().completion(
        **body, **address, **key, **headers, timeout=route.timeout_s, max_retries=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fields that are of another type than it expects
        answer: Mapping[str, Any] = response.model_dump()
    return answer


def close_provider_connections() -> None:
    """Closes the connections that litellm keeps open, of all models; the next call opens new ones."""
    if "litellm" not in sys.modules:
        return
    clients = load_litellm().in_memory_llm_clients_cache
    for key, client in list(clients.cache_dict.items()):
        close = getattr(client, "close", None)
        if callable(close) and not inspect.iscoroutinefunction(close):
            close()
            clients.delete_cache(key)


def load_litellm() -> Any:
    """Returns litellm, silenced and kept from fetching its price list from the network. Thread-safe."""
    with trees.one_at_a_time:
        return _load()


@functools.cache
def _load() -> Any:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    for name, value in list(os.environ.items()):
        if name.endswith("_API_KEY") and not value.strip():
            del os.environ[name]  # an empty key (as container settings pass on what is unset) is no key
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies, about each other
        import litellm

        litellm.ModelResponse()  # builds its classes here, not in the first call
        with contextlib.suppress(ImportError):  # imported in the first call, by versions that have it
            importlib.import_module("litellm.llms.github_copilot.per_user_auth")
    litellm.suppress_debug_info = True
    litellm.drop_params = True
    litellm.telemetry = False
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
    return litellm


@functools.cache
def call_errors() -> tuple[type[Exception], ...]:
    """Returns what `ask_provider` may raise: litellm's tree, and what odd replies do to its parsing."""
    kinds = tuple(load_litellm().exceptions.LITELLM_EXCEPTION_TYPES)
    return (*kinds, OSError, ValueError, TypeError, LookupError, AttributeError, UserWarning)
