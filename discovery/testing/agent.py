"""A coding agent by script: it shows the program to its model, has the reply judged in its place, and goes on with the better one.

It runs by itself in a jail, `python3 -I agent.py ROUNDS`, and imports nothing of ours. What the commands print it tells its
model, so that a scripted endpoint sees all that an agent came to know.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

_FENCED = re.compile(r"^(`{3,})\w*\n(.*?)\n\1$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"(EVOLVE-BLOCK-START[^\n]*\n)(.*?)(\n[^\n]*EVOLVE-BLOCK-END)", re.DOTALL)


def ask(prompt: str) -> str:
    """Returns the model's reply; "" where there is none."""
    address, key = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]
    body = {"model": os.environ["DISCOVERY_MODEL"], "messages": [{"role": "user", "content": prompt}]}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(f"{address}/chat/completions", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return str(json.load(answer)["choices"][0]["message"]["content"])
    except (OSError, urllib.error.HTTPError):
        return ""


def changed(program: str, reply: str) -> str | None:
    """Returns the program with the reply's code in place of what may change; None where there is none."""
    if (found := _FENCED.search(reply)) is None:
        return None
    block = _BLOCK.search(program)
    return program[: block.start(2)] + found[2] + program[block.end(2) :] if block else found[2] + "\n"


def main() -> int:
    """Works for as many rounds as the first argument says."""
    entry, said, best = Path(os.environ.get("PWD", "."), "program.py"), "", ""
    kept = entry.read_text()
    for number in range(int(sys.argv[1])):
        reply = ask(
            f"{said}\n# Current program\n\n```python\n{kept.rstrip()}\n```\n\nReply with the whole block."
        )
        if (new := changed(kept, reply)) is None:
            break
        entry.write_text(new)
        judged = subprocess.run(
            ["evaluate", "-m", f"round {number}"], capture_output=True, text=True, check=False
        )
        said = judged.stdout + judged.stderr
        sys.stdout.write(said)
        if "better by" in said or "not judged" in said:
            kept, best = new, said
        if "0 evaluations are left" in said or "not judged" in said:
            break
    entry.write_text(kept)
    ask(f"{said}\nThe end. Best:\n{best}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
