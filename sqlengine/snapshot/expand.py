"""A query's text for DuckDB: views expanded, stored objects replaced by registered tables' names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

import pyarrow as pa

from sqlengine import duck, sql
from sqlengine.catalog.catalog import Catalog, object_name
from sqlengine.catalog.objects import CatalogObject, FileTable, MaterializedView, Stream, Table, View
from sqlengine.catalog.pg.functions import PG_FUNCTIONS, overload
from sqlengine.catalog.pg.relations import PG_TABLE_FUNCTIONS, SET_FUNCTIONS, PgRelation, pg_relation
from sqlengine.catalog.system import SYSTEM_TABLES, SystemTable
from sqlengine.errors import NotSupportedError, UndefinedFunction, WrongObjectType
from sqlengine.functions import BUILTINS
from sqlengine.functions.duck_spelling import spelling
from sqlengine.functions.user import UserFunctions
from sqlengine.quick_dataclass import dataclass
from sqlengine.snapshot import pg
from sqlengine.snapshot.jsonb import as_jsonb, asks_of_json, asks_of_jsonb
from sqlengine.snapshot.user import called, register
from sqlengine.sql import ast
from sqlengine.sql.dialect import POSTGRES
from sqlengine.types import to_sql


@dataclass(frozen=True)
class Expanded:
    """`text`: DuckDB SQL; `inputs`: the table name in the text -> the object it stands for; `changes`: it reads a
    CHANGELOG, which has no rows at one moment; `of_session`: it asks who is asking (snapshot/pg.py); `pg_types`: the
    columns' types in PostgreSQL's words where Arrow's do not tell, empty when PostgreSQL's catalog is not read;
    `jsonb`: it asks of jsonb, `only_jsonb`: and of no json (snapshot/jsonb.py)."""

    text: str
    inputs: dict[str, CatalogObject]
    time_dependent: bool = False
    changes: bool = False
    of_session: bool = False
    pg_types: tuple[str | None, ...] = ()
    jsonb: bool = False
    only_jsonb: bool = False

    @property
    def tick_dependent(self) -> bool:
        """Whether it asks for the number of the tick."""
        return sql.has_mark(self.text, sql.TICK)

    def schemas(self) -> dict[str, pa.Schema]:
        """The inputs' schemas by table name."""
        return {name: pa.schema([pa.field(c.name, c.type) for c in o.columns]) for name, o in self.inputs.items()}

    def describe(self) -> pa.Schema:
        """The answer's schema; binding errors of DuckDB come out as ours."""
        text = sql.fill_marks(self.text, _SAMPLES)
        schema = duck.describe(text, self.schemas())
        if self.only_jsonb:
            schema = pa.schema([f.with_type(as_jsonb(f.type)) for f in schema])
        return typed(schema, self.pg_types) if len(self.pg_types) == len(schema) else schema


def typed(schema: pa.Schema, kinds: Sequence[str | None]) -> pa.Schema:
    """An answer's schema with PostgreSQL's types in the fields' metadata, as `pg_type`."""
    return pa.schema([_marked(f, t) for f, t in zip(schema, kinds, strict=True)])


def _marked(field: pa.Field, kind: str | None) -> pa.Field:
    return field if kind is None else field.with_type(pg.printed_type(kind, field.type)).with_metadata({PG_TYPE: kind})


PG_TYPE = "pg_type"
"""The key of a field's metadata under which it has its type in PostgreSQL's words."""
_SAMPLES = {
    sql.NOW: "TIMESTAMPTZ '1970-01-01 00:00:00+00'",
    sql.STATEMENT: pg.NOBODY,
    sql.TICK: "CAST(0 AS BIGINT)",
}
"""Values of the types that the marks have."""

TimeColumn = Callable[[CatalogObject], str | None]
"""The column that is an object's own time, None when it has none."""


StateTables = Callable[[ast.StateRef], CatalogObject]
"""What `system.state(...)` means now."""


