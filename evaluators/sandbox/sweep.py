"""Ending what a child that could start processes may have left behind."""

from __future__ import annotations

import contextlib
import os
import signal

from evaluators.sandbox.locks import lock


def end_tree(plan: lock.Plan, pid: int) -> int:
    """Ends all that the dead child `pid` started; returns how many processes are still there."""
    if plan.has_pid_namespace:
        return 0  # the kernel has ended them with the namespace's first process
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    if not plan.has_proc:  # they could not leave the group, and nothing tells more of them
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-pid, 0)[0]:
                pass
        return 0
    from evaluators.sandbox import tree

    if plan.uid is not None:
        _kill_user(plan.uid)
    return tree.kill_descendants()


def _kill_user(uid: int) -> None:
    """Kills every process of the slot's user, at one stroke, from a process of that user."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setresuid(uid, uid, uid)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
