"""One profile for property tests: no deadlines, for how fast a machine is must not decide a test."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")
