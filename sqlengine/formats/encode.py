"""Rows to records: the encoders of the `json` and `csv` formats."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.formats.base import true_mask
from sqlengine.formats.csv_format import CsvOptions
from sqlengine.formats.render import json_objects, to_text


class JsonEncoder:
    """One JSON object per row; NULL is written as null."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema

    def encode(self, batch: pa.RecordBatch) -> pa.BinaryArray:
        """See formats.base.Encoder."""
        return json_objects(list(batch.schema.names), list(batch.columns), batch.num_rows).cast(pa.binary())


class CsvEncoder:
    """One line (without its newline) per row; fields are quoted only where they must be."""

    def __init__(self, schema: pa.Schema, options: CsvOptions) -> None:
        self.schema = schema
        self.options = options
        special = "".join(re.escape(c) for c in (options.delimiter, options.quote))
        self._special = f"[{special}\r\n]|^[ \t]|[ \t]$"

    def encode(self, batch: pa.RecordBatch) -> pa.BinaryArray:
        """See formats.base.Encoder."""
        fields = [self._field(to_text(column)) for column in batch.columns]
        return pc.binary_join_element_wise(*fields, self.options.delimiter).cast(pa.binary())

    def header(self) -> bytes:
        """The line with the columns' names."""
        fields = [self._field(pa.array([name]))[0].as_py() for name in self.schema.names]
        return self.options.delimiter.join(fields).encode()

    def _field(self, text: pa.StringArray) -> pa.StringArray:
        quote, null = self.options.quote, self.options.null_string
        special = pc.or_(pc.match_substring_regex(text, self._special), pc.equal(text, null))
        if true_mask(special).any():
            doubled = pc.replace_substring(text, quote, quote * 2)
            text = pc.if_else(special, pc.binary_join_element_wise(quote, doubled, quote, ""), text)
        return text.fill_null(null)
