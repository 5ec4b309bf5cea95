"""Secrets taken out of messages."""

from __future__ import annotations

import os
import re

_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)$")


_SECRET_TEXT = re.compile(
    r"(?i)\b(?:sk|pk|rk|gsk|xai|hf|ghp|AIza)[-_]?[\w*-]{12,}|\bsk-[\w*-]+"
    r"|(?<=bearer )[^\s'\",;]+|(?<=key=)[^\s&'\",;]+|(?<=key: )[^\s'\",;]+|(?<=://)[^\s/@]+(?=@)"
)


def redact(text: str) -> str:
    """Returns a text without what looks like a key, and without the values of secret variables."""
    for name, value in os.environ.items():
        if len(value) >= 6 and _SECRET_NAME.search(name.upper()):
            text = text.replace(value, "[redacted]")
    return redact_keys(text)


def redact_keys(text: str) -> str:
    """Returns a text without what looks like a key; unlike `redact`, it does not depend on the environment."""
    return _SECRET_TEXT.sub("[redacted]", text)
