from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.chaos import SHORT, Count, play
from benchmarks.service.oom import MemorySqueeze
from discovery.testing.moved_clock import moved
from discovery.testing.redis_server import find_server


@pytest.mark.skipif(find_server() is None, reason="there is no redis-server")
@pytest.mark.timeout(240)
def test_whatever_is_done_to_a_distributed_run_nothing_is_lost_or_counted_twice() -> None:
    count = play(SHORT, seed=1, each=1, pause_s=0.3, limit_s=200.0)
    assert count.faults(SHORT.evals) == []
    assert len(count.done) == 13
    assert min(count.done.values()) == 1


def test_a_run_that_lost_or_doubled_something_does_not_pass() -> None:
    right = {"recorded": 60, "equals_git": True}
    assert Count(0, 1.0, 0.1, 1, Counter(), **right).faults(60) == []
    wrong = {"code": 3, "recorded": 59, "gaps": 1, "doubled": 1, "fsck": 4, "equals_git": False}
    for name, value in wrong.items():
        values = {"code": 0, **right, name: value}
        count = Count(values.pop("code"), 1.0, 0.1, 1, Counter(), **values)
        assert count.faults(60) == [f"{name} is {value}, not {right.get(name, 0)}"]


def test_a_clock_goes_by_the_seconds_in_a_file_and_follows_it(tmp_path: Path) -> None:
    path, now = tmp_path / "clock", [0.0]
    clock = moved(lambda: 100.0 + now[0], path, lambda: now[0])
    assert clock() == 100.0
    path.write_text("-3600.0")
    now[0] = 1.0
    assert clock() == -3499.0
    path.unlink()
    now[0] = 2.0
    assert clock() == 102.0


def test_the_command_line_and_its_libraries_see_the_moved_clock(tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("1e9")
    code = (
        "import sys, time; before = time.time(); import discovery.testing.moved_clock as m\n"
        "sys.argv = ['x', sys.argv[1], '--version']\n"
        "try: m.main()\n"
        "except SystemExit: pass\n"
        "from kombu.transport import redis\n"
        "import discovery.core.clock\n"
        "assert 1e9 <= redis.time() - before < 1e9 + 60\n"
        "assert 1e9 <= discovery.core.clock.now_s() - before < 1e9 + 60\n"
        "assert 1e9 <= time.time_ns() / 1e9 - before < 1e9 + 60\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "clock")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_process_that_asks_for_memory_is_killed_by_the_kernel_where_groups_can_be_made() -> None:
    code = "x = []\nwhile True: x.append(bytearray(100_000))"
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))\n{code}"
    process = subprocess.Popen([sys.executable, "-c", limited], stderr=subprocess.DEVNULL)
    with MemorySqueeze() as squeeze:
        was_killed = squeeze.kill_one([process.pid])
    process.kill()
    code = process.wait()
    if not was_killed:
        pytest.skip("this user can make no memory cgroup here")
    assert code == -9
