"""Settings that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir
from lanes import plugin

# `ci` and `deep` are chosen by WEFT_HYPOTHESIS; a failing example is printed as a decorator that repeats it.
# Failing examples are kept in .cache, so that a failure is tried first the next time.
set_hypothesis_home_dir(Path(__file__).resolve().parents[1] / ".cache/hypothesis")
settings.register_profile("dev", max_examples=100, deadline=None, print_blob=True)
settings.register_profile(
    "ci", max_examples=1000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "deep", max_examples=20_000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("WEFT_HYPOTHESIS", "ci" if os.environ.get("CI") else "dev"))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    plugin.register(config)
