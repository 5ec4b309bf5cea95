"""The verdict of the alpha family, as the rest of the service reaches it; what it takes is loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from discovery.families.alphas.traces import has_trace

if TYPE_CHECKING:
    from discovery.families.alphas.unsealing import Account


class Luck:
    """Whether a program is better than the luck of so many trials; see admission.py. A `VerdictSource`."""

    def applies_to(self, metrics: Mapping[str, float]) -> bool:
        """Returns whether the metrics hold a performance in block after block."""
        return has_trace(metrics)

    def account(self, journal: Path, program_id: str, metrics: Mapping[str, float]) -> Account:
        """Returns the verdict on a program and the looks at the sealed test."""
        from discovery.families.alphas.unsealing import account

        return account(journal, program_id)
