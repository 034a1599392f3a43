"""The `raw` format: the record is the value of the one column (text, bytes or JSON)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.errors import InvalidParameter
from sqlengine.formats.base import Decoded, batch_of, null_mask
from sqlengine.formats.json_syntax import malformed_mask
from sqlengine.formats.json_values import canonical_values
from sqlengine.formats.records import as_binary, as_text, spans_of, surrounded, valid_utf8
from sqlengine.types import JSONB, is_json, is_text


class RawDecoder:
    """One column takes the record as it is; a null record is a NULL."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = one_column(schema)

    def decode(self, values: pa.Array) -> Decoded:
        """See formats.base.Decoder."""
        records = as_binary(values)
        dtype = self.schema.field(0).type
        if pa.types.is_binary(dtype):
            return Decoded(batch_of(self.schema, [records], len(records)), np.arange(len(records)))
        good = valid_utf8(records)
        reason = "invalid byte sequence for encoding UTF8"
        bad = {int(i): reason for i in np.flatnonzero(~good)}
        if is_json(dtype):
            wrapped = surrounded(pc.if_else(pa.array(good), records, b"null"), b'{"v":', b"}")
            empty = (spans_of(records).trimmed().first() == 0) & ~null_mask(records)
            wrong = (malformed_mask(wrapped) | empty) & good & ~null_mask(records)
            bad |= {int(i): "malformed JSON" for i in np.flatnonzero(wrong)}
            good &= ~wrong
        rows = np.flatnonzero(good)
        text = as_text(records.take(pa.array(rows)))
        if dtype == JSONB:
            made = canonical_values(text)
            bad |= {int(i): "malformed JSON" for i in rows[made.bad]}
            rows = rows[~made.bad]
            text = made.values.storage.filter(pa.array(~made.bad))
        return Decoded(batch_of(self.schema, [text.cast(dtype)], len(rows)), rows, sorted(bad.items()))


class RawEncoder:
    """The one column's bytes are the record."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = one_column(schema)

    def encode(self, batch: pa.RecordBatch) -> pa.BinaryArray:
        """See formats.base.Encoder."""
        column = batch.column(0)
        return (column.storage if is_json(column.type) else column).cast(pa.binary())


def one_column(schema: pa.Schema) -> pa.Schema:
    """The schema itself, if it fits: one column of text, bytea or JSON; InvalidParameter (22023) else."""
    fits = len(schema) == 1 and (
        is_text(schema.field(0).type) or pa.types.is_binary(schema.field(0).type) or is_json(schema.field(0).type)
    )
    if not fits:
        raise InvalidParameter("format raw needs exactly one column of type text, bytea or json")
    return schema
