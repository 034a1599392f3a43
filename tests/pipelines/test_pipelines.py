"""A few random pipelines under SIGKILL, and that what could go wrong with them is found; `make soak` runs many."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.nursery import Nursery
from tests.pipelines.faults import FAULTS
from tests.pipelines.judge import Wrong
from tests.pipelines.soak import Tally, run_pipeline

SEEDS = range(1, 4)
RARE = (
    "a checkpoint misses changed rows of joins",
    "a checkpoint misses changed groups",
    "a paused query forgets where it stood",
    "a file sink does not know which ticks it has",
    "outputs are not cut to where the last tick began",
    "a transaction is written piece by piece",
)
"""Faults that few pipelines meet: looked for by `make soak` only."""
SOUGHT = [fault for fault in FAULTS if fault not in RARE or "SQLENGINE_CRASH_CYCLES" in os.environ]
TRIES = 30


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_pipeline_says_everything_once(seed: int, tmp_path: Path, processes: Nursery) -> None:
    tally = Tally()
    run_pipeline(seed, 25, 5, tmp_path, processes, tally, parts=5)
    assert tally.pipelines == 1 and tally.judged > 0


@pytest.mark.slow
@pytest.mark.parametrize("fault", SOUGHT)
def test_a_planted_fault_is_found(fault: str, tmp_path: Path, processes: Nursery) -> None:
    for seed in range(1, TRIES + 1):
        folder = tmp_path / str(seed)
        folder.mkdir()
        try:
            run_pipeline(seed, 25, 4, folder, processes, Tally(), fault, parts=5)
        except Wrong:
            return
    pytest.fail(f"no seed notices it: {fault}")
