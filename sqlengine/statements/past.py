"""AS OF TICK and AS OF TIMESTAMP: which tick of the past a statement means."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa

from sqlengine import sql
from sqlengine.catalog.objects import CatalogObject
from sqlengine.errors import InvalidParameter, TransactionError
from sqlengine.runtime.subscriptions import tick_at
from sqlengine.snapshot.execute import run
from sqlengine.sql import ast
from sqlengine.statements.context import Context


def tick_of(context: Context, what: ast.AsOf, text: str, objects: Collection[CatalogObject]) -> int:
    """The number of the tick after which `objects` were as they are asked for; the lock is held.

    `text`: the expression behind AS OF `what`.  InvalidParameter (22023) for what is no tick or time that has been;
    HistoryGone (72000) when nothing tells of a time.
    """
    if context.transaction is not None:
        raise TransactionError(
            f"AS OF {what.upper()} cannot be used within a transaction", hint="COMMIT or ROLLBACK first"
        )
    if what == "tick":
        return _tick(context, text)
    time_us = _time_us(context, text)
    instance = context.instance
    return min((tick_at(instance, obj, time_us) for obj in objects), default=instance.scheduler.tick_number)


def _time_us(context: Context, text: str) -> int:
    """The time an expression means, in microseconds."""
    now_us = context.instance.clock.now_us()
    expanded = context.instance.expanded(sql.parse_query(f"SELECT CAST(({text}) AS TIMESTAMPTZ)"))
    if expanded.inputs:
        raise InvalidParameter("AS OF TIMESTAMP takes a time that does not depend on rows")
    moment = run(expanded, {}, now_us).column(0)[0].cast(pa.timestamp("us", "UTC")).value
    if moment is None:
        raise InvalidParameter("AS OF TIMESTAMP takes a time, not NULL")
    if moment > now_us:
        raise InvalidParameter(f"the time {text} has not been yet", hint="AS OF TIMESTAMP tells of the past")
    return int(moment)


def _tick(context: Context, text: str) -> int:
    newest = context.instance.scheduler.tick_number
    if not text.strip().isascii() or not text.strip().isdigit():
        raise InvalidParameter(f"AS OF TICK takes the number of a tick, not {text}", hint=f"the newest is {newest}")
    if int(text) > newest:
        raise InvalidParameter(f"tick {int(text)} has not been yet", hint=f"the newest is {newest}")
    return int(text)
