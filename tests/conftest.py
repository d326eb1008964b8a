"""Settings that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.database import DirectoryBasedExampleDatabase
from lanes import plugin

# `ci` and `deep` are chosen by WEFT_HYPOTHESIS; a failing example is printed as a decorator that repeats it.
# Failing examples are kept in .cache, so that a failure is tried first the next time.
# Hypothesis by itself draws the same examples in every run where CI is set: WEFT_SEED would mean nothing there.
DATABASE = DirectoryBasedExampleDatabase(Path(__file__).resolve().parents[1] / ".cache/hypothesis/examples")
set_hypothesis_home_dir(DATABASE.path.parent)
EXAMPLES = {"dev": 100, "ci": 1000, "deep": 20_000}
for name, number in EXAMPLES.items():
    settings.register_profile(
        name,
        max_examples=number,
        deadline=None,
        derandomize=False,
        database=DATABASE,
        print_blob=True,
        suppress_health_check=[] if name == "dev" else [HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("WEFT_HYPOTHESIS", "ci" if os.environ.get("CI") else "dev"))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    plugin.register(config)
