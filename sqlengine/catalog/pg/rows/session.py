"""Databases, roles, settings, and the sessions that are connected."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlengine.catalog.pg import oids
from sqlengine.catalog.pg.facts import Activity, Facts
from sqlengine.catalog.pg.rows.classes import Row, Rows
from sqlengine.catalog.roles import Role, SettingPairs
from sqlengine.pg_settings import PG_SETTINGS
from sqlengine.settings import setting_help
from sqlengine.sql import without_passwords

UTF8 = 6
"""What pg_encoding_to_char knows UTF8 by."""


def databases(facts: Facts) -> Rows:
    """pg_database: the one there is."""
    return [
        {
            "oid": oids.DATABASE,
            "datname": facts.backend.database,
            "datdba": facts.owner,
            "encoding": UTF8,
            "datlocprovider": "c",
            "datallowconn": True,
            "datconnlimit": -1,
            "dattablespace": 1663,
            "datcollate": "C",
            "datctype": "C",
        }
    ]


# ---------------------------------------------------------------- roles


def roles(facts: Facts) -> Iterator[Row]:
    """pg_roles."""
    for role in facts.roles:
        yield _role(role) | {"rolpassword": "********"}


def authorisations(facts: Facts) -> Iterator[Row]:
    """pg_authid; passwords are not shown."""
    for role in facts.roles:
        yield _role(role) | {"rolpassword": None}


def _role(role: Role) -> Row:
    return {
        "oid": role.id,
        "rolname": role.name,
        "rolsuper": role.superuser,
        "rolinherit": role.inherit,
        "rolcreaterole": role.create_role,
        "rolcreatedb": role.create_db,
        "rolcanlogin": role.login,
        "rolreplication": role.superuser,
        "rolbypassrls": role.superuser,
        "rolconnlimit": role.connection_limit,
        "rolvaliduntil": role.valid_until_us,
        "rolconfig": _config(role.settings),
    }


def _config(settings: SettingPairs) -> list[str] | None:
    """Settings as PostgreSQL keeps them: `name=value`; None for none."""
    return [f"{name}={value}" for name, value in settings] or None


def role_settings(facts: Facts) -> Iterator[Row]:
    """pg_db_role_setting: of all databases, which is the one there is; role 0 stands for all."""
    for number, settings in [(0, facts.settings_of_all), *((role.id, role.settings) for role in facts.roles)]:
        if settings:
            yield {"setdatabase": 0, "setrole": number, "setconfig": _config(settings)}


def users(facts: Facts) -> Iterator[Row]:
    """pg_user and pg_shadow: the roles that can log in."""
    for role in facts.roles:
        if role.login:
            yield {
                "usename": role.name,
                "usesysid": role.id,
                "usecreatedb": role.create_db,
                "usesuper": role.superuser,
                "userepl": role.superuser,
                "usebypassrls": role.superuser,
                "passwd": "********",
                "valuntil": role.valid_until_us,
                "useconfig": _config(role.settings),
            }


def groups(facts: Facts) -> Iterator[Row]:
    """pg_group: the roles that cannot log in, with their members."""
    for role in facts.roles:
        if not role.login:
            members = [other.id for other in facts.roles if any(m.role == role.id and m.full for m in other.member_of)]
            yield {"groname": role.name, "grosysid": role.id, "grolist": members}


def memberships(facts: Facts) -> Iterator[Row]:
    """pg_auth_members."""
    for role in facts.roles:
        for group in role.member_of:
            yield {
                "roleid": group.role,
                "member": role.id,
                "grantor": group.grantor,
                "admin_option": group.admin,
            }


# ---------------------------------------------------------------- settings


def settings(facts: Facts) -> Iterator[Row]:
    """pg_settings: PostgreSQL's, then those only this engine has."""
    for plain, setting in PG_SETTINGS.items():
        value = facts.setting_number(plain) if setting.unit else facts.settings(plain)
        yield {
            "name": setting.name,
            "setting": value,
            "unit": setting.unit or None,
            "category": setting.category,
            "short_desc": "",
            "context": setting.context,
            "vartype": setting.kind,
            "source": "default" if value == setting.default else "session",
            "min_val": setting.least or None,
            "max_val": setting.most or None,
            "enumvals": list(setting.words) or None,
            "boot_val": setting.default,
            "reset_val": setting.default,
            "pending_restart": False,
        }
    for name in facts.setting_names:
        if name not in PG_SETTINGS:
            yield {
                "name": name,
                "setting": facts.settings(name),
                "category": "sqlengine",
                "short_desc": setting_help(name),
                "context": "user",
                "vartype": "string",
                "source": "session",
                "pending_restart": False,
            }


# ---------------------------------------------------------------- sessions


def sessions(facts: Facts) -> list[Activity]:
    """Every session of the server; the one that asks where there is no server."""
    backend = facts.backend
    if backend.activity is not None:
        return list(backend.activity())
    return [
        Activity(
            pid=backend.pid,
            user=facts.session_user,
            database=backend.database,
            application_name=facts.settings("application_name"),
            backend_start_us=backend.start_us,
            query_start_us=facts.now_us,
        )
    ]


def activity(facts: Facts) -> Iterator[Row]:
    """pg_stat_activity; of sessions of roles the user is no member of, as little as PostgreSQL tells."""
    for session in sessions(facts):
        if not _may_see(facts, session):
            hidden = {"query": "<insufficient privilege>", "backend_type": "client backend"}
            yield hidden | {
                "datid": oids.DATABASE,
                "datname": session.database,
                "pid": session.pid,
                "usesysid": facts.role_oids.get(session.user),
                "usename": session.user,
            }
            continue
        yield {
            "datid": oids.DATABASE,
            "datname": session.database,
            "pid": session.pid,
            "usesysid": facts.role_oids.get(session.user),
            "usename": session.user,
            "application_name": session.application_name,
            "client_addr": session.client_addr,
            "client_port": session.client_port,
            "backend_start": session.backend_start_us,
            "xact_start": session.xact_start_us,
            "query_start": session.query_start_us,
            "state_change": session.state_change_us,
            "state": session.state,
            "query": without_passwords(session.query),
            "backend_type": "client backend",
        }


def _may_see(facts: Facts, session: Activity) -> bool:
    return session.user in facts.role_oids and facts.is_member(facts.user, session.user, True)


ROWS: dict[str, Callable[[Facts], Rows]] = {
    "pg_catalog.pg_database": databases,
    "pg_catalog.pg_roles": roles,
    "pg_catalog.pg_db_role_setting": role_settings,
    "pg_catalog.pg_authid": authorisations,
    "pg_catalog.pg_user": users,
    "pg_catalog.pg_shadow": users,
    "pg_catalog.pg_group": groups,
    "pg_catalog.pg_auth_members": memberships,
    "pg_catalog.pg_settings": settings,
    "pg_catalog.pg_show_all_settings()": settings,
    "pg_catalog.pg_stat_activity": activity,
}