def declared_time(obj: CatalogObject) -> str | None:
    """The column WATERMARK FOR names; what a view's is only its plan knows."""
    mark = obj.watermark if isinstance(obj, (Stream, Table)) else None
    return mark.column if mark is not None else None


class OwnOperators(NotSupportedError):
    """A part of the query (a view in another dialect, MATCH_RECOGNIZE) is nothing that DuckDB has a text for: our own
    operators answer."""


@dataclass
class _Expansion:
    catalog: Catalog
    functions: UserFunctions
    prefix: str
    time_column: TimeColumn
    state_table: StateTables
    inputs: dict[str, CatalogObject] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    changes: bool = False
    of_session: bool = False
    outputs: sql.PgOutputs = ()
    texts: list[str] = field(default_factory=list)
    lent: Mapping[str, CatalogObject] = field(default_factory=dict)

    def relation(self, ref: ast.TableRef) -> str:
        """What stands in the text for a named object."""
        obj = self._object(ref)
        if isinstance(obj, View):
            query = sql.parse_query(obj.query)
            if query.dialect != POSTGRES:
                raise OwnOperators(f'the view "{obj.name}" is in the dialect {query.dialect}', position=ref.position)
            columns = ", ".join(duck.quote(c.name) for c in obj.columns)
            return f"(SELECT * FROM ({self.render(query)}) AS v({columns}))"
        if not isinstance(obj, (Stream, Table, FileTable, MaterializedView, SystemTable, PgRelation)):
            raise WrongObjectType(f'"{obj.name}" is a {obj.kind} and cannot be read', position=ref.position)
        if obj.name not in self.names:
            name = f"{self.prefix}{len(self.inputs)}"
            self.names[obj.name] = name
            self.inputs[name] = obj
        return duck.quote(self.names[obj.name])

    def render(self, query: ast.Query) -> str:
        """The query's DuckDB text."""
        self.changes = self.changes or sql.reads_changes(query)
        self.texts.append(query.text)
        if sql.matches_rows(query):
            raise OwnOperators(
                "MATCH_RECOGNIZE is not supported here", hint="create a materialized view of it, and read that"
            )
        forms = self.forms()
        wanted = forms.wanted(query.tree)
        text = sql.to_duckdb(
            query,
            self.relation,
            time_column=lambda ref: self.time_column(self._object(ref)),
            columns=self._columns,
            primary_key=self._primary_key,
            functions=self._call,
            aggregates=self._aggregate,
            pg_forms=forms if wanted else None,
        )
        self.outputs = tuple(forms.outputs)
        return text

    def forms(self) -> sql.PgForms:
        """The rewriting of queries of PostgreSQL's catalog, as this catalog answers."""
        return sql.PgForms(
            self._pg_columns, self._pg_result, self._is_system, SET_FUNCTIONS, self._oid, self._is_scalar
        )

    def _is_scalar(self, name: str) -> bool:
        """Whether a function gives one value, so that it is no table."""
        tables = name in PG_TABLE_FUNCTIONS and name != "current_schemas"
        return not tables and (bool(BUILTINS.lookup(name)) or bool(PG_FUNCTIONS.get(name)))

    def _oid(self, parts: tuple[str, ...]) -> int | None:
        found = self.catalog.find(parts)
        system = pg_relation(object_name(parts)) if found is None else None
        return self.catalog.oid(found.name) if found is not None else None if system is None else system.oid

    def _is_system(self, parts: tuple[str, ...]) -> bool:
        """Whether a relation is one of PostgreSQL's, or a view over one."""
        found = self.catalog.find(parts)
        if isinstance(found, View):
            return self.forms().wanted(sql.parse_query(found.query).tree)
        return found is None and pg_relation(object_name(parts)) is not None

    def _pg_columns(self, parts: tuple[str, ...]) -> dict[str, str | None] | None:
        """A relation's columns and what only PostgreSQL's own have: types that Arrow's do not tell."""
        obj = self.catalog.find(parts) or SYSTEM_TABLES.get(object_name(parts)) or pg_relation(object_name(parts))
        if isinstance(obj, PgRelation):
            return dict(zip((c.name for c in obj.columns), obj.pg_types, strict=True))
        if isinstance(obj, View):
            tree = sql.parse_query(obj.query).tree
            kinds = [kind for _, kind in self.forms().typed(tree)]
            if len(kinds) == len(obj.columns):
                return {c.name: kind for c, kind in zip(obj.columns, kinds, strict=True)}
        return None if obj is None else {c.name: None for c in obj.columns}

    def _pg_result(self, name: str, count: int) -> str | None:
        found = None if self.functions.find(name) is not None else overload(name, count)
        return None if found is None else found.result

    def _columns(self, ref: ast.TableRef) -> dict[str, str]:
        return {c.name: to_sql(c.type) for c in self._object(ref).columns}

    def _object(self, ref: ast.TableRef) -> CatalogObject:
        if isinstance(ref, ast.StateRef):
            return self.state_table(ref)
        if len(ref.parts) == 1 and ref.parts[0] in self.lent and self.catalog.find(ref.parts) is None:
            return self.lent[ref.parts[0]]
        return self.catalog.get(ref.parts, ref.position)

    def _primary_key(self, ref: ast.TableRef) -> tuple[str, ...]:
        obj = self._object(ref)
        return obj.primary_key if isinstance(obj, Table) else ()

    def _call(self, name: str, args: Sequence[str]) -> str | None:
        """Built-in functions as DuckDB spells them, the database's own under the names DuckDB knows them by."""
        if name == "current_tick":
            return _tick(args)
        found = self.functions.find(name)
        if found is None or found.function is None:
            asked = overload(name, len(args))
            if asked is not None:
                self.of_session = True
                return pg.spelling(asked, args)
            return spelling(name, args)
        if len(args) != len(found.params):
            raise UndefinedFunction(
                f"function {name} does not take {len(args)} arguments", hint=f"it is declared as {found.signature.text}"
            )
        return called(found, args)

    def _aggregate(self, name: str) -> str | None:
        found = self.functions.find(name)
        if found is None or found.aggregate is None:
            return None
        register(found)
        return found.duck_name


