"""The secret of a run: random bytes that its hidden cases are drawn from, in a file that only its owner can read.

A program that knew the secret could draw the cases itself. So it follows from nothing that is told, the seed included,
and stands nowhere but in the run folder's file `secret` and in the messages to evaluators.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

from discovery.core.errors import ConfigError

SECRET_BYTES = 16


def new_secret() -> bytes:
    """Returns a fresh secret."""
    return secrets.token_bytes(SECRET_BYTES)


def shared_secret(path: Path | None) -> bytes:
    """Returns the secret in a file, which is made where there is none; a fresh one if no file is named.

    Raises:
        ConfigError: the file cannot be read or written, or holds no secret.
    """
    if path is None:
        return new_secret()
    try:
        with contextlib.suppress(FileExistsError):
            write_secret(path, new_secret())
        return read_secret(path)
    except OSError as error:
        raise ConfigError(f"the secret file {path} cannot be used: {error.strerror}") from error


def write_secret(path: Path, secret: bytes) -> None:
    """Writes a secret into a new file that only its owner can read.

    Raises:
        OSError: it cannot be written, or is there already.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "w", encoding="ascii") as file:
        file.write(secret.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_secret(path: Path) -> bytes:
    """Returns the secret in a file.

    Raises:
        OSError: it cannot be read.
        ConfigError: it does not hold exactly 32 hexadecimal digits.
    """
    try:
        secret = bytes.fromhex(path.read_bytes()[:256].decode("ascii").strip())
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise ConfigError(
            f"the secret file {path} must hold {2 * SECRET_BYTES} hexadecimal digits; "
            "name a file that is not there, and it is made"
        )
    return secret


def derived_secret(seed: int) -> bytes:
    """Returns the secret of a run that was begun when secrets followed from the seed."""
    return hashlib.blake2b(f"cases {seed}".encode(), digest_size=SECRET_BYTES).digest()


def paired_secret(shared: bytes, seed: int) -> bytes:
    """Returns the secret of the runs of one seed, where several seeds share a secret."""
    return hashlib.blake2b(f"seed {seed}".encode(), key=shared, digest_size=SECRET_BYTES).digest()
