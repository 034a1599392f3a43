"""ALTER TABLE and ALTER STREAM RENAME COLUMN: what reads the column is written with its new name, and means the same.

PostgreSQL keeps views as trees in which columns are numbers; here texts are rewritten, and a rewritten text counts only
if the plan is the same but for names. Running queries keep their plans and so their state (catalog/seen.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

from sqlengine import sql
from sqlengine.catalog.objects import (
    STREAM_QUERY,
    CatalogObject,
    ColumnInfo,
    MaterializedView,
    Sink,
    Stream,
    Subscription,
    Table,
    View,
)
from sqlengine.catalog.seen import with_seen
from sqlengine.errors import (
    DependentObjects,
    DuplicateColumn,
    Error,
    NotSupportedError,
    UndefinedColumn,
    did_you_mean,
)
from sqlengine.plan.fingerprint import fingerprint
from sqlengine.plan.nameless import nameless
from sqlengine.plan.nodes import Node
from sqlengine.result import Result
from sqlengine.runtime.planning import Planning
from sqlengine.runtime.stored_expressions import bind_over
from sqlengine.sql import ast
from sqlengine.sql.dialect import POSTGRES
from sqlengine.statements.alter_column import altered, column_of, done, put, with_column
from sqlengine.statements.column_use import key_option, plan_of, read_by, refuse_running, shown
from sqlengine.statements.context import Context
from sqlengine.statements.sinks import sink_query
from sqlengine.statements.spelled_stars import STARS_MAX, with_stars_spelt

Reader = View | MaterializedView | Sink


def rename_column(statement: ast.RenameColumn, context: Context) -> Result:
    """RENAME COLUMN; DependentObjects (2BP01) names the objects whose queries cannot be written with the new name."""
    with context.instance.lock:
        obj = altered(statement.name, context)
        if not any(c.name == statement.column for c in obj.columns):
            hint = did_you_mean(statement.column, [c.name for c in obj.columns])
            raise UndefinedColumn(f'column "{statement.column}" does not exist', hint=hint)
        old, new_name = column_of(obj, statement.column), statement.new_name
        if any(c.name == new_name for c in obj.columns):
            raise DuplicateColumn(f'column "{new_name}" of relation "{obj.name}" already exists')
        if isinstance(obj, Stream) and "late_topic" in obj.options:
            raise NotSupportedError(f'columns of stream "{obj.name}" cannot be altered: its late_topic has the same')
        new = _renamed(obj, old, new_name)
        refuse_running(context, obj, [old.name], but=_that_go_on(context, obj))
        changed = _Rewriting(context, obj, new, old, new_name).changed()
        put(context, obj, new, statement, changed)
        queries = context.instance.scheduler.queries
        for reader in changed:
            if isinstance(reader, (MaterializedView, Sink)) and reader.query_id in queries:
                queries[reader.query_id].sql = reader.sql
    return done(statement)


def _that_go_on(context: Context, obj: Stream | Table) -> list[CatalogObject]:
    """Views and sinks over an object that do not notice: no subscriptions, which keep the names of their changes, and
    none that stands still, for which changes are kept under the present names."""
    found: list[CatalogObject] = []
    for reader in context.instance.catalog.dependents(obj.name):
        if isinstance(reader, (MaterializedView, Sink)) and not isinstance(reader, Subscription):
            query = context.instance.scheduler.queries.get(reader.query_id)
            if query is None or query.held is None:
                found.append(reader)
    return found


class _Rewriting:
    """The readers of an object, nearest first, each planned as things are and as they will be."""

    def __init__(
        self, context: Context, obj: Stream | Table, new: Stream | Table, old: ColumnInfo, new_name: str
    ) -> None:
        self._instance, self._catalog, self._obj, self._old = context.instance, context.instance.catalog, obj, old.name
        self._now = Planning(self._instance, self._catalog)
        self._then = Planning(self._instance, self._catalog.with_object(new))
        self._renaming = sql.Renaming(self._is_it, old.name, new_name, self._columns_of)

    def changed(self) -> list[CatalogObject]:
        """The readers that are kept in another way, and the streams they write. Raises DependentObjects (2BP01)."""
        found: list[CatalogObject] = []
        refused: list[str] = []
        for reader in reversed(self._catalog.dependents(self._obj.name)):
            if not isinstance(reader, (View, MaterializedView, Sink)):
                continue
            made = self._rewritten(reader)
            if made is None:
                refused.append(shown(reader))
            elif made is not reader:
                found += [made, *self._written_by(reader, made)]
                self._then = Planning(self._instance, self._then.catalog.with_object(made))
        if refused:
            name = f"column {self._old} of {self._obj.kind} {self._obj.name}"
            raise DependentObjects(
                f"cannot rename {name} because other objects depend on it",
                detail="\n".join(f"{user} depends on {name}" for user in refused),
                hint="drop them first, or give them queries that name their columns",
            )
        return found

    def _is_it(self, parts: ast.Name) -> bool:
        return self._catalog.find(parts) is self._obj

    def _columns_of(self, parts: ast.Name) -> list[str] | None:
        found = self._catalog.find(parts)
        return None if found is None else [c.name for c in found.columns]

    def _written_by(self, reader: Reader, made: Reader) -> list[CatalogObject]:
        """The stream that a query writes, whose statement is the same."""
        stream = self._catalog.find(tuple(reader.name.removesuffix(STREAM_QUERY).split(".")))
        return [replace(stream, sql=made.sql)] if isinstance(stream, Stream) and stream.sql == reader.sql else []

    def _rewritten(self, reader: Reader) -> Reader | None:
        """A reader as it means the same, with the plan it has; itself where nothing is to be done; None if that
        cannot be."""
        made = next((new for new, with_texts in self._ways(reader) if self._are_same(reader, new, with_texts)), None)
        if made is None or isinstance(made, View):
            return made
        assert not isinstance(reader, View)
        before = self._running_plan(self._now, reader)
        if before is None or before == self._running_plan(self._then, made):
            return made
        kept = replace(made, planning=with_seen(made.planning, read_by(self._catalog, reader), reader.query))
        after = self._running_plan(self._then, kept)
        return kept if after is not None and before == after and fingerprint(before) == fingerprint(after) else None

    def _ways(self, reader: Reader) -> Iterator[tuple[Reader, bool]]:
        """The reader as it is, with the new name, with stars spelt out as well, and with its old names given to the
        object; whether it shows in what DuckDB is given that it means the same."""
        yield reader, True
        names = [c.name for c in self._obj.columns]

        def spelt(place: int, query: ast.Query) -> str | None:
            text = next(islice(with_stars_spelt(query.text, names), place, None), None)
            return None if text is None else sql.with_new_name(sql.parse_query(text), self._renaming)

        rewrites: list[tuple[Rewrite, bool]] = [
            (lambda query: sql.with_new_name(query, self._renaming), True),
            *((partial(spelt, place), True) for place in range(STARS_MAX + 1)),
            (lambda query: sql.with_old_names(query, self._renaming, names), False),
        ]
        for rewrite, with_texts in rewrites:
            made = _made_by(reader, rewrite)
            if made is not None:
                yield made, with_texts

    def _are_same(self, reader: Reader, made: Reader, with_texts: bool) -> bool:
        """Whether the plan of a query is that of another but for names, and its columns have the same ones."""
        before, after = plan_of(reader, self._now), plan_of(made, self._then)
        if before is None:
            return self._answer_the_same(reader, made, with_texts)
        if after is None or before.schema != after.schema:
            return False
        return nameless(before, with_texts=with_texts) == nameless(after, with_texts=with_texts)

    def _answer_the_same(self, reader: Reader, made: Reader, with_texts: bool) -> bool:
        """As `_are_same` of a query that no view could have: what only gives the object its old names is right if it
        can be answered at all, and so is what does not name the object itself."""
        if with_texts and (made is not reader or self._obj.name in reader.depends_on()):
            return False
        try:
            before, after = (p.expanded(sql.parse_query(r.query)) for p, r in ((self._now, reader), (self._then, made)))
            return bool(before.describe() == after.describe())
        except Error:
            return False

    def _running_plan(self, planning: Planning, reader: MaterializedView | Sink) -> Node | None:
        try:
            return planning.plan_again(reader).physical
        except Error:
            return None


Rewrite = Callable[[ast.Query], str | None]


def _made_by(reader: Reader, rewrite: Rewrite) -> Reader | None:
    """A reader with its query, and the statement that made it, written in another way; None where there is none."""
    text = _rewritten(reader.query, rewrite)
    if text is None:
        return None
    head, found, tail = reader.sql.rpartition(reader.query)
    if found:
        return replace(reader, query=text, sql=f"{head}{text}{tail}")
    statement = sql.parse(reader.sql)[0]  # of a sink, which may put its query into an envelope
    if not isinstance(statement, ast.CreateSink):
        return None
    if statement.query is not None:
        inner = _rewritten(statement.query.text, rewrite)
        head, _, tail = reader.sql.rpartition(statement.query.text)
        return None if inner is None else replace(reader, query=text, sql=f"{head}{inner}{tail}")
    assert statement.from_name is not None
    inner = _rewritten(sink_query(statement.from_name), rewrite)
    tokens = sql.lex(reader.sql)
    at = next(at for at, token in enumerate(tokens) if token.upper == "FROM")
    start, end = tokens[at].start, tokens[at + 2 * len(statement.from_name) - 1].end
    if inner is None:
        return None
    return replace(reader, query=text, sql=f"{reader.sql[:start]}AS {inner}{reader.sql[end:]}")


def _rewritten(text: str, rewrite: Rewrite) -> str | None:
    query = sql.parse_query(text)
    return rewrite(query) if query.dialect == POSTGRES else None


def _renamed(obj: Stream | Table, old: ColumnInfo, name: str) -> Stream | Table:
    """The object with a column under another name, wherever it says it."""
    new = replace(old, name=name, stored=old.stored_name if old.stored_name != name else None)
    columns = with_column(obj, old, new).columns

    def text(expr: str, what: str) -> str:
        renamed = sql.with_name_replaced(expr, old.name, name)
        try:
            if bind_over(renamed, columns) == bind_over(expr, obj.columns):
                return renamed
        except Error:
            pass
        raise NotSupportedError(f'cannot rename column "{old.name}": {what} cannot be written with its new name')

    made = [None if c.computed is None else text(c.computed, f'column "{c.name}"') for c in columns]
    columns = tuple(replace(c, computed=expr) for c, expr in zip(columns, made, strict=True))
    grants = tuple((name if column == old.name else column, held) for column, held in obj.column_grants)
    changes: dict[str, Any] = {"columns": columns, "column_grants": grants}
    mark = obj.watermark
    if mark is not None:
        column = name if mark.column == old.name else mark.column
        changes["watermark"] = replace(mark, column=column, expr=text(mark.expr, "the watermark"))
    if isinstance(obj, Table):
        checks = [replace(c, expr=text(c.expr, f'constraint "{c.name}"')) for c in obj.checks]
        key = tuple(name if column == old.name else column for column in obj.primary_key)
        changes["indexes"] = tuple(
            replace(i, columns=tuple(name if column == old.name else column for column in i.columns))
            for i in obj.indexes
        )
        return replace(obj, **changes, checks=tuple(checks), primary_key=key)
    if old.name in key_option(obj):
        key_names = [name if column == old.name else column for column in key_option(obj)]
        changes["options"] = {**obj.options, "key": ",".join(key_names)}
    return replace(obj, **changes)
