"""Twenty-one people who look at a market, in seven levels, each with guidance in five styles.

After CogAlpha (arXiv 2511.18850): guidance from many points of view, each said in several ways, gave more
than anything else in its ablation. The words are ours; they stand in texts/personas.txt.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import numpy as np

STYLES = ("light", "moderate", "creative", "divergent", "concrete")


@dataclass(frozen=True, slots=True)
class Persona:
    """One point of view: its level, its name, who says it, and the guidance by style."""

    level: str
    name: str
    who: str
    guidance: Mapping[str, str]


@functools.cache
def personas() -> tuple[Persona, ...]:
    """Returns all of them, in the order of their levels."""
    text = resources.files("discovery.families.alphas").joinpath("texts", "personas.txt").read_text("utf-8")
    found: list[Persona] = []
    level = ""
    for line in filter(None, text.splitlines()):
        if line.startswith("= "):
            level = line[2:]
        elif line.startswith("@ "):
            name, _, who = line[2:].partition(": ")
            found.append(Persona(level, name, who, {}))
        else:
            style, _, guidance = line.partition(": ")
            last = found[-1]
            found[-1] = Persona(last.level, last.name, last.who, {**last.guidance, style: guidance})
    return tuple(found)


def draw(rng: np.random.Generator) -> tuple[Persona, str]:
    """Returns a persona and a style: each level is as likely as the others, so is each persona in it."""
    levels: dict[str, list[Persona]] = {}
    for persona in personas():
        levels.setdefault(persona.level, []).append(persona)
    chosen = list(levels.values())[int(rng.integers(len(levels)))]
    return chosen[int(rng.integers(len(chosen)))], STYLES[int(rng.integers(len(STYLES)))]
