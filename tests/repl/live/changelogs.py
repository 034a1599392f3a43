"""Random changelogs, with what they add up to by an oracle of plain Python."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa

SCHEMA = pa.schema([("op", pa.string()), ("key", pa.int64()), ("name", pa.string()), ("total", pa.float64())])
Row = tuple[int, str | None, float | None]


def batch(rows: list[tuple[str, Row]]) -> pa.RecordBatch:
    """Operations and rows as the engine gives them."""
    return pa.RecordBatch.from_pylist(
        [{"op": op, "key": row[0], "name": row[1], "total": row[2]} for op, row in rows], schema=SCHEMA
    )


def random_changelog(seed: int, operations: int, keyed: bool) -> Iterator[tuple[str, Row]]:
    """Valid operations; updates come as pairs.  Unless `keyed`, equal rows may be there several times."""
    chosen = random.Random(seed)
    rows: list[Row] = []
    for number in range(operations):
        row = _row(chosen, number if keyed else chosen.randrange(8))
        what = chosen.random()
        if what < 0.45 or not rows:
            rows.append(row)
            yield "insert", row
        elif what < 0.8:
            at = chosen.randrange(len(rows))
            before, rows[at] = rows[at], (rows[at][0], row[1], row[2])
            yield "update_before", before
            yield "update_after", rows[at]
        else:
            yield "delete", rows.pop(chosen.randrange(len(rows)))


def _row(chosen: random.Random, key: int) -> Row:
    name = chosen.choice(["ada", "bob", "東京", "", None])
    return key, name, chosen.choice([0.0, 1.5, -2.0, None])


class Oracle:
    """The rows a changelog adds up to, in the order of their places: updates stay where the row was."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._before: int | None = None

    def apply(self, op: str, row: Row) -> None:
        """One operation."""
        if op == "insert":
            self.rows.append(row)
        elif op == "update_before":
            self._before = self.rows.index(row)
        elif op == "update_after":
            assert self._before is not None
            self.rows[self._before] = row
        else:
            self.rows.remove(row)

    @property
    def multiset(self) -> Counter[Row]:
        """How often each row is there."""
        return Counter(self.rows)
