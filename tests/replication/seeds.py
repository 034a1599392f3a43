"""The command line of the simulations: one seed with all that happens in it, or many on two processes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, Protocol

SEEDS_AT_ONCE = 50
Trace = Callable[[str], None] | None


class Outcome(Protocol):
    """What a seed came to."""

    @property
    def seed(self) -> int: ...

    @property
    def violation(self) -> str | None: ...


RunSeed = Callable[[int, Trace], Outcome]


def failing(run_seed: RunSeed, seeds: range) -> list[Outcome]:
    """The seeds of a range that violate something."""
    return [outcome for seed in seeds if (outcome := run_seed(seed, None)).violation is not None]


def run_seeds(run_seed: Any, module: str, description: str) -> int:
    """What the arguments ask for; 1 if any seed failed. `module`: of tests.replication, to repeat one."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("first", type=int, help="the first seed")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--trace", action="store_true", help="print all that happens")
    options = parser.parse_args()
    if options.count == 1:
        outcome = run_seed(options.first, print if options.trace else None)
        print(outcome)
        return int(outcome.violation is not None)
    last = options.first + options.count
    parts = [range(at, min(at + SEEDS_AT_ONCE, last)) for at in range(options.first, last, SEEDS_AT_ONCE)]
    with ProcessPoolExecutor(2) as pool:
        for done, outcomes in enumerate(pool.map(partial(failing, run_seed), parts), 1):
            if done % 20 == 0:
                print(f"{done * SEEDS_AT_ONCE} seeds", flush=True)
            for outcome in outcomes:
                print(f"{outcome}\nrepeat with: python -m tests.replication.{module} {outcome.seed} --trace")
            if outcomes:
                pool.shutdown(cancel_futures=True)
                return 1
    print(f"{options.count} seeds of the {module} without a violation")
    return 0
