"""A jail holds what it is told to hold: seen from inside, by a command that looks for a way out."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

import pytest

from evaluators.sandbox.jail.filters import filter_code
from evaluators.sandbox.jail.jail import Jail, JailError, JailOrder, open_jail, why_not

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(why_not()), reason="no namespaces on this machine"),
]
KEY = "sk-a-key-that-nobody-may-see"
PATH = f"/jail:{sys.base_prefix}/bin:/usr/bin:/bin"
LOOK = r"""
import ctypes, json, os, pathlib, socket
found = {"uid": os.getuid(), "work": sorted(os.listdir("/program")), "environment": dict(os.environ)}

def tried(name, call):
    try:
        found[name] = str(call())
    except OSError as error:
        found[name] = type(error).__name__ + " " + str(error.errno)

def connect(place):
    with socket.socket() as one:
        one.settimeout(5)
        one.connect(place)
    return "connected"

libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return "done"

texts = []
for at in pathlib.Path("/proc").iterdir():
    for name in ("environ", "cmdline", "mem", "maps"):
        try:
            texts.append((at / name).read_bytes()[:100000].decode("latin-1"))
        except (OSError, ValueError):
            pass
found["processes"] = " ".join(texts)
for path in PATHS:
    tried(path, lambda: sorted(os.listdir(path))[:5] if os.path.isdir(path) else open(path).read()[:20])
for name, place in (("internet", ("1.1.1.1", 53)), ("machine", ("127.0.0.1", MACHINE)), ("door", ("127.0.0.1", 8001))):
    tried(name, lambda: connect(place))
