"""The rows that a script is given as lines, and the lines that it writes as rows, by any SerDe of text."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from sqlengine import warehouse
from sqlengine.errors import NotSupportedError
from sqlengine.sql import ast
from sqlengine.warehouse import TableDescription

_BATCH_ROWS = 1 << 14
_KEY_VALUE = (("key", "string"), ("value", "string"))


def written_rows(relation: ast.TransformRef) -> TableDescription:
    """What a script writes; raises as `warehouse.describe` does, NotSupportedError (0A000) for a SerDe of no lines."""
    serde, properties = relation.writes
    given = dict(properties)
    if relation.columns is None:
        given["serialization.last.column.takes.rest"] = "true"
    return _described("script", relation.columns or _KEY_VALUE, serde, given)


def read_rows(relation: ast.TransformRef, schema: pa.Schema) -> TableDescription:
    """What a script reads, of rows of this schema; raises as `written_rows`."""
    serde, properties = relation.reads
    given = [name.lower() for name in schema.names]
    has_names = len(set(given)) == len(given) and not {warehouse.FILE_NAME, warehouse.BLOCK_OFFSET} & set(given)
    names = given if has_names else [f"_col{i}" for i in range(len(given))]
    columns = [(name, str(warehouse.from_arrow(field.type))) for name, field in zip(names, schema, strict=True)]
    return _described("script", columns, serde, dict(properties))


def _described(
    name: str, columns: tuple[tuple[str, str], ...] | list[tuple[str, str]], serde: str, given: dict[str, str]
) -> TableDescription:
    """Fields are separated by tabs where nothing else is said (the default of Hive's scripts, not of its tables)."""
    if not serde or warehouse.serde_of(serde) == warehouse.serde_of(_LAZY_SIMPLE):
        given = {"field.delim": "\t", **given}
    made: TableDescription = warehouse.describe(
        name, [(column, kind, "") for column, kind in columns], "", serde_class=serde, serde_properties=given
    )
    if not warehouse.is_text(made.serde):
        raise NotSupportedError(
            f"{serde.rpartition('.')[2]} is not for scripts", hint="a SerDe of lines of text is expected"
        )
    return made


_LAZY_SIMPLE = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"


def lines_of_rows(table: pa.Table, description: TableDescription) -> Iterator[bytes]:
    """The rows as whole lines, some thousands at a time."""
    names = [column.name for column in description.columns]
    lines = warehouse.line_writer(description)
    for batch in table.rename_columns(names).to_batches(max_chunksize=_BATCH_ROWS):
        yield warehouse.as_bytes(lines(batch), description.row_format.encoding)


def rows_of_lines(path: str, description: TableDescription) -> pa.Table:
    """The rows of a file that a script has written."""
    return pa.Table.from_batches(list(warehouse.read(path, description)), description.schema)
