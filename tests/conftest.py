"""Hypothesis profiles: quick by default, thorough in CI (``HYPOTHESIS_PROFILE=thorough``)."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "quick", max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", parent=settings.get_profile("quick"), max_examples=60)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
