"""ALTER ROLE ... SET: what the sessions of a role, or all, begin with (server/beginning.py has them begin so)."""

from __future__ import annotations

from dataclasses import replace

from sqlengine.catalog.roles import SettingPairs
from sqlengine.errors import InsufficientPrivilege, NotSupportedError, ObjectInUse
from sqlengine.result import Result
from sqlengine.settings import Settings, is_shared, setting_names, stored_name
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.roles import require_rule_over, role_named

_OF_A_SESSION = ("role", "session_authorization")


def alter_role_setting(statement: ast.AlterRoleSetting, context: Context) -> Result:
    """ALTER ROLE name | ALL SET name = value | RESET name | RESET ALL: one's own, or as ALTER ROLE is allowed; ALL is
    for superusers."""
    if statement.database is not None:
        raise NotSupportedError(
            "settings of one database are not supported", hint="leave IN DATABASE out: there is one database"
        )
    with context.instance.lock:
        roles = context.instance.catalog.roles
        if statement.role is None:
            if not roles.is_superuser(context.role.current):
                raise InsufficientPrivilege(
                    "permission denied to alter settings of all roles", hint="only superusers may do so"
                )
            roles.change_settings_of_all(_changed(statement, roles.settings_of_all, context))
            return Result("ALTER ROLE")
        role = role_named(context, statement.role)
        if role.id != context.role.current:
            require_rule_over(context, role, "alter")
        roles.change([replace(role, settings=_changed(statement, role.settings, context))])
    return Result("ALTER ROLE")


def _changed(statement: ast.AlterRoleSetting, before: SettingPairs, context: Context) -> SettingPairs:
    if statement.name is None:
        return ()
    name = statement.name
    value = str(context.settings.get(name)) if statement.from_current else statement.value
    known = stored_name(name)
    rest = tuple(pair for pair in before if stored_name(pair[0]) != known)
    if value is None:
        return rest
    _check(name, value)
    return (*rest, (name, value))


def _check(name: str, value: str) -> None:
    """Raise what SET would, ObjectInUse (55P02) for what all sessions share."""
    if name in _OF_A_SESSION:
        raise NotSupportedError(f'parameter "{name}" cannot be set for a role', hint="GRANT makes members of roles")
    if name in setting_names() and is_shared(name):
        raise ObjectInUse(
            f'parameter "{name}" cannot be set for a role', sqlstate="55P02", hint="all sessions share it: SET it once"
        )
    Settings().set(name, value)
