"""Names that outlive a loss of power: a new or renamed file is on the disk once its folder is."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def sync_folder(path: Path) -> None:
    """Writes a folder's names to the disk, where its file system can."""
    with contextlib.suppress(OSError):  # some cannot, and say so
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
