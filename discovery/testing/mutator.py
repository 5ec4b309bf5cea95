"""Mutators that play the model: they read the program from the prompt and answer with a diff or a rewrite."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from discovery.core.types import ModelCall, Reply
from discovery.llm.tokens import estimate_tokens
from discovery.programs.search_replace import diff_edits, format_edits
from discovery.testing.endpoint import Answer, ChatRequest, Latency, text_of
from evaluators.text.blocks import block_texts, replace_block_texts

Mutation: TypeAlias = Callable[[str, np.random.Generator], str]
"""Returns a changed copy of the evolvable text of one program."""

_HEADING = re.compile(r"^# (?:Current program|Program A|Failed program)$", re.MULTILINE)
_FENCED = re.compile(r"^(`{3,})python\n(.*?)\n\1$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d*)?(?:[eE][+-]?\d+)?(?![\w.])")


def perturb_number(text: str, rng: np.random.Generator) -> str:
    """Returns the text with one of its numbers changed: by a factor, or by one if it is a whole number."""
    found = list(_NUMBER.finditer(text))
    if not found:
        return text + f"\n# {rng.integers(10**9)}"
    match = found[int(rng.integers(len(found)))]
    if match[0].isdigit():
        new = str(max(0, int(match[0][:18]) + int(rng.choice((-1, 1)))))
    else:
        new = f"{float(match[0]) * float(rng.lognormal(0.0, 0.2)):.6g}"
    return text[: match.start()] + new + text[match.end() :]


def current_program(prompt: str) -> str | None:
    """Returns the program that a prompt asks to change, as it was shown, or None if there is none."""
    heading = _HEADING.search(prompt)
    shown = _FENCED.search(prompt, heading.end()) if heading else None
    return shown[2] if shown else None


def scripted_reply(
    messages: Sequence[Mapping[str, Any]], mutation: Mutation, rng: np.random.Generator
) -> str:
    """Returns what a model might answer to a chat: a plan, a summary, an instruction or a changed program."""
    asked = text_of(messages[-1])
    if "Outlines:\n1." in asked:
        return (
            "Outlines:\n1. Change a number.\n2. Change two numbers.\n3. Leave all as it is.\n"
            f"Plan:\nChange number {int(rng.integers(100))} as far as it helps, and check the result."
        )
    if "\nSummary: " in asked:
        verdict = "fell short" if "worse by" in asked or "Failed:" in asked else "did well"
        return (
            f"Summary: it returns numbers, and the last change {verdict} (note {int(rng.integers(10**6))}).\n"
            f"Fault: {'execution' if verdict == 'fell short' else 'none'}.\nNext: explore other numbers."
        )
    if "`Instruction: ...`" in asked:
        return f"Instruction: Look for numbers that matter, such as number {int(rng.integers(100))}."
    earlier = (text_of(one) for one in reversed(messages))
    shown = next((text for text in earlier if current_program(text) is not None), asked)
    return mutated_reply(shown, mutation, rng, form=asked)


def mutated_reply(prompt: str, mutation: Mutation, rng: np.random.Generator, *, form: str = "") -> str:
    """Returns what a model might answer: an idea, and the change in the form that `form`, or the prompt, asks for."""
    shown = current_program(prompt)
    if shown is None:
        return "There is no program in the message."
    blocks = list(block_texts(shown))
    which = int(rng.integers(len(blocks)))
    new = mutation(blocks[which], rng)
    blocks[which] = new
    idea = "Idea: change a number, to see which way it helps.\n\n"
    if "<<<<<<< SEARCH" in (form or prompt):
        return idea + format_edits(diff_edits(shown, replace_block_texts(shown, blocks)))
    whole = new if len(blocks) == 1 else replace_block_texts(shown, blocks)
    return f"{idea}```python\n{whole.strip(chr(10))}\n```\n"


class ScriptedMutator:
    """A script for `ChatEndpoint`: answer n depends on the seed, n and the prompt alone."""

    def __init__(self, mutation: Mutation = perturb_number, *, seed: int = 0) -> None:
        self._mutation = mutation
        self._seed = seed

    def __call__(self, request: ChatRequest) -> Answer:
        """Returns the answer to one request."""
        rng = np.random.default_rng([self._seed, request.number])
        return Answer(scripted_reply(request.messages, self._mutation, rng))


class ScriptedModel:
    """A `Model` in this process that mutates; its choices come from the caller's rng. Thread-safe."""

    def __init__(
        self,
        mutation: Mutation = perturb_number,
        *,
        latency: Latency | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._mutation = mutation
        self._latency = latency
        self._sleep = sleep
        self._calls = 0
        self._lock = threading.Lock()

    def complete(self, messages: Sequence[Mapping[str, Any]], *, rng: np.random.Generator) -> Reply:
        """Returns the reply to a chat."""
        with self._lock:
            number, self._calls = self._calls, self._calls + 1
        seconds = self._latency.seconds(number) if self._latency else 0.0
        if seconds:
            self._sleep(seconds)
        text = scripted_reply(messages, self._mutation, rng)
        prompt_tokens = sum(estimate_tokens(str(message["content"])) for message in messages)
        return Reply(text, ModelCall("scripted", prompt_tokens, estimate_tokens(text), None, seconds, True))
