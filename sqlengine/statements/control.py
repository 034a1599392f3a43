"""PAUSE, RESUME and CANCEL QUERY."""

from __future__ import annotations

from sqlengine.catalog.objects import STREAM_QUERY, MaterializedView, Sink, Subscription
from sqlengine.errors import NotSupportedError, ObjectInUse, QueryCanceled, UndefinedObject, did_you_mean
from sqlengine.result import Result
from sqlengine.runtime.fill import Fill
from sqlengine.runtime.pausing import begin_again, object_of, pause, remember, resume
from sqlengine.runtime.query import ContinuousQuery
from sqlengine.runtime.replacement import is_replacement
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.drop import drop_object


def control(statement: ast.ControlQuery, context: Context) -> Result:
    """PAUSE | RESUME | CANCEL QUERY: by its id, or by the name of its view, sink or stream."""
    instance = context.instance
    fill = None
    with instance.lock:
        name = statement.query_id
        query, filling = _query(name, context), _fill(name, context)
        if query is None and filling is None:
            _refuse_unknown(name, context)
        if statement.action == "cancel":
            _cancel(query, filling, context)
        elif statement.action == "pause":
            _pause(query, filling, context)
        else:
            fill = _resume(query, filling, context)
        background = context.in_background
        if fill is not None and background:
            if query is not None:
                remember(instance, query, is_paused=False)
            instance.fills.run_behind(fill)
    if fill is not None and not background:
        instance.fills.run(fill, context.check, context.on_progress)
    if instance.outputs:
        instance.checkpoints.save()
    return Result(f"{statement.action.upper()} QUERY")


def _query(name: str, context: Context) -> ContinuousQuery | None:
    scheduler = context.instance.scheduler
    return scheduler.queries.get(name) or scheduler.by_name(name) or scheduler.by_name(name + STREAM_QUERY)


def _fill(name: str, context: Context) -> Fill | None:
    fills = context.instance.fills
    return fills.get(name) or fills.by_name(name) or fills.by_name(name + STREAM_QUERY)


def _refuse_unknown(name: str, context: Context) -> None:
    """UndefinedObject (42704) with near names; of what waits for a function, why it does not run."""
    instance = context.instance
    for obj in instance.catalog:
        if isinstance(obj, (MaterializedView, Sink)) and name in (obj.query_id, obj.name):
            instance.query_of(obj)
    queries = [*instance.scheduler.queries.values(), *(fill.query for fill in instance.fills)]
    known = [word for q in queries for word in (q.query_id, q.name.removesuffix(STREAM_QUERY))]
    raise UndefinedObject(f'query "{name}" does not exist', hint=did_you_mean(name, known))


def _pause(query: ContinuousQuery | None, fill: Fill | None, context: Context) -> None:
    if fill is not None:
        raise ObjectInUse(
            f'"{fill.query.name}" is being brought up to date',
            hint=f"WAIT waits for it, CANCEL QUERY {fill.query.query_id} ends it",
        )
    assert query is not None
    if isinstance(object_of(context.instance, query.query_id), Subscription):
        raise NotSupportedError(
            f'"{query.name}" is a subscription, and its history must not have gaps',
            hint="its follower may stop for as long as its retention lasts",
        )
    if query.status == "paused":
        context.notice(f'query "{query.name}" is paused already')
        return
    context.instance.catch_up(context.check)
    pause(context.instance, query)


def _resume(query: ContinuousQuery | None, fill: Fill | None, context: Context) -> Fill | None:
    instance = context.instance
    if fill is not None and fill.status == "failed" and query is None:
        obj = object_of(instance, fill.query.query_id)
        assert obj is not None, "only what the catalog has is made in the background"
        instance.stop_query(obj.query_id)
        begin_again(instance, obj, behind=True)
        return instance.fills.get(obj.query_id)
    if fill is not None and fill.status == "failed":
        instance.fills.cancel(fill.query.query_id, "it is resumed")
    if query is None or query.status == "running":
        what = fill.query if query is None and fill is not None else query
        context.notice(f'query "{what.name if what is not None else ""}" is not paused')
        return None
    return resume(instance, query, context.pace())


def _cancel(query: ContinuousQuery | None, fill: Fill | None, context: Context) -> None:
    instance = context.instance
    if fill is not None:
        obj = object_of(instance, fill.query.query_id)
        instance.fills.cancel(fill.query.query_id, "canceling statement due to user request")
        if obj is not None and obj.filling:
            written = instance.catalog.find(tuple(obj.name.removesuffix(STREAM_QUERY).split(".")))
            drop_object(context, obj if is_replacement(obj) or written is None else written, cascade=True)
        elif query is not None and query.status != "running" and query.held is None:
            query.status, query.error = "failed", QueryCanceled("going on was canceled")
        return
    assert query is not None
    if not query.query_id.startswith("follow"):
        raise NotSupportedError(
            f'query "{query.query_id}" belongs to "{query.name}" and ends with it',
            hint="DROP it, or PAUSE QUERY to have it stand still",
        )
    query.status, query.error = "failed", QueryCanceled("canceling statement due to user request")
    instance.stop_query(query.query_id)
