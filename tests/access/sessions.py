"""Sessions of roles beside the superuser's, as a server would open them."""

from __future__ import annotations

import sqlengine
from sqlengine import sql
from sqlengine.catalog.roles import SessionRole
from sqlengine.session import Session
from sqlengine.statements.access import authorize


def session_of(db: sqlengine.Database, role: str) -> Session:
    """A session in which somebody has logged in."""
    session = db.session()
    session.context.role = SessionRole.of(session.context.instance.catalog.roles.get(role).id)
    return session


def refusal(session: Session, text: str) -> str | None:
    """The message a statement is refused with for lack of a privilege; None when it is not, whatever else it does."""
    try:
        session.execute(text).close()
    except sqlengine.Error as error:
        return error.message if error.sqlstate == "42501" else None
    return None


def unauthorized(session: Session, text: str) -> str | None:
    """The same without running what is allowed."""
    try:
        for statement in sql.parse(text):
            authorize(statement, session.context)
    except sqlengine.Error as error:
        assert error.sqlstate == "42501"
        return error.message
    return None
