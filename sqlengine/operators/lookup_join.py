"""LookupJoin: rows that come meet the other side as it is at that moment; later changes of it are not their concern.

The left side is not kept.  Within a tick the right side's changes come first, however the inputs are ordered.
"""

from __future__ import annotations

import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.operators.base import Times
from sqlengine.operators.join import LEFT, RIGHT, JoinOperator
from sqlengine.plan import nodes
from sqlengine.state.row_chains import by_probe


class LookupJoinOperator(JoinOperator):
    """See nodes.LookupJoin."""

    def __init__(self, node: nodes.LookupJoin) -> None:
        super().__init__(node)
        self._arrived: list[Delta] = []

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        if port == LEFT:
            self._arrived.append(delta)
            return None
        delta = self._without_null_keys(delta, RIGHT, [])
        if delta.num_rows:
            side = self._sides[RIGHT]
            at_once = side.is_up_to_date(self._index, delta.num_rows)
            slots = self._index.insert(self._keys[RIGHT].of(delta.batch), delta.num_rows) if at_once else None
            side.add(delta, slots, self._index.size, None)
        return None

    def advance(self, times: Times) -> Delta | None:
        out: list[Delta] = []
        for delta in self._arrived:
            self._look_up(delta, times.now_us, out)
        self._arrived = []
        if self._sides[RIGHT].worth_compacting():
            self._sides[RIGHT].compact()
            self._compact_keys()
        return concat(out)

    def _look_up(self, delta: Delta, now_us: int, out: list[Delta]) -> None:
        delta = self._without_null_keys(delta, LEFT, out)
        if not delta.num_rows:
            return
        right = self._sides[RIGHT]
        keys = self._keys[LEFT].of(delta.batch)
        pending = right.prepare(self._index, delta.num_rows)
        found = right.probe(self._index.find(keys, delta.num_rows))
        if pending:
            found = by_probe(found, right.scan(keys, delta.num_rows))
        matches = self._match(delta, found, LEFT, now_us, out)
        if matches is not None and (matches <= 0).any():
            out.append(self._alone(delta.filter(pa.array(matches <= 0)), LEFT))
