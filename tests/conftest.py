"""What every test shares: the collectors of text tests, the depth of random ones, processes to kill."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.nursery import Nursery, nursery

pytest_plugins = ["tests.collectors.plugin", "pytester"]

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]

# A test that names its own max_examples keeps them in both profiles. What a change must pass draws the same examples
# each time, so that it does not fail by what it did not touch; `soak` draws new ones, and looks for what the short runs
# miss.
settings.register_profile("suite", deadline=None, max_examples=40, derandomize=True, suppress_health_check=_QUIET)
settings.register_profile("soak", deadline=None, max_examples=1000, suppress_health_check=_QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.fixture(scope="module")
def processes() -> Iterator[Nursery]:
    """Where the processes of a module come from that are killed."""
    with nursery() as made:
        yield made
