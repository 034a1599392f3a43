"""Sections say which of their rows have changed: whoever has copied those each time has what there is."""

from __future__ import annotations

import random
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pytest

import sqlengine
from sqlengine.operators.aggregates.aggregate_set import AggregateSet
from sqlengine.operators.sharded import Sharded
from sqlengine.state.ranked_rows import LIVE
from sqlengine.state.section import Changed, Section, Sections
from sqlengine.workers import Workers
from tests.depth import rounds

DECLARE = """
CREATE TABLE items (id BIGINT PRIMARY KEY, k BIGINT, name TEXT);
CREATE TABLE kinds (k BIGINT PRIMARY KEY, label TEXT);
CREATE STREAM seen (n BIGINT, k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '3 s');
CREATE STREAM heard (n BIGINT, k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '3 s');
CREATE MATERIALIZED VIEW by_kind AS
  SELECT k, count(*) AS c, min(name) AS first, count(DISTINCT name) AS names, sum(id) AS s FROM items GROUP BY k;
CREATE MATERIALIZED VIEW listed AS
  SELECT k, array_agg(name) AS names, string_agg(name, ',' ORDER BY id) AS joined, first_value(id) AS first FROM items
  GROUP BY k;
CREATE MATERIALIZED VIEW lists_of_names AS SELECT name, array_agg(id) AS ids FROM items GROUP BY name;
CREATE MATERIALIZED VIEW alike AS SELECT name, max(id) AS m, approx_count_distinct(k) AS ks FROM items GROUP BY name;
CREATE MATERIALIZED VIEW rising AS SELECT k, count(*) AS c, max(n) AS m, approx_count_distinct(n) AS d FROM seen
  GROUP BY k;
CREATE MATERIALIZED VIEW names AS SELECT DISTINCT name FROM items;
CREATE MATERIALIZED VIEW kinds_seen AS SELECT DISTINCT k FROM seen;
CREATE MATERIALIZED VIEW joined AS SELECT i.id, x.label FROM items AS i JOIN kinds AS x USING (k);
CREATE MATERIALIZED VIEW labelled AS SELECT i.id, x.label FROM items AS i FULL JOIN kinds AS x USING (k);
CREATE MATERIALIZED VIEW alone AS SELECT * FROM kinds AS x WHERE NOT EXISTS (SELECT 1 FROM items AS i WHERE i.k = x.k);
CREATE MATERIALIZED VIEW kept AS SELECT * FROM items AS i WHERE EXISTS (SELECT 1 FROM kinds AS x WHERE i.k = x.k);
CREATE MATERIALIZED VIEW near AS SELECT s.n, h.n AS other FROM seen AS s JOIN heard AS h
  ON s.k = h.k AND h.ts BETWEEN s.ts - INTERVAL '5 s' AND s.ts + INTERVAL '5 s';
CREATE MATERIALIZED VIEW near_or_not AS SELECT s.n, h.n AS other FROM seen AS s LEFT JOIN heard AS h
  ON s.k = h.k AND h.ts BETWEEN s.ts - INTERVAL '5 s' AND s.ts + INTERVAL '5 s' EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW before AS SELECT s.n, h.n AS other FROM seen AS s ASOF LEFT JOIN heard AS h
  ON s.k = h.k AND s.ts >= h.ts;
CREATE MATERIALIZED VIEW before_at_close AS SELECT s.n, h.n AS other FROM seen AS s ASOF JOIN heard AS h
  ON s.k = h.k AND s.ts >= h.ts EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW top AS SELECT * FROM items ORDER BY name DESC, id LIMIT 3;
CREATE MATERIALIZED VIEW best AS SELECT * FROM (
  SELECT *, row_number() OVER (PARTITION BY k ORDER BY n DESC) AS place FROM seen) AS r WHERE place <= 2;
CREATE MATERIALIZED VIEW latest AS SELECT * FROM (
  SELECT *, row_number() OVER (PARTITION BY k ORDER BY ts DESC) AS place FROM seen) AS r WHERE place = 1;
CREATE MATERIALIZED VIEW places AS SELECT id, k, row_number() OVER (PARTITION BY k ORDER BY id) AS place FROM items;
CREATE MATERIALIZED VIEW running AS SELECT n, k, sum(n) OVER (PARTITION BY k ORDER BY ts) AS s FROM seen
  EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW windows AS
  SELECT k, window_start, count(*) AS c, max(n) AS m FROM TUMBLE(seen, ts, INTERVAL '10 s') GROUP BY k, window_start;
CREATE MATERIALIZED VIEW most AS SELECT k, ws, c FROM (
  SELECT k, ws, c, rank() OVER (PARTITION BY ws, we ORDER BY c DESC) AS r
  FROM (SELECT k, count(*) AS c, window_start AS ws, window_end AS we
        FROM HOP(seen, ts, INTERVAL '5 s', INTERVAL '10 s') GROUP BY k, 3, 4) AS w) AS r WHERE r <= 1;
CREATE MATERIALIZED VIEW ended AS SELECT k, window_start, sum(n) AS s
  FROM HOP(seen, ts, INTERVAL '5 s', INTERVAL '20 s') GROUP BY k, window_start, window_end EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW minutes AS SELECT window_start, count(DISTINCT k) AS ks
  FROM TUMBLE(seen, ts, INTERVAL '1 min') GROUP BY window_start;
CREATE MATERIALIZED VIEW sessions AS
  SELECT k, window_start, count(*) AS c FROM SESSION(seen, ts, INTERVAL '2 s') GROUP BY k, window_start, window_end;
CREATE MATERIALIZED VIEW over_sessions AS SELECT k, window_start, count(*) AS c
  FROM SESSION(seen, ts, INTERVAL '2 s') GROUP BY k, window_start, window_end EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW lenient_sessions AS SELECT k, window_start, count(*) AS c
  FROM SESSION(seen, ts, INTERVAL '2 s') GROUP BY k, window_start, window_end
  EMIT ON WINDOW CLOSE ALLOWED LATENESS INTERVAL '4 s';
CREATE MATERIALIZED VIEW forgotten_sessions AS SELECT k, window_start, count(*) AS c
  FROM SESSION(seen, ts, INTERVAL '2 s') GROUP BY k, window_start, window_end
  EMIT CHANGES ALLOWED LATENESS INTERVAL '4 s';
CREATE MATERIALIZED VIEW forgotten_windows AS SELECT k, window_start, count(*) AS c
  FROM TUMBLE(seen, ts, INTERVAL '5 s') GROUP BY k, window_start, window_end
  EMIT CHANGES ALLOWED LATENESS INTERVAL '4 s';
CREATE MATERIALIZED VIEW without_keys AS SELECT window_start, count(*) AS c, max(n) AS m
  FROM HOP(seen, ts, INTERVAL '5 s', INTERVAL '10 s') GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;
CREATE TABLE changing (id BIGINT PRIMARY KEY, k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '3 s');
CREATE MATERIALIZED VIEW changing_sessions AS
  SELECT k, window_start, count(*) AS c FROM SESSION(changing, ts, INTERVAL '2 s') GROUP BY k, window_start, window_end;
CREATE MATERIALIZED VIEW changing_before AS SELECT c.id, h.n AS other FROM changing AS c ASOF JOIN heard AS h
  ON c.k = h.k AND c.ts >= h.ts;
CREATE MATERIALIZED VIEW forgotten_changing_sessions AS SELECT k, window_start, count(*) AS c
  FROM SESSION(changing, ts, INTERVAL '2 s') GROUP BY k, window_start, window_end
  EMIT CHANGES ALLOWED LATENESS INTERVAL '4 s';
CREATE MATERIALIZED VIEW recent AS SELECT id FROM changing WHERE ts > now() - INTERVAL '5 s';
CREATE MATERIALIZED VIEW changing_windows AS
  SELECT k, window_start, count(*) AS c FROM TUMBLE(changing, ts, INTERVAL '5 s') GROUP BY k, window_start;
"""


