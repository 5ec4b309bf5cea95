from __future__ import annotations

from collections.abc import Mapping

import pytest

from discovery.core.events import Finish, GivenUp
from discovery.core.types import ModelCall
from discovery.execution.ending import LONGEST_STOP_S, PAUSED_STOP_S, Ending, StopRequest

CALL = ModelCall("toy", 90, 10, None, 0.5, True)


class Stuck:
    """A coordinator and an executor in one, whose jobs never end."""

    def __init__(self, *, paused: str = "", open_calls: int = 2, reason: str = "evaluations") -> None:
        self.paused, self.open_calls_count = paused, open_calls
        self.end = Finish(reason)
        self.is_awaiting = True
        self.in_flight = 3
        self.may_ask = True

    @property
    def coordinator(self) -> Stuck:
        return self

    def let_ask(self, is_allowed: bool) -> None:
        self.may_ask = is_allowed

    def open_calls(self) -> Mapping[str, tuple[ModelCall, ...]]:
        return {"5-diff": (CALL,)}


class Counting:
    """What `Ending` asks of a coordinator."""

    def __init__(self, stuck: Stuck) -> None:
        self._stuck = stuck

    end = property(lambda self: self._stuck.end)
    is_awaiting = property(lambda self: self._stuck.is_awaiting)
    in_flight = property(lambda self: self._stuck.in_flight)
    open_calls = property(lambda self: self._stuck.open_calls_count)


def watch(stuck: Stuck, stop: StopRequest, seconds: float, grace_s: float = 20.0) -> GivenUp | None:
    """What is given up after so many seconds of ending."""
    now = [0.0]
    ending = Ending(stop, grace_s, lambda: now[0])
    told, given_up = ending.look(Counting(stuck), stuck)
    assert told or given_up
    assert not stuck.may_ask
    if given_up is None:
        now[0] = seconds
        told, given_up = ending.look(Counting(stuck), stuck)
        assert not told, "said once"
    return given_up


def stopped() -> StopRequest:
    stop = StopRequest()
    stop.ask("SIGINT received")
    return stop


def test_calls_are_waited_for_as_long_as_the_grace_lasts_whatever_ended_the_run() -> None:
    for stop in (StopRequest(), stopped()):
        assert watch(Stuck(), stop, 19.9) is None
        given_up = watch(Stuck(), stop, 20.1)
        assert given_up == GivenUp("no answer within 20 s of the run's end", {"5-diff": (CALL,)})


@pytest.mark.parametrize(("paused", "limit_s"), [("", LONGEST_STOP_S), ("Redis is away", PAUSED_STOP_S)])
def test_evaluations_are_waited_for_longer_but_not_for_ever_by_a_run_that_a_person_ends(
    paused: str, limit_s: float
) -> None:
    assert watch(Stuck(paused=paused, open_calls=0), stopped(), limit_s - 0.1) is None
    given_up = watch(Stuck(paused=paused, open_calls=0), stopped(), limit_s + 0.1)
    assert given_up is not None
    assert given_up.evaluations
    assert watch(Stuck(open_calls=0), StopRequest(), 10 * LONGEST_STOP_S) is None


def test_a_second_request_waits_for_nothing_and_books_what_is_open() -> None:
    stop = stopped()
    stop.hurry()
    given_up = watch(Stuck(), stop, 0.0)
    assert given_up == GivenUp("the run was ended at once", {"5-diff": (CALL,)}, True)


def test_a_run_that_is_revived_may_ask_again() -> None:
    stuck, ending = Stuck(), Ending(StopRequest(), 20.0, lambda: 0.0)
    ending.look(Counting(stuck), stuck)
    assert not stuck.may_ask
    stuck.end = None
    assert ending.look(Counting(stuck), stuck) == ("", None)
    assert stuck.may_ask
