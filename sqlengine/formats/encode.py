"""Rows to records: the encoders of the `json` and `csv` formats."""

from __future__ import annotations

import re
from collections.abc import Collection

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
    """One line (without its newline) per row; fields are quoted where they must be, those of columns in `quoted`
    always unless they are NULL; `escape` stands before quotes within quotes, by default the quote itself."""

    def __init__(
        self, schema: pa.Schema, options: CsvOptions, quoted: Collection[str] = (), escape: str | None = None
    ) -> None:
        self.schema = schema
        self.options = options
        self._quoted = [name in quoted for name in schema.names]
        self._escape = options.quote if escape is None else escape
        special = "".join(re.escape(c) for c in (options.delimiter, options.quote))
        self._special = f"[{special}\r\n]|^[ \t]|[ \t]$"

    def encode(self, batch: pa.RecordBatch) -> pa.BinaryArray:
        """See formats.base.Encoder."""
        fields = [self._field(to_text(c), quoted) for c, quoted in zip(batch.columns, self._quoted, strict=True)]
        return pc.binary_join_element_wise(*fields, self.options.delimiter).cast(pa.binary())

    def header(self) -> bytes:
        """The line with the columns' names."""
        fields = [self._field(pa.array([name]))[0].as_py() for name in self.schema.names]
        return self.options.delimiter.join(fields).encode()

    def _field(self, text: pa.StringArray, always: bool = False) -> pa.StringArray:
        quote, null, escape = self.options.quote, self.options.null_string, self._escape
        special = pc.or_(pc.match_substring_regex(text, self._special), pc.equal(text, null))
        if always or true_mask(special).any():
            inner = text if escape == quote else pc.replace_substring(text, escape, escape * 2)
            inner = pc.replace_substring(inner, quote, escape + quote)
            whole = pc.binary_join_element_wise(quote, inner, quote, "")
            text = whole if always else pc.if_else(special, whole, text)
        return text.fill_null(null)
