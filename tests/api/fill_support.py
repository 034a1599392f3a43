"""For tests of queries that are brought up to date while other sessions go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import strategies as st

import sqlengine
from sqlengine.runtime.fill import Fill


@contextmanager
def between_steps(act: Callable[[int], object]) -> Iterator[list[int]]:
    """`act` with the number of the step before each step of any fill; the steps are counted in the list."""
    count = [0]
    step = Fill.step

    def acting(self: Fill) -> bool:
        act(count[0])
        count[0] += 1
        return step(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fill, "step", acting)
        yield count


def rows(db: sqlengine.Database, query: str) -> list[tuple[Any, ...]]:
    return sorted(db.execute(query).fetchall(), key=str)


writes = st.one_of(
    st.builds("INSERT INTO e VALUES ({}, {})".format, st.integers(0, 4), st.integers(0, 9)),
    st.builds(
        "MERGE INTO t USING (SELECT {0} AS id, {1} AS k, {2} AS v) AS s ON t.id = s.id "
        "WHEN MATCHED THEN UPDATE SET k = s.k, v = s.v WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.k, s.v)".format,
        st.integers(0, 5),
        st.integers(0, 3),
        st.integers(0, 9),
    ),
    st.builds("DELETE FROM t WHERE id = {}".format, st.integers(0, 5)),
)
"""Statements that change the stream `e (k, v)` and the table `t (id, k, v)`."""
