"""Stand-ins for a model endpoint, for tests and benchmarks: a server on loopback, a model in the process.

endpoint.py   ChatEndpoint: speaks the OpenAI chat format; what it answers is a script
mutator.py    scripts that mutate: they read the program from the prompt, answer with a diff or a rewrite
faults.py     scripts that misbehave: refused keys, rate limits, endless replies, code that breaks out

agent         a coding agent by script, which works in a jail
__main__      serves a scripted model on loopback
moved_clock   runs the command line with a time of day that a test moves
redis_server  a real Redis server on loopback for tests, benchmarks and one machine
"""

from discovery.testing.endpoint import (
    Answer,
    ChatEndpoint,
    ChatRequest,
    Latency,
    Script,
    recorded,
    unused_api_base,
)
from discovery.testing.faults import FAULTS
from discovery.testing.mutator import Mutation, ScriptedModel, ScriptedMutator, perturb_number

__all__ = [
    "FAULTS",
    "Answer",
    "ChatEndpoint",
    "ChatRequest",
    "Latency",
    "Mutation",
    "Script",
    "ScriptedModel",
    "ScriptedMutator",
    "perturb_number",
    "recorded",
    "unused_api_base",
]
