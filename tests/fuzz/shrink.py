"""A failing batch made small: one query, few rows, few statements, no column nobody reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tests.fuzz.check import Batch, Failure, alone, check_batch
from tests.fuzz.schema import Change, Table, Tick
from tests.fuzz.tree import smaller

T = TypeVar("T")
ATTEMPTS_MAX = 1500


def shrunk(batch: Batch, failure: Failure, path: Callable[[], Path] | None = None) -> Batch:
    """The smallest batch found that fails as `failure` does; `path` gives fresh folders."""
    attempts = iter(range(ATTEMPTS_MAX))

    def fails(candidate: Batch) -> bool:
        if next(attempts, None) is None:
            return False
        try:
            failures, _ = check_batch(candidate, path() if path is not None else None)
        except Exception:  # a history that no longer fits its tables is no smaller failure
            return False
        return any(
            f.kind == failure.kind and (f.kind == "mismatch" or f.detail[:20] == failure.detail[:20]) for f in failures
        )

    best = alone(batch, failure.query)
    if not fails(best):
        return batch
    while True:
        before = best
        for reduce in (_ticks, _queries, _views, _rows, _tables, _columns, _values):
            best = _greedy(best, reduce, fails)
        if best == before:
            return best


def _greedy(best: Batch, reduce: Callable[[Batch], Iterator[Batch]], fails: Callable[[Batch], bool]) -> Batch:
    """The first smaller batch that still fails, again and again."""
    while True:
        found = next((c for c in reduce(best) if fails(c)), None)
        if found is None:
            return best
        best = found


def _queries(batch: Batch) -> Iterator[Batch]:
    tables = [t.select() for t in batch.tables]
    query = batch.queries[0]
    if query.emit is not None:
        yield replace(batch, queries=(replace(query, emit=None),))
    if query.emit is None or not query.emit.streams:  # what says which rows are out must stay as it is
        for less in smaller(query, tables):
            yield replace(batch, queries=(replace(less, emit=query.emit),))


def _views(batch: Batch) -> Iterator[Batch]:
    """Without some of the views, or with smaller ones."""
    yield from (replace(batch, views=v) for v in _fewer(batch.views))
    tables = [t.select() for t in batch.tables]
    for i, (name, view) in enumerate(batch.views):
        for less in smaller(view, tables):
            yield replace(batch, views=(*batch.views[:i], (name, less), *batch.views[i + 1 :]))


def _ticks(batch: Batch) -> Iterator[Batch]:
    """Without some ticks, or without some statements of one, or with all of it before the views."""
    yield from (replace(batch, before=b) for b in _fewer(batch.before))
    yield from (replace(batch, ticks=t) for t in _fewer(batch.ticks))
    for name in ("before", "ticks"):
        ticks: tuple[Tick, ...] = getattr(batch, name)
        for i, tick in enumerate(ticks):
            for less in _fewer(tick) if len(tick) > 1 else ():
                yield replace(batch, **{name: (*ticks[:i], less, *ticks[i + 1 :])})
    if batch.way not in ("late", "reopened"):
        yield from (replace(batch, way=way) for way in ("late",) if batch.way != way)


def _fewer(items: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    """Without the first or second half, then without each."""
    half = len(items) // 2
    if half:
        yield items[half:]
        yield items[:half]
    for i in range(len(items)):
        yield items[:i] + items[i + 1 :]


def _changes(batch: Batch, change_to: Callable[[Change], Iterator[Change]]) -> Iterator[Batch]:
    for name in ("before", "ticks"):
        ticks: tuple[Tick, ...] = getattr(batch, name)
        for i, tick in enumerate(ticks):
            for j, change in enumerate(tick):
                for made in change_to(change):
                    new = (*tick[:j], made, *tick[j + 1 :])
                    yield replace(batch, **{name: (*ticks[:i], new, *ticks[i + 1 :])})


def _rows(batch: Batch) -> Iterator[Batch]:
    def less(change: Change) -> Iterator[Change]:
        if len(change.rows) > 1:
            yield from (replace(change, rows=r) for r in _fewer(change.rows))
        if len(change.sets) > 1:
            yield from (replace(change, sets=s) for s in _fewer(change.sets))

    return _changes(batch, less)


def _tables(batch: Batch) -> Iterator[Batch]:
    """Without the tables nobody reads."""
    for table in batch.tables:
        kept = {
            name: tuple(t for tick in getattr(batch, name) if (t := tuple(c for c in tick if c.table != table.name)))
            for name in ("before", "ticks")
        }
        yield replace(batch, tables=tuple(t for t in batch.tables if t is not table), **kept)


def _columns(batch: Batch) -> Iterator[Batch]:
    """Without the columns nobody reads."""
    for table in batch.tables:
        for i in range(1, len(table.columns)):
            yield _without_column(batch, table, i)


def _without_column(batch: Batch, table: Table, index: int) -> Batch:
    name = table.columns[index].name

    def cut(change: Change) -> Change:
        if change.table != table.name:
            return change
        rows = tuple(r[:index] + r[index + 1 :] for r in change.rows)
        return replace(change, rows=rows, sets=tuple(s for s in change.sets if s[0] != name))

    kept = {part: tuple(tuple(cut(c) for c in tick) for tick in getattr(batch, part)) for part in ("before", "ticks")}
    tables = tuple(t.without(index) if t is table else t for t in batch.tables)
    return replace(batch, tables=tables, **kept)


def _values(batch: Batch) -> Iterator[Batch]:
    """Simpler values in rows."""

    def simpler(change: Change) -> Iterator[Change]:
        for i, row in enumerate(change.rows):
            for j, value in enumerate(row[1:], 1):
                if value != "NULL":
                    new = (*row[:j], "NULL", *row[j + 1 :])
                    yield replace(change, rows=(*change.rows[:i], new, *change.rows[i + 1 :]))

    return _changes(batch, simpler)
