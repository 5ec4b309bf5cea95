"""Serves a scripted model on loopback: `python -m discovery.testing --port 8000 --mean-latency-s 2`.

Then, elsewhere: `discovery run PROBLEM --model scripted --api-base http://127.0.0.1:8000/v1`.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from discovery.testing import FAULTS, ChatEndpoint, Latency, ScriptedMutator


def main() -> None:
    """Serves until SIGINT or SIGTERM; writes the endpoint's address as the first line."""
    parser = argparse.ArgumentParser(prog="python -m discovery.testing", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--mean-latency-s", type=float, default=0.0, help="mean of a lognormal distribution")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fault", choices=sorted(FAULTS), help="answer every request with this fault")
    options = parser.parse_args()
    script = FAULTS[options.fault] if options.fault else ScriptedMutator(seed=options.seed)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    latency = Latency(options.mean_latency_s, seed=options.seed)
    with ChatEndpoint(script, latency=latency, port=options.port) as endpoint:
        sys.stdout.write(f"{endpoint.api_base}\n")
        sys.stdout.flush()
        stopped.wait()


if __name__ == "__main__":
    main()
