"""The extended protocol: Parse, Bind, Describe, Execute and Close."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlengine.errors import DuplicateObject, UndefinedObject
from sqlengine.server.effects import Run, Steps
from sqlengine.server.pg import copying, replies
from sqlengine.server.pg.messages import Bind, Close, Describe, Execute, Parse
from sqlengine.server.pg.portal import Portal, Prepared, bound_values, described, prepare
from sqlengine.server.pg.rows import Slice
from sqlengine.server.pg.running import finish, given_up, rows

if TYPE_CHECKING:
    from sqlengine.server.pg.conversation import Conversation


def parse(talk: Conversation, message: Parse) -> Steps:
    """Keep a statement; DuplicateObject (42P05) for a name that is taken."""
    if message.name and message.name in talk.statements:
        raise DuplicateObject(f'prepared statement "{message.name}" already exists', sqlstate="42P05")
    made = talk.prepared.find(talk.session, message.text, message.oids)
    if made is None:
        made = yield Run(lambda: prepare(talk.session, message.text, message.oids))
        talk.prepared.keep(talk.session, message.text, message.oids, made)
    talk.refuse_after_failure(made.statement)
    talk.statements[message.name] = made
    talk.emit(replies.PARSE_COMPLETE)


def bind(talk: Conversation, message: Bind) -> Steps:
    """Make a portal; UndefinedObject (26000) for an unknown statement, DuplicateObject (42P03) for a taken name."""
    prepared = _prepared(talk, message.statement)
    talk.refuse_after_failure(prepared.statement)
    if message.portal and message.portal in talk.portals:
        raise DuplicateObject(f'cursor "{message.portal}" already exists', sqlstate="42P03")
    values = bound_values(prepared, message.values, message.formats, message.statement, talk.session.settings)
    yield from _drop_portal(talk, message.portal)
    talk.portals[message.portal] = Portal(prepared, values, message.result_formats)
    talk.emit(replies.BIND_COMPLETE)


def describe(talk: Conversation, message: Describe) -> Steps:
    """Tell what a statement takes and gives, or what a portal gives."""
    if message.kind == "S":
        prepared = _prepared(talk, message.name)
        schema = yield Run(lambda: prepared.describe(talk.session))
        talk.emit(replies.parameter_description(prepared.oids), described(schema, (), talk.encoding))
    elif message.name not in talk.portals and message.name in talk.session.context.cursors:
        cursor = talk.session.context.cursors[message.name]  # DECLARE makes portals, too
        talk.emit(described(cursor.schema, (replies.BINARY,) if cursor.is_binary else (), talk.encoding))
    else:
        portal = _portal(talk, message.name)
        talk.refuse_after_failure(portal.statement)
        if portal.start_at_once(talk.session):
            talk.emit(portal.describe(talk.session))
        else:
            told = yield Run(lambda: portal.describe(talk.session))
            talk.emit(told)


def execute(talk: Conversation, message: Execute) -> Steps:
    """Run a portal, or go on with it."""
    portal = _portal(talk, message.portal)
    if portal.statement is None:
        talk.emit(replies.EMPTY_QUERY)
        return
    talk.refuse_after_failure(portal.statement)
    talk.begins(portal.prepared.text)
    if copying.is_copy(portal.statement):
        yield from copying.copy(talk, portal.bound())
        return
    most = max(message.max_rows, 0)
    if portal.is_done:
        talk.emit(replies.complete(portal.tag(0)))
        return
    if portal.start_at_once(talk.session) and portal.is_small:
        first: Slice | None = portal.step(talk.session, most)
    else:
        first = yield Run(lambda: portal.step(talk.session, most))
    talk.tell(portal.notices)
    portal.notices = []
    if portal.source is None or first is None:
        yield from finish(talk, portal)
    elif (yield from rows(talk, portal, first, most)):
        talk.emit(replies.PORTAL_SUSPENDED)
    else:
        yield from finish(talk, portal)


def close(talk: Conversation, message: Close) -> Steps:
    """Forget a statement or portal; one that is not there is no error."""
    if message.kind == "S":
        talk.statements.pop(message.name, None)
    else:
        yield from _drop_portal(talk, message.name)
    talk.emit(replies.CLOSE_COMPLETE)


def _drop_portal(talk: Conversation, name: str) -> Steps:
    if name in talk.portals:
        yield from given_up(talk.portals.pop(name))


def _prepared(talk: Conversation, name: str) -> Prepared:
    if name not in talk.statements:
        shown = f'prepared statement "{name}"' if name else "unnamed prepared statement"
        raise UndefinedObject(f"{shown} does not exist", sqlstate="26000")
    return talk.statements[name]


def _portal(talk: Conversation, name: str) -> Portal:
    if name not in talk.portals:
        raise UndefinedObject(f'portal "{name}" does not exist', sqlstate="34000")
    return talk.portals[name]
