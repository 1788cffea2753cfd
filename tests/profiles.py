"""How hard Hypothesis tries; `HYPOTHESIS_PROFILE` names one.

``default`` and ``ci`` are the same: an ordinary run must not depend on luck. ``long`` is one round of `make fuzz`,
which looks for luck. ``mutants`` is what `make mutants` runs some thousand times: few examples, and no time
spent on making a failure small that nobody reads.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

_CALM = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # a slow machine must not fail a law

settings.register_profile("default", _CALM, derandomize=True, max_examples=100)
settings.register_profile("ci", _CALM, derandomize=True, max_examples=100)
settings.register_profile("long", _CALM, max_examples=500, print_blob=True)
settings.register_profile(
    "mutants",
    derandomize=True,
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    # mutmut collects the tests once and runs them in that process again and again.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)


def load() -> None:
    """Take the profile that the environment names."""
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def costly() -> settings:
    """Return settings for a law whose examples take tens of milliseconds: a tenth of the profile's examples."""
    current = settings.default
    assert current is not None
    return settings(max_examples=max(current.max_examples // 10, 10))
