"""What is loaded late, beside threads that parse, waits its turn: CPython 3.11.7 cannot parse in two threads at once."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

from discovery.learning import bandit
from discovery.llm import providers
from evaluators.text import trees


@pytest.mark.parametrize(
    "load",
    [providers.load_litellm, lambda: bandit._largest(np.ones(1), np.ones(1), np.random.default_rng(1))],
    ids=["litellm", "scipy"],
)
def test_nothing_is_loaded_while_a_text_is_parsed(load) -> None:
    loader = threading.Thread(target=load)
    with trees.one_at_a_time:
        loader.start()
        loader.join(0.2)
        assert loader.is_alive()
    loader.join(60)
    assert not loader.is_alive()


def test_what_numpy_loads_in_its_first_median_is_there_before_any_thread() -> None:
    ask = "import sys, discovery.execution.embedded; print('numpy.ma' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert said.stdout == "True\n"
