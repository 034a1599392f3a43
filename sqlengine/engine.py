"""The one page: what happens to a statement, stage by stage.

    text --parse--> Statement --authorize, HANDLERS--> Result

and, for a continuous query on the way (plan/pipeline.py, runtime/):

    Query --lower--> syntax tree --bind--> plan --optimize--> plan --physical--> plan
          --build--> operators --tick--> changes

A one-shot SELECT goes another way (snapshot/): its text is expanded down to stored objects and run by DuckDB over
their Arrow rows at one tick.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import storage
from sqlengine import errors, sql
from sqlengine.catalog.objects import MaterializedView, Sink, Stream, Table, View
from sqlengine.plan.pipeline import Planned
from sqlengine.reading import reading_in
from sqlengine.result import Result
from sqlengine.runtime.checkpoint import Checkpoint, load_checkpoint
from sqlengine.runtime.clock import Clock
from sqlengine.runtime.evolving import settle_topic
from sqlengine.runtime.fill import Pace, rate_limit
from sqlengine.runtime.ingest import forget_dropped
from sqlengine.runtime.instance import Instance
from sqlengine.runtime.pausing import begin_again, object_of, output_failed, pause, soon, try_again
from sqlengine.runtime.planning import emit_of
from sqlengine.runtime.query import ContinuousQuery
from sqlengine.runtime.replacement import begin_replacement, is_replacement, new_view, out_of_replacement
from sqlengine.runtime.sql_functions import load_functions
from sqlengine.runtime.subscription import SubscriptionOutput, remove_topic
from sqlengine.runtime.subscriptions import after_restart
from sqlengine.settings import Settings
from sqlengine.sql import ast
from sqlengine.sql.dialect import POSTGRES
from sqlengine.sql.named_at import called_name, named_at
from sqlengine.statements import carry_out
from sqlengine.statements.access import authorize
from sqlengine.statements.context import Context
from sqlengine.statements.followed_files import level
from sqlengine.statements.into_table import TableMover
from sqlengine.statements.row_expiry import RowExpiry
from sqlengine.statements.search_path import on_path

Params = Sequence[Any] | Mapping[str, Any] | None


PARSING = ("dialect", "statement_length_max", "nesting_depth_max", "in_list_length_max")
"""The settings that parsing depends on."""


def run_script(text: str, params: Params, context: Context) -> Iterator[Result]:
    """Parse a script and carry its statements out one by one, each when the caller asks for the next result."""
    for statement in parse(text, context):
        yield run_statement(bind_params(statement, params), context)


def run_many(text: str, sets: Sequence[Params], context: Context) -> Result | None:
    """The rows of an INSERT with each of the sets of values, written together; None when the text is anything else."""
    statements = parse(text, context)
    made = sql.bind_rows(statements[0], [given or () for given in sets]) if len(statements) == 1 else None
    return None if made is None else run_statement(made, context)


def parse(text: str, context: Context) -> list[ast.Statement]:
    """text -> statements; guards and syntax errors carry their position in `text`."""
    context.settings.is_remote = context.backend.activity is not None
    if context.settings.dialect != POSTGRES or sql.may_switch(text):
        return sql.parse(text, context.settings)
    key = (text, *(context.settings.get(name) for name in PARSING))
    return context.instance.statements.get(text, key, lambda: sql.parse(text, context.settings))


def bind_params(statement: ast.Statement, params: Params) -> ast.Statement:
    """Values take the places of `?`, `$1` and `:name` anywhere in the statement."""
    return sql.bind_params(statement, params) if params else statement


def run_statement(statement: ast.Statement, context: Context) -> Result:
    """Statement -> result; errors of every layer come out as errors.Error with a position in the script."""
    found = on_path(statement, context)
    return run_call(lambda: carry_out(found, context), found, context)


def _suggest_own(error: errors.Error, context: Context) -> None:
    """A function that nobody knows may be meant for one of the database's own, of which few who say so know."""
    name = called_name(error) if isinstance(error, errors.UndefinedFunction) else None
    if name is None or not (error.hint is None or error.hint.startswith(errors.DID_YOU_MEAN)):
        return
    own = [user.name for user in context.instance.functions.all()]
    error.hint = errors.did_you_mean(name, [*own, *re.findall(r'"([^"]+)"', error.hint or "")]) or error.hint


