"""ALTER DEFAULT PRIVILEGES."""

from __future__ import annotations

from sqlengine.catalog.authority import schema_target
from sqlengine.catalog.catalog import object_name
from sqlengine.catalog.default_privileges import ANY_SCHEMA, DefaultKey, initial, left_without, privileges_of
from sqlengine.catalog.privileges import PUBLIC, Access, Grant, Grants, granted, revoked
from sqlengine.errors import InvalidGrant, UndefinedObject
from sqlengine.result import Result
from sqlengine.sql import ast
from sqlengine.statements.context import Context
from sqlengine.statements.roles import authority, require_rights_of, role_named


def alter_default_privileges(statement: ast.DefaultPrivileges, context: Context) -> Result:
    """What objects that roles make later allow; by the roles themselves and members of them."""
    change, catalog = statement.change, context.instance.catalog
    if statement.schemas and change.kind == "schema":
        raise InvalidGrant("cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS")
    with context.instance.lock:
        roles = [role_named(context, name).id for name in statement.roles] or [context.role.current]
        schemas = [_schema(name, context) for name in statement.schemas] or [ANY_SCHEMA]
        require_rights_of(context, [catalog.roles.by_id(role) for role in roles])
        to = [PUBLIC if name == "public" else role_named(context, name).id for name in change.roles]
        keys = [(role, schema, change.kind) for role in roles for schema in schemas]
        changed = {key: _changed(change, key, to, context) for key in keys}
        for key, grants in changed.items():
            catalog.set_default(key, None if set(grants) == set(initial(key)) else grants)
    return Result("ALTER DEFAULT PRIVILEGES")


def _schema(name: ast.Name, context: Context) -> str:
    found = schema_target(context.instance.catalog, object_name(name))
    if found is None:
        raise UndefinedObject(f'schema "{object_name(name)}" does not exist', sqlstate="3F000")
    return found.name


def _changed(change: ast.GrantPrivileges, key: DefaultKey, to: list[int], context: Context) -> Grants:
    """An entry afterwards."""
    role, _, family = key
    wanted = change.privileges or privileges_of(family)
    wrong = [p for p in wanted if p not in privileges_of(family)]
    if wrong:
        raise InvalidGrant(f"invalid privilege type {wrong[0]} for {family}")
    if PUBLIC in to and change.option and not change.revoke:
        raise InvalidGrant("grant options can only be granted to roles")
    present = context.instance.catalog.defaults.get(key)
    access = Access(role, initial(key) if present is None else present)
    reach = authority(context).reach_of
    grants = [Grant(r, role, wanted, wanted if change.option else ()) for r in dict.fromkeys(to)]
    if change.revoke:
        return revoked(access, family, grants, change.option, change.cascade, reach).grants or ()
    return granted(access, family, grants, reach).grants or ()


def forget_role(context: Context, role: int) -> None:
    """For DROP OWNED: nothing is said of a role, or of what it makes, any more."""
    catalog = context.instance.catalog
    for key, grants in left_without(catalog.defaults, role).items():
        catalog.set_default(key, grants)