def _tick(args: Sequence[str]) -> str:
    if args:
        raise UndefinedFunction("function current_tick does not take arguments", hint="current_tick()")
    return sql.TICK


def catalog_parameters(query: ast.Query, catalog: Catalog, functions: UserFunctions) -> dict[int, str]:
    """PostgreSQL's types of a query's parameters, by number; none for one that asks nothing of its catalog."""
    expansion = _Expansion(catalog, functions, "in", declared_time, _no_state)
    forms = expansion.forms()
    return forms.parameters(query.tree, _argument) if forms.wanted(query.tree) else {}


def _no_state(ref: ast.StateRef) -> CatalogObject:
    raise NotSupportedError("system.state takes no parameters")


def _argument(name: str, count: int, index: int) -> str | None:
    found = overload(name, count)
    return None if found is None else found.params[index]


def expand(
    query: ast.Query,
    catalog: Catalog,
    functions: UserFunctions,
    state_table: StateTables,
    time_column: TimeColumn = declared_time,
    lent: Mapping[str, CatalogObject] | None = None,
) -> Expanded:
    """Expand a query; unknown names raise UndefinedTable (42P01) with their position.

    `lent`: relations that the catalog does not have, by name.
    """
    expansion = _Expansion(catalog, functions, "in", time_column, state_table, lent=lent or {})
    text = expansion.render(query)
    kinds = tuple(kind for _, kind in expansion.outputs)
    read = tuple(expansion.inputs.values())
    named = all(kind in (None, "regtype") for kind in kinds)  # by pg_typeof, which our own operators know, too
    jsonb = named and asks_of_jsonb(expansion.texts, read)
    return Expanded(
        text,
        expansion.inputs,
        sql.has_mark(text, sql.NOW),
        expansion.changes,
        expansion.of_session or any(map(pg.prints, kinds)),
        kinds,
        jsonb,
        jsonb and not asks_of_json(expansion.texts, read),
    )
