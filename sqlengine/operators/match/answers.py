"""The rows that are said of matches: ONE ROW PER MATCH, or one for each row of a match."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sqlengine.errors import Error
from sqlengine.expr.compile import compile_exprs
from sqlengine.expr.tree import input_columns, remap
from sqlengine.masks import truth
from sqlengine.operators.match.rows import Ints, Mask, Matches, Rows, expanded, in_matches
from sqlengine.operators.match.values import Values
from sqlengine.operators.row_errors import Failure
from sqlengine.plan.match_node import MatchRecognize
from sqlengine.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class _Shown:
    """Rows to be said: `row` is the input's, of `match` (-1: of none), as the match is up to `upto`."""

    row: Ints
    match: Ints
    upto: Ints
    decided: Mask

    def among(self, chosen: Mask | Ints) -> _Shown:
        return _Shown(self.row[chosen], self.match[chosen], self.upto[chosen], self.decided[chosen])


class Answers:
    """Measures over matches, with the columns of the input that go along; a row whose measure raises is left out, and
    kept in `failures`."""

    def __init__(self, node: MatchRecognize) -> None:
        self._node = node
        read = sorted({slot for measure in node.measures for slot in input_columns(measure)})
        self._slots = [node.slots[slot] for slot in read]
        places = {slot: at for at, slot in enumerate(read)}
        self._measures = compile_exprs([remap(measure, places) for measure in node.measures])
        self.failures: list[Failure] = []

    def batch(self, rows: Rows, matches: Matches, frontiers: Ints, now_us: int) -> tuple[pa.RecordBatch, Mask]:
        """(the output's rows, which of them no row to come changes)."""
        shown = self._all_rows(rows, matches, frontiers) if self._node.all_rows else _one_row(matches)
        there = shown.match >= 0
        values, good = self._measured(rows, matches, shown.among(there), now_us)
        kept = np.ones(len(there), dtype=bool)
        kept[there] = good
        place = np.cumsum(there & kept) - 1
        shown = shown.among(kept)
        at = pa.array(place[kept], mask=shown.match < 0)
        rows_at = pa.array(shown.row)
        carried = [rows.columns[c].take(rows_at) for c in self._node.carried]
        measured = [v.take(at) for v in values]
        return pa.RecordBatch.from_arrays([*carried, *measured], schema=self._node.schema), shown.decided

    def _all_rows(self, rows: Rows, matches: Matches, frontiers: Ints) -> _Shown:
        which, place = expanded(matches.lengths)
        upto = np.arange(1, len(which) + 1)
        full = _Shown(matches.starts[which] + place, which, upto, matches.decided[which])
        parts = [full.among(~matches.excluded)]
        if self._node.shown != "rows":
            empty = np.flatnonzero(matches.lengths == 0)
            parts.append(_Shown(matches.starts[empty], empty, matches.offsets[empty], matches.decided[empty]))
        if self._node.shown == "unmatched":
            parts.append(self._unmatched(rows, matches, frontiers))
        every = _Shown(
            np.concatenate([p.row for p in parts]),
            np.concatenate([p.match for p in parts]),
            np.concatenate([p.upto for p in parts]),
            np.concatenate([p.decided for p in parts]),
        )
        last = np.where(every.match < 0, every.row, matches.starts[every.match] if len(matches.starts) else every.row)
        return every.among(np.lexsort((every.row, every.match, last)))

    def _unmatched(self, rows: Rows, matches: Matches, frontiers: Ints) -> _Shown:
        """The rows that belong to no match; where rows may come, of those searched already alone."""
        lengths = rows.ends - rows.starts
        place = np.arange(rows.count)
        decided = place < np.repeat(frontiers, lengths)
        free = ~in_matches(matches, np.ones(len(matches.starts), dtype=bool), rows.count) & ~rows.covered
        free &= place >= np.repeat(rows.froms, lengths)
        if self._node.closing:
            free &= decided
        row = np.flatnonzero(free)
        return _Shown(row, np.full(len(row), -1), np.zeros(len(row), dtype=np.int64), decided[row])

    def _measured(self, rows: Rows, matches: Matches, shown: _Shown, now_us: int) -> tuple[list[pa.Array], Mask]:
        """(the measures of those rows for which none raises, which these are)."""
        values = Values(rows, matches, self._node.program.labels, self._node.classifier)
        columns = values.of(self._slots, shown.match, shown.upto)
        names = [f"s{i}" for i in range(len(columns))]
        if not columns:  # a batch without columns would not know its number of rows
            columns, names = [pa.nulls(len(shown.row))], ["s0"]
        batch = pa.RecordBatch.from_arrays(columns, names=names)
        try:
            return self._measures(batch, now_us), np.ones(len(shown.row), dtype=bool)
        except Error:
            made, good, errors = self._measures.try_eval(batch, now_us)
            self.failures += [(batch.slice(e.row, 1), e.error) for e in errors]
            return made, truth(good)


def _one_row(matches: Matches) -> _Shown:
    which = np.arange(len(matches.starts))
    return _Shown(matches.starts, which, matches.offsets[1:], matches.decided)
