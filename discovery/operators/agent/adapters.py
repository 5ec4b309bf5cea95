"""How known agents are started in a jail, and what each is told of the model's address. docs/agents.md says what was read of them.

The key that they are given is a word without meaning: the proxy has the real one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from discovery.core.types import Allowance, OperatorError
from discovery.llm.upstream import Format
from discovery.operators.agent.inside import PORT
from evaluators.sandbox.jail.jail import find_command
from evaluators.sandbox.jail.walls import HOME, TEMPORARY, TOOLS, WORK, python_paths

MODEL_PORT = 8001
NO_KEY = "the-proxy-has-it"
TASK_FILE = f"{TOOLS}/TASK.md"
_ADDRESS = f"http://127.0.0.1:{MODEL_PORT}"
_LONGEST_ARGUMENT = 60_000


@dataclass(frozen=True, slots=True)
class Adapter:
    """One known agent.

    Attributes:
        command: with {task}, {model} and {entry} for what is asked, the model's name and the entry file.
        environment: what it reads besides what all are told.
        files: files in /jail that it reads: name -> text, with {model}.
        formats: those that it speaks, of which the model must take one.
    """

    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    formats: tuple[Format, ...] = ("openai", "anthropic", "gemini")


_CODEX_PROVIDER = (
    f'{{name = "jail", base_url = "{_ADDRESS}/v1", env_key = "OPENAI_API_KEY", wire_api = "responses"}}'
)
_OPENCODE = {
    "provider": {
        "jail": {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": f"{_ADDRESS}/v1", "apiKey": NO_KEY},
            "models": {"{model}": {}},
        }
    },
    "share": "disabled",
    "autoupdate": False,
    "permission": {"edit": "allow", "bash": "allow", "webfetch": "deny"},
}
ADAPTERS: Mapping[str, Adapter] = {
    "command": Adapter(),
    "claude": Adapter(
        (
            "claude",
            "-p",
            "{task}",
            "--model",
            "{model}",
            "--dangerously-skip-permissions",
            "--output-format",
            "stream-json",
            "--verbose",
        ),
        {
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "ANTHROPIC_SMALL_FAST_MODEL": "{model}",
        },
        formats=("anthropic",),
    ),
    "codex": Adapter(
        (
            *(
                "codex",
                "exec",
                "--skip-git-repo-check",
                "--sandbox",
                "danger-full-access",
                "--json",
                "--model",
                "{model}",
            ),
            *("-c", "model_provider=jail", "-c", f"model_providers.jail={_CODEX_PROVIDER}", "{task}"),
        ),
        formats=("openai",),
    ),
    "gemini": Adapter(
        ("gemini", "-p", "{task}", "-m", "{model}", "--yolo", "--output-format", "stream-json"),
        formats=("gemini",),
    ),
    "opencode": Adapter(
        ("opencode", "run", "-m", "jail/{model}", "{task}"),
        {"OPENCODE_CONFIG": f"{TOOLS}/opencode.json", "OPENCODE_DISABLE_AUTOUPDATE": "1"},
        {"opencode.json": json.dumps(_OPENCODE)},
        formats=("openai",),
    ),
    "aider": Adapter(
        (
            *(
                "aider",
                "--message-file",
                TASK_FILE,
                "--model",
                "openai/{model}",
                "--yes-always",
                "--no-git",
                "--no-auto-commits",
            ),
            *(
                "--no-check-update",
                "--analytics-disable",
                "--no-show-model-warnings",
                "--no-pretty",
                "--no-stream",
                "{entry}",
            ),
        ),
        formats=("openai",),
    ),
}


@dataclass(frozen=True, slots=True)
class Start:
    """What is started: a command, its environment, its files in /jail, and what else the jail must show."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    files: tuple[tuple[str, str, int], ...]
    readable: tuple[str, ...]


def start_of(allowance: Allowance, *, task: str, model: str, entry: str) -> Start:
    """Returns how the agent of some settings is started.

    Raises:
        OperatorError: there is none, or it is not on this machine.
    """
    adapter = ADAPTERS[allowance.adapter]
    command = allowance.command or adapter.command
    if not command:
        raise OperatorError("no agent is named: give agents.command, or an agents.adapter that has one")
    asked = task if len(task) <= _LONGEST_ARGUMENT else f"Read {TASK_FILE} and do what it says."
    slots = {"{task}": asked, "{model}": model, "{entry}": entry, "{task_file}": TASK_FILE}
    place = find_command(command[0])
    if place is None:
        raise OperatorError(
            f"the agent {command[0]!r} is not on this machine's PATH; install it, or give its whole path"
        )
    folders = dict.fromkeys((TOOLS, os.path.dirname(place), *(f"{path}/bin" for path in python_paths())))
    environment = {
        "PATH": ":".join((*folders, "/usr/local/bin", "/usr/bin", "/bin")),
        "HOME": HOME,
        "USER": "agent",
        "TMPDIR": TEMPORARY,
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "CI": "1",
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PWD": WORK,
        "OPENAI_BASE_URL": f"{_ADDRESS}/v1",
        "OPENAI_API_BASE": f"{_ADDRESS}/v1",
        "OPENAI_API_KEY": NO_KEY,
        "ANTHROPIC_BASE_URL": _ADDRESS,
        "ANTHROPIC_API_KEY": NO_KEY,
        "GOOGLE_GEMINI_BASE_URL": _ADDRESS,
        "GEMINI_API_KEY": NO_KEY,
        "DISCOVERY_MODEL": model,
        "DISCOVERY_PORT": str(PORT),
    }
    environment |= {name: _filled(text, {"{model}": model}) for name, text in adapter.environment.items()}
    files = [(name, _filled(text, {"{model}": model}), 0o644) for name, text in adapter.files.items()]
    readable = dict.fromkeys((*allowance.readable, place))
    return Start(
        tuple(_filled(part, slots) for part in command),
        environment,
        (*files, ("TASK.md", task, 0o644)),
        tuple(readable),
    )


def _filled(text: str, slots: Mapping[str, str]) -> str:
    """Returns a text with its slots filled, each once, so that nothing in what fills one is taken for another."""
    for name, value in slots.items():
        if name in text:
            before, _, after = text.partition(name)
            return _filled(before, slots) + value + _filled(after, slots)
    return text
