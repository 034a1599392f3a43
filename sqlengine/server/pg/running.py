"""Sending what a portal answers: rows as they come, then what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlengine.server.pg import replies
from sqlengine.server.pg.effects import Run, Steps
from sqlengine.server.pg.portal import Portal
from sqlengine.server.pg.rows import Slice

if TYPE_CHECKING:
    from sqlengine.server.pg.conversation import Conversation


def rows(talk: Conversation, portal: Portal, first: Slice, most: int) -> Steps:
    """Send the rows, `first` among them, until there are no more or `most` (0: all) have been sent; whether that many
    have.  Rows of a result without end are sent as they come."""
    assert portal.source is not None
    is_endless = portal.source.result.endless
    part = first
    portal.sent = 0
    while True:
        if part.data:
            talk.emit(part.data)
        portal.sent += part.count
        if most and portal.sent >= most:
            return True
        if part.is_last:
            return False
        if is_endless:
            yield from talk.flush()
        else:
            yield from talk.flush_much()
        talk.check()
        talk.session.context.check()
        part = yield Run(lambda: portal.step(talk.session, most and most - portal.sent))


def finish(talk: Conversation, portal: Portal) -> None:
    """A portal has come to its end: say what it did."""
    portal.close()
    talk.emit(replies.complete(portal.tag(portal.sent)))
