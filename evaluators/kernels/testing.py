"""A GPU that is none: a `Stand` whose programs do as a script says, at times that a script says.

The judge's protocol for GPUs (what is called when, on what content, what is believed) is tested against it. It keeps the
contract of `Stand` itself: outputs are as they were when the clock was stopped, and the clock is stopped when nothing is
left to do.
"""

from __future__ import annotations

import contextlib
import functools
import math
import mmap
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evaluators.contract import Program
from evaluators.kernels.bench.client import Reply
from evaluators.kernels.device import Device
from evaluators.kernels.roofline import Peaks

_LAUNCH_NS = 8_000.0

Compute = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Act:
    """How a program behaves.

    Attributes:
        compute: fills the outputs, given the arguments in order; arrays, inputs writable as on a GPU.
        call_us: how long a call takes.
        late_us: how much longer its work goes on after its reply, within the call.
        after: what is done to the same arguments once the clock was stopped.
        event_share: what it says of the GPU's time, relative to what it was.
        reach: how many bytes after each output it overwrites.
    """

    compute: Compute
    call_us: float = 500.0
    late_us: float = 0.0
    after: Compute | None = None
    event_share: float = 1.0
    reach: int = 0


@dataclass(frozen=True, slots=True)
class Weather:
    """Noise, as standard deviations of logarithms.

    Attributes:
        common: of a factor that changes slowly, for all programs alike.
        single: of a factor of each call.
        child: of a factor that each process keeps for as long as it lives.
        place: no standard deviation, but how much faster a process is than the one that was started before it, of
            those that live at the same time.
    """

    common: float = 0.0
    single: float = 0.002
    child: float = 0.0
    place: float = 0.0


CALM = Weather()


@dataclass(frozen=True, slots=True)
class Called:
    """One request to make calls: the program's text, where its buffers lay, and a checksum of each call's inputs."""

    text: str
    places: tuple[tuple[int, int], ...]
    contents: tuple[int, ...]


@dataclass(slots=True)
class _Child:
    """A process: its program's act and text, its buffers, and how lucky its layout of memory is."""

    act: Act
    text: str
    regions: Sequence[tuple[int, int, bool]]
    inputs: mmap.mmap
    outputs: mmap.mmap
    luck: float
    plan: Sequence[Sequence[Mapping[str, Any]]] = ()
    after: list[Callable[[], None]] = field(default_factory=list)


class ScriptedGpu:
    """A `Stand` that keeps a record of its `calls`.

    Args:
        acts: what the program of each text does.
        rng: of the noise.
        weather: how much noise there is.
    """

    def __init__(self, acts: Mapping[str, Act], rng: np.random.Generator, weather: Weather = CALM) -> None:
        self._acts, self._rng, self._weather = acts, rng, weather
        self._drift = 0.0
        self._children: dict[int, _Child] = {}
        self.calls: list[Called] = []

    def spawn(
        self,
        number: int,
        program: Program,
        function: str,
        *,
        regions: Sequence[tuple[int, int, bool]],
        descriptors: tuple[int, int],
        cpu: int | None = None,
        is_ghost: bool = False,
    ) -> Reply:
        """Maps the buffers; nothing is started."""
        self.end(number)
        inputs, outputs = (os.fstat(fd).st_size for fd in descriptors)
        self._children[number] = _Child(
            self._acts[program.text],
            program.text,
            regions,
            mmap.mmap(descriptors[0], inputs, access=mmap.ACCESS_READ),
            mmap.mmap(descriptors[1], outputs),
            math.exp(self._rng.normal(0.0, self._weather.child) - self._weather.place * len(self._children)),
        )
        return Reply("ok")

    def call(self, number: int, plan: Sequence[Sequence[Mapping[str, Any]]] | None = None) -> Reply:
        """Has the act happen; returns times that weather and script make up."""
        child = self._children[number]
        child.plan = plan or child.plan
        places: list[tuple[int, int]] = []
        contents: list[int] = []
        before = bytes(child.inputs)
        inputs = bytearray(before)
        device_ns = 0.0
        for one in child.plan:
            arguments = [self._bind(child, item, inputs) for item in one]
            seen = [(item["region"], item["offset"]) for item in one if "region" in item]
            given = [
                value for value, item in zip(arguments, one, strict=True) if item.get("is_output") is False
            ]
            places += seen
            contents.append(zlib.crc32(b"".join(value.tobytes() for value in given)))
            child.act.compute(*arguments)
            if child.act.after is not None:
                child.after.append(functools.partial(child.act.after, *arguments))
            self._overreach(child, one)
            device_ns += 1e3 * (child.act.call_us + child.act.late_us) * self._factor(child)
        self.calls.append(Called(child.text, tuple(places), tuple(contents)))
        if bytes(inputs) != before:
            return Reply("changed")
        wall_ns = _LAUNCH_NS * len(child.plan) + device_ns
        told_ns = child.act.event_share * (device_ns - 1e3 * child.act.late_us * len(child.plan))
        return Reply("ok", wall_ns=int(wall_ns), event_ns=int(told_ns))

    def settle(self, number: int) -> None:
        """Has what was late happen."""
        for late in self._children[number].after:
            late()
        self._children[number].after = []

    def end(self, number: int) -> None:
        """Lets go of the buffers."""
        self._children.pop(number, None)

    def _bind(self, child: _Child, item: Mapping[str, Any], inputs: bytearray) -> Any:
        kind = np.dtype(item["dtype"])
        if "region" not in item:
            return kind.type(item["value"]).item()
        start = child.regions[item["region"]][0] + item["offset"]
        count = math.prod(item["shape"])
        memory = child.outputs if item["is_output"] else inputs
        return np.frombuffer(memory, kind, count=count, offset=start).reshape(item["shape"])

    def _overreach(self, child: _Child, plan: Sequence[Mapping[str, Any]]) -> None:
        for item in plan:
            if item.get("is_output") and child.act.reach:
                size = math.prod(item["shape"]) * np.dtype(item["dtype"]).itemsize
                end = child.regions[item["region"]][0] + item["offset"] + size
                child.outputs[end : end + child.act.reach] = bytes(child.act.reach)

    def _factor(self, child: _Child) -> float:
        self._drift = 0.9 * self._drift + self._rng.normal(0.0, self._weather.common)
        return child.luck * math.exp(self._drift + self._rng.normal(0.0, self._weather.single))


def as_device(stand: ScriptedGpu, peaks: Peaks | None = None) -> Device:
    """Returns a GPU for a judge whose every stand is this one.

    The judge keeps program and baseline apart by stands; this one keeps them apart by their texts.
    """
    known = peaks or Peaks(0.0, ())
    return Device("a scripted GPU", "scripted-gpu", lambda: contextlib.nullcontext(stand), lambda: known)
