"""What a query that is answered once may ask about the session it runs in; a view has no session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sqlengine.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """`user`: the current role; `login`: the one that came in; `database` as USE chose it; `version` of the program."""

    user: str
    login: str
    database: str
    version: str


_FACTS: ContextVar[SessionFacts | None] = ContextVar("session_facts", default=None)


@contextmanager
def session_facts(facts: SessionFacts) -> Iterator[None]:
    """Within, expressions are bound for this session."""
    token = _FACTS.set(facts)
    try:
        yield
    finally:
        _FACTS.reset(token)


def facts_of_now() -> SessionFacts | None:
    """The session that expressions are bound for; None where they are bound for a view."""
    return _FACTS.get()
