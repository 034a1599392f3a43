"""What is said to have changed of structures, of rare ways in which they change."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.state.multiset import Multiset
from sqlengine.state.ranked_rows import LIVE, REPLACE_AT, ROWS, RankedRows
from sqlengine.state.section import Section
from tests.api.test_sections import Mirror


def expect(section: Section, mirror: Mirror) -> None:
    """The copy has what there is."""
    copied = mirror.follow(section)
    for name, table in section.whole().items():
        names = [str(i) for i in range(table.num_columns)]
        assert copied.get(name, []) == table.rename_columns(names).to_pylist(), name


def test_weights_that_are_replaced_and_entries_that_are_reclaimed() -> None:
    rng = np.random.default_rng(3)
    bag, mirror = Multiset([pa.int64()]), Mirror()
    for step in range(40):
        slots = rng.integers(0, 50, 200)
        bag.apply(slots, [pa.array(rng.integers(0, 400, 200))], rng.choice([-1, 1, 1], 200))
        expect(bag.section("m")["m"], mirror)
        entries = np.unique(rng.integers(0, bag.size, 60))
        bag.set_weights(entries, rng.integers(0, 3, len(entries)))
        expect(bag.section("m")["m"], mirror)
        if step % 7 == 6:
            before = bag.size
            bag.set_weights(np.arange(bag.size), np.where(np.arange(bag.size) % 3 == 0, 1, 0))
            bag.reclaim(50)
            assert bag.size < before
            expect(bag.section("m")["m"], mirror)


def test_newest_rows_that_are_replaced() -> None:
    """What a ranking does with a large batch: the losers leave no trace, others come to their positions."""
    schema = pa.schema([("k", pa.int64()), ("v", pa.int64())])
    rows, mirrors = RankedRows(schema, [pa.int64()], retracting=False), {ROWS: Mirror(), LIVE: Mirror()}

    def look() -> None:
        for name, section in rows.sections().items():
            expect(section, mirrors[name])

    def batch(first: int) -> pa.RecordBatch:
        numbers = np.arange(first, first + REPLACE_AT)
        return pa.record_batch([numbers % 7, numbers], schema=schema)

    for round_ in range(4):
        _, new = rows.apply(Delta(batch(round_ * 1_000_000)), [0])
        rows.kill(new[::5])
        look()
        _, new = rows.apply(Delta(batch(round_ * 1_000_000 + 500_000)), [0])
        rows.kill(new[1::3])
        look()
        assert rows.is_replaceable(new)
        kept = np.ascontiguousarray(new[::2])
        rows.replace_tail(int(new[0]), kept, rows.arena.take_batch(kept))
        look()