KINDS = {"AsofJoinOperator", "GroupAggregateOperator", "JoinOperator", "OverOperator", "SessionAggregateOperator",
         "TemporalFilterOperator", "TopNOperator", "WindowAggregateOperator", "WindowWinnersOperator",
         "contents"}  # fmt: skip


class Mirror:
    """What a copy of a section has that takes what has changed, and nothing else."""

    def __init__(self) -> None:
        self.generation = -1
        self.rows: dict[str, dict[int, dict]] = {}

    def follow(self, section: Section) -> dict[str, list[dict]]:
        changed, size = section.changed, section.size()
        if changed.generation != self.generation:
            changed.renumbered()  # whoever begins takes all
            self.generation, self.rows = changed.generation, {}
        positions = np.asarray(changed.take(size), dtype=np.int64)
        assert np.all(np.diff(positions) > 0) and (not len(positions) or positions[-1] < size)
        for name, table in section.rows(positions).items():
            known = self.rows.setdefault(name, {})
            known.update(zip(positions.tolist(), _rows_of(table), strict=True))
        return {name: [known.get(at, {}) for at in range(size)] for name, known in self.rows.items()}


def _rows_of(table: pa.Table) -> list[dict]:
    names = [f"{i}" for i in range(table.num_columns)]
    return table.rename_columns(names).to_pylist() if names else [{} for _ in range(table.num_rows)]


