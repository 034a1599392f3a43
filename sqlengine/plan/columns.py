"""A schema's columns as planning asks for them again and again: fields, names and references, made once a schema.

Why: each field that an Arrow schema is asked for is a new Python object, which takes longer to make than what is done
with it; binding and rules ask for every field of every node several times, and few nodes have a schema of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from weakref import ref

import pyarrow as pa

from sqlengine.expr.tree import InputRef


class _Schema(ref[pa.Schema]):
    """A schema that is forgotten when nobody else has it."""

    __slots__ = ("key",)
    key: int


class Columns:
    """What is known of one schema; it lives as long as the schema does."""

    __slots__ = ("_names", "_refs", "_schema", "fields")

    def __init__(self, schema: pa.Schema, fields: tuple[pa.Field, ...]) -> None:
        self._schema = _Schema(schema, _forget)
        self._schema.key = id(schema)
        self._names: tuple[str, ...] | None = None
        self._refs: tuple[InputRef, ...] | None = None
        self.fields = fields

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        if self._names is None:
            self._names = tuple([field.name for field in self.fields])
        return self._names

    @property
    def refs(self) -> tuple[InputRef, ...]:
        """References to all columns."""
        if self._refs is None:
            self._refs = tuple([InputRef(f.type, i, f.name) for i, f in enumerate(self.fields)])
        return self._refs

    def ref(self, index: int) -> InputRef:
        """A reference to one column."""
        if self._refs is not None:
            return self._refs[index]
        field = self.fields[index]
        return InputRef(field.type, index, field.name)


_KNOWN: dict[int, Columns] = {}
"""By the schema's id, which is its own as long as it lives."""


def _forget(schema: _Schema) -> None:
    del _KNOWN[schema.key]


def columns_of(schema: pa.Schema) -> Columns:
    """The columns of a schema."""
    known = _KNOWN.get(id(schema))
    if known is None:
        known = _KNOWN[id(schema)] = Columns(schema, tuple(schema))
    return known


def schema_with(fields: Iterable[pa.Field]) -> pa.Schema:
    """A schema of those fields, which it need not be asked for again."""
    kept = tuple(fields)
    schema = pa.schema(kept)
    _KNOWN[id(schema)] = Columns(schema, kept)
    return schema
