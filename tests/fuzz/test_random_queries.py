"""Random queries as views over random histories: after every tick each view is what its query answers as a SELECT,
and the history split otherwise (fewer ticks, one row each, all before the view, a checkpoint within) ends the same.
Some views read others, some speak at intervals or when windows close, some run in shards on two threads.

The views run on our operators, the SELECT on DuckDB, so the two share the parser and the types alone.  2,000 cases in
`make test` (a third of them split otherwise, too), 100,000 of other seeds in `make soak`.  A failure is shrunk and
printed as a script: put it into found.sql when it is mended.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.depth import rounds
from tests.fuzz.check import TICKS_MAX, Batch, Failure, check_batch, make_batch
from tests.fuzz.shrink import shrunk

CASES = int(os.environ.get("SQLENGINE_RANDOM_CASES", "2000"))
FIRST_SEED = int(os.environ.get("SQLENGINE_RANDOM_SEED", "1"))
QUERIES_PER_BATCH = 20


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + CASES // QUERIES_PER_BATCH))
def test_views_are_what_their_queries_answer(seed: int, tmp_path: Path) -> None:
    batch = make_batch(seed, QUERIES_PER_BATCH, rounds(3, TICKS_MAX))
    failures, recomputed = check_batch(batch, tmp_path / "database", twice=seed % rounds(3, 1) == 0)
    if failures:
        pytest.fail(report(batch, failures[0], lambda: Path(tempfile.mkdtemp(dir=tmp_path))))
    computed_again = {batch.all[i][1].sql: why for i, why in recomputed.items()}
    assert not computed_again, "computing again hides faults"


def report(batch: Batch, failure: Failure, fresh: Callable[[], Path]) -> str:
    """What fails and how, as small as it can be made."""
    small = shrunk(batch, failure, fresh)
    again, _ = check_batch(small, fresh())
    told = again[0] if again else failure
    return f"{told.kind}: {told.detail}\n-- history split: {small.way}, limits: {small.limits}\n{small.script()}"