class Watch:
    """All sections of a database."""

    def __init__(self, db: sqlengine.Database) -> None:
        self.db = db
        self.mirrors: WeakKeyDictionary[Changed, Mirror] = WeakKeyDictionary()
        self.kinds: set[str] = set()

    def look(self) -> None:
        scheduler = self.db._instance.scheduler
        with scheduler.lock:
            for query in scheduler.queries.values():
                for step in query.dataflow.steps:
                    if step.operator is not None:
                        one = step.operator._shards[0] if isinstance(step.operator, Sharded) else step.operator
                        self.compare(f"{query.name} {type(one).__name__}", step.operator.sections())
                if query.store is not None:
                    self.compare(f"{query.name} contents", query.store.sections())
            for name, source in scheduler.sources.items():
                if source.store is not None:
                    self.compare(f"{name} contents", source.store.sections())

    def compare(self, what: str, sections: Sections) -> None:
        """Rows that do not live any more mean nothing."""
        tables: dict[str, tuple[list[dict], list[dict]]] = {}
        for key, section in sections.items():
            self.kinds.add(what.split()[-1])
            copied = self.mirrors.setdefault(section.changed, Mirror()).follow(section)
            for name, table in section.whole().items():
                tables[name] = copied.get(name, []), _rows_of(table)
                assert len(tables[name][0]) == section.size() or not section.size(), f"{what}: {key}"
        for name, (copied_rows, rows) in tables.items():
            head = name[: max(name.rfind("/"), name.rfind(".")) + 1]
            live = [] if name == head + LIVE else tables.get(head + LIVE, ([], []))[1]
            gone = {at for at, row in enumerate(live) if not row["0"]} if len(live) == len(rows) else set()
            wrong = [at for at, row in enumerate(rows) if at not in gone and copied_rows[at] != row]
            assert not wrong, f"{what}, table {name}: rows {wrong[:5]} of {len(rows)}"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is dead is reclaimed at once."""
    for name in ("state.ranked_rows", "state.row_store", "state.join_side", "state.row_bag",
                 "state.timed_rows", "operators.over.operator",
                 "operators.over.running", "state.multiset", "operators.session_aggregate",
                 "operators.window_aggregate"):  # fmt: skip
        for constant in ("COMPACT_AT", "COMPACT_ROWS_MIN"):
            monkeypatch.setattr(f"sqlengine.{name}.{constant}", 8, raising=False)
    monkeypatch.setattr("sqlengine.operators.forgetting.LOOK_AT", 8)
    monkeypatch.setattr(AggregateSet, "worth_compacting", lambda _self, dead: dead > 4)
    monkeypatch.setattr(Workers, "worth", lambda _self, rows: rows > 3)


@pytest.mark.sampled(1)
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("seed", range(3))
def test_what_has_changed_is_said(seed: int) -> None:
    rng = random.Random(seed)
    with sqlengine.connect(clock=sqlengine.VirtualClock(1_700_000_000_000_000)) as db:
        db.execute(DECLARE)
        watch, at = Watch(db), 0
        for _ in range(rounds(30, 60)):
            for _ in range(rng.randrange(1, 3)):
                at = change(db, rng, at)
            db.tick()
            watch.look()
        assert watch.kinds >= KINDS


def change(db: sqlengine.Database, rng: random.Random, at: int) -> int:
    """One statement; `at`: seconds that event time has come to."""
    pick = rng.randrange
    what = rng.choice(["items", "items", "gone", "kinds", "streams", "streams", "streams", "changing"])
    if what == "items":
        rows = ", ".join(f"({pick(60)}, {pick(6)}, 'name {pick(20)}')" for _ in range(1 + pick(12)))
        db.execute(f"INSERT INTO items SELECT DISTINCT ON (id) * FROM (VALUES {rows}) AS v(id, k, name) "
                   "ON CONFLICT (id) DO UPDATE SET k = excluded.k, name = excluded.name")  # fmt: skip
    elif what == "gone":
        db.execute(f"DELETE FROM items WHERE id % 3 = {pick(3)}")
    elif what == "kinds":
        db.execute(f"DELETE FROM kinds WHERE k = {pick(6)}")
        db.execute(
            f"INSERT INTO kinds VALUES ({pick(6)}, 'l{pick(9)}') ON CONFLICT (k) DO UPDATE SET label = excluded.label"
        )
    elif what == "changing":
        key = pick(20)
        if pick(3):
            row = f"({key}, {pick(3)}, TIMESTAMP '2024-01-01' + INTERVAL '{at + pick(6)} s')"
            db.execute(f"INSERT INTO changing VALUES {row} ON CONFLICT (id) DO UPDATE SET k = excluded.k")
        else:
            db.execute(f"DELETE FROM changing WHERE id = {key}")
    else:
        for stream in ("seen", "heard"):
            rows = [
                f"({at + i}, {pick(4)}, TIMESTAMP '2024-01-01' + INTERVAL '{at + i + pick(4)} s')"
                for i in range(1 + pick(6))
            ]
            db.execute(f"INSERT INTO {stream} VALUES {', '.join(rows)}")
        at += pick(12)
    return at
