"""LISTEN, UNLISTEN and NOTIFY: messages between sessions, and word of views that change."""

from __future__ import annotations

from sqlengine.errors import InvalidParameter
from sqlengine.result import Result
from sqlengine.sql import ast
from sqlengine.statements.context import Context

CHANNEL_LENGTH_MAX, PAYLOAD_BYTES_MAX = 63, 7_999


def listen(statement: ast.Listen, context: Context) -> Result:
    """LISTEN channel: where the channel is a materialized view, each tick that changes it is a notification."""
    if context.on_notify is None:
        context.notice("nobody receives notifications in this session: connect to a server")
    else:
        context.instance.scheduler.channels.listen(statement.channel, context.on_notify)
    return Result("LISTEN")


def unlisten(statement: ast.Unlisten, context: Context) -> Result:
    """UNLISTEN channel | *."""
    if context.on_notify is not None:
        context.instance.scheduler.channels.unlisten(context.on_notify, statement.channel)
    return Result("UNLISTEN")


def notify(statement: ast.Notify, context: Context) -> Result:
    """NOTIFY channel [, payload]; in a transaction it is sent when that commits."""
    if len(statement.channel) > CHANNEL_LENGTH_MAX:
        raise InvalidParameter("channel name too long")
    if len(statement.payload.encode()) > PAYLOAD_BYTES_MAX:
        raise InvalidParameter("payload string too long")
    sent = (statement.channel, statement.payload)
    if context.transaction is not None:
        context.to_notify.append(sent)
    else:
        context.instance.scheduler.channels.notify(*sent, context.backend.pid)
    return Result("NOTIFY")
