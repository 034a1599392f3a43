"""What a changelog adds up to, compared with plain Python that takes one operation after the other."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from repl.live import current_rows
from repl.live.changes import Changes, Decoder
from repl.live.current_rows import CurrentRows
from repl.live.recent_changes import RecentChanges
from tests.depth import rounds
from tests.repl.live.changelogs import SCHEMA, Oracle, Row, batch, random_changelog

DECODER = Decoder(SCHEMA)


def rows_of(table: pa.Table | pa.RecordBatch) -> list[Row]:
    return [(row["key"], row["name"], row["total"]) for row in table.to_pylist()]


def pieces(log: list[tuple[str, Row]], seed: int) -> list[pa.RecordBatch]:
    """The log in batches of random sizes, which may tear the two rows of an update apart."""
    chosen, batches, at = random.Random(seed), [], 0
    while at < len(log):
        end = at + chosen.choice([1, 2, 3, 17, 400])
        batches.append(batch(log[at:end]))
        at = end
    return batches


@pytest.mark.parametrize("seed", range(rounds(3, 8)))
def test_rows_with_keys_stay_in_their_places_however_the_log_is_cut(seed: int) -> None:
    log = list(random_changelog(seed, 3_000, keyed=True))
    rows, oracle = CurrentRows(DECODER.schema), Oracle()
    for piece in pieces(log, seed):
        rows.apply(DECODER.decode(piece), 0.0)
        for row in piece.to_pylist():
            oracle.apply(row["op"], (row["key"], row["name"], row["total"]))
        assert rows.num_rows == len(oracle.rows)
    assert rows_of(rows.table()) == oracle.rows
    assert rows.unknown == 0


@pytest.mark.parametrize("seed", range(rounds(3, 8)))
def test_equal_rows_are_counted(seed: int) -> None:
    log = list(random_changelog(seed, 3_000, keyed=False))
    rows, oracle = CurrentRows(DECODER.schema), Oracle()
    for piece in pieces(log, seed):
        rows.apply(DECODER.decode(piece), 0.0)
    for op, row in log:
        oracle.apply(op, row)
    assert Counter(rows_of(rows.table())) == oracle.multiset


def test_dead_rows_are_let_go_and_places_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_rows, "_COMPACT_AT", 8)
    rows = CurrentRows(DECODER.schema)
    rows.apply(DECODER.decode(batch([("insert", (n, "a", 0.0)) for n in range(10)])), 0.0)
    for turn in range(50):
        changes = [
            (op, (n, "a", float(turn + after)))
            for n in range(10)
            for after, op in enumerate(("update_before", "update_after"))
        ]
        rows.apply(DECODER.decode(batch(changes)), 1.0 + turn)
    assert rows_of(rows.table()) == [(n, "a", 50.0) for n in range(10)]
    assert rows._arena.num_rows <= 40
    rows.apply(DECODER.decode(batch([("delete", (3, "a", 50.0))])), 99.0)
    assert [key for key, _, _ in rows_of(rows.table())] == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_only_so_many_rows_are_kept_and_the_others_counted() -> None:
    rows = CurrentRows(DECODER.schema, rows_max=100)
    for start in range(0, 1_000, 50):
        rows.apply(DECODER.decode(batch([("insert", (n, None, None)) for n in range(start, start + 50)])), 0.0)
    kept = [key for key, _, _ in rows_of(rows.table())]
    assert kept == list(range(1_000 - len(kept), 1_000)) and 100 <= len(kept) <= 125
    assert rows.total_rows == 1_000
    rows.apply(DECODER.decode(batch([("delete", (0, None, None)), ("delete", (999, None, None))])), 0.0)
    assert (rows.total_rows, rows.num_rows, rows.unknown) == (998, len(kept) - 1, 0)


def test_a_row_that_nobody_has_seen_can_go() -> None:
    rows = CurrentRows(DECODER.schema)
    rows.apply(DECODER.decode(batch([("delete", (1, "a", 1.0)), ("insert", (2, "b", 2.0))])), 0.0)
    assert (rows.unknown, rows_of(rows.table())) == (1, [(2, "b", 2.0)])


def test_what_has_changed_when_and_from_what() -> None:
    rows = CurrentRows(DECODER.schema)
    rows.apply(DECODER.decode(batch([("insert", (1, "a", 1.0)), ("insert", (2, "b", 2.0))])), 10.0)
    rows.apply(DECODER.decode(batch([("update_before", (2, "b", 2.0)), ("update_after", (2, "b", 3.0))])), 20.0)
    both = np.array([0, 1])
    known, before = rows.before(both)
    assert rows.changed_at(both).tolist() == [10.0, 20.0]
    assert known.tolist() == [False, True] and rows_of(before) == [(1, "a", 1.0), (2, "b", 2.0)]


def test_several_updates_of_a_row_in_one_batch_keep_its_place() -> None:
    rows = CurrentRows(DECODER.schema)
    rows.apply(DECODER.decode(batch([("insert", (1, "a", 1.0)), ("insert", (2, "b", 2.0))])), 0.0)
    steps = [
        (op, (1, "a", float(v + after)))
        for v in (1, 2, 3)
        for after, op in enumerate(("update_before", "update_after"))
    ]
    rows.apply(DECODER.decode(batch(steps)), 0.0)
    assert rows_of(rows.table()) == [(1, "a", 4.0), (2, "b", 2.0)]


@pytest.mark.parametrize("seed", range(rounds(2, 4)))
def test_the_last_changes_are_kept(seed: int) -> None:
    log = list(random_changelog(seed, 1_000, keyed=False))
    recent = RecentChanges(DECODER.schema, changes_max=100)
    for piece in pieces(log, seed):
        recent.add(DECODER.decode(piece))
        assert recent.num_rows <= 100
    marks = {"insert": "+I", "update_before": "-U", "update_after": "+U", "delete": "-D"}
    expected = [(marks[op], row) for op, row in log][-100:]
    assert list(zip(recent.column(0).to_pylist(), rows_of(recent.table()))) == expected
    assert (recent.first, recent.end) == (len(log) - 100, len(log))
    assert rows_of(recent.take(np.array([5, 2]))) == [expected[5][1], expected[2][1]]


def test_the_changelog_columns_of_every_kind_of_result() -> None:
    rows = pa.schema([("n", pa.int64())])
    op, stamp = pa.field("op", pa.string()), pa.field("time", pa.timestamp("us", "UTC"))
    subscribed = Decoder(pa.schema([pa.field("tick", pa.int64()), stamp, op, *rows]))
    assert subscribed.schema == Decoder(pa.schema([op, *rows])).schema == Decoder(rows).schema == rows
    printed = Decoder(rows).decode(pa.record_batch([pa.array([7])], schema=rows))
    assert isinstance(printed, Changes) and printed.kinds.tolist() == [0]
    number = pa.schema([pa.field("op", pa.int64())])
    assert Decoder(number).schema == number, "a column of the result that is only called op"
