"""How each model of a run is reached: at which address, with which key, in whose format.

The rule: a provider's key goes to that provider's own address and nowhere else. An address that a person named gets the key
whose variable was named for it, or none. So no key is ever found in the environment for an address of one's own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from discovery.core.redaction import redact
from discovery.core.types import ModelError
from discovery.llm.prices import Prices, listed_provider, prices_of, providers, reply_limit
from discovery.settings.models import ModelConfig
from discovery.settings.named_model import NamedModel

OPENAI_FORMAT = frozenset(
    """openai custom_openai openai_like hosted_vllm vllm lm_studio llamafile litellm_proxy deepseek openrouter groq together_ai
    fireworks_ai mistral xai perplexity cerebras nvidia_nim deepinfra moonshot sambanova novita nebius dashscope zai""".split()  # noqa: SIM905 - a list is read more easily
)
"""Providers whose models speak the OpenAI chat format, wherever they are: with an address of their own they are asked directly."""
KEYS: Mapping[str, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
    "groq": ("GROQ_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY", "OR_API_KEY"),
    "xai": ("XAI_API_KEY",),
    "cohere": ("COHERE_API_KEY", "CO_API_KEY"),
    "cohere_chat": ("COHERE_API_KEY", "CO_API_KEY"),
    "cerebras": ("CEREBRAS_API_KEY",),
    "replicate": ("REPLICATE_API_KEY", "REPLICATE_API_TOKEN"),
    "together_ai": ("TOGETHERAI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHER_AI_TOKEN"),
    "fireworks_ai": (
        "FIREWORKS_AI_API_KEY",
        "FIREWORKS_API_KEY",
        "FIREWORKSAI_API_KEY",
        "FIREWORKS_AI_TOKEN",
    ),
    "perplexity": ("PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"),
}
"""The variables of providers' keys, one of which is enough. Those of Azure, Bedrock and Vertex are not here: they also take tokens,
profiles and roles, of which only a call tells."""


@dataclass(frozen=True, slots=True)
class Route:
    """How one model is reached.

    Attributes:
        name: what it is called in the run.
        called: what the request calls it: with its provider for litellm, without for an address that is asked directly.
        address: where; None for its provider's own.
        key_env: the variable of its key; None for litellm to find its provider's, or for none at an address of one's own.
        is_direct: whether it is asked in the OpenAI format, without litellm.
        settings: its own settings, those of all models filled in.
        prices: what its tokens cost; None where unknown.
        max_tokens: the longest reply to ask for.
    """

    name: str
    called: str
    address: str | None
    key_env: str | None
    is_direct: bool
    settings: NamedModel
    prices: Prices | None
    max_tokens: int

    @property
    def temperature(self) -> tuple[float, float]:
        """The range that each call draws its temperature from."""
        assert self.settings.temperature is not None
        return self.settings.temperature

    @property
    def timeout_s(self) -> float:
        """The longest wait for an answer."""
        assert self.settings.timeout_s is not None
        return self.settings.timeout_s

    @property
    def retries(self) -> int:
        """Further attempts of one call."""
        assert self.settings.retries is not None
        return self.settings.retries

    @property
    def where(self) -> str:
        """What to call it in a message."""
        return f"model {self.name}" + (f" at {redact(self.address)}" if self.address else "")

    def key(self) -> str | None:
        """Returns its key from the environment; None where none is named for it.

        Raises:
            ModelError: (fatal) the variable that was named holds none.
        """
        if self.key_env is None:
            return None
        if key := os.environ.get(self.key_env, "").strip():
            return key
        raise self._unfit(f"needs a key: set {self.key_env} in the environment")

    def headers(self) -> dict[str, str]:
        """Returns its further headers, with the values of the variables that they name.

        Raises:
            ModelError: (fatal) a variable is not set.
        """
        found = {}
        for name, value in self.settings.extra_headers.items():
            found[name] = os.environ.get(value[1:], "").strip() if value.startswith("$") else value
            if not found[name]:
                raise self._unfit(f"needs header {name}: set {value[1:]} in the environment")
        return found

    def secrets(self) -> tuple[str, ...]:
        """Returns what must not be told of what is sent: its key, and the headers that are in the environment."""
        names = [
            self.key_env,
            *(value[1:] for value in self.settings.extra_headers.values() if value[:1] == "$"),
        ]
        found = [os.environ.get(name, "").strip() for name in names if name]
        return tuple(secret for secret in found if secret)

    def check(self) -> None:
        """Checks, without asking, that it can be asked, and that no key would go where it does not belong.

        Raises:
            ModelError: (fatal) it cannot; the message names the remedy.
        """
        self.headers()
        if self.key() is not None or self.is_direct:
            return
        provider = self.called.partition("/")[0] if "/" in self.called else listed_provider(self.called)
        if provider is None:
            raise self._unfit(
                "names no provider that litellm knows; write PROVIDER/MODEL (openai/gpt-5, ollama/llama3), or give the address "
                "of an OpenAI-compatible endpoint with --api-base"
            )
        names = KEYS.get(provider, ())
        if self.address is None:
            if names and not any(os.environ.get(name, "").strip() for name in names):
                raise self._unfit(
                    f"({provider}) needs a key: set {' or '.join(names[:2])} in the environment; --api-base is for names without a "
                    "provider, and a model of one that is served elsewhere has an api_base of its own: "
                    f"--model {self.name},api_base=..."
                )
            return
        names = names or (f"{provider.upper()}_API_KEY",)
        if held := [name for name in names if os.environ.get(name, "").strip()]:
            raise self._unfit(
                f"has an address of its own, and {held[0]} is set, which is a key for {provider} itself; if it is meant for that "
                f"address, say so with api_key_env={held[0]}, else unset it"
            )

    def _unfit(self, what: str) -> ModelError:
        name = f"model {self.name!r}" + (f" at {redact(self.address)}" if self.address else "")
        return ModelError(f"{name} {what}", is_fatal=True, model=self.name)


def route_of(config: ModelConfig, model: NamedModel) -> Route:
    """Returns how a model of a configuration is reached."""
    called = model.model or model.name
    prefix, slash, rest = called.partition("/")
    provider = prefix if slash and prefix in providers() else ""
    address, key_env = model.api_base, model.api_key_env
    if address is None and not provider and config.api_base is not None:
        address, key_env = config.api_base, key_env or config.api_key_env
    is_direct = address is not None and (not provider or provider in OPENAI_FORMAT)
    plain = rest if provider else called
    names = (called, plain, model.name)
    wanted = model.max_tokens or config.max_tokens
    limit = reply_limit(*names)
    return Route(
        name=model.name,
        called=(model.model or plain) if is_direct else called,
        address=address.rstrip("/") if address else None,
        key_env=key_env,
        is_direct=is_direct,
        settings=replace(
            model,
            temperature=model.temperature or config.temperature,
            timeout_s=model.timeout_s or config.timeout_s,
            retries=config.retries if model.retries is None else model.retries,
        ),
        prices=prices_of(model, *names),
        max_tokens=min(wanted, limit) if limit else wanted,
    )


def check_models(config: ModelConfig) -> None:
    """Checks, without asking any model, that every model of a configuration can be asked.

    Raises:
        ModelError: (fatal) a name without provider, or a key that is not in the environment, by its name.
    """
    for model in config.models:
        route_of(config, model).check()
