"""What a session of a client of Hive begins with, and what one statement is carried out with: Hive's properties as the
engine's settings."""

from __future__ import annotations

from collections.abc import Mapping

from sqlengine.errors import NotSupportedError, ObjectInUse
from sqlengine.quick_dataclass import dataclass
from sqlengine.server.hive.metadata import DEFAULT_DATABASE
from sqlengine.settings import Settings, is_shared, setting_names

DIALECT = {"dialect": "hive"}
_PROXY_USER = "hive.server2.proxy.user"
_FETCH_SIZE = "hive.server2.thrift.resultset.default.fetch.size"
TOLD = {_FETCH_SIZE: "1000"}
"""What clients are told of the server's properties."""
_IGNORED = ("set:system:", "set:metaconf:", "set:env:")


@dataclass(frozen=True, slots=True)
class Beginning:
    """`settings` by name; `database` to use, None: the one every session begins in."""

    settings: dict[str, str]
    database: str | None


def beginning(configuration: Mapping[str, str], role: str) -> Beginning:
    """Of the properties OpenSession brings.  NotSupportedError (0A000) for who would act for somebody else,
    ObjectInUse (55P02) for what all sessions share."""
    settings: dict[str, str] = {}
    database = None
    for name, value in configuration.items():
        if name == _PROXY_USER:
            if value not in ("", role):
                raise NotSupportedError(f'user "{role}" cannot act for user "{value}"', hint="connect as that user")
        elif name == "use:database":
            database = value.strip("`") or None
        elif not name.startswith(_IGNORED):
            settings[name.removeprefix("set:hiveconf:").removeprefix("set:")] = value
    check_own(settings)
    return Beginning(settings, database if database != DEFAULT_DATABASE else None)


def check_own(settings: Mapping[str, str]) -> None:
    """ObjectInUse (55P02) for a setting all sessions share."""
    for name in settings:
        if name in setting_names() and is_shared(name):
            raise ObjectInUse(
                f'parameter "{name}" cannot be set for one session', sqlstate="55P02", hint="SET it as a superuser"
            )


def overlay(settings: Settings, given: Mapping[str, str], timeout_s: int) -> dict[str, str]:
    """What a statement is carried out with: confOverlay, and queryTimeout in seconds (0: none) where it is less than
    the session's own limit."""
    check_own(given)
    found = dict(given)
    own_ms = settings.statement_timeout_ms
    if timeout_s > 0 and (not own_ms or timeout_s * 1000 < own_ms):
        found["statement_timeout_ms"] = str(timeout_s * 1000)
    return found
