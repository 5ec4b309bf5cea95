from __future__ import annotations

import pytest

from tests.discovery.conftest import Discovery


@pytest.fixture
def discovery_command(discovery: Discovery) -> Discovery:
    """The command line, where `discovery` is the package."""
    return discovery
