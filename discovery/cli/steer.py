"""`discovery inject`, `hint`, `pause` and `budget`: a person's hand on a search that is under way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from discovery.cli.client import Server, run_path, server_options
from discovery.cli.options import Sections, given, settings_options
from discovery.core.errors import ConfigError
from discovery.core.requests import Request
from discovery.core.texts import one_line
from discovery.execution.runs import check_injection, run_folder
from discovery.settings.doors import LIMITS
from discovery.storage.requests import new_request, send
from discovery.storage.run_folder import RunFolder
from evaluators.contract import Program

_run = click.argument("run", metavar="RUN")


@click.command()
@_run
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--note", default="", help="What the program does differently; it stays with it.")
@server_options
def inject(run: str, file: Path, note: str, server: str, token: str) -> None:
    """Put the program in FILE (or, for programs of several files, a folder) into the search of RUN.

    It is evaluated like any other, as soon as an evaluator is free, and can then be a parent. RUN is a run folder, or
    the name of a run on a service. A run that is stopped takes it when it is resumed.
    """
    program = _read(file)
    if (folder := _folder(run)) is not None:
        check_injection(folder, program)
    _deliver(run, new_request("inject", program=program, text=one_line(note)), server, token)


@click.command()
@_run
@click.argument("text", required=False)
@click.option("--clear", is_flag=True, help="Take back all hints.")
@server_options
def hint(run: str, text: str | None, clear: bool, server: str, token: str) -> None:
    """Tell the models of RUN what to consider; every prompt from now on carries TEXT."""
    if clear == (text is not None):
        raise ConfigError("give a hint, or --clear to take all back")
    request = new_request("forget-hints") if text is None else new_request("hint", text=text)
    _deliver(run, request, server, token)


@click.command()
@_run
@click.option("--off", is_flag=True, help="Go on.")
@server_options
def pause(run: str, off: bool, server: str, token: str) -> None:
    """Let RUN begin nothing new until it is told to go on; paused time is not counted as working time."""
    _deliver(run, new_request("resume" if off else "pause"), server, token)


@click.command(cls=Sections)
@_run
@settings_options(LIMITS)
@server_options
def budget(run: str, server: str, token: str, **options: Any) -> None:
    """Give RUN other limits while it works; those not named stay."""
    _deliver(run, new_request("budget", budget=given(options).data), server, token)


def _read(path: Path) -> Program:
    """Returns the files at a path as a program.

    Raises:
        ConfigError: they cannot be read.
    """
    paths = [path] if not path.is_dir() else sorted(p for p in path.rglob("*") if p.is_file())
    root = path if path.is_dir() else path.parent
    try:
        files = {one.relative_to(root).as_posix(): one.read_text(encoding="utf-8") for one in paths}
    except OSError as error:
        raise ConfigError(f"cannot read {error.filename}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error}") from error
    if not files:
        raise ConfigError(f"{path} holds no files")
    return Program(files, next(iter(files)))


def _folder(run: str) -> RunFolder | None:
    """Returns the run's folder if RUN names one on this machine."""
    folder = run_folder(Path(run))
    return folder if folder.path.is_dir() else None


def _deliver(run: str, request: Request, server: str, token: str) -> None:
    if (folder := _folder(run)) is None:
        body = {key: value for key, value in request.to_json().items() if key not in ("request_id", "at_s")}
        Server(server, token).ask(run_path(run) + "/requests", body)
        click.echo(f"the service takes it up for {run}")
        return
    send(folder, request)
    when = "within a second" if folder.is_locked() else "when it is resumed; nothing works on it now"
    click.echo(f"{folder.path} takes it up {when}")
