"""The simple protocol: a script, each statement's answer in text, and no further statement after one that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlengine.server.effects import Gone, Run, Steps
from sqlengine.server.pg import copying, replies
from sqlengine.server.pg.portal import Portal, Prepared, described
from sqlengine.server.pg.rows import Slice
from sqlengine.server.pg.running import finish, given_up, rows, then_given_up
from sqlengine.sql import ast

if TYPE_CHECKING:
    from sqlengine.server.pg.conversation import Conversation


def query(talk: Conversation, text: str) -> Steps:
    """Answer a Query message; ReadyForQuery is the caller's."""
    try:
        if "" in talk.portals:
            yield from given_up(talk.portals.pop(""))
        statements = yield Run(lambda: talk.session.parse(text))
        if not statements:
            talk.emit(replies.EMPTY_QUERY)
        for statement in statements:
            talk.refuse_after_failure(statement)
            yield from _statement(talk, statement)
    except (Gone, ConnectionError):
        raise
    except Exception as error:  # also a fault of ours: the session goes on
        talk.fail(error, text)


def _statement(talk: Conversation, statement: ast.Statement) -> Steps:
    if copying.is_copy(statement):
        yield from copying.copy(talk, statement)
        return
    portal = Portal(Prepared("", statement, (), ()), [], (), is_simple=True)
    yield from then_given_up(_answered(talk, portal), portal)


def _answered(talk: Conversation, portal: Portal) -> Steps:
    first = yield Run(lambda: _first(talk, portal))
    talk.tell(portal.notices)
    if portal.source is not None:
        assert portal.result is not None and portal.result.schema is not None
        if portal.arrow is not None:
            talk.emit(replies.copy_out(True, len(portal.result.schema)))
        else:
            talk.emit(described(portal.result.schema, portal.formats, talk.encoding))
        if first is None:
            if portal.arrow is not None:
                talk.emit(portal.arrow.head())
            yield from talk.flush()
            first = yield Run(lambda: portal.step(talk.session))
        yield from rows(talk, portal, first, 0)
        if portal.arrow is not None:
            talk.emit(portal.arrow.end(), replies.COPY_DONE)
    yield from finish(talk, portal)


def _first(talk: Conversation, portal: Portal) -> Slice | None:
    """Run the statement, and take its first rows unless they may be long in coming: what its columns are is then told
    before them."""
    portal.start(talk.session)
    return None if portal.endless else portal.step(talk.session)
