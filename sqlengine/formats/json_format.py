"""The `json` format: one object per record.

A missing field is NULL, extra fields are ignored, a value that does not fit its column makes the record
bad; a column's key may differ from its name in case (json_keys.py).  A batch goes through Arrow's JSON
reader in one call; what that refuses (numbers in strings, epoch timestamps among words, bad records) is
converted by json_values.py, which accepts all the reader accepts, with the same values.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from sqlengine.formats.base import Converted, Decoded, assemble, batch_of, null_mask, snippet
from sqlengine.formats.json_keys import foldable, only_spelling, other_spelling
from sqlengine.formats.json_syntax import malformed, object_shaped, read_objects
from sqlengine.formats.json_values import check_type, convert, from_number, pick
from sqlengine.formats.records import as_binary, as_text, spans_of, valid_utf8
from sqlengine.formats.text import convert_text, read_exactly
from sqlengine.quick_dataclass import dataclass
from sqlengine.types import to_sql

_CHANGED = re.compile(r"Column\(/([^/]*)\) changed from \w+ to (\w+)")
_RETRIES = 8


@dataclass(frozen=True, slots=True)
class _Wire:
    """How the reader shall see a column: its type there, and whether that is already the column's own."""

    dtype: pa.DataType
    final: bool = True


class JsonDecoder:
    """Decodes objects into rows of `schema`; remembers how the stream writes each column (number or
    string)."""

    def __init__(self, schema: pa.Schema) -> None:
        for field in schema:
            check_type(field.type)
        self.schema = schema
        self._wire = {f.name: wire for f in schema if (wire := _first_wire(f.type)) is not None}
        self._others = [f.name for f in schema if f.name not in self._wire]
        self._any_case = foldable(schema.names)
        self._spelt: dict[str, str] = {}

    def decode(self, values: pa.Array) -> Decoded:
        """See formats.base.Decoder."""
        records = as_binary(values)
        objects = records if object_shaped(records).all() else spans_of(records).trimmed().array()
        shaped = object_shaped(objects) & ~null_mask(records)
        good = shaped & valid_utf8(objects)
        if good.all():
            columns = self._read(objects)
            if columns is not None:
                return Decoded(batch_of(self.schema, columns, len(objects)), np.arange(len(objects)))
        bad = [(int(i), _not_an_object(records, int(i), bool(shaped[i]))) for i in np.flatnonzero(~good)]
        return self._decode_slowly(objects, np.flatnonzero(good), bad)

    def _decode_slowly(self, objects: pa.BinaryArray, rows: np.ndarray, bad: list[tuple[int, str]]) -> Decoded:
        objects = objects.take(pa.array(rows))
        wrong = malformed(objects)
        bad = sorted([*bad, *((int(rows[i]), f"malformed JSON: {why}") for i, why in wrong.items())])
        if wrong:
            kept = np.delete(np.arange(len(rows)), list(wrong))
            objects, rows = objects.take(pa.array(kept)), rows[kept]
        texts = pick(objects, self.schema.names, self._any_case)
        columns = [convert(t, f.type) for t, f in zip(texts, self.schema, strict=True)]

        def show(column: int, i: int) -> str:
            field = self.schema.field(column)
            value = as_text(texts[column])[i].as_py()
            return f'column "{field.name}": invalid value for type {to_sql(field.type)}: {snippet(value)}'

        return assemble(self.schema, columns, rows, bad, show)

    def _read(self, objects: pa.BinaryArray) -> list[pa.Array] | None:
        """All columns by Arrow's reader, or None when some record needs a closer look."""
        self._spelt = {name: key for name, key in self._spelt.items() if only_spelling(objects, name, key)}
        for _ in range(_RETRIES):
            wires = [(self._spelt.get(name, name), w.dtype) for name, w in self._wire.items()]
            try:
                table = read_objects(objects, pa.schema(wires))
            except pa.ArrowInvalid as error:
                changed = _CHANGED.search(str(error))
                if changed is None or not self._rewire(changed[1], changed[2]):
                    return None
                continue
            found = self._other_spellings(objects, table)
            if not found:
                return self._columns(objects, table)
            if not all(only_spelling(objects, name, key) for name, key in found.items()):
                return None
            self._spelt = {**self._spelt, **found}
        return None

    def _other_spellings(self, objects: pa.BinaryArray, table: pa.Table) -> dict[str, str]:
        """Columns that stand under a key of another case in this batch, and that key."""
        found = {}
        for name in self._any_case & self._wire.keys() - self._spelt.keys():
            column = table.column(name)
            if column.null_count:
                missing = objects.filter(column.is_null().combine_chunks())
                key = other_spelling(missing, self.schema.names, name)
                if key is not None:
                    found[name] = key
        return found

    def _rewire(self, name: str, kind: str) -> bool:
        """The column comes as `kind` here: remember it, unless it has been changed back and forth."""
        name = next((column for column, key in self._spelt.items() if key == name), name)
        other = _second_wire(self.schema.field(name).type, kind) if name in self._wire else None
        if other is None or other == self._wire[name]:
            return False
        self._wire = {**self._wire, name: other}
        return True

    def _columns(self, objects: pa.BinaryArray, table: pa.Table) -> list[pa.Array] | None:
        any_case = self._any_case & set(self._others)
        texts = pick(objects, self._others, any_case, self.schema.names) if self._others else []
        picked = dict(zip(self._others, texts, strict=True))
        columns = []
        for field in self.schema:
            if field.name in picked:
                column = convert(picked[field.name], field.type)
            else:
                key = self._spelt.get(field.name, field.name)
                column = _own(table.column(key).combine_chunks(), field.type, self._wire[field.name])
            if column.bad.any():
                return None
            columns.append(column.values)
        return columns


