import socket

import pytest

from evaluators.kernels.lease import Lease
from evaluators.sandbox.base import SandboxError


def test_only_one_holds_the_lease(tmp_path):
    first, second = Lease(str(tmp_path)), Lease(str(tmp_path))
    with first.held(1.0) as waited_s:
        assert waited_s < 1.0
        with pytest.raises(SandboxError, match="other judges have been timing"), second.held(0.0):
            pass
    with second.held(1.0):
        pass
    first.close()
    second.close()
    second.close()


def test_who_waits_ends_with_its_owner(tmp_path):
    """However long the others time: a judge whose owner is gone must not stay in the queue."""
    first, second = Lease(str(tmp_path)), Lease(str(tmp_path))
    ours, theirs = socket.socketpair()
    with first.held(1.0), ours:
        theirs.close()
        with pytest.raises(SystemExit), second.held(3600.0, ours.fileno()):
            pytest.fail("the lease was held by another")
    with second.held(60.0):
        pass
    first.close()
    second.close()


def test_a_link_in_its_place_is_refused(tmp_path):
    (tmp_path / "elsewhere").touch()
    (tmp_path / "code-discovery-timing.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SandboxError, match="remove it"):
        Lease(str(tmp_path))
