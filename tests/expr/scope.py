"""What expression tests share: a scope over an Arrow schema, and SQL text to values in one step."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from sqlengine import errors, sql
from sqlengine.expr import tree
from sqlengine.expr.bind import bind
from sqlengine.expr.compile import compile_exprs
from sqlengine.functions import BUILTINS, Registry
from sqlengine.sql import ast


class SchemaScope:
    """The columns of a schema, unqualified."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema

    def resolve(self, column: ast.Column) -> tree.InputRef:
        index = self.schema.get_field_index(column.parts[-1])
        if index < 0:
            raise errors.UndefinedColumn(f'column "{column.parts[-1]}" does not exist', position=column.position)
        return tree.InputRef(self.schema.field(index).type, index, column.parts[-1])


def batch_of(**columns: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


NOTHING = batch_of(_=pa.array([0]))


def bound(text: str, batch: pa.RecordBatch = NOTHING, functions: Registry = BUILTINS) -> tree.Expr:
    """The bound expression of a SQL text."""
    return bind(sql.parse_expr(text), SchemaScope(batch.schema), functions)


def values(text: str, batch: pa.RecordBatch = NOTHING, now_us: int = 0, functions: Registry = BUILTINS) -> list[Any]:
    """The values of a SQL expression over a batch."""
    expr = bound(text, batch, functions)
    (array,) = compile_exprs([expr], functions)(batch, now_us)
    assert array.type == expr.type
    assert len(array) == batch.num_rows
    return array.to_pylist()


def one(text: str) -> Any:
    """The value of a SQL expression without columns."""
    return values(text)[0]
