"""SELECT: a snapshot of all objects at one tick; with EMIT, a query that is followed."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pyarrow as pa

from sqlengine import sql
from sqlengine.catalog.objects import CatalogObject, FileTable, MaterializedView, Stream, Table
from sqlengine.catalog.pg.relations import PgRelation
from sqlengine.catalog.system import SystemTable
from sqlengine.errors import Error, NotSupportedError, QueryCanceled
from sqlengine.plan.nodes import Node
from sqlengine.reading import order_of_now, zone_of_now
from sqlengine.result import Result
from sqlengine.runtime.file_tables import with_all_columns
from sqlengine.runtime.one_shot import prepare
from sqlengine.runtime.subscriptions import contents_as_of
from sqlengine.snapshot.execute import run
from sqlengine.snapshot.expand import Expanded, OwnOperators
from sqlengine.snapshot.pg import NOBODY
from sqlengine.sql import ast
from sqlengine.sql.dialect import POSTGRES
from sqlengine.statements.context import Context
from sqlengine.statements.followed_files import level
from sqlengine.statements.past import tick_of
from sqlengine.statements.pg_catalog import pg_answers, pg_rows
from sqlengine.statements.plain_select import plain_select, rows_of_columns
from sqlengine.statements.planned_select import read_files, run_planned
from sqlengine.statements.rows_seen import as_seen
from sqlengine.statements.search_path import qualified
from sqlengine.statements.subscribe import follow
from sqlengine.statements.system_rows import system_rows
from sqlengine.text_limits import as_shown

STORED = (Stream, Table, MaterializedView)
"""Objects that have rows of their own."""


def select(statement: ast.SelectStatement, context: Context) -> Result:
    """A query on its own."""
    if statement.emit is not None:
        return follow(context, statement.query, statement.emit, snapshot=True, limit=statement.limit)
    table, tick = run_at(context, statement.query, statement.as_of, statement.as_of_what, context.is_binary)
    return Result(table=as_shown(table), tick=tick)


def _prints_names(position: int) -> bool:
    return False


def run_snapshot(context: Context, query: ast.Query) -> pa.Table:
    """The query's answer over everything acknowledged before the call (`read_consistency` strict) or now (latest)."""
    return run_at(context, query)[0]


def run_text(context: Context, text: str) -> pa.Table:
    """The same of a query that a statement makes of its parts, whose places are none in what was typed."""
    try:
        return run_snapshot(context, qualified(sql.parse_query(text), context))
    except Error as error:
        error.position = None
        raise


def run_at(
    context: Context,
    query: ast.Query,
    as_of: str = "",
    what: ast.AsOf = "tick",
    keeps_oids: Callable[[int], bool] = _prints_names,
) -> tuple[pa.Table, int]:
    """(a query's answer, the tick after which all it read was so): as `run_snapshot`, or after an earlier tick, of
    which the text `as_of` is the number or a time; `keeps_oids`: see `snapshot.execute.run`."""
    instance = context.instance
    consistency = "latest" if context.seen is not None else context.settings.read_consistency
    if consistency == "strict":
        level(instance)
    if query.dialect != POSTGRES:
        return _by_operators(context, query, as_of, what)
    with instance.lock:
        try:
            expanded = _expanded(context, query)
        except OwnOperators:
            return _by_operators(context, query, as_of, what)
        if expanded.changes:
            raise NotSupportedError(
                "AS CHANGELOG tells of changes, and a SELECT asks for rows at one moment",
                hint="create a materialized view over it, or follow it: SUBSCRIBE (WITH c AS CHANGELOG FROM t ...)",
            )
        files = {name: obj for name, obj in expanded.inputs.items() if isinstance(obj, FileTable)}
        stored = {name: obj for name, obj in expanded.inputs.items() if name not in files}
        reads = bool(expanded.inputs) or expanded.tick_dependent
        is_strict = reads and consistency == "strict"
        with instance.one_moment(stored.values(), context.check) if is_strict else nullcontext():
            tick = instance.scheduler.tick_number
            plain = plain_select(context, query, expanded)
            if plain is None and expanded.jsonb and not context.lent:
                try:
                    return _by_operators(context, query, as_of, what)
                except NotSupportedError:
                    pass  # DuckDB answers, for which jsonb is the canonical text of json
            if as_of:
                tick = tick_of(context, what, as_of, expanded.inputs.values())
                tables = {name: contents_as_of(instance, obj, tick) for name, obj in stored.items()}
            else:
                rows = plain.rows_needed if plain is not None else None
                tables = {name: _contents(context, obj, rows) for name, obj in stored.items()}
        now_us = context.now_us
    if files:
        read = read_files(context, files, _plan_of(context, query), now_us)
        tables |= {name: with_all_columns(rows, files[name]) for name, rows in read.items()}
    if plain is not None:
        context.check()
        ((name, obj),) = expanded.inputs.items()
        return rows_of_columns(tables[name], plain, obj), tick
    return run_expanded(context, expanded, tables, now_us, tick, keeps_oids), tick