tried("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
tried("packets", lambda: socket.socket(17, socket.SOCK_RAW))
tried("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
tried("audit", lambda: socket.socket(16, socket.SOCK_RAW, 9))
tried("routes", lambda: socket.socket(16, socket.SOCK_RAW, 0).close())
tried("ptrace", lambda: call(101, 16, 1, 0, 0))
tried("unshare", lambda: call(272, 0x10000000))
tried("clone3", lambda: call(435, 0, 0))
tried("mount", lambda: call(165, b"none", b"/tmp", b"tmpfs", 0, 0))
tried("keys", lambda: call(250, 0, -3, 0))
tried("write", lambda: open("/usr/x", "w"))
tried("tools", lambda: open("/jail/tool", "a"))
tried("shown", lambda: open(SHOWN, "a"))
tried("root", lambda: os.setuid(0))
tried("kill", lambda: os.kill(1, 9))
print(json.dumps(found))
"""


def order(code: str, **changes: object) -> JailOrder:
    given = {
        "command": ("python3", "-c", code),
        "environment": {"PATH": PATH, "HOME": "/home/agent"},
        "files": {"program.py": "x = 1\n", "lib/more.py": "y = 2\n"},
        "ports": (8001, 8002),
        **changes,
    }
    return JailOrder(**given)


def ended(jail: Jail) -> str:
    how = jail.wait(lambda: False)
    jail.end()
    return how


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What a command finds that looks round in a jail, while secrets lie about outside."""
    place = tmp_path_factory.mktemp("outside")
    (place / "shown").mkdir()
    (place / "shown" / "agent.txt").write_text("an agent")
    (place / "shown" / "run").mkdir()
    (place / "shown" / "run" / "secret").write_text("0123456789abcdef")
    (place / "other").mkdir()
    (place / "other" / "journal.jsonl").write_text("{}")
    import socket

    with socket.socket() as machine, pytest.MonkeyPatch.context() as patch:
        machine.bind(("127.0.0.1", 0))
        machine.listen()
        patch.setenv("OPENAI_API_KEY", KEY)
        shown = place / "shown"
        paths = [
            str(place / "other"),
            str(shown / "agent.txt"),
            str(shown / "run"),
            "/root/.ssh",
            "/var",
            "/run",
            "/home",
        ]
        code = f"PATHS = {paths!r}; MACHINE = {machine.getsockname()[1]}; SHOWN = {str(shown / 'agent.txt')!r}\n{LOOK}"
        wanted = order(
            code,
            readable=(str(shown),),
            hidden=(str(shown / "run"),),
            tools=(("tool", "#!/bin/sh\n", 0o755),),
        )
        with open_jail(wanted) as jail:
            accepted: list[str] = []

            def accept() -> None:
                jail.doors[0].accept()[0].close()
                accepted.append("door")

            thread = threading.Thread(target=accept, daemon=True)
            thread.start()
            assert ended(jail) == "exit code 0", jail.output
            thread.join(timeout=60)
            assert accepted == ["door"]
            return {**json.loads(jail.output), "place": str(place)}


def test_the_command_has_its_files_and_nobody_else_s_identity(found: dict) -> None:
    assert found["work"] == ["lib", "program.py"]
    assert found["uid"] != 0
    assert set(found["environment"]) <= {"PATH", "HOME", "LC_CTYPE"}


def test_no_key_is_in_reach(found: dict) -> None:
    assert KEY not in json.dumps(found)
    assert "python3" in found["processes"]


def test_only_what_is_shown_has_a_path(found: dict) -> None:
    place = found["place"]
    assert found[f"{place}/shown/agent.txt"] == "an agent"
    assert found[f"{place}/other"].startswith("FileNotFoundError")
    assert found[f"{place}/shown/run"] in ("[]", "PermissionError 13")
    assert found["/home"] == "['agent']"
    assert all(found[path].startswith("FileNotFoundError") for path in ("/var", "/run", "/root/.ssh"))


def test_only_our_doors_can_be_reached(found: dict) -> None:
    assert found["door"] == "connected"
    assert found["internet"] == "OSError 101"
    assert found["machine"] == "ConnectionRefusedError 111"
    assert all("Error" in found[name] for name in ("vsock", "packets", "raw", "audit"))
    assert found["routes"] == "None"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="call numbers of x86_64")
def test_the_kernel_s_ways_out_are_closed(found: dict) -> None:
    assert found["clone3"] == "OSError 38"
    for name in ("ptrace", "unshare", "mount", "keys", "root"):
        assert found[name].startswith("PermissionError"), name
    for name in ("write", "tools", "shown"):
        assert found[name].startswith(("OSError 30", "PermissionError")), name


def test_what_is_left_is_read_without_following_or_waiting_for_anything() -> None:
    code = """
import os
open("/program/program.py", "w").write("x = 2\\n")
os.symlink("/etc/passwd", "/program/link.py")
os.symlink("/", "/program/all")
os.mkfifo("/program/pipe.py")
open("/program/big.py", "w").write("x" * 2000000)
open("/program/bytes.py", "wb").write(b"\\xff\\xfe")
os.makedirs("/program/" + "/".join("d" * 20))
open("/program/" + "/".join("d" * 20) + "/deep.py", "w").write("deep")
os.makedirs("/program/.git"); open("/program/.git/config", "w").write("x")
os.remove("/program/lib/more.py"); open("/program/lib/new.py", "w").write("z = 3\\n")
if os.fork() == 0:
    while True:
        open("/program/program.py", "w").write("x = 3\\n")
"""
    with open_jail(order(code)) as jail:
        assert ended(jail) == "exit code 0", jail.output
        files = jail.files()
    assert files.pop("program.py") in ("x = 2\n", "x = 3\n", "")
    assert files == {"lib/new.py": "z = 3\n"}


def test_a_command_ends_when_it_is_told_to_and_at_its_limits() -> None:
    with open_jail(order("import time; time.sleep(600)")) as jail:
        assert jail.wait(lambda: True) == "stopped"
    with open_jail(order("import time; time.sleep(600)", wall_s=0.5)) as jail:
        assert jail.wait(lambda: False) == "out of time"
    with open_jail(order("x = b'x' * 300_000_000; import time; time.sleep(600)", memory_mib=200)) as jail:
        assert jail.wait(lambda: False) == "out of memory"
    with open_jail(order("import os; os.abort()")) as jail:
        assert ended(jail) == "exit code -6"


def test_nothing_outlives_a_jail() -> None:
    mark = f"mark{os.getpid()}"
    sleeper = f"[sys.executable, '-c', 'import time; time.sleep(600)', '{mark}']"
    code = f"import subprocess, sys; subprocess.Popen({sleeper}, start_new_session=True)"
    with open_jail(order(code)) as jail:
        assert ended(jail) == "exit code 0", jail.output
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(mark.encode() in line and b"sleep" in line and b"Popen" not in line for line in lines)


def test_a_jail_says_what_it_lacks(tmp_path: Path) -> None:
    with (
        pytest.raises(JailError, match="is not there"),
        open_jail(order("", readable=(str(tmp_path / "none"),))),
    ):
        pass
    with open_jail(order("", command=("no-such-agent",))) as jail:
        assert ended(jail) == "exit code 127"
        assert "cannot be started" in jail.output


def test_a_filter_is_whole_instructions_for_each_machine() -> None:
    for machine in ("x86_64", "aarch64"):
        assert len(filter_code(machine)) % 8 == 0
