"""A query's text for DuckDB: views expanded, stored objects replaced by registered tables' names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from sqlengine import duck, sql
from sqlengine.catalog.catalog import Catalog
from sqlengine.catalog.objects import CatalogObject, MaterializedView, Stream, Table, View
from sqlengine.catalog.system import SystemTable
from sqlengine.errors import UndefinedFunction, WrongObjectType
from sqlengine.functions.duck_spelling import spelling
from sqlengine.functions.user import UserFunctions
from sqlengine.snapshot.user import register
from sqlengine.sql import ast
from sqlengine.types import to_sql


@dataclass(frozen=True)
class Expanded:
    """`text`: DuckDB SQL; `inputs`: the table name in the text -> the object it stands for; `changes`: it reads a
    CHANGELOG, which has no rows at one moment."""

    text: str
    inputs: dict[str, CatalogObject]
    time_dependent: bool = False
    changes: bool = False

    def schemas(self) -> dict[str, pa.Schema]:
        """The inputs' schemas by table name."""
        return {name: pa.schema([pa.field(c.name, c.type) for c in o.columns]) for name, o in self.inputs.items()}

    def describe(self) -> pa.Schema:
        """The answer's schema; binding errors of DuckDB come out as ours."""
        return duck.describe(self.text.replace("$now", NOW_SAMPLE), self.schemas())


NOW_SAMPLE = "TIMESTAMPTZ '1970-01-01 00:00:00+00'"


TimeColumn = Callable[[CatalogObject], str | None]
"""The column that is an object's own time, None when it has none."""


def declared_time(obj: CatalogObject) -> str | None:
    """The column WATERMARK FOR names; what a view's is only its plan knows."""
    mark = obj.watermark if isinstance(obj, (Stream, Table)) else None
    return mark.column if mark is not None else None


@dataclass
class _Expansion:
    catalog: Catalog
    functions: UserFunctions
    prefix: str
    time_column: TimeColumn
    inputs: dict[str, CatalogObject] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    changes: bool = False

    def relation(self, ref: ast.TableRef) -> str:
        """What stands in the text for a named object."""
        obj = self.catalog.get(ref.parts, ref.position)
        if isinstance(obj, View):
            columns = ", ".join(duck.quote(c.name) for c in obj.columns)
            return f"(SELECT * FROM ({self.render(sql.parse_query(obj.query))}) AS v({columns}))"
        if not isinstance(obj, (Stream, Table, MaterializedView, SystemTable)):
            raise WrongObjectType(f'"{obj.name}" is a {obj.kind} and cannot be read', position=ref.position)
        if obj.name not in self.names:
            name = f"{self.prefix}{len(self.inputs)}"
            self.names[obj.name] = name
            self.inputs[name] = obj
        return duck.quote(self.names[obj.name])

    def render(self, query: ast.Query) -> str:
        """The query's DuckDB text."""
        self.changes = self.changes or sql.reads_changes(query)
        return sql.to_duckdb(
            query,
            self.relation,
            time_column=lambda ref: self.time_column(self.catalog.get(ref.parts, ref.position)),
            columns=self._columns,
            primary_key=self._primary_key,
            functions=self._call,
            aggregates=self._aggregate,
        )

    def _columns(self, ref: ast.TableRef) -> dict[str, str]:
        return {c.name: to_sql(c.type) for c in self.catalog.get(ref.parts, ref.position).columns}

    def _primary_key(self, ref: ast.TableRef) -> tuple[str, ...]:
        obj = self.catalog.get(ref.parts, ref.position)
        return obj.primary_key if isinstance(obj, Table) else ()

    def _call(self, name: str, args: Sequence[str]) -> str | None:
        """Built-in functions as DuckDB spells them, the database's own under the names DuckDB knows them by."""
        found = self.functions.find(name)
        if found is None or found.function is None:
            return spelling(name, args)
        if len(args) != len(found.params):
            raise UndefinedFunction(
                f"function {name} does not take {len(args)} arguments", hint=f"it is declared as {found.signature.text}"
            )
        register(found)
        return f"{found.duck_name}({', '.join(args)})"

    def _aggregate(self, name: str) -> str | None:
        found = self.functions.find(name)
        if found is None or found.aggregate is None:
            return None
        register(found)
        return found.duck_name


def expand(
    query: ast.Query, catalog: Catalog, functions: UserFunctions, time_column: TimeColumn = declared_time
) -> Expanded:
    """Expand a query; unknown names raise UndefinedTable (42P01) with their position."""
    expansion = _Expansion(catalog, functions, "in", time_column)
    text = expansion.render(query)
    return Expanded(text, expansion.inputs, "$now" in text, expansion.changes)
