"""What a compacted changelog means for a table's contents.

Compaction leaves the latest record of each key, so a deletion may come for a row nobody has seen, and a row for a key
whose earlier row was never taken back. The latest record of each key still says what the key's row is now.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.state.row_index import net_weights
from sqlengine.state.row_store import RowStore


def latest_change(store: RowStore, changes: Sequence[Delta]) -> Delta:
    """The change that brings a keyed table's `store` to where `changes`, records in order, leave each key."""
    merged = concat(changes)
    assert merged is not None and store.key_columns is not None
    names = [merged.batch.schema.names[i] for i in store.key_columns]
    numbered = pa.table([merged.batch.column(i) for i in store.key_columns], names=names)
    numbered = numbered.append_column("$row", pa.array(np.arange(merged.num_rows)))
    last = numbered.group_by(names, use_threads=False).aggregate([("$row", "max")]).column("$row_max").to_numpy()
    rows = merged.batch.take(pa.array(np.sort(last)))
    weights = merged.weight_array()[np.sort(last)]
    _, old = store.lookup([rows.column(i) for i in store.key_columns])
    new = rows.filter(pa.array(weights > 0))
    signs = np.concatenate([-np.ones(old.num_rows, np.int64), np.ones(new.num_rows, np.int64)])
    both = pa.Table.from_batches([old.cast(rows.schema), new]).combine_chunks().to_batches()
    return Delta(both[0] if both else new, signs)


def difference(old: pa.Table, new: pa.Table) -> Delta | None:
    """The change that makes the rows of one table those of another of the same schema; None when there is none."""
    parts = [Delta(batch, -np.ones(batch.num_rows, np.int64)) for batch in old.to_batches()]
    merged = concat([*parts, *(Delta(batch) for batch in new.to_batches())])
    if merged is None:
        return None
    rows, weights, _ = net_weights(merged)
    return Delta(merged.batch.take(pa.array(rows)), weights) if len(rows) else None


def common_difference(old: pa.Table, new: pa.Table) -> Delta | None:
    """`difference` of the columns that both tables have under the same name with the same type."""
    names = [f.name for f in new.schema if f.name in old.schema.names and old.schema.field(f.name).type == f.type]
    return difference(old.select(names).cast(new.select(names).schema), new.select(names))
