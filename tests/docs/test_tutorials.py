"""The tutorials: their own commands are executed as they stand, one shell for each page."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted((DOCS / "tutorials").glob("*.md"))
_BLOCK = re.compile(r"```(?P<kind>\w+)(?: title=\"(?P<file>[\w.]+)\")?\n(?P<text>.*?)```", re.DOTALL)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_does_what_it_says(page: Path, tmp_path: Path) -> None:
    text = page.read_text("utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        text = text.replace("18473", str(free.getsockname()[1]))
    commands = []
    for block in _BLOCK.finditer(text):
        if block["file"]:
            (tmp_path / block["file"]).write_text(block["text"])
        elif block["kind"] == "bash":
            commands.append(block["text"])
    assert commands, "a tutorial without a command"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DISCOVERY_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    with (tmp_path / "told.txt").open("w+") as told:
        shell = subprocess.Popen(
            ["bash", "-euxo", "pipefail", "-c", "".join(commands)],
            cwd=tmp_path, env=environment, stdout=told, stderr=told, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            shell.wait(570)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGTERM)  # a service goes on after its shell
        told.seek(0)
        said = told.read()
    assert shell.returncode == 0, said[-4000:]
    assert "Traceback" not in said, said[-4000:]


def test_every_page_of_the_site_is_named_in_its_contents() -> None:
    named = set(re.findall(r"[\w/]+\.md", (DOCS.parent / "mkdocs.yml").read_text("utf-8")))
    assert named == {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}


def test_the_site_is_built_and_all_its_links_lead_somewhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=DOCS.parent, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "tutorials" / "quant.html").is_file()
