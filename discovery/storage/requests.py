"""What a person asks of a run while it works: a program to try, a hint for the models, a pause, other limits.

A request is one small file in the run's folder, so it reaches a run in any process, one that a service hosts, and one
that is stopped (it waits for the next resume). The run journals it before acting on it, and then removes the file; a
request that was journalled already is not obeyed twice.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from discovery.core.errors import ConfigError, RunFolderError
from discovery.core.requests import Kind, Request
from discovery.core.texts import printable
from discovery.settings.budget import read_limits
from discovery.storage.files import sync_folder
from discovery.storage.run_folder import RunFolder
from evaluators.contract import Program

MAX_REQUEST_BYTES = 4 << 20


def new_request(
    kind: Kind, *, program: Program | None = None, text: str = "", budget: Mapping[str, Any] | None = None
) -> Request:
    """Returns a request of this moment.

    Raises:
        ConfigError: it is not whole, or a value is out of range.
    """
    limits = read_limits(budget or {})
    return Request(secrets.token_hex(8), kind, time.time(), program, printable(text), limits)


def read_request(data: Mapping[str, Any]) -> Request:
    """Returns the request of a JSON form that comes from outside, its limits checked and by field.

    Raises:
        ConfigError: it is none; the message says what is wrong.
    """
    request = Request.from_json(data)
    return replace(request, budget=read_limits(request.budget))


def completed(program: Program, seed: Program) -> Program:
    """Returns an injected program with the file names of the seed: a single file stands for the seed's entry.

    Raises:
        ConfigError: files are missing, or the seed has none of that name.
    """
    if len(program.files) == 1:
        return seed.with_text(next(iter(program.files.values())))
    if program.files.keys() != seed.files.keys():
        names, given = ", ".join(sorted(seed.files)), ", ".join(sorted(program.files))
        raise ConfigError(f"a program here consists of {names}; what was given has {given:.200}")
    return Program(program.files, seed.entry)


def send(folder: RunFolder, request: Request) -> None:
    """Leaves a request in a run's folder.

    Raises:
        RunFolderError: this is no run folder, or it cannot be written.
    """
    folder.read_settings()
    place = folder.requests
    name = f"{time.time_ns():020d}-{request.request_id}.json"
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        draft = place / f".{name}"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(request.to_json(), file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(place / name)
        sync_folder(place)
    except OSError as error:
        raise RunFolderError(f"cannot leave a request in {place}: {error.strerror}") from error


def waiting(folder: RunFolder) -> list[tuple[str, Request]]:
    """Returns the requests that wait in a run's folder, oldest first, each with its file's name.

    A file that is no request is renamed to end in `.refused`, so that it is not looked at again.
    """
    try:
        names = sorted(
            name for name in os.listdir(folder.requests) if name.endswith(".json") and name[0] != "."
        )
    except OSError:
        return []
    found: list[tuple[str, Request]] = []
    for name in names:
        path = folder.requests / name
        try:
            with path.open("rb") as file:
                found.append((name, read_request(json.loads(file.read(MAX_REQUEST_BYTES)))))
        except FileNotFoundError:
            continue
        except (OSError, RecursionError, ValueError, ConfigError):
            path.rename(path.with_suffix(".refused"))
    return found


def done(folder: RunFolder, name: str) -> None:
    """Removes the file of a request that is in the journal."""
    (folder.requests / name).unlink(missing_ok=True)
