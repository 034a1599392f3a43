"""HeldRows: deltas that wait, with opposite weights cancelled now and then.

Why: a query that is behind must not miss what ticks change meanwhile; what was inserted and deleted need not be kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.operators.consolidate import consolidate
from sqlengine.state.spill import Spill, in_files

WEIGHT = "$weight"


class HeldRows:
    """An ordered list of deltas of one schema; consolidated each time it has doubled."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._deltas: list[Delta] = []
        self.num_rows = 0
        self._consolidate_at = 65_536

    @property
    def num_bytes(self) -> int:
        """Bytes of the rows."""
        return sum(d.batch.nbytes for d in self._deltas)

    @property
    def spilled_bytes(self) -> int:
        """Bytes of the rows that are in files."""
        return sum(d.batch.nbytes for d in self._deltas if in_files(d.batch))

    def spill(self, to: Spill) -> int:
        """Have the rows in files (state/spill.py)."""
        leaving = [at for at, d in enumerate(self._deltas) if not in_files(d.batch)]
        freed = sum(self._deltas[at].batch.nbytes for at in leaving)
        if freed < to.least:
            return 0
        for at, batch in zip(leaving, to.batches([self._deltas[at].batch for at in leaving]), strict=True):
            self._deltas[at] = Delta(batch, self._deltas[at].weights)
        return int(freed)

    @property
    def deltas(self) -> Sequence[Delta]:
        """What is held, in order of arrival."""
        return self._deltas

    def add(self, delta: Delta) -> None:
        """Hold a delta."""
        self._deltas.append(delta)
        self.num_rows += delta.num_rows
        if self.num_rows >= self._consolidate_at:
            self.replace(consolidate(concat(self._deltas)))
            self._consolidate_at = max(65_536, 2 * self.num_rows)

    def replace(self, delta: Delta | None) -> None:
        """Hold exactly this."""
        self._deltas = [] if delta is None else [delta]
        self.num_rows = sum(d.num_rows for d in self._deltas)

    def take(self) -> Delta | None:
        """Everything held, consolidated, in order of arrival; nothing is held after."""
        whole = consolidate(concat(self._deltas))
        self.replace(None)
        return whole