def run_call(call: Callable[[], Result], statement: ast.Statement, context: Context) -> Result:
    """What a statement is carried out by, with its errors' positions and its notices."""
    begin(context)
    try:
        authorize(statement, context)
        settings = context.settings
        with reading_in(settings.timezone, settings.text_style.order, context.instance.clock.now_us()):
            result = call()
    except errors.Error as error:
        _suggest_own(error, context)
        error.position = named_at(error, statement.text)
        if error.position is not None:
            error.position += statement.position
        raise
    except storage.StorageError as error:
        raise from_storage(error) from error
    except MemoryError as error:  # NumPy's and Arrow's are such, too
        raise errors.OutOfMemory(str(error).lower() or "out of memory") from error
    notices, context.notices = context.notices, []
    result.notices = [*result.notices, *notices]
    return result


def begin(context: Context) -> None:
    """A statement begins: nobody has cancelled it, and its time runs from now."""
    if not context.cancel_lasts:
        context.cancelled.clear()
    context.notices = []
    timeout_ms = context.settings.statement_timeout_ms
    context.deadline_us = context.instance.clock.now_us() + timeout_ms * 1000 if timeout_ms else None


def from_storage(error: storage.StorageError) -> errors.Error:
    """A storage error as ours, of the class its SQLSTATE has."""
    for kind in (
        errors.DiskFull,
        errors.ObjectInUse,
        errors.DataCorrupted,
        errors.NotSupportedError,
        errors.InvalidParameter,
        errors.DuplicateTable,
        errors.UndefinedTable,
    ):
        if kind.sqlstate == error.sqlstate:
            return kind(str(error), hint=error.hint)
    return errors.OperationalError(str(error), hint=error.hint, sqlstate=error.sqlstate)


# ---------------------------------------------------------------- opening a database


def open_instance(
    path: str | None, clock: Clock | None, settings: Settings, replicas: Sequence[str] | None = None
) -> Instance:
    """Open storage and catalog, bring back tables, connectors and continuous queries, then start what runs beside
    statements: ticks, and checkpoints of a directory."""
    try:
        instance = Instance(path, clock, settings.threads, replicas, settings.database)
    except storage.StorageError as error:
        raise from_storage(error) from error
    instance.scheduler.on_output_failure = partial(output_failed, instance)
    instance.poll_files = partial(level, instance)
    instance.scheduler.movers = [TableMover(instance), RowExpiry(instance)]
    try:
        revive(instance)
        _save_beginnings(instance)
    except BaseException:
        instance.close(orderly=False)
        raise
    if not instance.clock.virtual:
        instance.pump.start()
        if path is not None:
            instance.checkpointer.start()
    return instance


def _save_beginnings(instance: Instance) -> None:
    """A subscription or stream that had to begin anew must not have to again after the next kill."""
    outputs = instance.outputs.values()
    is_new = any(isinstance(output, SubscriptionOutput) and output.is_new for output in outputs)
    if is_new or instance.checkpoints.has_histories():
        try:
            instance.checkpoints.save()
        except storage.StorageError as error:
            logging.getLogger("sqlengine").warning("a checkpoint could not be written: %s", error)


def revive(instance: Instance) -> None:
    """Everything in the catalog runs again, from the newest checkpoint where there is one, else from the topics."""
    _drop_unowned_topics(instance)
    checkpoint = instance.checkpoint = load_checkpoint(instance)
    with instance.lock:
        load_functions(instance)
        checkpoint.settle_histories()
        checkpoint.take_back()
        for obj in instance.catalog:
            if isinstance(obj, Table):
                instance.start_table(obj, *checkpoint.table(obj))
            elif isinstance(obj, Stream) and obj.connector != "topic":
                instance.start_ingest(obj, again=True)
            elif isinstance(obj, Stream):
                settle_topic(instance, obj)
        checkpoint.place_sources()
        rest = _unrestored(instance, checkpoint)
        for query in list(instance.scheduler.queries.values()):
            if query.store is not None:  # a view shows what it had
                _as_paused(instance, query, resumed=False)
        checkpoint.run_again()
        for query in list(instance.scheduler.queries.values()):
            _as_paused(instance, query)
        for obj in sorted(rest, key=lambda obj: obj.filling):  # those others may read first
            if obj.name in instance.waiting:
                continue  # a sink that began anew would write everything twice
            # one that only names what is made anew may have state: of use unless ticks have gone on without it
            _restart(instance, obj, checkpoint if checkpoint.still_current() else checkpoint.without_state())
            if obj.query_id in instance.scheduler.queries:
                _as_paused(instance, instance.scheduler.queries[obj.query_id])
        after_restart(instance, checkpoint)


