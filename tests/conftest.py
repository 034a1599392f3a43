"""What every test shares: the collectors of text tests, the depth of random ones, processes to kill."""

from __future__ import annotations

import gc
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from sqlengine import duck
from tests.depth import DEEP, sample
from tests.nursery import Nursery, nursery
from tests.scratch import in_memory

pytest_plugins = ["tests.collectors.plugin", "pytester"]

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]

# A test that names its own max_examples keeps them in both profiles. What a change must pass draws the same examples
# each time, so that it does not fail by what it did not touch; `soak` draws new ones, and looks for what the short runs
# miss.
settings.register_profile("suite", deadline=None, max_examples=25, derandomize=True, suppress_health_check=_QUIET)
settings.register_profile("soak", deadline=None, max_examples=1000, suppress_health_check=_QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

# Before anything asks where temporary files are. Workers find TMPDIR set.
_MEMORY = in_memory()


class Sampling:
    """What is left out of tests that are marked `sampled`."""

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Of a test with many cases that is marked `sampled(n)`, n of them are run, and all in the long run."""
        cases: dict[str, list[pytest.Item]] = defaultdict(list)
        for item in items:
            if item.get_closest_marker("sampled") is not None:
                cases[item.nodeid.partition("[")[0]].append(item)
        left_out: set[pytest.Item] = set()
        for found in cases.values():
            (count,) = next(found[0].iter_markers("sampled")).args
            left_out |= set(found) - set(sample(found, count))
        if left_out:
            config.hook.pytest_deselected(items=[item for item in items if item in left_out])
            items[:] = [item for item in items if item not in left_out]


def pytest_configure(config: pytest.Config) -> None:
    """Have it for the whole suite."""
    config.pluginmanager.register(Sampling())
    gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Ten thousand tests are no garbage, nor are the modules they are in: looking at all of them again and again took a
    tenth of the suite's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)
    gc.enable()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """What failing tests have left is kept up to the next run."""
    if _MEMORY is not None and exitstatus == 0:
        session.config.add_cleanup(lambda: shutil.rmtree(_MEMORY, ignore_errors=True))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """DuckDB's own threads cost more than they bring on tables of a few rows. Processes of their own and the long run
    have them."""
    if not DEEP:
        duck.run_at_opening("SET threads = 1")


@pytest.fixture(scope="module")
def processes() -> Iterator[Nursery]:
    """Where the processes of a module come from that are killed."""
    with nursery() as made:
        yield made
