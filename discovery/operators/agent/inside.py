"""The commands `evaluate` and `history` of a jail. This file is run there, by a bare interpreter; it imports nothing of ours.

It holds nothing worth reading: what it sends is the agent's word, and what it prints is what any agent may know.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

PORT = 8002
MAX_FILE_BYTES = 1 << 20


def read_folder(folder: str) -> dict[str, str]:
    """Returns the text files of a folder by relative path."""
    found = {}
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name[:1] != "." and name != "__pycache__"]
        for path in (Path(at, name) for name in names if name[:1] != "."):
            try:
                if path.is_file() and not path.is_symlink() and path.stat().st_size <= MAX_FILE_BYTES:
                    found[str(path.relative_to(folder))] = path.read_bytes().decode()
            except (OSError, UnicodeDecodeError):
                continue
    return found


def variants(files: Mapping[str, str], grid: Mapping[str, list[str]]) -> list[dict[str, str]]:
    """Returns the files with each combination of values in place of what the constants of these names are set to.

    Raises:
        SystemExit: no line at the left margin sets one of them.
    """
    found = []
    for values in itertools.product(*grid.values()):
        changed = dict(files)
        for name, value in zip(grid, values, strict=True):
            pattern = re.compile(
                rf"^({re.escape(name)}[ \t]*(?::[^=\n]*)?=[ \t]*)[^=\s#][^#\n]*", re.MULTILINE
            )
            path = next((path for path, text in changed.items() if pattern.search(text)), None)
            if path is None:
                raise SystemExit(f"no line of the program begins with {name} = ...")
            match = pattern.search(changed[path])
            assert match is not None
            changed[path] = changed[path][: match.start()] + match[1] + value + changed[path][match.end() :]
        found.append(changed)
    return found


def main() -> int:
    """Does what the command line asks for, and returns the exit code."""
    if Path(sys.argv[0]).name == "history":
        return ask("/history", {})
    parser = argparse.ArgumentParser(
        "evaluate", description="Have the program in this folder judged by the problem's own scorer."
    )
    parser.add_argument("folders", nargs="*", help="folders with a program each, instead of /program")
    parser.add_argument(
        "-m", "--message", default="", help="what you changed, and why it should help, in one line"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=V1,V2",
        help="try values of a constant, each combination once",
    )
    given = parser.parse_args()
    grid = {name.strip(): values.split(",") for name, _, values in (one.partition("=") for one in given.set)}
    folders = [read_folder(folder) for folder in given.folders or ["/program"]]
    candidates = [one for files in folders for one in (variants(files, grid) if grid else [files])]
    return ask("/evaluate", {"candidates": candidates, "idea": given.message})


def ask(path: str, body: object) -> int:
    """Sends a request, prints its answer, and returns the exit code that it names."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    sys.stdout.write(answer["text"] + "\n")
    return int(answer["code"])


if __name__ == "__main__":
    sys.exit(main())
