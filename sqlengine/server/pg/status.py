"""What a server tells of a session's settings: ParameterStatus, at the beginning and whenever one changes."""

from __future__ import annotations

from sqlengine.session import Session

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
