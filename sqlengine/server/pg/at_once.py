"""Look-ups by key answered where their bytes arrive.

A driver sends Bind, Describe, Execute and Sync of a prepared statement together.  When the statement reads an index
and nobody is at work, the whole answer takes less time than handing the messages one by one through the conversation,
and the bytes from one task to the next.  Whatever is not exactly that, and whatever fails, goes the ordinary way, which
says the same (tests/server/test_at_once.py holds them against each other).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlengine.errors import Error
from sqlengine.server.pg import replies
from sqlengine.server.pg.messages import Bind, Describe, Execute, Message, Sync, read_message
from sqlengine.server.pg.portal import SMALL_ROWS, Prepared, bound_values

if TYPE_CHECKING:
    from sqlengine.server.pg.conversation import Conversation

_KINDS = (b"BDES", b"BES")
_READY = replies.ready(replies.IDLE)


def answer(talk: Conversation, data: bytes) -> bytes | None:
    """The answer to all of `data`; None when it is to be taken as ever.  The conversation is at rest."""
    asked = _asked(talk, data)
    if asked is None:
        return None
    bind, prepared, is_described = asked
    session = talk.session
    assert prepared.lookup is not None and prepared.statement is not None
    try:
        values = bound_values(prepared, bind.values, bind.formats, bind.statement, session.settings)
        texts = [None if isinstance(value.value, list) else value.value for value in values]
        found = session.look_up_at_once(prepared.statement, prepared.lookup, texts)
        if found is None or found.notices or found.row_count > SMALL_ROWS or found.schema is None:
            return None
        shape = prepared.shape(found.schema, bind.result_formats, session.settings)
        rows = [shape.rows.encode(batch) for batch in found.batches() if batch.num_rows]
    except Exception:  # noqa: BLE001 - whatever it is, also a fault of ours: the ordinary way meets it again and tells it
        return None
    talk.begins(prepared.text)
    told = [replies.BIND_COMPLETE, *([shape.description] if is_described else ()), *rows]
    return b"".join([*told, replies.complete(found.tag), _READY])


def _asked(talk: Conversation, data: bytes) -> tuple[Bind, Prepared, bool] | None:
    """(the values, the look-up they are for, whether its columns are to be told)."""
    parts = _parts(data)
    if parts is None:
        return None
    try:
        messages: list[Message] = [read_message(kind, contents, talk.encoding) for kind, contents in parts]
    except Error:
        return None
    match messages:
        case [Bind(portal="") as bind, *described, Execute(portal="", max_rows=0), Sync()]:
            prepared = talk.statements.get(bind.statement)
            is_plain = described in ([], [Describe("P", "")])
            if prepared is not None and prepared.lookup is not None and is_plain:
                return bind, prepared, bool(described)
    return None


def _parts(data: bytes) -> list[tuple[bytes, bytes]] | None:
    """(kind, contents) of messages that are of these kinds, and all there."""
    found: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(data):
        end = at + 1 + int.from_bytes(data[at + 1 : at + 5], "big")
        if end < at + 5 or end > len(data) or len(found) == len(_KINDS[0]):
            return None
        found.append((data[at : at + 1], data[at + 5 : end]))
        at = end
    return found if b"".join(kind for kind, _ in found) in _KINDS else None
