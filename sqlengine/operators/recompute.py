"""Recompute: a query without an incremental operator, run again over its inputs when they changed.

The inputs are kept as row stores, DuckDB answers the query over their snapshots, and the difference to the answer
before is emitted, so what follows sees an ordinary delta.  Nothing here decides that recomputing is acceptable: the
planner did, and says so in EXPLAIN and in a NOTICE.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from sqlengine import duck
from sqlengine.delta import Delta, concat
from sqlengine.functions.casting import retyped
from sqlengine.operators.base import Operator, State, Times
from sqlengine.operators.consolidate import consolidate
from sqlengine.operators.sub_flow import within
from sqlengine.plan import nodes
from sqlengine.sql.marks import NOW, fill_marks
from sqlengine.state.arrow_buffers import wrap
from sqlengine.state.row_store import RowStore
from sqlengine.state.section import Sections, below
from sqlengine.types import storage_type


class RecomputeOperator(Operator):
    """Runs at most once per tick, in `advance`.  An error of the query leaves the state unchanged."""

    def __init__(self, node: nodes.Recompute) -> None:
        self.schema = node.schema
        self._sql = node.sql
        self._time_dependent = node.time_dependent
        self._inputs = [RowStore(branch.schema, None) for branch in node.branches]
        self._answer = node.schema.empty_table()
        self._changed = True

    def process(self, delta: Delta, port: int, now_us: int) -> Delta | None:
        self._inputs[port].apply(delta)
        self._changed = True
        return None

    def advance(self, times: Times) -> Delta | None:
        if not (self._changed or self._time_dependent):
            return None
        answer = self._run(times.now_us)
        difference = _difference(self._answer, answer)
        self._answer, self._changed = answer, False
        return difference

    def _run(self, now_us: int) -> pa.Table:
        """The query's answer over the inputs as they are, in the declared schema."""
        connection = duck.connection()
        tables = {f"in{i}": store.snapshot_table() for i, store in enumerate(self._inputs)}
        text = fill_marks(self._sql, {NOW: duck.now_literal(now_us)})
        try:
            for name, table in tables.items():
                connection.register(name, duck.lent(table))
            answer = connection.sql(text).to_arrow_table()
        except Exception as error:
            raise duck.translated(error) from error
        finally:
            for name in tables:
                connection.unregister(name)
        return _as_declared(retyped(duck.normalise(answer), self.schema.types), self.schema)

    def state_size(self) -> Mapping[str, int]:
        rows = sum(store.num_rows for store in self._inputs) + self._answer.num_rows
        return {"rows": rows, "bytes": sum(store.num_bytes for store in self._inputs) + self._answer.nbytes}

    def sections(self) -> Sections:
        for store in self._inputs:
            store.settle()
        stores = enumerate(self._inputs)
        return {name: section for i, s in stores for name, section in below(f"in{i}.", s.sections()).items()}

    def rest(self) -> State:
        changed = {"changed": str(int(self._changed))}
        return {"answer": self._answer.replace_schema_metadata(changed)}

    def restore(self, state: State) -> None:
        """Also of what was written before the inputs had sections: their living rows are a table each."""
        for i, store in enumerate(self._inputs):
            whole = state.get(f"in{i}")
            store.restore(within(state, f"in{i}.") if whole is None else {"rows": whole})
        metadata = state["answer"].schema.metadata or {}
        self._changed = metadata.get(b"changed") != b"0"
        self._answer = _as_declared(state["answer"], self.schema)


def _as_declared(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table's columns, by position, in exactly the types of `schema`."""
    columns = []
    for column, field in zip(table.columns, schema, strict=True):
        if column.type != field.type:
            plain = column.cast(storage_type(field.type))
            column = pa.chunked_array([wrap(chunk, field.type) for chunk in plain.chunks], field.type)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


def _difference(before: pa.Table, after: pa.Table) -> Delta | None:
    """after - before as multisets: deletions first."""
    gone = [Delta(b, np.full(b.num_rows, -1, dtype=np.int64)) for b in before.to_batches()]
    come = [Delta(b) for b in after.to_batches()]
    return consolidate(concat([*gone, *come]))
