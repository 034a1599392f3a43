"""Difference: the rows that one round of a recursion has and the one before it has not, or the other way round.

It is added up change by change, each at the cost of the change, and is empty when all of it has cancelled out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.delta import Delta
from sqlengine.operators import sub_flow
from sqlengine.operators.base import State
from sqlengine.operators.sub_flow import WEIGHT, from_table
from sqlengine.state.multiset import Multiset
from sqlengine.state.section import Sections

Ints = npt.NDArray[np.int64]


class Difference:
    """Rows of `schema` with weights that are not 0. `name`: of its table in checkpoints."""

    def __init__(self, schema: pa.Schema, name: str) -> None:
        self._schema, self._name = schema, name
        self._rows = Multiset(schema.types)
        self._held = 0

    def __bool__(self) -> bool:
        return self._held > 0

    @property
    def rows(self) -> int:
        """Different rows with a weight."""
        return self._held

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._rows.nbytes

    def add(self, *changes: Delta | None) -> None:
        """Add changes to it; what is None is nothing."""
        for change in changes:
            if change is not None:
                one_slot = np.zeros(change.num_rows, dtype=np.int64)
                made = self._rows.apply(one_slot, change.batch.columns, change.weight_array())
                self._held += int(np.count_nonzero(made.after)) - int(np.count_nonzero(made.before))
        self._rows.reclaim(1)

    def whole(self) -> Delta:
        """All of it, each row once."""
        _, entries = self._rows.entries(np.zeros(1, dtype=np.int64))
        columns = self._rows.values(entries)
        return Delta(pa.RecordBatch.from_arrays(columns, schema=self._schema), self._rows.weights(entries))

    def sections(self) -> Sections:
        """It itself, if it is large: a file is too much for what is small."""
        return self._rows.section(self._name) if self._rows.size >= sub_flow.SECTION_ROWS else {}

    def rest(self) -> State:
        """It itself, if it is small."""
        if self._rows.size >= sub_flow.SECTION_ROWS:
            return {}
        return {self._name: self._rows.rows(np.arange(self._rows.size, dtype=np.int64))}

    def restore(self, table: pa.Table) -> None:
        """Replace it by what a checkpoint has; earlier ones have its rows with a column WEIGHT, and no slots."""
        if table.column_names[-1] == WEIGHT:
            self._rows, self._held = Multiset(self._schema.types), 0
            self.add(from_table(table))
            return
        self._rows.restore(table)
        self._held = len(self._rows.entries(np.zeros(1, dtype=np.int64))[1])
