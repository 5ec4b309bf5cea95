"""`discovery submit`, `list`, `status`, `stop` and `fetch`: the service's client."""

from __future__ import annotations

import http.client
import json
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import click

from discovery.cli.options import Sections, given, settings_options
from discovery.core.errors import ConfigError, RunError
from discovery.core.texts import printable
from discovery.settings.doors import BY_KEY, REMOTE, Setting
from discovery.storage.git.repository import Repository

TIMEOUT_S = 120.0


class Readable(Protocol):
    """A stream of bytes, by lines or in pieces."""

    def read(self, size: int = -1, /) -> bytes:
        """Returns up to so many bytes."""
        ...

    def __iter__(self) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Server:
    """Where the service is and what it is presented."""

    url: str
    token: str

    @contextmanager
    def open(self, path: str, body: Mapping[str, Any] | None = None) -> Iterator[Readable]:
        """Opens the answer to a request, a POST if it has a body.

        Raises:
            RunError: the service refuses it, with its reason, or does not answer.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self.token}"} if self.token else {}
        )
        request = urllib.request.Request(self.url.rstrip("/") + path, data=data, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                yield answer
        except urllib.error.HTTPError as error:
            with error:
                raise RunError(_reason(error.read(), error.code)) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise RunError(
                f"the service at {self.url} does not answer ({reason}); start one with: discovery serve, or name "
                "another with --server"
            ) from None

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Returns the JSON answer to a request.

        Raises:
            RunError: see `open`; or the answer is no JSON object.
        """
        with self.open(path, body) as answer:
            try:
                found = json.loads(answer.read())
            except ValueError:
                found = None
        if not isinstance(found, dict):
            raise RunError(f"what answers at {self.url} is no discovery service; check --server")
        return found


def _reason(body: bytes, code: int) -> str:
    try:
        return printable(str(json.loads(body)["error"]))
    except (ValueError, KeyError, TypeError):
        return f"the service answers with status {code}"


def server_options(command: Any) -> Any:
    """Adds --server and --token to a command."""
    command = click.option(
        "--token",
        envvar="DISCOVERY_TOKEN",
        default="",
        help="The service's secret.  [default: DISCOVERY_TOKEN]",
    )(command)
    return click.option(
        "--server",
        envvar="DISCOVERY_SERVER",
        default="http://127.0.0.1:8420",
        help="Address of the service.  [default: DISCOVERY_SERVER, else http://127.0.0.1:8420]",
    )(command)


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command(cls=Sections)
@click.argument("problem")
@settings_options(REMOTE)
@server_options
@_json
def submit(problem: str, server: str, token: str, as_json: bool, **options: Any) -> None:
    """Begin a run of PROBLEM on a service: one of the service's own by name, or a file or folder here."""
    body = {
        key: _content(BY_KEY[key], value) if BY_KEY[key].is_document else value
        for key, value in given(options).data.items()
    }
    if Path(problem).expanduser().exists():
        from evaluators.problems.bundle import pack
        from evaluators.problems.loading import load_problem

        found = load_problem(str(Path(problem).expanduser().absolute()))
        body["problem"] = pack(found).to_json()
    else:
        body["problem"] = problem
    _show(Server(server, token).ask("/runs", body), as_json=as_json)


def _content(setting: Setting, file: str) -> Any:
    """Returns what a file holds, as a service takes it in place of a path.

    Raises:
        DiscoveryError: it cannot be read, or holds something else.
    """
    if setting.name == "items":
        from discovery.learning.memory.store import read_items

        return [item.to_json() for item in read_items(Path(file))]
    try:
        return json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{file} is not JSON: {error}") from error


@click.command("list")
@server_options
@_json
def list_runs(server: str, token: str, as_json: bool) -> None:
    """List the runs of a service, oldest first."""
    found = Server(server, token).ask("/runs")["runs"]
    if as_json:
        click.echo(json.dumps(found))
        return
    for status in found:
        click.echo(_line(status))


@click.command()
@click.argument("name")
@click.option("--follow", is_flag=True, help="Go on telling until the run ends.")
@server_options
@_json
def status(name: str, follow: bool, server: str, token: str, as_json: bool) -> None:
    """Tell how run NAME of a service is doing."""
    if not follow:
        _show(Server(server, token).ask(run_path(name)), as_json=as_json)
        return
    with Server(server, token).open(run_path(name) + "/events") as answer:
        for line in answer:
            if line.startswith(b"data: "):
                event = json.loads(line[6:])
                if as_json:
                    click.echo(json.dumps(event))
                elif event.get("event") in ("best", "ended"):
                    click.echo(printable(_event_line(event)))


@click.command()
@click.argument("name")
@server_options
@_json
def stop(name: str, server: str, token: str, as_json: bool) -> None:
    """End run NAME of a service; what is finished is kept."""
    _show(Server(server, token).ask(run_path(name) + "/stop", {}), as_json=as_json)


@click.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the clone.  [default: NAME.git]")
@server_options
def fetch(name: str, out: Path | None, server: str, token: str) -> None:
    """Clone the lineage of run NAME of a service: every program a commit."""
    target = out or Path(f"{name}.git")
    if target.exists() and any(target.iterdir()) and not Repository(target).exists:
        raise ConfigError(f"{target} exists and is no repository; name another folder with --out")
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "lineage.bundle"
        with (
            Server(server, token).open(run_path(name) + "/lineage.bundle") as answer,
            bundle.open("wb") as file,
        ):
            shutil.copyfileobj(answer, file)
        repository = Repository(target)
        repository.create()
        repository.run("fetch", "--quiet", str(bundle), "+refs/*:refs/*")
    click.echo(f"{target} holds the lineage; see: git -C {target} log --graph best")


def run_path(name: str) -> str:
    """Returns the path of a run on a service.

    Raises:
        ConfigError: no run can be named so.
    """
    if not name or not all(char.isalnum() or char in "_-" for char in name):
        raise ConfigError(f"a run's name must be letters, digits, _ and -, got {name!r}")
    return f"/runs/{name}"


def _show(found: Mapping[str, Any], *, as_json: bool) -> None:
    click.echo(json.dumps(found) if as_json else _line(found))


def _line(found: Mapping[str, Any]) -> str:
    best = found.get("best_score")
    text = f"{found['name']:24} {found['state']:9} {found['evaluations']:7} evaluations  best {'-' if best is None else f'{best:.8g}'}"
    text += " (self-scored)" if found.get("self_scored") else ""
    return printable(text + (f"  {found['message']}" if found.get("message") else ""))


def _event_line(event: Mapping[str, Any]) -> str:
    if event["event"] == "ended":
        return f"{event['state']}: {event['message']}"
    return f"best {event['score']!r} at {event['index'] + 1} evaluations: {event['program_id']} by {event['operator']}"
