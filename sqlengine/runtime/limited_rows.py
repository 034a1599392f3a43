"""Records whose texts are too long for their columns: bad records, as those whose values are not of their types."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.catalog.objects import ColumnInfo
from sqlengine.formats.base import Decoded


def within_limits(decoded: Decoded, columns: Sequence[ColumnInfo]) -> tuple[Decoded, list[tuple[int, str]]]:
    """The records that fit `columns` under their stored names, texts as those keep them; and (position, reason) of
    those that do not, ascending."""
    batch, reasons = decoded.batch, dict[int, str]()
    for info in columns:
        at = -1 if info.limit is None else batch.schema.get_field_index(info.stored_name)
        if info.limit is None or at < 0:
            continue
        for place in np.flatnonzero(np.asarray(pc.fill_null(info.limit.too_long(batch.column(at)), False))):
            reasons.setdefault(int(place), f'column "{info.name}": value too long for type {info.limit.sql}')
        batch = batch.set_column(at, batch.schema.field(at), info.limit.cut(batch.column(at)))
    rows = decoded.rows
    longer = sorted((int(rows[place]), why) for place, why in reasons.items())
    if reasons:
        good = np.ones(batch.num_rows, dtype=bool)
        good[list(reasons)] = False
        batch, rows = batch.filter(pa.array(good)), rows[good]
    return (decoded if batch is decoded.batch else Decoded(batch, rows, decoded.bad)), longer
