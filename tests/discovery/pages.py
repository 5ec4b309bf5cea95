"""The data inside a report."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any


def report_data(path: Path) -> dict[str, Any]:
    """Returns what a report shows, as its page is given it."""
    [packed] = re.findall(r'<script type="text/plain" id="data">([^<]*)<', path.read_text("utf-8"))
    data: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed)))
    return data
