"""What a view holds when it is made over a history that is read in pieces."""

from __future__ import annotations

import pytest

import sqlengine
from sqlengine.runtime import fill
from sqlengine.runtime.clock import VirtualClock


@pytest.mark.parametrize("emit", ["", "EMIT CHANGES", "EMIT EVERY INTERVAL '1 hour'"])
def test_a_view_has_the_whole_history_when_it_is_made(emit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "STEP_ROWS_MAX", 2)
    clock = VirtualClock(1_704_067_200_000_000)
    with sqlengine.connect(clock=clock) as db:
        db.execute("CREATE STREAM s (k INT)")
        for key in range(7):
            db.insert("s", [(key % 3,)])
        db.execute(f"CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS n FROM s GROUP BY k {emit}")
        assert sorted(db.execute("SELECT * FROM v").fetchall()) == [(0, 3), (1, 2), (2, 2)]
        db.insert("s", [(2,)])
        clock.advance(60_000_000)
        waits = emit.startswith("EMIT EVERY")
        assert sorted(db.execute("SELECT * FROM v").fetchall())[-1] == (2, 2 if waits else 3)
        clock.advance(3_600_000_000)
        assert sorted(db.execute("SELECT * FROM v").fetchall())[-1] == (2, 3)
