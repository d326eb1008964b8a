"""What the tests of all scenarios are given."""

from __future__ import annotations

import pytest
from checks.fabric import Fabric
from lanes import plugin


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    plugin.register(config)


@pytest.fixture(scope="session")
def fabric() -> Fabric:
    """The scenario's fabric, with a copy of its inventory that tests may change."""
    return Fabric.of_scenario()
