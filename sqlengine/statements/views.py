"""CREATE VIEW and CREATE MATERIALIZED VIEW."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.objects import ColumnInfo, EmitInfo, MaterializedView, View
from sqlengine.catalog.seen import unseen
from sqlengine.errors import InvalidDefinition, InvalidParameter, ObjectInUse
from sqlengine.plan.explain import describe
from sqlengine.plan.pipeline import Planned
from sqlengine.plan.state import growing, how_to_bound
from sqlengine.result import Result
from sqlengine.runtime.fill import RATE_LIMIT, rate_limit
from sqlengine.runtime.planning import emit_of
from sqlengine.runtime.replacement import as_replacement, begin_replacement, new_view
from sqlengine.sql import ast, tables
from sqlengine.statements.answer_schema import answer_schema
from sqlengine.statements.columns import infos_of_schema
from sqlengine.statements.context import Context
from sqlengine.statements.followed_files import follow_files
from sqlengine.statements.functions import functions_of
from sqlengine.statements.making import Making, being_made

_ALTER = "ALTER "
ALTERED = ";\n" + _ALTER
"""Between the statement that made a view and the one that gave it the query it has."""


def create_view(statement: ast.CreateView, context: Context) -> Result:
    """CREATE [OR REPLACE] [MATERIALIZED] VIEW [IF NOT EXISTS]."""
    instance = context.instance
    tag = "CREATE MATERIALIZED VIEW" if statement.materialized else "CREATE VIEW"
    if statement.materialized:
        follow_files(context, statement.query)
    with instance.lock:
        existing = instance.catalog.find(statement.name)
        if existing is not None and statement.if_not_exists:
            context.notice(f'relation "{existing.name}" already exists, skipping')
            return Result(tag)
        if existing is not None and not statement.or_replace:
            instance.catalog.add(View(name=existing.name, query=""))
        if existing is not None:
            instance.catalog.get_as(MaterializedView if statement.materialized else View, statement.name)
        if not statement.materialized:
            plain = context.owned(_plain(statement, context), existing)
            fill = None
            if existing is None:
                instance.catalog.add(plain)
            else:
                fill = begin_replacement(instance, plain, context.pace())
        else:
            view, planned = _planned(statement, context)
            view = context.owned(view, existing)
            if isinstance(existing, MaterializedView):
                view = replace(view, comment=existing.comment)
    if not statement.materialized:
        if fill is not None:
            instance.fills.run(fill, context.check, context.on_progress)
    elif isinstance(existing, MaterializedView):
        _replace(existing, view, planned, context)
    else:
        with being_made(context, (view,)) as making:
            start_view(context, view, planned, statement.emit or ast.Emit(), making)
    return Result(tag)


def commented_view(statement: ast.CommentedView, context: Context) -> Result:
    """CREATE [MATERIALIZED] VIEW ... COMMENT: made, then commented on."""
    view = replace(statement.view, text=statement.text, position=statement.position)
    with context.instance.lock:
        was_there = context.instance.catalog.find(view.name) is not None
    result = create_view(view, context)
    with context.instance.lock:
        found = context.instance.catalog.get(view.name)
        if not was_there or view.or_replace:
            context.instance.catalog.update(found, comment=statement.comment)
    return result


def _plain(statement: ast.CreateView, context: Context) -> View:
    if statement.emit is not None:
        raise InvalidDefinition("EMIT belongs to a materialized view", hint="use CREATE MATERIALIZED VIEW")
    return View(
        name=object_name(statement.name),
        query=statement.query.text,
        sql=statement.text,
        columns=_columns(answer_schema(statement.query, context, makes_rows=False), statement.column_aliases),
        inputs=direct_inputs(statement.query, context),
        created_us=context.instance.clock.now_us(),
    )


def _replace(old: MaterializedView, view: MaterializedView, planned: Planned, context: Context) -> None:
    """The old definition answers until the new one is up to date."""
    instance = context.instance
    new = new_view(view, planned)
    with instance.lock:
        running = instance.scheduler.queries.get(old.query_id)
        if running is not None and running.plan == new.planned.physical:
            planning = unseen(old.planning)
            same = replace(view, query_id=old.query_id, planning=planning, comment=old.comment, paused=old.paused)
            instance.catalog.change([same])
            return
        if (other := instance.fills.by_name(view.name)) is not None:
            raise ObjectInUse(
                f'"{view.name}" is being brought up to date', hint=f"CANCEL QUERY {other.query.query_id} ends that"
            )
    with being_made(context, (as_replacement(view),)):
        with instance.lock:
            fill = begin_replacement(instance, new, context.pace(rate_limit(view.options)))
            assert fill is not None, "a materialized view has a query of its own"
        if context.in_background:
            instance.fills.run_behind(fill)
        else:
            instance.fills.run(fill, context.check, context.on_progress)
    if instance.outputs:
        instance.checkpoints.save()


def _planned(statement: ast.CreateView, context: Context) -> tuple[MaterializedView, Planned]:
    """The materialized view of a statement and its plan."""
    instance = context.instance
    emit = statement.emit or ast.Emit()
    planned = instance.plan(statement.query, emit, context.planning(), context.settings.threads)
    explain_costs(planned, context)
    view = MaterializedView(
        name=object_name(statement.name),
        query=statement.query.text,
        sql=statement.text,
        columns=_columns(planned.shown, statement.column_aliases),
        query_id=instance.next_id("q"),
        inputs=direct_inputs(statement.query, context),
        emit=EmitInfo(mode=emit.mode, every_us=emit.every_us, lateness_us=emit.lateness_us, timeout_us=emit.timeout_us),
        options=dict(statement.options),
        planning=context.planning(planned),
        created_us=instance.clock.now_us(),
    )
    return view, planned


def start_view(
    context: Context, view: MaterializedView, planned: Planned, emit: ast.Emit, making: Making | None = None
) -> None:
    """Run a view's query; its columns take the view's names."""
    context.instance.start_query(
        view.query_id,
        view.name,
        view.sql,
        planned.renamed([c.name for c in view.columns]),
        emit,
        on_progress=context.on_progress,
        check=context.check,
        started=None if making is None else making.done,
        pace=context.pace(rate_limit(view.options)),
        behind=making is not None and context.in_background,
    )


def alter_query(statement: ast.AlterView, context: Context) -> Result:
    """ALTER [MATERIALIZED] VIEW name AS query: CREATE OR REPLACE with the options, and unless it says so the EMIT, that
    the view has."""
    instance = context.instance
    tag = "ALTER MATERIALIZED VIEW" if statement.materialized else "ALTER VIEW"
    with instance.lock:
        name = context.prefer_path(statement.name)
        if statement.if_exists and instance.catalog.find(name) is None:
            context.notice(f'relation "{object_name(name)}" does not exist, skipping')
            return Result(tag)
        view: View | MaterializedView
        if statement.materialized:
            view = instance.catalog.get_as(MaterializedView, name)
            emit, options = statement.emit or emit_of(view), tuple(view.options.items())
        else:
            view, emit, options = instance.catalog.get_as(View, name), None, ()
        made, *altered = view.sql.split(ALTERED)
        if statement.emit is None:  # that of an earlier one holds
            made = ALTERED.join([made, *[text for text in altered if "EMIT" in text.upper()][-1:]])
    create = ast.CreateView(
        name=tuple(view.name.split(".")),
        query=statement.query,
        emit=emit,
        options=options,
        materialized=statement.materialized,
        or_replace=True,
        text=made.rstrip().rstrip(";") + ALTERED + statement.text.strip().rstrip(";")[len(_ALTER) :],
    )
    create_view(create, context)
    return Result(tag)


def alter_view(statement: ast.AlterMaterializedView, context: Context) -> Result:
    """ALTER MATERIALIZED VIEW name SET (backfill_rate_limit = n | DEFAULT), which holds at once."""
    instance = context.instance
    with instance.lock:
        view = instance.catalog.get_as(MaterializedView, context.prefer_path(statement.name))
        for option in dict(statement.options):
            if option != RATE_LIMIT:
                raise InvalidParameter(
                    f'unrecognized option of a materialized view "{option}"', hint=f"one of: {RATE_LIMIT}"
                )
        changed = replace(view, options={**view.options, **dict(statement.options)})
        limit = rate_limit(changed.options)
        instance.catalog.update(view, options=changed.options)
        fill = instance.fills.by_name(view.name)
        if fill is not None:
            fill.set_pace(context.pace(limit))
    return Result("ALTER MATERIALIZED VIEW")


def explain_costs(planned: Planned, context: Context) -> None:
    """Notices of what a continuous query will cost: it is computed again and again, or its state grows for ever."""
    if planned.reason is not None:
        context.notice(
            f"this view is recomputed whenever its inputs change: {planned.reason} has no incremental operator"
        )
        return
    for node, size in growing(planned.physical, planned.streams):
        hint = how_to_bound(node, planned.streams)
        context.notice(f"state {size.text()}, for ever: {describe(node)}\nHINT: {hint}")


def direct_inputs(query: ast.Query, context: Context) -> tuple[str, ...]:
    """Names of the catalog objects a query mentions (views count, not what they read), functions in SQL behind them."""
    names = [object_name(context.prefer_path(t.parts)) for t in tables(query)]
    there = [n for n in names if n in context.instance.catalog]
    return tuple(dict.fromkeys([*there, *functions_of(query, context)]))


def _columns(schema: pa.Schema, names: tuple[str, ...]) -> tuple[ColumnInfo, ...]:
    """The answer's columns; the first ones by the names the statement gives."""
    if len(names) > len(schema):
        raise InvalidDefinition("CREATE VIEW specifies more column names than columns", sqlstate="42601")
    named = [field.with_name(names[i]) if i < len(names) else field for i, field in enumerate(schema)]
    return infos_of_schema(pa.schema(named))
