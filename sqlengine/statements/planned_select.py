"""Queries that our own operators answer once: what they read is read once and at one moment, then each is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial

import pyarrow as pa

from sqlengine.catalog.objects import CatalogObject, FileTable, Stream
from sqlengine.expr.session_facts import SessionFacts, session_facts
from sqlengine.pg_settings import HIVE_VERSION_TEXT
from sqlengine.plan.nodes import Node
from sqlengine.runtime.dataflow import Dataflow
from sqlengine.runtime.file_tables import Needs, needs_of, rows_of_files
from sqlengine.runtime.made_rows import Made
from sqlengine.runtime.named_files import rows_of_named
from sqlengine.runtime.offset_spans import confine, spans_of
from sqlengine.runtime.one_shot import MadePlan, OneShot, prepare
from sqlengine.runtime.reader import Confined
from sqlengine.runtime.stored_columns import stored_names
from sqlengine.runtime.subscriptions import contents_as_of
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.hive.found import database_shown
from sqlengine.statements.hive.transform import may_run_scripts, run_transform
from sqlengine.statements.past import tick_of
from sqlengine.statements.rows_seen import plain_contents

Watch = Callable[[Dataflow], None]


def run_planned(
    context: Context,
    queries: Sequence[ast.Query],
    as_of: str = "",
    what: ast.AsOf = "tick",
    watch: Watch | None = None,
) -> tuple[Iterator[pa.Table], int]:
    """(the answers one by one, the tick after which all they read was so); `as_of`: as of `select.run_at`; `watch` is
    given the operators of each query when they have done their work."""
    instance = context.instance
    with instance.lock:
        with session_facts(facts_of(context)):
            planned = [prepare(query, instance.planning) for query in queries]
        every = [one for plan in planned for one in plan.all()]
        if any(isinstance(made.relation, ast.TransformRef) for one in every for made in one.made):
            may_run_scripts(context)
        names = dict.fromkeys(name for one in every for name in one.sources)
        named = {name: instance.catalog.get(tuple(name.split("."))) for name in names}
        files = {name: obj for name, obj in named.items() if isinstance(obj, FileTable)}
        objects: dict[str, CatalogObject] = {name: obj for name, obj in named.items() if name not in files}
        is_strict = bool(objects) and context.seen is None and context.settings.read_consistency == "strict"
        with instance.one_moment(objects.values(), context.check) if is_strict else nullcontext():
            tick = instance.scheduler.tick_number
            if as_of:
                tick = tick_of(context, what, as_of, objects.values())
                tables = {name: _stored(contents_as_of(instance, obj, tick), obj) for name, obj in objects.items()}
            else:
                tables = {
                    name: _stored(plain_contents(context, obj, _confined(every, obj)), obj)
                    for name, obj in objects.items()
                }
        now_us = context.now_us
    for name, table in files.items():
        instance.warehouse.recover(table.location)
        tables[name] = rows_of_files(table, _needs(every, name, table.name), now_us, context.check)
    return _answers(context, planned, tables, now_us, watch), tick


def _confined(every: Sequence[OneShot], obj: CatalogObject) -> Confined | None:
    """Where to read a stream, when the queries want some of its records only."""
    plans = [one.plan for one in every if obj.name in one.sources]
    spans = spans_of(plans, obj) if isinstance(obj, Stream) else ()
    return partial(confine, spans=spans) if spans else None


def _stored(rows: pa.Table, obj: CatalogObject) -> pa.Table:
    """An object's rows with their columns under the names by which plans read them."""
    stored = stored_names(obj.columns)
    return rows.rename_columns([stored.get(name, name) for name in rows.column_names]) if stored else rows


def _answers(
    context: Context, planned: Sequence[OneShot], tables: Mapping[str, pa.Table], now_us: int, watch: Watch | None
) -> Iterator[pa.Table]:
    known: dict[Made, pa.Table] = {}
    for one in planned:
        yield _run(context, one, tables, known, now_us, watch)


def _run(
    context: Context,
    plan: OneShot,
    tables: Mapping[str, pa.Table],
    known: dict[Made, pa.Table],
    now_us: int,
    watch: Watch | None = None,
) -> pa.Table:
    """One answer; `known`: relations that were made before in the same statement."""
    inputs = {name: tables[name] for name in plan.sources}
    for made in plan.made:
        if made.relation not in known:
            known[made.relation] = _make(context, made, tables, known, now_us)
        inputs[made.name] = known[made.relation]
    context.check()
    answer = plan.run(inputs, now_us, context.instance.workers(0), context.check, watch)
    context.check()
    return answer


def _make(
    context: Context, made: MadePlan, tables: Mapping[str, pa.Table], known: dict[Made, pa.Table], now_us: int
) -> pa.Table:
    if isinstance(made.relation, ast.FileRef):
        return rows_of_named(made.relation.path, context.check)
    assert made.given is not None, "a script is given rows"
    return run_transform(context, made.relation, _run(context, made.given, tables, known, now_us))


def facts_of(context: Context) -> SessionFacts:
    """What a query may ask of its session."""
    names = context.instance.catalog.roles
    return SessionFacts(
        user=names.name_of(context.role.current),
        login=names.name_of(context.role.authenticated),
        database=database_shown(context.settings.search_path.partition(",")[0].strip()),
        version=HIVE_VERSION_TEXT,
    )


def read_files(context: Context, files: Mapping[str, FileTable], plan: Node | None, now_us: int) -> dict[str, pa.Table]:
    """The rows of tables over files by the names given, as far as a plan needs them; all of them without one."""
    found = {}
    for name, table in files.items():
        context.instance.warehouse.recover(table.location)
        needs = None if plan is None else needs_of(plan, table.name)
        found[name] = rows_of_files(table, needs, now_us, context.check)
    return found


def _needs(planned: Sequence[OneShot], source: str, name: str) -> Needs:
    """What any of the plans needs of a table."""
    needs = [needs_of(one.plan, name) for one in planned if source in one.sources]
    columns = dict.fromkeys(column for need in needs for column in need.columns)
    return Needs(tuple(columns), tuple(scan for need in needs for scan in need.scans))
