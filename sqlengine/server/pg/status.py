"""What a server tells of a session's settings: ParameterStatus, at the beginning and whenever one changes."""

from __future__ import annotations

from sqlengine.advance import Advance
from sqlengine.session import Session

PROGRESS = "statement_progress"
"""Tells how far the statement is that runs, for clients that ask with SET report_progress = true."""

_REPORTED = (
    "server_version",
    "server_encoding",
    "client_encoding",
    "application_name",
    "is_superuser",
    "session_authorization",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "integer_datetimes",
    "standard_conforming_strings",
    "default_transaction_read_only",
    "in_hot_standby",
)
"""What PostgreSQL 15 reports (GUC_REPORT)."""


def reported(session: Session) -> dict[str, str]:
    """The settings clients are told of, by PostgreSQL's names."""
    return {name: session.setting(name) for name in _REPORTED}


def advance_text(advance: Advance) -> str:
    """What PROGRESS tells: the part that is done, from 0 to 1 ("-": not known), and how many of what."""
    part = "-" if advance.fraction is None else f"{advance.fraction:.4f}"
    return f"{part} {advance.done} {advance.unit}"


def advance_of_text(text: str) -> Advance:
    """The opposite."""
    part, done, unit = text.split(" ")
    return Advance(None if part == "-" else float(part), int(done), unit)