def _drop_unowned_topics(instance: Instance) -> None:
    """What a crash has left of statements that were making or dropping what a topic belongs to."""
    owned = {obj.topic for obj in instance.catalog if isinstance(obj, (Stream, Table))}
    for name in instance.catalog.unowned_topics:
        if name not in owned:
            remove_topic(instance.storage, name)
            instance.catalog.set_access("topic", name, None)
        instance.catalog.forget_unowned(name)
    forget_dropped(instance.storage, [obj.name for obj in instance.catalog if isinstance(obj, Stream)])


def _unrestored(instance: Instance, checkpoint: Checkpoint) -> list[MaterializedView | Sink]:
    """Continue all queries that the checkpoint has state of; returns the others, in dependency order.

    First those, because with the first of the others the ticks go on from where the checkpoint was taken.
    """
    rest: list[MaterializedView | Sink] = []
    anew: set[str] = set()
    for obj in instance.catalog.in_order():
        if isinstance(obj, (MaterializedView, Sink)):
            if not anew.isdisjoint(obj.depends_on()) or not _continued(instance, obj, checkpoint):
                rest.append(obj)
                anew.add(checkpoint.make_anew(obj))
        elif isinstance(obj, View) and not anew.isdisjoint(obj.depends_on()):
            anew.add(obj.name)
    return rest


def _continued(instance: Instance, obj: MaterializedView | Sink, checkpoint: Checkpoint) -> bool:
    """Whether a view or sink goes on from the checkpoint's state; one whose state cannot be read waits."""
    if obj.filling:
        return False
    try:
        planned = _planned(instance, obj)
    except errors.Error:  # told when it is tried again with the rest
        return False
    try:
        return checkpoint.restore_query(obj, planned, emit_of(obj))
    except errors.Error as error:
        instance.waiting[obj.name] = error
        return False


def _as_paused(instance: Instance, query: ContinuousQuery, *, resumed: bool = True) -> None:
    """A query stands still if its object says so, and, when it may be `resumed`, only then: what it has to tell then
    takes a number, which no tick must have that is still to be run again."""
    obj = object_of(instance, query.query_id)
    if obj is not None and obj.paused and query.status == "running":
        pause(instance, query)
    elif resumed and obj is not None and not obj.paused and query.status == "paused":
        if query.held is not None and query.held.undelivered:
            try_again(instance, query)
        else:
            soon(instance, query)


def resume_waiting(instance: Instance) -> None:
    """Try again what could not be planned: a Python function it needs may be there now; not what is damaged.

    A checkpoint's state serves as long as nothing was read since; else the view is rebuilt from its topics.
    """
    if not instance.waiting:
        return
    _resume_waiting(instance)
    instance.checkpoints.save_histories()


def _resume_waiting(instance: Instance) -> None:
    with instance.lock:
        checkpoint = instance.checkpoint
        assert checkpoint is not None
        fresh = checkpoint.still_current()
        for obj in list(instance.catalog):
            if isinstance(instance.waiting.get(obj.name), errors.DataCorrupted):
                continue
            if obj.name in instance.waiting and isinstance(obj, (MaterializedView, Sink)):
                _restart(instance, obj, checkpoint if fresh else checkpoint.without_state())
                if obj.query_id in instance.scheduler.queries:
                    _as_paused(instance, instance.scheduler.queries[obj.query_id])


def _restart(instance: Instance, obj: MaterializedView | Sink, checkpoint: Checkpoint) -> None:
    """Run a view or sink again; what cannot be planned (a function of it is missing) waits, the others run."""
    try:
        restart_query(instance, obj, checkpoint)
    except errors.Error as error:
        instance.waiting[obj.name] = error
    else:
        instance.waiting.pop(obj.name, None)


def restart_query(instance: Instance, obj: MaterializedView | Sink, checkpoint: Checkpoint) -> None:
    """One view's or sink's query, from the checkpoint's state where it has some."""
    planned = _planned(instance, obj)
    if isinstance(obj, MaterializedView) and is_replacement(obj):
        fill = begin_replacement(
            instance, new_view(out_of_replacement(obj), planned), Pace(rate_limit(obj.options) or 0)
        )
        assert fill is not None, "a materialized view has a query of its own"
        instance.fills.run_behind(fill)
    elif obj.filling or not checkpoint.restore_query(obj, planned, emit_of(obj)):
        begin_again(instance, obj, behind=obj.filling)


def _planned(instance: Instance, obj: MaterializedView | Sink) -> Planned:
    planned = instance.planning.plan_again(obj)
    return planned.renamed([c.name for c in obj.columns]) if isinstance(obj, MaterializedView) else planned
