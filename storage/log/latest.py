"""Which records of a compacted topic are the latest of their key.

Grouping is Arrow's hash aggregation, by the keys themselves and not by hashes of them, so that no two keys are ever
taken for one. Must not do I/O.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.log.trailer import NO_HORIZON

Offsets = npt.NDArray[np.int64]

# Rows that wait until they are grouped with what is known; more when more keys are known, so that the cost of going
# over those again stays in proportion.
_PENDING_ROWS = 1 << 20

_OFFSET = "$offset"


class KeyRule(NamedTuple):
    """columns: those that make a record's key. tombstone: a record whose value there is NULL (or, of a number,
    negative) says that its key is gone; None if no record can say so.
    """

    columns: tuple[str, ...]
    tombstone: str | None


class LatestOffsets:
    """The greatest offset of each key among the records added."""

    def __init__(self, rule: KeyRule, known: LatestOffsets | None = None) -> None:
        """`known`: what this one begins with."""
        self._rule = rule
        self._grouped: pa.Table | None = known._settled() if known is not None else None
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._unkeyed: list[Offsets] = list(known._unkeyed) if known is not None else []

    def add(self, batch: pa.RecordBatch, offsets: Offsets) -> None:
        """Take in records. One without a key (a part of it is NULL, or its frame has no such column) is never
        superseded.
        """
        names = batch.schema.names
        if any(name not in names for name in self._rule.columns):
            self._unkeyed.append(offsets)
            return
        keys = [_plain(batch.column(name)) for name in self._rule.columns]
        if any(key.null_count for key in keys):
            has_key = _all_valid(keys)
            self._unkeyed.append(offsets[~has_key])
            keys, offsets = [key.filter(pa.array(has_key)) for key in keys], offsets[has_key]
        self._pending.append(pa.Table.from_arrays([*keys, pa.array(offsets)], names=[*self._rule.columns, _OFFSET]))
        self._pending_rows += len(offsets)
        if self._pending_rows >= max(_PENDING_ROWS, self.keys):
            self._settled()

    @property
    def keys(self) -> int:
        """Distinct keys grouped so far; those of the newest records are missing."""
        return 0 if self._grouped is None else self._grouped.num_rows

    def offsets(self) -> Offsets:
        """The latest offset of every key and the offsets without one, ascending."""
        grouped = self._settled()
        latest = [] if grouped is None else [grouped.column(_OFFSET).to_numpy()]
        return np.sort(np.concatenate([*latest, *self._unkeyed, np.zeros(0, np.int64)]))

    def _settled(self) -> pa.Table | None:
        """Group what is pending."""
        if self._pending:
            parts = self._pending if self._grouped is None else [self._grouped, *self._pending]
            grouped = pa.concat_tables(parts).group_by(list(self._rule.columns), use_threads=False)
            table = grouped.aggregate([(_OFFSET, "max")])
            self._grouped = table.rename_columns([*self._rule.columns, _OFFSET])
            self._pending, self._pending_rows = [], 0
        return self._grouped


def tombstones(batch: pa.RecordBatch, rule: KeyRule) -> npt.NDArray[np.bool_]:
    """bool[rows]: the records that say that their key is gone."""
    if rule.tombstone is None or rule.tombstone not in batch.schema.names:
        return np.zeros(batch.num_rows, dtype=bool)
    column = batch.column(rule.tombstone)
    gone = column.is_null()
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        gone = pc.or_(gone, pc.fill_null(pc.less(column, 0), True))
    marks: npt.NDArray[np.bool_] = gone.to_numpy(zero_copy_only=False)
    return marks


def settle_tombstones(
    batch: pa.RecordBatch,
    rule: KeyRule,
    keep: npt.NDArray[np.bool_],
    horizon_us: int,
    now_us: int,
    delay_us: int,
) -> int:
    """Take tombstones whose time has come out of `keep` (bool[rows], changed in place); returns until when those that
    stay do (us), NO_HORIZON if there are none. `horizon_us`: what an earlier pass said, or NO_HORIZON.
    """
    marks = tombstones(batch, rule) & keep
    if not marks.any():
        return NO_HORIZON
    if horizon_us == NO_HORIZON:
        return now_us + delay_us
    if horizon_us > now_us:
        return horizon_us
    keep &= ~marks
    return NO_HORIZON


def can_group(kind: pa.DataType) -> bool:
    """Whether values of a type can be keys."""
    probe = pa.table([_plain(pa.nulls(1, kind)), pa.array([0])], names=["key", _OFFSET])
    try:
        probe.group_by(["key"]).aggregate([(_OFFSET, "max")])
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return False
    return True


def _plain(column: pa.Array) -> pa.Array:
    """A column that groups with those of other batches: dictionaries decoded."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _all_valid(columns: list[Any]) -> npt.NDArray[np.bool_]:
    """bool[rows]: no column is NULL."""
    valid = columns[0].is_valid()
    for column in columns[1:]:
        valid = pc.and_(valid, column.is_valid())
    found: npt.NDArray[np.bool_] = valid.to_numpy(zero_copy_only=False)
    return found
