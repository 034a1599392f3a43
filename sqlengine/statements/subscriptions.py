"""CREATE and ALTER SUBSCRIPTION, ACKNOWLEDGE: changes of a view that are kept for a follower who comes and goes."""

from __future__ import annotations

from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.measures import duration_us
from sqlengine.catalog.objects import EmitInfo, MaterializedView, Stream, Subscription, Table
from sqlengine.errors import InvalidParameter, WrongObjectType, did_you_mean
from sqlengine.result import Result
from sqlengine.runtime import subscriptions
from sqlengine.runtime.subscriber import acknowledge as acknowledge_tick
from sqlengine.runtime.subscription import make_topic, remove_topic, topic_name
from sqlengine.sql import ast, parse_query, quote_identifier
from sqlengine.statements.columns import infos_of_schema
from sqlengine.statements.context import Context
from sqlengine.statements.cursors import SubscriptionRows
from sqlengine.statements.making import being_made

RETENTION = "retention"
DEFAULT_RETENTION = "1 day"


def retention_us(options: ast.Options) -> int | None:
    """How long changes are kept, None for ever; InvalidParameter (22023) for other options and bad values."""
    given = dict(options)
    for option in given:
        if option != RETENTION:
            raise InvalidParameter(
                f'unrecognized option of a subscription "{option}"',
                hint=did_you_mean(option, (RETENTION,)) or f"one of: {RETENTION}",
            )
    text = given.get(RETENTION, DEFAULT_RETENTION)
    if text.lower() in ("none", "forever"):
        return None
    micros = duration_us(text)
    if micros < 0:
        raise InvalidParameter(f'invalid value for option "{RETENTION}": "{text}"', hint="it is negative")
    return micros


def create_subscription(statement: ast.CreateSubscription, context: Context) -> Result:
    """CREATE SUBSCRIPTION name FROM a materialized view or table [WITH (retention = ...)]."""
    instance = context.instance
    kept_us = retention_us(statement.options)
    with instance.lock:
        if statement.if_not_exists and instance.catalog.find(statement.name) is not None:
            context.notice(f'relation "{object_name(statement.name)}" already exists, skipping')
            return Result("CREATE SUBSCRIPTION")
        view = instance.catalog.get(context.prefer_path(statement.from_name))
        if not isinstance(view, (MaterializedView, Table)):
            raise WrongObjectType(
                f'"{view.name}" is a {view.kind}: a subscription keeps the changes of a materialized view or table',
                hint="a consumer group reads a stream's topic"
                if isinstance(view, Stream)
                else "create a materialized view over it",
            )
        columns = ", ".join(quote_identifier(column.name) for column in view.columns)
        name = ".".join(quote_identifier(part) for part in view.name.split("."))
        query = parse_query(f"SELECT {columns} FROM {name}")
        planned = instance.plan(query, ast.Emit(), context.planning(), context.settings.threads)
        query_id = instance.next_id("q")
        made = Subscription(
            name=object_name(statement.name),
            query=query.text,
            query_id=query_id,
            connector="topic",
            sql=statement.text,
            options={"topic": topic_name(instance.storage, query_id)},
            columns=infos_of_schema(planned.schema),
            emit=EmitInfo(),
            planning=context.planning(planned),
            inputs=(view.name,),
            retention_us=kept_us,
            created_us=instance.clock.now_us(),
        )
        made = context.owned(made)
        if made.name in instance.catalog:
            instance.catalog.add(made)
        instance.catalog.note_unowned(made.topic)
        make_topic(instance.storage, made)

    def undo() -> None:
        instance.release_sink(made.name)
        remove_topic(instance.storage, made.topic)

    with being_made(context, (made,), undo) as making:
        subscriptions.begin(instance, made, planned, making.done)
    instance.checkpoints.save()
    return Result("CREATE SUBSCRIPTION")


def alter_subscription(statement: ast.AlterSubscription, context: Context) -> Result:
    """ALTER SUBSCRIPTION name SET (retention = ...), which holds from now on."""
    instance = context.instance
    kept_us = retention_us(statement.options)
    with instance.lock:
        found = instance.catalog.get_as(Subscription, context.prefer_path(statement.name))
        changed = instance.catalog.update(found, retention_us=kept_us)
        if changed.name in instance.outputs:
            subscriptions.output_of(instance, changed).retention_us = kept_us
    return Result("ALTER SUBSCRIPTION")


def acknowledge(statement: ast.Acknowledge, context: Context) -> Result:
    """ACKNOWLEDGE name TICK n: its follower has had everything up to that tick."""
    instance = context.instance
    with instance.lock:
        found = instance.catalog.get_as(Subscription, context.prefer_path(statement.subscription))
        output = subscriptions.output_of(instance, found)
        for cursor in context.cursors.values():
            if isinstance(cursor, SubscriptionRows) and cursor.reader.output is output and cursor.reader.is_follower:
                cursor.reader.require_first()
        acknowledge_tick(instance, output, statement.tick)
    return Result("ACKNOWLEDGE")