def _first_wire(dtype: pa.DataType) -> _Wire | None:
    """How a column is usually written; None for what the reader cannot give."""
    if pa.types.is_date(dtype) or pa.types.is_time(dtype):
        return _Wire(pa.string(), final=False)
    if pa.types.is_decimal(dtype) and not pa.types.is_decimal128(dtype):
        return None
    plain = (
        pa.types.is_boolean,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_decimal,
        pa.types.is_timestamp,
    )
    if any(is_kind(dtype) for is_kind in plain) or dtype == pa.string():
        return _Wire(dtype)
    if pa.types.is_list(dtype):
        inner = _first_wire(dtype.value_type)
        return _Wire(dtype) if inner is not None and inner.final else None
    if pa.types.is_struct(dtype) and dtype.num_fields:
        inners = [_first_wire(dtype.field(i).type) for i in range(dtype.num_fields)]
        return _Wire(dtype) if all(w is not None and w.final for w in inners) else None
    return None


def _second_wire(dtype: pa.DataType, kind: str) -> _Wire | None:
    """Another way the same column may be written, now that a value came as a JSON `kind`."""
    if kind == "string" and (pa.types.is_integer(dtype) or pa.types.is_floating(dtype) or pa.types.is_boolean(dtype)):
        return _Wire(pa.string(), final=False)
    if kind == "number" and pa.types.is_timestamp(dtype):
        return _Wire(pa.float64(), final=False)
    return None


def _own(values: pa.Array, dtype: pa.DataType, wire: _Wire) -> Converted:
    """A column as read, made its own type; all bad where the reader took what text.py may refuse."""
    if wire.final:
        return Converted(values, np.full(len(values), not read_exactly(values)))
    if pa.types.is_floating(wire.dtype):
        return from_number(Converted(values, np.zeros(len(values), dtype=bool)), dtype)
    return convert_text(values, dtype)


def _not_an_object(records: pa.BinaryArray, i: int, shaped: bool) -> str:
    """Why a record cannot be one JSON object."""
    if not records[i].is_valid or not records[i].as_py().strip():
        return "empty record"
    if shaped:
        return "invalid byte sequence for encoding UTF8"
    text = records[i].as_py().decode("utf-8", "replace")
    return f"malformed JSON: not one object: {snippet(text)}"
