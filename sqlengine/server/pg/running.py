"""Sending what a portal answers: rows as they come, then what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlengine.result import Result
from sqlengine.server.effects import Run, Steps
from sqlengine.server.pg import replies
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


def finish(talk: Conversation, portal: Portal) -> Steps:
    """A portal has come to its end: say what it did."""
    yield from given_up(portal)
    talk.emit(replies.complete(portal.tag(portal.sent)))


def given_up(held: Portal | Result) -> Steps:
    """Close it; where that waits for the engine, as for a query that is followed, not on the thread of all
    conversations."""
    if held.endless:
        yield Run(held.close)
    else:
        held.close()


def then_given_up(steps: Steps, held: Portal | Result) -> Steps:
    """Steps, and then what they read closed, however they end."""
    try:
        answer = yield from steps
    except GeneratorExit:  # the conversation is broken off: nobody carries out an effect any more
        held.close()
        raise
    except BaseException:
        yield from given_up(held)
        raise
    yield from given_up(held)
    return answer
