"""CREATE, ALTER and DROP ROLE; GRANT of roles; SET ROLE and SET SESSION AUTHORIZATION.

Who may do so is PostgreSQL 16's rule, which is stricter than its forerunners': CREATEROLE alone changes nobody; a role
is changed by superusers and by those who have CREATEROLE and the admin option on it, which whoever makes it has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlengine.catalog.authority import Authority, owned_targets
from sqlengine.catalog.default_privileges import left_without
from sqlengine.catalog.privileges import mentions
from sqlengine.catalog.roles import BOOTSTRAP_ID, Membership, Role, Roles, SessionRole
from sqlengine.catalog.verifier import make_verifier, parse_verifier
from sqlengine.errors import (
    DependentObjects,
    DuplicateObject,
    InsufficientPrivilege,
    InvalidGrant,
    InvalidParameter,
    NotSupportedError,
    ObjectInUse,
    ReservedName,
    UndefinedObject,
)
from sqlengine.result import Result
from sqlengine.runtime.sources import timestamp_us
from sqlengine.sql import ast
from sqlengine.statements.context import Context

_RESERVED = ("public", "none", "current_user", "current_role", "session_user")
_MD5 = re.compile(r"md5[0-9a-f]{32}")


def role_named(context: Context, name: str) -> Role:
    """A role by its name or by current_user, current_role, session_user; UndefinedObject (42704)."""
    roles = context.instance.catalog.roles
    if name in ("current_user", "current_role"):
        return roles.by_id(context.role.current)
    return roles.by_id(context.role.session) if name == "session_user" else roles.get(name)


# ---------------------------------------------------------------- CREATE, ALTER, DROP


def create_role(statement: ast.CreateRole, context: Context) -> Result:
    """CREATE ROLE | USER | GROUP: USER can log in, the others cannot, unless the options say otherwise."""
    catalog = context.instance.catalog
    with context.instance.lock:
        roles = catalog.roles
        me = roles.by_id(context.role.current)
        if not (me.superuser or me.create_role):
            raise InsufficientPrivilege("permission denied to create role", hint="a role with CREATEROLE may do so")
        if statement.if_not_exists and roles.find(statement.name) is not None:
            context.notice(f'role "{statement.name}" already exists, skipping')
            return Result("CREATE ROLE")
        _check_name(roles, statement.name)
        options = statement.options
        new = Role(id=roles.next_id(), name=statement.name, login=statement.word == "USER")
        new = replace(new, **_changes(options, me))
        new = replace(new, member_of=tuple(_membership(context, name, me) for name in dict.fromkeys(options.in_roles)))
        roles.change([new, *_first_members(new, options, context, me)])
    return Result("CREATE ROLE")


def _first_members(new: Role, options: ast.RoleOptions, context: Context, me: Role) -> list[Role]:
    """The roles that become members of a new one; whoever makes it has the admin option on it."""
    roles = context.instance.catalog.roles
    above = {number for m in new.member_of for number in roles.memberships_of(m.role)}
    changed: dict[int, Role] = {} if me.superuser else {me.id: _joined(me, new.id, True, me, full=False)}
    for names, admin in ((options.members, False), (options.admins, True)):
        for role in (role_named(context, name) for name in names):
            _refuse_predefined(role)
            if role.id in above:
                raise InvalidGrant(f'role "{new.name}" is a member of role "{role.name}"')
            changed[role.id] = _joined(changed.get(role.id, role), new.id, admin, me)
    return list(changed.values())


def _membership(context: Context, name: str, me: Role) -> Membership:
    role = role_named(context, name)
    _require_admin(context, role)
    return Membership(role.id, False, me.id)


def alter_role(statement: ast.AlterRole, context: Context) -> Result:
    """ALTER ROLE: everybody may change their own password, and nothing else of their own."""
    with context.instance.lock:
        roles = context.instance.catalog.roles
        me, role = roles.by_id(context.role.current), role_named(context, statement.name)
        only_password = statement.options == ast.RoleOptions(password=statement.options.password)
        if not (role.id == me.id and only_password):
            require_rule_over(context, role, "alter")
        if statement.options.in_roles or statement.options.members or statement.options.admins:
            raise NotSupportedError("ALTER ROLE does not change memberships", hint="use GRANT and REVOKE")
        if role.id == BOOTSTRAP_ID and statement.options.superuser is False:
            raise NotSupportedError("the bootstrap superuser must have the SUPERUSER attribute")
        roles.change([replace(role, **_changes(statement.options, me))])
    return Result("ALTER ROLE")


def rename_role(statement: ast.RenameRole, context: Context) -> Result:
    """ALTER ROLE name RENAME TO new."""
    with context.instance.lock:
        roles = context.instance.catalog.roles
        role = role_named(context, statement.name)
        if role.id in (context.role.session, context.role.authenticated):
            raise NotSupportedError("session user cannot be renamed")
        require_rule_over(context, role, "rename")
        _check_name(roles, statement.new_name)
        roles.change([replace(role, name=statement.new_name)])
    return Result("ALTER ROLE")


def drop_role(statement: ast.DropRole, context: Context) -> Result:
    """DROP ROLE: DependentObjects (2BP01) while it owns something or has privileges."""
    with context.instance.lock:
        roles = context.instance.catalog.roles
        gone = []
        for name in dict.fromkeys(statement.names):
            if statement.if_exists and roles.find(name) is None and name not in _RESERVED:
                context.notice(f'role "{name}" does not exist, skipping')
                continue
            role = role_named(context, name)
            require_rule_over(context, role, "drop")
            _refuse_to_drop(role, context)
            gone.append(role)
        if gone:
            roles.change([], gone)
    return Result("DROP ROLE")


def require_rights_of(context: Context, roles: Iterable[Role]) -> None:
    """The privileges of all these roles; InsufficientPrivilege (42501)."""
    me = authority(context)
    for role in roles:
        if not me.is_superuser and role.id not in me.reach:
            raise InsufficientPrivilege(f'must be member of role "{role.name}"')


def _refuse_to_drop(role: Role, context: Context) -> None:
    if role.id == BOOTSTRAP_ID:
        raise DependentObjects(f"cannot drop role {role.name} because it is required by the database system")
    if role.id == context.role.current:
        raise ObjectInUse("current user cannot be dropped")
    if role.id in (context.role.session, context.role.authenticated):
        raise ObjectInUse("session user cannot be dropped")
    targets = owned_targets(context.instance.catalog)
    lines = [f"owner of {t.kind} {t.name}" for t in targets if t.access.owner == role.id]
    lines += [f"privileges for {t.kind} {t.name}" for t in targets if mentions(t.access, role.id)]
    defaults = context.instance.catalog.defaults
    lines += [f"default privileges on new {family}s" for _, _, family in left_without(defaults, role.id)]
    if lines:
        raise DependentObjects(
            f'role "{role.name}" cannot be dropped because some objects depend on it',
            detail="\n".join(dict.fromkeys(lines)),
            hint=f"REASSIGN OWNED BY {role.name} TO ..., DROP OWNED BY {role.name}",
        )


def _check_name(roles: Roles, name: str) -> None:
    if name in _RESERVED:
        raise ReservedName(f'role name "{name}" is reserved')
    if name.startswith("pg_"):
        raise ReservedName(f'role name "{name}" is reserved', detail='role names starting with "pg_" are reserved')
    if not name or "\0" in name:
        raise InvalidParameter(f'invalid role name: "{name}"')
    if roles.find(name) is not None:
        raise DuplicateObject(f'role "{name}" already exists')


def _refuse_predefined(role: Role) -> None:
    if role.is_predefined:
        raise ReservedName(f'role "{role.name}" is predefined and cannot be changed')


def require_rule_over(context: Context, role: Role, doing: str) -> None:
    """To be a superuser, or to have CREATEROLE and the admin option on a role that is no superuser."""
    roles = context.instance.catalog.roles
    me = roles.by_id(context.role.current)
    _refuse_predefined(role)
    if me.superuser or (me.create_role and not role.superuser and roles.is_admin_of(me.id, role.id)):
        return
    hint = f'CREATEROLE and the ADMIN option on role "{role.name}" are needed'
    raise InsufficientPrivilege(
        f"permission denied to {doing} role", hint="only superusers may do so" if role.superuser else hint
    )


def _changes(options: ast.RoleOptions, me: Role) -> dict[str, Any]:
    """Fields of a role that the options set; InsufficientPrivilege (42501) for what `me` has no right to give."""
    if options.superuser is not None and not me.superuser:
        raise InsufficientPrivilege("permission denied to change the SUPERUSER attribute")
    if options.create_db and not (me.superuser or me.create_db):
        raise InsufficientPrivilege("permission denied to give the CREATEDB attribute")
    if options.create_role and not (me.superuser or me.create_role):
        raise InsufficientPrivilege("permission denied to give the CREATEROLE attribute")
    names = ("login", "superuser", "create_role", "create_db", "inherit", "connection_limit")
    changes: dict[str, Any] = {n: getattr(options, n) for n in names if getattr(options, n) is not None}
    if options.password is not None:
        changes["password"] = _verifier(options.password) if options.password else None
    if options.valid_until is not None:
        text = options.valid_until.strip().lower()
        changes["valid_until_us"] = None if text == "infinity" else timestamp_us(options.valid_until)
    return changes


def _verifier(password: str) -> str:
    """What is kept: the verifier of a password, or the one that was given in its place."""
    if _MD5.fullmatch(password):
        raise NotSupportedError(
            "MD5 verifiers are not supported", hint="give the password, or a SCRAM-SHA-256 verifier"
        )
    return password if parse_verifier(password) is not None else make_verifier(password).text()


# ---------------------------------------------------------------- memberships


def grant_roles(statement: ast.GrantRoles, context: Context) -> Result:
    """GRANT roles TO roles [WITH ADMIN OPTION] and REVOKE [ADMIN OPTION FOR] roles FROM roles."""
    verb = "REVOKE" if statement.revoke else "GRANT"
    with context.instance.lock:
        roles = context.instance.catalog.roles
        me = roles.by_id(context.role.current)
        changed: dict[int, Role] = {}
        for name in statement.roles:
            role = role_named(context, name)
            _require_admin(context, role)
            for member_name in statement.members:
                member = role_named(context, member_name)
                _refuse_predefined(member)
                member = changed.get(member.id, member)
                if statement.revoke:
                    changed[member.id] = _left(member, role, statement.option, context)
                else:
                    if member.id in roles.memberships_of(role.id):
                        raise InvalidGrant(f'role "{role.name}" is a member of role "{member.name}"')
                    changed[member.id] = _joined(member, role.id, statement.option, me)
        before = {role.id: role for role in roles}
        if any(before[number] != role for number, role in changed.items()):
            roles.change(list(changed.values()))
    return Result(f"{verb} ROLE")


def _require_admin(context: Context, role: Role) -> None:
    roles = context.instance.catalog.roles
    me = roles.by_id(context.role.current)
    if not me.superuser and (role.superuser or not roles.is_admin_of(me.id, role.id)):
        raise InsufficientPrivilege(
            f'permission denied to grant or revoke role "{role.name}"',
            hint=f'the ADMIN option on role "{role.name}" is needed',
        )


def _joined(member: Role, role: int, admin: bool, me: Role, full: bool = True) -> Role:
    """A role as a member of another."""
    old = next((m for m in member.member_of if m.role == role), None)
    new = Membership(role, admin, me.id, full)
    if old is not None:
        new = replace(old, admin=old.admin or admin, full=old.full or full)
    return replace(member, member_of=(*(m for m in member.member_of if m.role != role), new))


def _left(member: Role, role: Role, option_only: bool, context: Context) -> Role:
    """A role that is no member of another any more, or has no more the right to let others in."""
    old = next((m for m in member.member_of if m.role == role.id), None)
    if old is None:
        context.warn(f'role "{member.name}" is not a member of role "{role.name}"')
        return member
    rest = tuple(m for m in member.member_of if m is not old)
    if option_only and old.full:
        rest = (*rest, replace(old, admin=False))
    return replace(member, member_of=rest)


# ---------------------------------------------------------------- the session's role


def set_role(statement: ast.SetRole, context: Context) -> Result:
    """SET ROLE: another role the session's user is a member of; NONE: the session's user."""
    roles, now = context.instance.catalog.roles, context.role
    if statement.role is None:
        context.role = replace(now, current=now.session)
        return Result("SET" if statement.text[:5].upper() != "RESET" else "RESET")
    role = _to_be(context, statement.role)
    if not roles.is_superuser(now.session) and role.id not in roles.memberships_of(now.session):
        raise InsufficientPrivilege(f'permission denied to set role "{role.name}"')
    context.role = replace(now, current=role.id)
    return Result("SET")


def _to_be(context: Context, name: str) -> Role:
    """The role a session is to be: to PostgreSQL its name is a setting's value, so an unknown one is 22023."""
    try:
        return role_named(context, name)
    except UndefinedObject as error:
        raise InvalidParameter(error.message, hint=error.hint, position=error.position) from None


def set_session_authorization(statement: ast.SetSessionAuthorization, context: Context) -> Result:
    """SET SESSION AUTHORIZATION: for who came in as a superuser; DEFAULT: who came in."""
    roles, now = context.instance.catalog.roles, context.role
    role = roles.by_id(now.authenticated) if statement.role is None else _to_be(context, statement.role)
    if role.id != now.authenticated and not roles.is_superuser(now.authenticated):
        raise InsufficientPrivilege(f'permission denied to set session authorization "{role.name}"')
    context.role = SessionRole(now.authenticated, role.id, role.id)
    return Result("RESET" if statement.text[:5].upper() == "RESET" else "SET")


def authority(context: Context) -> Authority:
    """What the session's current role may do."""
    return Authority(context.instance.catalog, context.role.current)