def _by_operators(context: Context, query: ast.Query, as_of: str, what: ast.AsOf) -> tuple[pa.Table, int]:
    """The same by our own operators, for what DuckDB has no text for; rows that are lent are DuckDB's alone."""
    lent = next((ref for ref in sql.tables(query) if len(ref.parts) == 1 and ref.parts[0] in context.lent), None)
    if lent is not None and context.seen is not None:
        raise NotSupportedError(
            "a query of another dialect, or with MATCH_RECOGNIZE, cannot read what a data-modifying statement in WITH"
            " returns",
            hint="run the statements one after the other between BEGIN and COMMIT",
            position=lent.position,
        )
    answers, tick = run_planned(context, [query], as_of, what)
    return next(answers), tick


def _plan_of(context: Context, query: ast.Query) -> Node | None:
    """A plan that tells which columns and partitions a query needs; None when only its executor knows."""
    try:
        with context.instance.lock:
            return prepare(query, context.instance.planning).plan
    except Error:
        return None


_STATE = re.compile(r"\bstate\s*\(", re.IGNORECASE)
"""`system.state(...)` is another table each time."""


def _expanded(context: Context, query: ast.Query) -> Expanded:
    """The query as the executor's text."""
    instance = context.instance
    if context.lent or _STATE.search(query.text):
        return instance.expanded(query, context.lent)
    key = (query.text, instance.catalog.version, instance.functions.version, zone_of_now(), order_of_now())
    return instance.expansions.get(query.text, key, lambda: instance.expanded(query))


def _contents(context: Context, obj: CatalogObject, rows: int | None) -> pa.Table:
    """An object's rows, or at least so many of the first ones."""
    if isinstance(obj, SystemTable):
        return system_rows(context, obj)
    if isinstance(obj, PgRelation):
        return pg_rows(context, obj)
    return as_seen(context, obj, packed=True, rows=rows)


def run_expanded(
    context: Context,
    expanded: Expanded,
    tables: dict[str, pa.Table],
    now_us: int,
    tick: int = 0,
    keeps_oids: Callable[[int], bool] = _prints_names,
) -> pa.Table:
    """Run on the snapshot executor so that cancelling interrupts it."""

    timer: threading.Timer | None = None

    def started(connection: Any) -> None:
        nonlocal timer
        context.interrupt = connection.interrupt
        context.check()
        left_s = context.time_left_s
        if left_s is not None:
            timer = threading.Timer(left_s, connection.interrupt)
            timer.daemon = True
            timer.start()

    try:
        with pg_answers(context) if expanded.of_session else nullcontext(NOBODY) as statement:
            table = run(expanded, tables, now_us, started, statement, tick, keeps_oids)
    except QueryCanceled:
        context.check()  # which says why
        raise
    finally:
        context.interrupt = None
        if timer is not None:
            timer.cancel()
    context.check()
    return table


def rows_of(context: Context, obj: CatalogObject) -> pa.Table:
    """All rows of one of STORED, as a SELECT of it would read them but without a copy."""
    instance = context.instance
    with instance.lock:
        if context.settings.read_consistency == "strict":
            instance.catch_up(context.check)
        return as_seen(context, obj)
