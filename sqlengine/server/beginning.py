"""The settings a session begins with: the server's, those of all roles, those of its role, those the client asks for,
each over what is before it.  RESET goes back to them."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from sqlengine.catalog.roles import Role, Roles
from sqlengine.errors import Error, ObjectInUse
from sqlengine.settings import Settings, is_shared, setting_names

_LOG = logging.getLogger("sqlengine.server")


def check_session_settings(given: Mapping[str, str]) -> None:
    """Raise what SET would for settings that are to be a server's: UndefinedObject (42704), InvalidParameter (22023),
    ObjectInUse (55P02) for what is no session's to begin with."""
    tried = Settings()
    for name, value in given.items():
        if name in setting_names() and is_shared(name):
            raise ObjectInUse(
                f'parameter "{name}" is none a session begins with',
                sqlstate="55P02",
                hint="all sessions share it: SET it once",
            )
        tried.set(name, value)


def begin_settings(
    settings: Settings, roles: Roles, role: Role, of_server: Mapping[str, str], of_client: Mapping[str, str]
) -> None:
    """Begin with them; raises what SET does for what the client asks for.  What ALTER ROLE has kept and does not fit
    any more is left out and logged: nobody is to be locked out by it."""
    for name, value in of_server.items():
        settings.begin_with(name, value)
    for name, value in (*roles.settings_of_all, *role.settings):
        try:
            settings.begin_with(name, value)
        except Error as error:
            _LOG.warning("a setting of role %s is left out: %s", role.name, error)
    for name, value in of_client.items():
        settings.begin_with(name, value)
